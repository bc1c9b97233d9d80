"""Commands that show the history: status, errors, runs, one run, handlers, jobs, sessions."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from pydantic import BaseModel

from hassette_store.statuses import STATUS_NAMES
from hassette_sync.answers.kinds import LABELS, KindLabels
from hassette_sync.cli.shared import (
    DEFAULT_LIMIT,
    EPILOG,
    HistoryOptions,
    history_options,
    parse_min_duration,
    show_output,
)
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.ids import parse_id
from hassette_sync.questions.registrations import MAX_LISTED
from hassette_sync.questions.runs import RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.terminal import render
from hassette_sync.terminal.database import database_path
from hassette_sync.terminal.tables import plain_lines
from hassette_sync.time_range import now_us

AnswerT = TypeVar("AnswerT", bound=BaseModel)


def _show(
    options: HistoryOptions,
    question: Callable[[DataSyncService, HomeTime], Awaitable[AnswerT]],
    to_text: Callable[[AnswerT, ShownTimes], str],
) -> None:
    """Answer a question from the database and print the answer, as JSON or as text."""

    async def ask() -> tuple[AnswerT, ShownTimes]:
        async with DataSyncService(database_path(options.db)) as data:
            home = await data.home_time()
            return await question(data, home), ShownTimes(home, now_us())

    answer, shown = asyncio.run(ask())
    if options.as_json:
        # Only ASCII, so that the output does not depend on the encoding of the pipe.
        show_output(json.dumps(answer.model_dump(mode="json"), indent=2))
    else:
        # Names of apps and entities may contain control characters, which the terminal would interpret.
        show_output(plain_lines(to_text(answer, shown)))


def _page(text: str, shown: ShownTimes | None, cursor: str | None) -> str:
    """Add the name of the time zone to a list with times, and the cursor of the next page to each list."""
    notes = [f"Times: {shown.home.label}"] if shown is not None else []
    notes += [f"More: --cursor {cursor}"] if cursor else []
    return "\n\n".join([text, "\n".join(notes)] if notes else [text])


@click.command(epilog=EPILOG)
@history_options(tables=False)
def status(options: HistoryOptions) -> None:
    """Show the overall status."""
    _show(options, lambda data, home: data.overview(options.time_range(home)), render.overview)


@click.command(epilog=EPILOG)
@history_options(since="30d ago", limit=DEFAULT_LIMIT)
def errors(options: HistoryOptions) -> None:
    """List errors, most recently seen first."""
    _show(
        options,
        lambda data, home: data.error_groups(
            options.time_range(home, default="30d"), cursor=options.cursor, limit=options.limit
        ),
        lambda page, shown: _page(
            render.error_groups(page.groups, shown, options.table_width), shown, page.next_cursor
        ),
    )


@click.command(epilog=EPILOG)
@history_options(limit=DEFAULT_LIMIT)
@click.option("--app", help="Only runs of this app.")
@click.option("--registration", metavar="ID", help="Only runs of this handler or job.")
@click.option("--kind", type=click.Choice(list(LABELS)), help="Only runs of this kind.")
@click.option("--status", help=f"{', '.join(STATUS_NAMES)}, or failed for all failures.")
@click.option("--text", help="Only runs with this text in a name, topic, entity, event type or error.")
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
    _show(
        options,
        lambda data, home: data.runs(
            run_filter, options.time_range(home, default), cursor=options.cursor, limit=options.limit
        ),
        lambda page, shown: _page(render.runs(page.runs, shown, options.table_width), shown, page.next_cursor),
    )


@click.command(epilog=EPILOG)
@history_options(since=None)
@click.argument("id_", metavar="ID")
def show(options: HistoryOptions, id_: str) -> None:
    """Show one run in detail."""
    run_id = parse_id(id_, "run id")
    _show(
        options,
        lambda data, _: data.run(run_id),
        lambda run, shown: render.run_detail(run, shown, options.table_width),
    )


def _registrations(kind: KindLabels) -> click.Command:
    @click.command(kind.plural, epilog=EPILOG, help=f"List {kind.plural} with their runs, failures and durations.")
    @history_options(limit=MAX_LISTED)
    @click.option("--app", help=f"Only {kind.plural} of this app.")
    def command(options: HistoryOptions, app: str | None) -> None:
        _show(
            options,
            lambda data, home: data.registrations(
                options.time_range(home), kind=kind.name, app=app, cursor=options.cursor, limit=options.limit
            ),
            lambda page, _: _page(
                render.registrations(page.registrations, kind, app, options.table_width), None, page.next_cursor
            ),
        )

    return command


registrations = [_registrations(kind) for kind in LABELS.values()]
"""One command for each kind of registration."""


@click.command(epilog=EPILOG)
@history_options(since="the first session", limit=DEFAULT_LIMIT)
def sessions(options: HistoryOptions) -> None:
    """List the sessions of Hassette, newest first."""
    filtered = bool(options.since or options.until or options.cursor)
    _show(
        options,
        lambda data, home: data.sessions(
            options.time_range(home, default="0"), cursor=options.cursor, limit=options.limit
        ),
        lambda page, shown: _page(
            render.sessions(page.sessions, shown, options.table_width, filtered=filtered), shown, page.next_cursor
        ),
    )
