"""The text of the repository uses plain words (CONTRIBUTING.md, "How we write")."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def check(*paths: str | Path) -> list[str]:
    """Return the lines that the check prints for these paths."""
    command = [sys.executable, str(ROOT / "scripts/check_words.py"), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def test_no_file_contains_a_banned_word() -> None:
    assert check() == []


@pytest.mark.parametrize(
    "text",
    [
        '"""Nobody hears it."""',
        "def test_what_is_said_is_kept(): ...",
        "# What waits is written later.",
        "logger.info('The queue gave up')",
        "-- Of those rows, one is read.",
    ],
)
def test_check_finds_a_banned_word(text: str, tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text(text)

    assert len(check(file)) >= 1


@pytest.mark.parametrize(
    "text", ["What is lost?", "The sink stores a batch.", "# essay, thinking, bitewise, boathouses"]
)
def test_check_accepts_plain_text(text: str, tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text(text)

    assert check(file) == []
