"""The group of commands ``hassette telemetry``."""

import sys

import click

from hassette_sync.cli.files import backup, check, restore, vacuum
from hassette_sync.cli.history import errors, registrations, runs, sessions, show, status
from hassette_sync.cli.plugin_command import GroupCommand
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


for _command in (status, errors, runs, show, *registrations, sessions, serve, check, backup, restore, vacuum):
    telemetry.add_command(_command)


main = GroupCommand(telemetry, PROGRAM, "Show and maintain the recorded history.")


def script() -> None:
    """Run ``hassette-telemetry`` and end the process."""
    sys.exit(main(program=SCRIPT))
