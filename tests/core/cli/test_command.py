"""The ``hassette`` command itself: plugins' commands, versions, usage."""

import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint

import pytest

from hassette_core.cli.main import execute


def say_hello(argv: Sequence[str]) -> int:
    """Say hello.

    And nothing else.
    """
    print("hello", *argv)
    return 7


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, EntryPoint]:
    points: dict[str, EntryPoint] = {}
    monkeypatch.setattr("hassette_core.installed.commands", lambda: points)
    return points


class Point:
    """An entry point whose target is at hand."""

    def __init__(self, name: str, target: object) -> None:
        self.name = name
        self.value = "somewhere:main"
        self._target = target

    def load(self) -> object:
        if isinstance(self._target, Exception):
            raise self._target
        return self._target


def test_a_plugins_command_gets_everything_after_its_name_and_its_exit_code_counts(
    installed: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    installed["hello"] = Point("hello", say_hello)
    assert execute(["hello", "--help", "-x", "--", "--db", "file"]) == 7
    assert capsys.readouterr().out.startswith("hello --help -x")


def test_a_plugins_command_is_in_the_help_with_its_first_line(
    installed: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    installed["hello"] = Point("hello", say_hello)
    assert execute(["--help"]) == 0
    said = capsys.readouterr().out
    assert "hello      Say hello." in said
    assert "And nothing else" not in said
    assert "Exit codes: 0" in said


def test_telemetry_without_its_package_says_in_one_line_how_to_get_it(
    installed: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed == {}
    assert execute(["telemetry", "sessions", "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == 'hassette telemetry shows what was kept; to have it: pip install "hassette-core[telemetry]"\n'


def test_a_command_that_cannot_be_loaded_breaks_neither_the_help_nor_the_others(
    installed: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    installed["hello"] = Point("hello", ImportError("no module named numpy"))
    assert execute(["--help"]) == 0
    assert "demo" in capsys.readouterr().out
    assert execute(["hello"]) == 1
    assert "cannot be loaded (somewhere:main): ImportError: no module named numpy" in capsys.readouterr().err


def test_version_lists_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    said = capsys.readouterr().out
    assert "hassette-core 0." in said
    assert "hassette-executor 0." in said
    assert "Python 3." in said


def test_what_asks_no_home_assistant_waits_for_no_import_of_the_link() -> None:
    program = (
        "import sys\nfrom hassette_core.cli.main import execute\nexecute(['--version'])\n"
        "print([name for name in ('aiohttp', 'pydantic', 'hassette_core.framework') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert said.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("option", ["--seconds", "--speed", "--events-per-second"])
@pytest.mark.parametrize("number", ["nan", "inf", "1e999"])
def test_a_demonstration_has_an_end_and_a_speed(
    option: str, number: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(options: object) -> None:
        raise AssertionError(options)

    monkeypatch.setattr("hassette_core.cli.demo.Demo", never)
    assert execute(["demo", option, number]) == 2
    assert f"Invalid value for '{option}': {number} is not a finite number." in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["dmeo"], ["demo", "--seconds", "x"], ["demo", "--port", "70000"], ["run", "x"], []])
def test_wrong_usage_is_exit_code_2(argv: list[str]) -> None:
    assert execute(argv) == 2
