"""The ``hassette`` command: commands of plugins, versions, usage, shell completion."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import pytest

from hassette_core.cli.main import CORE_COMMANDS, execute
from support.waiting import patience


def print_hello(argv: Sequence[str]) -> int:
    """Print hello.

    More about it.
    """
    print("hello", *argv)
    return 7


class Point:
    """An entry point that loads the given target."""

    def __init__(self, name: str, target: object) -> None:
        self.name = name
        self.value = "somewhere:main"
        self._target = target

    def load(self) -> object:
        if isinstance(self._target, Exception):
            raise self._target
        return self._target


def run(argv: list[str], **targets: object) -> int:
    """Run ``hassette`` as if only the given commands of plugins were installed."""
    points: Mapping[str, Any] = {name: Point(name, target) for name, target in targets.items()}
    return execute(argv, plugin_commands=lambda: points)


def test_plugins_command_gets_all_its_arguments_and_returns_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["hello", "--help", "-x", "--", "--db", "file"], hello=print_hello) == 7
    assert capsys.readouterr().out.startswith("hello --help -x")


def test_help_shows_the_commands_of_core_with_their_first_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, line in CORE_COMMANDS.items():
        command = getattr(import_module(f"hassette_core.cli.{name}"), name)
        assert command.get_short_help_str(200) == line
        assert f" {name} {line} " in shown


def test_help_does_not_import_the_framework() -> None:
    program = (
        "import sys\n"
        "from hassette_core.cli.main import execute\n"
        "execute(['--help'], plugin_commands=dict)\n"
        "print([name for name in ('hassette_core.framework', 'aiohttp', 'pydantic') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("[]\n")


def test_plugins_command_is_in_the_help_with_its_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"], hello=print_hello) == 0
    output = capsys.readouterr().out
    assert "hello      Print hello." in output
    assert "More about it" not in output
    assert "Exit codes: 0" in output


def test_telemetry_without_its_package_explains_in_one_line_how_to_install_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["telemetry", "sessions", "--json"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        'hassette telemetry needs more packages; install them with: pip install "hassette-core[telemetry]"\n'
    )


def test_command_that_cannot_be_loaded_breaks_neither_the_help_nor_other_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = ImportError("no module named numpy")
    assert run(["--help"], hello=error) == 0
    assert "demo" in capsys.readouterr().out
    assert run(["hello"], hello=error) == 1
    assert "could not be loaded (somewhere:main): ImportError: no module named numpy" in capsys.readouterr().err


class Greeting:
    """Print a greeting."""

    def __call__(self, argv: Sequence[str], /) -> int:
        return len(argv)

    def complete(self, argv: Sequence[str], incomplete: str, /) -> list[tuple[str, str, str]]:
        return [("plain", f"{'+'.join(argv)}:{incomplete}", "Words so far.")]


@pytest.mark.parametrize("incomplete", ["", "wo", "--lo"])
def test_plugins_command_completes_its_own_arguments(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, incomplete: str
) -> None:
    words = ["hassette", "hello", "a", "--loud", incomplete]
    monkeypatch.setenv("_HASSETTE_COMPLETE", "fish_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(words[:-1]))
    monkeypatch.setenv("COMP_CWORD", incomplete)
    with pytest.raises(SystemExit):
        run([], hello=Greeting())
    assert capsys.readouterr().out == f"plain,a+--loud:{incomplete}\tWords so far.\n"


def test_plugins_command_without_completion_completes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_HASSETTE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "hassette hello ")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit):
        run([], hello=print_hello)
    assert capsys.readouterr().out.strip() == ""


def test_failure_of_a_plugins_completion_completes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Greeting):
        def complete(self, argv: Sequence[str], incomplete: str, /) -> list[tuple[str, str, str]]:
            raise LookupError("no history")

    monkeypatch.setenv("_HASSETTE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "hassette hello ")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit):
        run([], hello=Broken())
    assert capsys.readouterr().out.strip() == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_command_that_the_help_names_prints_the_completion_script(shell: str) -> None:
    program = "from hassette_core.cli import main; main()"
    script = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "_HASSETTE_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        timeout=patience(30),
        check=True,
    )
    assert f"_HASSETTE_COMPLETE={shell}_complete" in script.stdout


def test_version_lists_the_installed_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    output = capsys.readouterr().out
    assert "hassette-core 0." in output
    assert "hassette-executor 0." in output
    assert "Python 3." in output


def test_version_does_not_import_large_libraries() -> None:
    program = (
        "import sys\nfrom hassette_core.cli.main import execute\nexecute(['--version'])\n"
        "print([name for name in ('aiohttp', 'pydantic', 'hassette_core.framework') if name in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=patience(30), check=True
    )
    assert output.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("option", ["--seconds", "--speed", "--events-per-second"])
@pytest.mark.parametrize("number", ["nan", "inf", "1e999"])
def test_demo_rejects_numbers_that_are_not_finite(option: str, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["demo", option, number]) == 2
    assert f"Invalid value for '{option}': {number} is not a finite number." in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["dmeo"], ["demo", "--seconds", "x"], ["demo", "--port", "70000"], ["run", "x"], []])
def test_wrong_usage_has_exit_code_2(argv: list[str]) -> None:
    assert execute(argv) == 2
