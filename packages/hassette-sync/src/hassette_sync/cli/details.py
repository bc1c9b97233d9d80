"""Commands that show one app, handler, job or error."""

from pathlib import Path

import click
from pydantic import ValidationError

from hassette_sync.answers.kinds import Kind
from hassette_sync.answers.overview import Restriction
from hassette_sync.answers.registrations import RegistrationDetail
from hassette_sync.cli.asking import show_answer
from hassette_sync.cli.shared import HistoryOptions, epilog, history_options
from hassette_sync.errors import ActionError, NotRunningError
from hassette_sync.home_time import HomeTime
from hassette_sync.ids import parse_id
from hassette_sync.service import DataSyncService
from hassette_sync.terminal import details, errors
from hassette_sync.terminal.running import CONFIGURATION, running_framework


@click.command("show", epilog=epilog("app motion_light --since 7d"))
@click.argument("app", metavar="APP")
@history_options()
def show_app(options: HistoryOptions, app: str) -> None:
    """Show one app: its figures, its handlers and jobs, its versions and its newest runs."""
    show_answer(
        options,
        lambda data, home: data.app(app, options.time_range(home)),
        lambda answer, shown: details.app(answer, shown, options.table_width),
    )


def _show_registration(options: HistoryOptions, of: str, kind: Kind) -> None:
    restrictions: list[Restriction] = []
    live: list[RegistrationDetail] = []

    async def ask(data: DataSyncService, home: HomeTime) -> RegistrationDetail:
        found = await data.registration_named(of, kind=kind)
        answer = await data.registration(found.id, options.time_range(home))
        restrictions.extend(await data.restrictions())
        if kind == "job" and options.db is None and (running := _in_the_framework(answer)) is not None:
            live.append(running)
            return answer.model_copy(update={"next_run_us": running.next_run_us})
        return answer

    show_answer(
        options,
        ask,
        lambda answer, shown: details.registration(
            answer, shown, restrictions, is_live=bool(live), was_asked=options.db is None
        ),
    )


def _in_the_framework(answer: RegistrationDetail) -> RegistrationDetail | None:
    """Return the answer of the running framework about the same job; None if it does not answer, or has another job."""
    try:
        found = running_framework(None, Path(CONFIGURATION)).get(f"registrations/{answer.registration.id}")
        running = RegistrationDetail.model_validate_json(found)
    except (ActionError, NotRunningError, ValidationError):
        return None  # the history has the rest of the answer
    return running if running.registration.ref == answer.registration.ref else None


@click.command("handler", epilog=epilog("handler motion_light.on_motion --since 7d"))
@click.argument("of", metavar="APP.HANDLER")
@history_options(tables=False)
def handler(options: HistoryOptions, of: str) -> None:
    """Show one handler in detail.

    The answer has its figures, settings and source, and its triggers that led to no run.
    """
    _show_registration(options, of, "handler")


@click.command("show", epilog=epilog("job backup.nightly_backup --since 7d"))
@click.argument("of", metavar="APP.JOB")
@history_options(tables=False)
def show_job(options: HistoryOptions, of: str) -> None:
    """Show one job: its figures, settings and source, and its triggers that led to no run."""
    _show_registration(options, of, "job")


@click.command("show", epilog=epilog("error 3"))
@click.argument("id_", metavar="ID")
@history_options()
def show_error(options: HistoryOptions, id_: str) -> None:
    """Show one error: its sample traceback, the affected handlers and jobs, and its newest runs."""
    group_id = parse_id(id_, "error group id")
    show_answer(
        options,
        lambda data, home: data.error_group(group_id, options.time_range(home)),
        lambda answer, shown: errors.error_group(answer, shown, options.table_width),
    )
