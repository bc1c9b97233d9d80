"""Commands that show the history: status, errors, runs, one run, handlers, jobs, sessions."""

import click

from hassette_store.statuses import STATUS_NAMES
from hassette_sync.answers.kinds import LABELS, KindLabels
from hassette_sync.answers.overview import Restriction
from hassette_sync.answers.registrations import Registrations
from hassette_sync.answers.waterfall import RunWithWaterfall
from hassette_sync.cli.asking import list_page, show_answer
from hassette_sync.cli.shared import (
    DEFAULT_LIMIT,
    HistoryOptions,
    epilog,
    history_options,
    parse_min_duration,
)
from hassette_sync.home_time import HomeTime
from hassette_sync.ids import parse_id
from hassette_sync.questions.registrations import MAX_LISTED
from hassette_sync.questions.runs import RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.terminal import errors as error_list
from hassette_sync.terminal import render


@click.command(epilog=epilog("status", "status --since 7d"))
@history_options(tables=False)
def status(options: HistoryOptions) -> None:
    """Show the overall status."""
    show_answer(options, lambda data, home: data.overview(options.time_range(home)), render.overview)


@click.command(epilog=epilog("errors --since 7d"))
@history_options(since="30d ago", limit=DEFAULT_LIMIT)
def errors(options: HistoryOptions) -> None:
    """List errors, most recently seen first."""
    show_answer(
        options,
        lambda data, home: data.error_groups(
            options.time_range(home, default="30d"), cursor=options.cursor, limit=options.limit
        ),
        lambda page, shown: list_page(
            error_list.error_groups(page, shown, options.table_width), shown, page.next_cursor
        ),
    )


@click.command(epilog=epilog("runs --status failed --since 7d", "runs --entity light.hall --at 03:12"))
@history_options(limit=DEFAULT_LIMIT)
@click.option("--app", help="Only runs of this app.")
@click.option("--registration", metavar="ID", help="Only runs of this handler or job.")
@click.option("--kind", type=click.Choice(list(LABELS)), help="Only runs of this kind.")
@click.option("--status", help=f"{', '.join(STATUS_NAMES)}, or failed for all failures.")
@click.option("--text", help="Only runs with this text in a name, topic, entity, state, event type or error.")
@click.option("--entity", help="Only runs triggered by this entity.")
@click.option("--session", metavar="ID", help="Only runs of this session.")
@click.option(
    "--min-duration", type=parse_min_duration, metavar="SECONDS", help="Only runs that took at least this long."
)
def runs(
    options: HistoryOptions,
    app: str | None,
    registration: str | None,
    kind: str | None,
    status: str | None,
    text: str | None,
    entity: str | None,
    session: str | None,
    min_duration: int | None,
) -> None:
    """List runs, newest first."""
    run_filter = RunFilter(
        app=app,
        registration_id=parse_id(registration, "registration id") if registration else None,
        kind=kind,
        status=status,
        text=text,
        entity_id=entity,
        session_id=parse_id(session, "session id") if session else None,
        min_duration_us=min_duration,
    )
    default = "0" if session else None
    show_answer(
        options,
        lambda data, home: data.runs(
            run_filter, options.time_range(home, default), cursor=options.cursor, limit=options.limit
        ),
        lambda page, shown: list_page(render.runs(page.runs, shown, options.table_width), shown, page.next_cursor),
    )


@click.command(epilog=epilog("show 3765222757353132879"))
@history_options(since=None)
@click.argument("id_", metavar="ID")
def show(options: HistoryOptions, id_: str) -> None:
    """Show one run in detail, with its causes and effects on one time axis."""
    run_id = parse_id(id_, "run id")
    show_answer(
        options,
        lambda data, _: _run_with_waterfall(data, run_id),
        lambda answer, shown: render.run_detail(answer, shown, answer.waterfall),
    )


async def _run_with_waterfall(data: DataSyncService, run_id: int) -> RunWithWaterfall:
    detail = await data.run(run_id)
    return RunWithWaterfall(**dict(detail), waterfall=await data.waterfall(run_id))


def _registrations(kind: KindLabels) -> click.Command:
    @click.command(
        kind.plural,
        epilog=epilog(f"{kind.plural} --since 7d"),
        help=f"List {kind.plural} with their runs, failures and durations.",
    )
    @history_options(limit=MAX_LISTED)
    @click.option("--app", help=f"Only {kind.plural} of this app.")
    def command(options: HistoryOptions, app: str | None) -> None:
        restrictions: list[Restriction] = []

        async def ask(data: DataSyncService, home: HomeTime) -> Registrations:
            restrictions.extend(await data.restrictions())
            return await data.registrations(
                options.time_range(home), kind=kind.name, app=app, cursor=options.cursor, limit=options.limit
            )

        show_answer(
            options,
            ask,
            lambda page, _: list_page(
                render.registrations(page.registrations, kind, app, options.table_width, restrictions=restrictions),
                None,
                page.next_cursor,
            ),
        )

    return command


registrations = [_registrations(kind) for kind in LABELS.values()]
"""One command for each kind of registration."""


@click.command(epilog=epilog("sessions"))
@history_options(since="the first session", limit=DEFAULT_LIMIT)
def sessions(options: HistoryOptions) -> None:
    """List the sessions of Hassette, newest first."""
    filtered = bool(options.since or options.until or options.at or options.cursor)
    show_answer(
        options,
        lambda data, home: data.sessions(
            options.time_range(home, default="0"), cursor=options.cursor, limit=options.limit
        ),
        lambda page, shown: list_page(
            render.sessions(page.sessions, shown, options.table_width, filtered=filtered), shown, page.next_cursor
        ),
    )
