"""Commands about one job, app or error: show it, or change the running framework."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import click

from hassette_sync.cli.details import show_app, show_error, show_job
from hassette_sync.cli.plugin_command import TerminalCommand
from hassette_sync.cli.shared import show_output
from hassette_sync.errors import BadQuestionError
from hassette_sync.ids import parse_id
from hassette_sync.service import LONGEST_SILENCE_S
from hassette_sync.terminal.running import CONFIGURATION, running_framework

EPILOG: Final = """
\b
The command sends a request to the running Hassette. Address and token are those of [sync] in
hassette.toml, or of $HASSETTE__SYNC__HOST, $HASSETTE__SYNC__PORT and $HASSETTE__SYNC__TOKEN.

\b
Exit codes: 0 success, 1 failure (not running, refused, unknown name), 2 wrong usage.
"""
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def connection_options(command: CommandT) -> CommandT:
    """Add the options with the address of the running framework to a command."""
    url = click.option("--url", metavar="URL", help="Address of the running Hassette. Default: that of [sync].")
    config = click.option(
        "--config",
        "configuration",
        type=click.Path(path_type=Path, dir_okay=False),
        default=CONFIGURATION,
        show_default=True,
        metavar="FILE",
        help="The configuration.",
    )
    return url(config(command))


class _ShowOrAct(click.Group):
    """Group whose command ``show`` may be omitted: ``hassette app motion_light`` shows the app."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert ``show`` before arguments that begin with no command of the group."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(name="job", cls=_ShowOrAct, epilog=EPILOG)
def _jobs() -> None:
    """Show one job: hassette job APP.JOB. Run, pause and resume jobs of the running Hassette."""


@click.group(name="app", cls=_ShowOrAct, epilog=EPILOG)
def _apps() -> None:
    """Show one app: hassette app APP. Reload, disable and rehearse apps of the running Hassette."""


@click.group(name="error", cls=_ShowOrAct, epilog=EPILOG)
def _errors() -> None:
    """Show one error: hassette error ID. Silence errors that are known already."""


_apps.add_command(show_app)
_jobs.add_command(show_job)
_errors.add_command(show_error)


def _post(path: str, url: str | None, configuration: Path, body: dict[str, object] | None = None) -> None:
    show_output(running_framework(url, configuration).post(path, body))


def _add_job_command(name: str, help_: str) -> None:
    @click.command(name, help=help_, epilog=EPILOG)
    @click.argument("job", metavar="APP.JOB")
    @connection_options
    def command(job: str, url: str | None, configuration: Path) -> None:
        _post(f"jobs/{name}", url, configuration, {"job": job})

    _jobs.add_command(command)


_add_job_command("run", "Run a job now. Its schedule does not change.")
_add_job_command("pause", "Skip the due runs of a job until it is resumed, even after a restart.")
_add_job_command("resume", "Resume a paused job.")


def _add_app_command(name: str, help_: str) -> None:
    @click.command(name, help=help_, epilog=EPILOG)
    @click.argument("app", metavar="APP")
    @connection_options
    def command(app: str, url: str | None, configuration: Path) -> None:
        _post(f"apps/{quote(app, safe='')}/{name}", url, configuration)

    _apps.add_command(command)


_add_app_command("reload", "Restart an app with its current code and settings.")
_add_app_command("disable", "Stop an app until it is enabled or Hassette restarts.")
_add_app_command("enable", "Start an app that was disabled.")
_add_app_command("rehearse", "Record the app's changes to the home without sending them, until Hassette restarts.")
_add_app_command(
    "end-rehearsal",
    "From now on, send the app's changes to the home. After a restart, rehearse in hassette.toml applies again.",
)


@_errors.command(epilog=EPILOG)
@click.argument("id_", metavar="ID")
@click.option("--for", "length", metavar="TIME", required=True, help="Length of the silence, such as 30m, 2h or 7d.")
@connection_options
def silence(id_: str, length: str, url: str | None, configuration: Path) -> None:
    """Mark an error as known for a time. Its failures are recorded as before."""
    group, seconds = parse_id(id_, "error group id"), parse_length(length)
    _post(f"errors/{group}/silence", url, configuration, {"seconds": seconds})


@_errors.command("end-silence", epilog=EPILOG)
@click.argument("id_", metavar="ID")
@connection_options
def end_silence(id_: str, url: str | None, configuration: Path) -> None:
    """End the silence of an error."""
    _post(f"errors/{parse_id(id_, 'error group id')}/end-silence", url, configuration)


def parse_length(text: str) -> int:
    """Convert a length of time, such as ``2h``, to seconds.

    Raises:
        BadQuestionError: It is no length of time, or it is too long.
    """
    found = re.fullmatch(r"(\d{1,9})([smhd])", text.strip(), re.ASCII)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= seconds <= LONGEST_SILENCE_S:
        raise BadQuestionError(
            f"must be a time such as 30m, 2h or 7d, at most 366d, got {text[:40]!r}.", parameter="for"
        )
    return seconds


job = TerminalCommand(_jobs, "hassette job", "Show one job; run, pause and resume it.")
app = TerminalCommand(_apps, "hassette app", "Show one app; reload, disable and rehearse it.")
error = TerminalCommand(_errors, "hassette error", "Show one error, and silence it.")
