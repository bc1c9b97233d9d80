"""The command group, and the conversion of errors to exit codes."""

import io
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import ShellComplete

from hassette_store import StoreError
from hassette_sync.cli.files import backup, check, restore, vacuum
from hassette_sync.cli.history import errors, registrations, runs, sessions, show, status
from hassette_sync.cli.serve import serve
from hassette_sync.cli.shared import EPILOG, ExitCode
from hassette_sync.errors import BadQuestionError, SyncError

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


class TelemetryCommand:
    """Show and maintain the recorded history.

    hassette-core runs this command as ``hassette telemetry``, with the first line as its help
    (docs/adr/0006-commands-of-plugins-take-argv.md).
    """

    def __call__(self, argv: Sequence[str] | None = None, *, program: str = PROGRAM) -> int:
        """Run a subcommand. Write the message of an expected error to stderr.

        Args:
            argv: Arguments after the program's name; None reads those of the process.
            program: The name of the program in help texts and error messages.

        Returns:
            The exit code, see `ExitCode`.
        """
        _replace_unencodable_characters()
        try:
            code: Any = telemetry.main(None if argv is None else list(argv), prog_name=program, standalone_mode=False)
        except click.ClickException as error:  # without arguments, click raises an error with the help
            error.show()
            return ExitCode.USAGE
        except (BadQuestionError, ValueError) as error:
            return _report(program, error, ExitCode.USAGE)
        except (SyncError, StoreError, OSError) as error:
            return _report(program, error, ExitCode.FAILURE)
        except click.Abort:
            return ExitCode.FAILURE
        return int(code or ExitCode.OK)

    def complete(self, argv: Sequence[str], incomplete: str) -> list[tuple[str, str, str]]:
        """Return the shell's completions, each as type (``plain``, ``file`` or ``dir``), text and help line."""
        found = ShellComplete(telemetry, {}, PROGRAM, "").get_completions(list(argv), incomplete)
        return [(item.type, item.value, item.help or "") for item in found]


main = TelemetryCommand()


def script() -> None:
    """Run ``hassette-telemetry`` and end the process."""
    sys.exit(main(program=SCRIPT))


def _replace_unencodable_characters() -> None:
    """Print a question mark for each character that the terminal cannot encode, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _report(program: str, error: Exception, code: ExitCode) -> int:
    message = str(error)
    if isinstance(error, OSError) and error.strerror is not None:
        # A message such as "Permission denied" is useful only with the path.
        message = error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    click.echo(f"{program}: {message}", err=True)
    return code
