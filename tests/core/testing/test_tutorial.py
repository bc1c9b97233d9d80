"""Each step of docs/tutorial.md works as it is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import patience

PAGE = (Path(__file__).parents[3] / "docs" / "tutorial.md").read_text(encoding="utf-8")
# A file with its content, settings to append, or commands. The last step needs a real home.
STEP = re.compile(r"(?:The file `([\w/.]+)`:\n\n)?^```(python|toml|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Reader:
    """A reader who follows the page in a new folder.

    Args:
        folder: The folder in which the reader begins.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = ""

    @property
    def home(self) -> Path:
        """The folder that the first step makes."""
        return self.folder / "my-home"

    def run(self, command: str) -> int:
        """Run a command of the page, and return its exit code."""
        programs = Path(sys.executable).parent
        # The pytest of the reader is another one, and the reader has set no token.
        inherited = {name: value for name, value in os.environ.items() if not re.match("PYTEST_|HASSETTE__", name)}
        environment = {**inherited, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
        done = subprocess.run(
            command.split(),
            cwd=self.home if self.home.exists() else self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=patience(150),
            check=False,
        )
        self.output = done.stdout + done.stderr
        return done.returncode

    def do(self, step: re.Match[str]) -> None:
        """Carry out one step."""
        file, language, text = step.groups()
        if language == "sh":
            for command in text.splitlines():
                if not command.startswith(("pip ", "cd ")):
                    code = self.run(command)
                    # Until the last step there is no token. The check reports this, and nothing else.
                    problems = [line for line in self.output.splitlines() if command == "hassette check" and line]
                    expected = {"ok", "hassette:"}
                    assert {line.split()[0] for line in problems} <= expected, self.output
                    assert problems or code == 0, self.output
        elif language == "toml":
            with (self.home / "hassette.toml").open("a", encoding="utf-8") as settings:
                settings.write(f"\n{text}")
        else:
            (self.home / file).write_text(text, encoding="utf-8")

    def replace(self, file: str, old: str, new: str) -> None:
        """Change a text in a file."""
        path = self.home / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


def steps(part: str) -> list[re.Match[str]]:
    """Return the steps in the parts of the page that match a pattern, such as ``[1-3]``."""
    headed = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    return [step for text in headed if re.match(rf"{part}\. ", text) for step in STEP.finditer(text)]


def quoted_output(part: str) -> list[str]:
    """Return the lines of output that a part of the page quotes."""
    (text,) = [text for text in re.split(r"^## ", PAGE, flags=re.MULTILINE) if text.startswith(f"{part}. ")]
    return [line for block in re.findall(r"^```text\n(.*?)^```$", text, re.M | re.S) for line in block.splitlines()]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_reader_who_follows_every_step_has_a_tested_app(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for step in steps("[1-3]"):
        reader.do(step)
    assert [line for line in quoted_output("3") if line not in reader.output] == []

    # The page proposes two faults.
    reader.replace("apps/door_reminder.py", "on_state_change", "on_state_chang")
    assert reader.run("hassette check") != 0
    assert "did you mean 'self.bus.on_state_change'?" in reader.output
    assert "line 8 of" in reader.output
    reader.replace("apps/door_reminder.py", "on_state_chang", "on_state_change")
    for step in steps("4"):
        reader.do(step)
    reader.replace("tests/test_door_reminder.py", "minutes=1", "seconds=59")
    assert reader.run("pytest -q tests/test_door_reminder.py") == 1
    assert [line for line in quoted_output("4") if line not in reader.output] == []
    reader.replace("tests/test_door_reminder.py", "seconds=59", "minutes=1")

    for step in steps("[56]"):
        reader.do(step)
    assert re.search(r"^5 passed", reader.output, re.MULTILINE)
