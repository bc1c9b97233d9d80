"""Commands that show the history: status, errors, runs, one run, handlers, jobs, sessions."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from pydantic import BaseModel

from hassette_store.statuses import STATUS_NAMES
from hassette_sync.answers.kinds import LABELS, KindLabels
from hassette_sync.cli.shared import EPILOG, HistoryOptions, history_options, parse_min_duration, show_output
from hassette_sync.ids import parse_id
from hassette_sync.questions.runs import RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.terminal import render
from hassette_sync.terminal.database import database_path
from hassette_sync.terminal.tables import plain_lines
from hassette_sync.time_range import now_us

AnswerT = TypeVar("AnswerT", bound=BaseModel)


def _show(
    options: HistoryOptions,
    question: Callable[[DataSyncService], Awaitable[AnswerT]],
    to_text: Callable[[AnswerT], str],
) -> None:
    """Answer a question from the database and print the answer, as JSON or as text."""

    async def ask() -> AnswerT:
        async with DataSyncService(database_path(options.db)) as data:
            return await question(data)

    answer = asyncio.run(ask())
    if options.as_json:
        # Only ASCII, so that the output does not depend on the encoding of the pipe.
        show_output(json.dumps(answer.model_dump(mode="json"), indent=2))
    else:
        # Names of apps and entities may contain control characters, which the terminal would interpret.
        show_output(plain_lines(to_text(answer)))


def _with_cursor(text: str, cursor: str | None) -> str:
    return f"{text}\n\nMore: --cursor {cursor}" if cursor else text


@click.command(epilog=EPILOG)
@history_options(tables=False)
def status(options: HistoryOptions) -> None:
    """Show the overall status."""
    _show(options, lambda data: data.overview(options.time_range()), render.overview)


@click.command(epilog=EPILOG)
@history_options(since="30d ago", paged=True)
def errors(options: HistoryOptions) -> None:
    """List errors, most recently seen first."""
    time_range = options.time_range(default="30d")
    _show(
        options,
        lambda data: data.error_groups(time_range, cursor=options.cursor, limit=options.limit),
        lambda page: _with_cursor(render.error_groups(page.groups, now_us(), options.table_width), page.next_cursor),
    )


@click.command(epilog=EPILOG)
@history_options(paged=True)
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
    time_range = options.time_range(default="0" if session else None)
    _show(
        options,
        lambda data: data.runs(run_filter, time_range, cursor=options.cursor, limit=options.limit),
        lambda page: _with_cursor(render.runs(page.runs, now_us(), options.table_width), page.next_cursor),
    )


@click.command(epilog=EPILOG)
@history_options(since=None)
@click.argument("id_", metavar="ID")
def show(options: HistoryOptions, id_: str) -> None:
    """Show one run in detail."""
    run_id = parse_id(id_, "run id")
    _show(options, lambda data: data.run(run_id), lambda run: render.run_detail(run, now_us(), options.table_width))


def _registrations(kind: KindLabels) -> click.Command:
    @click.command(kind.plural, epilog=EPILOG, help=f"List {kind.plural} with their runs, failures and durations.")
    @history_options()
    @click.option("--app", help=f"Only {kind.plural} of this app.")
    def command(options: HistoryOptions, app: str | None) -> None:
        _show(
            options,
            lambda data: data.registrations(options.time_range(), kind=kind.name, app=app),
            lambda found: render.registrations(found.registrations, kind, app, options.table_width),
        )

    return command


registrations = [_registrations(kind) for kind in LABELS.values()]
"""One command for each kind of registration."""


@click.command(epilog=EPILOG)
@history_options(since="the first session", paged=True)
def sessions(options: HistoryOptions) -> None:
    """List the sessions of Hassette, newest first."""
    time_range = options.time_range(default="0")
    filtered = bool(options.since or options.until or options.cursor)
    _show(
        options,
        lambda data: data.sessions(time_range, cursor=options.cursor, limit=options.limit),
        lambda page: _with_cursor(
            render.sessions(page.sessions, now_us(), options.table_width, filtered=filtered), page.next_cursor
        ),
    )
