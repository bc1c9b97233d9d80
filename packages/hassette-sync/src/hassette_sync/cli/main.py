"""The group of commands ``hassette telemetry``."""

import sys

import click

from hassette_sync.cli.assistant import mcp
from hassette_sync.cli.control import app, error, job
from hassette_sync.cli.details import handler
from hassette_sync.cli.explaining import ask, compare, why, why_not
from hassette_sync.cli.files import backup, check, restore, vacuum
from hassette_sync.cli.history import errors, registrations, runs, sessions, show, status
from hassette_sync.cli.lists import apps, events, logs, not_run, timeline, uptime
from hassette_sync.cli.plugin_command import TerminalCommand
from hassette_sync.cli.present import running, tail, upcoming
from hassette_sync.cli.serve import serve
from hassette_sync.cli.shared import EPILOG

PROGRAM = "hassette telemetry"
SCRIPT = "hassette-telemetry"
_COMPLETION = f"""
\b
Shell completion in bash (in zsh or fish, write zsh_source or fish_source):
  eval "$(_{SCRIPT.upper().replace("-", "_")}_COMPLETE=bash_source {SCRIPT})"
"""


class _InOrder(click.Group):
    """Group that lists its commands in the order in which they were added: most used first."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder,
    epilog=EPILOG + _COMPLETION,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def telemetry() -> None:
    """Show and maintain Hassette's recorded history. Hassette need not be running."""


_QUESTIONS = (
    *(status, ask, why, why_not, apps, handler, *registrations, runs, show, errors, logs, events, not_run),
    *(timeline, uptime, running, upcoming, compare, sessions, tail, mcp),
)
for _command in (*_QUESTIONS, serve, check, backup, restore, vacuum):
    telemetry.add_command(_command)
for _name, _group in (("app", app), ("job", job), ("error", error)):
    telemetry.add_command(_group.command, _name)

main = TerminalCommand(telemetry, PROGRAM, "Show and maintain the recorded history.")
questions = {
    command.name: TerminalCommand(command, f"hassette {command.name}", command.get_short_help_str(80))
    for command in _QUESTIONS
    if command.name is not None
}
"""A command of ``hassette`` for each question, by name."""


def script() -> None:
    """Run ``hassette-telemetry`` and end the process."""
    sys.exit(main(program=SCRIPT))
