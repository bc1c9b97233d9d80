"""The ``hassette`` command: its subcommands, the subcommands of plugins, and error messages."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from hassette_core import installed
from hassette_core.cli.collection import collect_rarely, collection_paused
from hassette_core.cli.exit_codes import ExitCode, exit_code_for
from hassette_core.errors import describe_error
from hassette_executor import HassetteError

CORE_COMMANDS = {
    "run": "Run your apps until SIGTERM or Ctrl-C.",
    "demo": "Run example apps in a simulated home.",
    "check": "Check the configuration, and start every app in a simulated home.",
    "generate": "Write a module with the entities, services and areas of the home.",
    "init": "Create a configuration, a first app and its test.",
}
"""Commands of core, with their lines in the list of commands. Each command is a function in the module of the same name
in this package. The list would take twice as long if it imported these modules."""
TELEMETRY_MISSING = 'hassette telemetry needs more packages; install them with: pip install "hassette-core[telemetry]"'


class Commands(click.Group):
    """Commands of core and plugins. A command is imported only when needed, because some import large libraries.

    Args:
        plugin_commands: Returns the entry points of plugins' commands by name.
    """

    def __init__(
        self,
        *args: Any,
        plugin_commands: Callable[[], Mapping[str, EntryPoint]] = installed.commands,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._plugin_commands = plugin_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*CORE_COMMANDS, *self._plugin_commands(), "telemetry"})

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines = [(name, CORE_COMMANDS.get(name) or self._help_line(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(lines)

    def _help_line(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return "" if command is None else command.short_help or ""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in CORE_COMMANDS:
            with collection_paused():
                return getattr(import_module(f"hassette_core.cli.{cmd_name}"), cmd_name)
        if (point := self._plugin_commands().get(cmd_name)) is not None:
            with collection_paused():
                return _plugin_command(point)
        if cmd_name == "telemetry":
            return _failing_command(cmd_name, "(not installed) Show recorded runs.", TELEMETRY_MISSING, ExitCode.USAGE)
        return None


def _show_versions(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        python = ".".join(str(part) for part in sys.version_info[:3])
        click.echo("\n".join(f"{package} {number}" for package, number in installed.installed_versions().items()))
        click.echo(f"Python {python}")
        ctx.exit()


def make_command(plugin_commands: Callable[[], Mapping[str, EntryPoint]] = installed.commands) -> click.Command:
    """Return the ``hassette`` command.

    Args:
        plugin_commands: Returns the entry points of plugins' commands by name.
    """
    return Commands(
        name="hassette",
        plugin_commands=plugin_commands,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Run automations for Home Assistant and record every run.",
        epilog=(
            "Exit codes: 0 success, 1 failure, 2 wrong usage or configuration, 3 Home Assistant refused the token."
            ' Shell completion for bash: eval "$(_HASSETTE_COMPLETE=bash_source hassette)"; zsh_source and fish_source'
            " work in the same way."
        ),
        params=[
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_versions,
                help="Show the installed packages and exit.",
            )
        ],
    )


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run ``hassette`` and end the process.

    Args:
        argv: Arguments after the name of the command; by default those of the process.
    """
    collect_rarely()
    sys.exit(execute(argv))


def execute(
    argv: Sequence[str] | None = None,
    *,
    plugin_commands: Callable[[], Mapping[str, EntryPoint]] = installed.commands,
) -> int:
    """Run ``hassette`` and return its exit code (see `ExitCode`). Write the message of an expected error to stderr.

    Args:
        argv: Arguments after the name of the command; by default those of the process.
        plugin_commands: Returns the entry points of plugins' commands by name.
    """
    command = make_command(plugin_commands)
    try:
        code: Any = command.main(args=None if argv is None else list(argv), prog_name="hassette", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except click.Abort:
        return ExitCode.FAILURE
    except HassetteError as error:
        click.echo(f"hassette: {error}", err=True)
        return exit_code_for(error)
    return int(code or 0)


class _ForwardingCommand(click.Command):
    """Command that passes its arguments to a function of a plugin. The function may also offer shell completion."""

    def __init__(self, *args: Any, function: installed.PluginCommand, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._function = function

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the words that can complete ``incomplete``.

        click calls this method when the user completes an option. For any other word, click calls ``complete`` in
        `_forwarding_command`, which calls this method.
        """
        if not isinstance(self._function, installed.CompletingPluginCommand):
            return []
        try:
            words = self._function.complete(ctx.params["argv"], incomplete)
            return [CompletionItem(text, type=type_, help=help_ or None) for type_, text, help_ in words]
        except Exception:  # noqa: BLE001  code of other packages; a traceback would disturb the line that the user types
            return []


def _plugin_command(point: EntryPoint) -> click.Command:
    try:
        function: installed.PluginCommand = point.load()
    except Exception as error:  # noqa: BLE001  code of other packages may raise any exception when it is imported
        problem = describe_error(error)
        message = f"hassette: the command {point.name} could not be loaded ({point.value}): {problem}"
        return _failing_command(point.name, f"(could not be loaded) {problem}", message, ExitCode.FAILURE)
    return _forwarding_command(point.name, (function.__doc__ or "").strip().partition("\n")[0], function)


def _failing_command(name: str, short_help: str, message: str, code: ExitCode) -> click.Command:
    def fail(_argv: Sequence[str]) -> int:
        click.echo(message, err=True)
        return code

    return _forwarding_command(name, short_help, fail)


def _forwarding_command(name: str, short_help: str, function: Callable[[Sequence[str]], int]) -> click.Command:
    """Return a command that passes all arguments after its name, including ``--help``, to a function."""

    def call(argv: tuple[str, ...]) -> int:
        return function(argv)

    def complete(ctx: click.Context, _argument: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return ctx.command.shell_complete(ctx, incomplete)

    return _ForwardingCommand(
        name,
        callback=call,
        function=function,
        params=[click.Argument(["argv"], nargs=-1, type=click.UNPROCESSED, shell_complete=complete)],
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
        short_help=short_help,
        add_help_option=False,
    )
