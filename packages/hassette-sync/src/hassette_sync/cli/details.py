"""Commands that show one app, handler, job or error."""

import click

from hassette_sync.answers.kinds import Kind
from hassette_sync.answers.registrations import RegistrationDetail
from hassette_sync.cli.asking import show_answer
from hassette_sync.cli.shared import HistoryOptions, epilog, history_options
from hassette_sync.home_time import HomeTime
from hassette_sync.ids import parse_id
from hassette_sync.service import DataSyncService
from hassette_sync.terminal import details


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
    async def ask(data: DataSyncService, home: HomeTime) -> RegistrationDetail:
        found = await data.registration_named(of, kind=kind)
        return await data.registration(found.id, options.time_range(home))

    show_answer(options, ask, details.registration)


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
        lambda answer, shown: details.error_group(answer, shown, options.table_width),
    )
