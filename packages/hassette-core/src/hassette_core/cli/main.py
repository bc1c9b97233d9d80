"""The ``hassette`` command: core's own commands and those of plugins, and how errors are said."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any, NoReturn

import click

from hassette_core import installed
from hassette_core.cli.exit_codes import ExitCode, exit_code_for
from hassette_executor import HassetteError

OWN = ("run", "demo", "check", "init")
"""Core's own commands: the function of that name in the module of that name beside this one."""
NOT_INSTALLED = {"telemetry": 'what was kept; to have it: pip install "hassette-core[telemetry]"'}
"""Commands that people may look for before they have the package."""


class Commands(click.Group):
    """Core's own commands and those of plugins, each imported only when it is wanted: whole frameworks hang on some."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names."""
        return sorted({*OWN, *installed.commands(), *NOT_INSTALLED})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name in OWN:
            return getattr(import_module(f"hassette_core.cli.{cmd_name}"), cmd_name)
        if (point := installed.commands().get(cmd_name)) is not None:
            return _plugin_command(point)
        if cmd_name in NOT_INSTALLED:
            return _passing(cmd_name, f"(not installed) {NOT_INSTALLED[cmd_name]}", _say_how_to_get(cmd_name))
        return None


def _show_versions(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        python = ".".join(str(part) for part in sys.version_info[:3])
        click.echo("\n".join(f"{package} {number}" for package, number in installed.installed_versions().items()))
        click.echo(f"Python {python}")
        ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all is well, 1 trouble, 2 wrong usage or configuration, 3 Home Assistant refused the token.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_versions,
    help="Show what is installed.",
)
def hassette() -> None:
    """Automations for Home Assistant that remember what they did."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run ``hassette`` and end the process.

    Args:
        argv: What follows the command's name; by default what the process was given.
    """
    sys.exit(execute(argv))


def execute(argv: Sequence[str] | None = None) -> int:
    """Run ``hassette`` and return its exit code (see `ExitCode`). Foreseen errors are one paragraph on stderr."""
    try:
        code: Any = hassette.main(
            args=None if argv is None else list(argv), prog_name="hassette", standalone_mode=False
        )
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except click.Abort:
        return ExitCode.TROUBLE
    except HassetteError as error:
        click.echo(f"hassette: {error}", err=True)
        return exit_code_for(error)
    return int(code or 0)


def _plugin_command(point: EntryPoint) -> click.Command:
    try:
        function: installed.Command = point.load()
    except Exception as error:  # noqa: BLE001  somebody else's code, at import: anything may come
        problem = f"{type(error).__name__}: {error}"

        def refuse(_argv: Sequence[str]) -> int:
            click.echo(f"hassette: the command {point.name} cannot be loaded ({point.value}): {problem}", err=True)
            return ExitCode.TROUBLE

        return _passing(point.name, f"(cannot be loaded) {problem}", refuse)
    return _passing(point.name, (function.__doc__ or "").strip().partition("\n")[0], function)


def _passing(name: str, line: str, function: Callable[[Sequence[str]], int]) -> click.Command:
    """Make a command that hands everything after its name on, ``--help`` included."""

    def call(argv: tuple[str, ...]) -> int:
        return function(argv)

    return click.Command(
        name,
        callback=call,
        params=[click.Argument(["argv"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
        short_help=line,
        add_help_option=False,
    )


def _say_how_to_get(name: str) -> Callable[[Sequence[str]], int]:
    def say(_argv: Sequence[str]) -> int:
        click.echo(f"hassette {name} shows {NOT_INSTALLED[name]}", err=True)
        return ExitCode.USAGE

    return say
