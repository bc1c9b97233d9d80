"""What the README and the documentation say is so."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROSE = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/*.md")]
)
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
LOSS_TESTS = sorted(ROOT.glob("tests/*/test_what_can_be_lost.py"))

each_page = pytest.mark.parametrize("page", PROSE, ids=lambda path: path.relative_to(ROOT).as_posix())


def loss_table(page: Path) -> list[str]:
    """Return the rows of a page's table of what can be lost."""
    match = re.search(r"\| event \| what is lost \|\n\|[-|]+\|\n((?:\|.+\|\n)+)", page.read_text())
    assert match is not None
    return match[1].splitlines()


def fenced(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)


def events() -> list[str]:
    """Return what the table says may happen, one by one: ``disk full``, ``corrupt file``."""
    cells = [re.sub(r" \(.*?\)", "", row.split("|")[1]) for row in loss_table(ROOT / "README.md")]
    return [event.strip() for cell in cells for event in cell.split(",")]


@pytest.mark.parametrize("event", events())
def test_each_event_of_the_loss_table_has_a_test_of_its_name(event: str) -> None:
    code = "\n".join(file.read_text() for file in LOSS_TESTS)
    names = re.findall(r"^(?:async )?def (test_\w+)", code, re.MULTILINE)
    words = re.findall(r"[a-z]+", event.lower())

    assert [name for name in names if set(words) <= set(name.split("_"))], f"no test is named after {event!r}"


def test_the_loss_table_is_the_same_on_both_pages() -> None:
    assert loss_table(ROOT / "README.md") == loss_table(ROOT / "docs/what-can-be-lost.md")


def test_each_name_in_the_glossary_is_in_the_code() -> None:
    names = set(re.findall(r"`([A-Z]\w+)(?:\[\w+\])?`", (ROOT / "docs/glossary.md").read_text()))
    code = "\n".join(source.read_text() for source in SOURCES)

    assert {name for name in names if not re.search(rf"^(?:class |){name}\b", code, re.MULTILINE)} == set()


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@each_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`[^`\n]*?((?:tests|benchmarks|scripts|examples|docs)/[\w/]+\.\w+)`", page.read_text())

    assert [name for name in named if not (ROOT / name).exists()] == []


@each_page
def test_every_python_example_runs(page: Path, tmp_path: Path) -> None:
    for example in fenced(page, "python"):
        command = [sys.executable, "-W", "error", "-c", example]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr


@each_page
def test_every_toml_example_can_be_read(page: Path) -> None:
    for block in fenced(page, "toml"):
        tomllib.loads(block)


def test_the_readme_has_the_two_commands_that_ci_runs_word_for_word() -> None:
    commands = "".join(fenced(ROOT / "README.md", "sh")).splitlines()

    assert sum(command.endswith("hassette demo") for command in commands) == 1
    assert sum(command.endswith("nox -s test") for command in commands) == 1
    assert commands[-1] == "bash .ci/run"
