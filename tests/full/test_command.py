"""``hassette telemetry``: core's command runs sync's command."""

import os
import subprocess

from support.processes import HASSETTE
from support.waiting import patience


def run_hassette(*arguments: str, **environment: str) -> str:
    """Return what ``hassette ARGUMENTS`` prints."""
    variables = {**os.environ, **environment}
    command = [HASSETTE, *arguments]
    return subprocess.run(
        command, env=variables, check=True, capture_output=True, text=True, timeout=patience(60)
    ).stdout


def completions(*words: str) -> list[str]:
    """Return the completions of the last word, as bash gets them: ``type,text``."""
    return run_hassette(
        _HASSETTE_COMPLETE="bash_complete", COMP_WORDS=" ".join(words), COMP_CWORD=str(len(words) - 1)
    ).splitlines()


def test_help_of_hassette_describes_the_telemetry_command() -> None:
    lines = [line.split(maxsplit=1) for line in run_hassette("--help").splitlines()]
    assert ["telemetry", "Show and maintain the recorded history."] in lines


def test_bash_completes_the_commands_and_options_of_telemetry() -> None:
    assert completions("hassette", "telemetry", "ru") == ["plain,runs", "plain,running"]
    assert completions("hassette", "telemetry", "runs", "--w") == ["plain,--wide"]
    assert completions("hassette", "telemetry", "runs", "--wide", "--kind", "h") == ["plain,handler"]
    assert completions("hassette", "telemetry", "status", "--db", "da") == ["file,da"]
