"""`TerminalCommand`: run a command of this package for hassette-core, and convert errors to exit codes."""

import io
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import ShellComplete

from hassette_store import StoreError
from hassette_sync.cli.shared import ExitCode
from hassette_sync.errors import BadQuestionError, SyncError
from hassette_sync.terminal.tables import plain_lines


class TerminalCommand:
    """A command, or a group of commands, that hassette-core runs as one of its commands.

    Core shows the first line of the docstring in its help (docs/adr/0006-commands-of-plugins-take-argv.md).

    Args:
        command: The command or the group.
        program: The name of the program in help texts and error messages.
        help_line: The docstring.

    Attributes:
        command: The command or the group.
    """

    def __init__(self, command: click.Command, program: str, help_line: str) -> None:
        self.command = command
        self._program = program
        self.__doc__ = help_line

    def __call__(self, argv: Sequence[str] | None = None, *, program: str | None = None) -> int:
        """Run the command. Write the message of an expected error to stderr.

        Args:
            argv: Arguments after the program's name; None reads those of the process.
            program: Another name of the program.

        Returns:
            The exit code, see `ExitCode`.
        """
        program = program or self._program
        _replace_unencodable_characters()
        try:
            code: Any = self.command.main(
                None if argv is None else list(argv), prog_name=program, standalone_mode=False
            )
        except click.ClickException as error:  # without arguments, click raises an error with the help
            error.show()
            return ExitCode.USAGE
        except BadQuestionError as error:
            option = f"--{(error.parameter or '').replace('_', '-')}"
            known = option in _options_of(self.command)
            return _report(program, error.named(option) if known else str(error), ExitCode.USAGE)
        except ValueError as error:
            return _report(program, str(error), ExitCode.USAGE)
        except (SyncError, StoreError, OSError) as error:
            return _report(program, _message_of(error), ExitCode.FAILURE)
        except click.Abort:
            return ExitCode.FAILURE
        return int(code or ExitCode.OK)

    def complete(self, argv: Sequence[str], incomplete: str) -> list[tuple[str, str, str]]:
        """Return the shell's completions, each as type (``plain``, ``file`` or ``dir``), text and help line."""
        found = ShellComplete(self.command, {}, self._program, "").get_completions(list(argv), incomplete)
        return [(item.type, item.value, item.help or "") for item in found]


def _replace_unencodable_characters() -> None:
    """Print a question mark for each character that the terminal cannot encode, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _options_of(command: click.Command) -> set[str]:
    """Return the options of a command and of its subcommands."""
    own = {option for parameter in command.params for option in parameter.opts if isinstance(parameter, click.Option)}
    members = command.commands.values() if isinstance(command, click.Group) else ()
    return own.union(*(_options_of(member) for member in members))


def _message_of(error: Exception) -> str:
    """Return the message of an error. Those of the operating system, such as "Permission denied", get their path."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"


def _report(program: str, message: str, code: ExitCode) -> int:
    # A message may suggest a name of an app, and an answer of the framework may contain one.
    click.echo(plain_lines(f"{program}: {message}"), err=True)
    return code
