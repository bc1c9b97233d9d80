"""Questions about sessions, uptime, lifecycle events and losses."""

from sqlite3 import Row

from hassette_sync.answers.sessions import (
    LifecycleEvent,
    LifecyclePage,
    Loss,
    LossesPage,
    Session,
    SessionsPage,
    Uptime,
)
from hassette_sync.errors import NotFoundError
from hassette_sync.home_time import HomeTime
from hassette_sync.queries import sessions as queries
from hassette_sync.questions.paging import DEFAULT_LIMIT, check_limit, id_below
from hassette_sync.questions.periods import resolve
from hassette_sync.questions.rows import facts_of, time_of_fact
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import DAY_US, SECOND_US, TimeRange

# Hassette writes a heartbeat at least every 5 s, so after this time three heartbeats are missing.
HEARTBEAT_OVERDUE_US = 15 * SECOND_US
_MAX_SPANS = 500
_INCIDENTS_FOR_US = 30 * DAY_US
_MAX_INCIDENTS = 5


def session_of(row: Row, at_us: int) -> Session:
    """Convert a row of `queries.sessions`. The state of the session depends on the present time."""
    return Session(
        id=row["id"],
        state=_state(row, at_us),
        started_us=row["started_us"],
        heartbeat_us=row["heartbeat_us"],
        ended_us=row["ended_us"],
        reason=row["reason"],
        pid=row["pid"],
        host=row["host"],
        facts=facts_of(row["facts"]),
        runs=row["runs"],
        failures=row["failures"],
        lost_runs=row["lost_runs"],
        lost_details=row["lost_details"],
    )


def _state(row: Row, at_us: int) -> str:
    if row["outcome"] != "open":
        return row["outcome"]
    return "silent" if at_us - row["heartbeat_us"] > HEARTBEAT_OVERDUE_US else "running"


async def sessions_page(
    transaction: ReadTransaction,
    time_range: TimeRange | None = None,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
    neighbours: bool = False,
) -> SessionsPage:
    """Return one page of the sessions that overlap a time range, newest first.

    Args:
        transaction: Read transaction of the question.
        time_range: Time range of the sessions; None for all sessions.
        cursor: ``next_cursor`` of the page before.
        limit: Maximum number of sessions.
        neighbours: If no session overlaps the time range, whether the page has the last session before it and the first
            one after it.
    """
    check_limit(limit)
    all_time = TimeRange.parse("0", None, at_us=transaction.at_us)
    time_range = await resolve(transaction, time_range or all_time)
    rows = await transaction.all(
        queries.SESSIONS,
        {
            "cursor": id_below(cursor),
            "since_us": time_range.since_us,
            "until_us": time_range.until_us,
            "limit": limit + 1,
        },
    )
    if not rows and cursor is None and neighbours:
        rows = await transaction.all(
            queries.NEIGHBOURS, {"since_us": time_range.since_us, "until_us": time_range.until_us}
        )
    sessions = tuple(session_of(row, transaction.at_us) for row in rows[:limit])
    return SessionsPage(
        sessions=sessions,
        next_cursor=str(sessions[-1].id) if len(rows) > limit else None,
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


async def newest_session(transaction: ReadTransaction) -> Session | None:
    """Return the newest session, or None for an empty history."""
    row = await transaction.one(queries.NEWEST_SESSION)
    return session_of(row, transaction.at_us) if row is not None else None


async def session_by_id(transaction: ReadTransaction, session_id: int) -> Session:
    """Return one session.

    Raises:
        NotFoundError: The history has no session with this id.
    """
    row = await transaction.one(queries.SESSION, {"id": session_id})
    if row is None:
        raise NotFoundError("session", session_id)
    return session_of(row, transaction.at_us)


async def home_time(transaction: ReadTransaction) -> HomeTime:
    """Return the home's time zone. If no recent session has recorded it, return the time zone of this machine.

    If the home has moved, its newest time zone applies to all times.
    """
    row = await transaction.one(queries.HOME_TIME_ZONE)
    return HomeTime.named(str(row["time_zone"]) if row is not None else None)


async def history_lost_until(transaction: ReadTransaction, at_us: int) -> int | None:
    """Return the start of the remaining history if it begins after a moment; None if the moment is not lost.

    A history is lost if its file was removed, replaced or damaged while Hassette was running.
    """
    row = await transaction.one(queries.HISTORY_LOST, {"at_us": at_us})
    since_us = time_of_fact(row["history_since"] or "") if row is not None else 0
    return since_us if since_us > at_us else None


async def uptime_in(transaction: ReadTransaction, time_range: TimeRange | None = None) -> Uptime:
    """Return the uptime of the framework within a time range."""
    time_range = await resolve(transaction, time_range)
    at_us = transaction.at_us
    newest = await sessions_page(transaction, time_range, limit=_MAX_SPANS)
    first = await transaction.one(queries.FIRST_START)
    until_us = min(time_range.until_us, at_us)
    known_from = max(time_range.since_us, first["started_us"]) if first is not None else until_us
    within: Parameters = {
        "since_us": time_range.since_us,
        "until_us": until_us,
        "last_seen_us": at_us - HEARTBEAT_OVERDUE_US,
    }
    row = (await transaction.all(queries.UPTIME, within))[0]
    up_us = row["up_us"]
    if await transaction.one(queries.OVERLAP, within) is not None:
        up_us = (await transaction.all(queries.UPTIME_WITH_OVERLAPS, within))[0]["up_us"]
    known_us = until_us - known_from
    return Uptime(
        up_us=up_us,
        share=min(up_us / known_us, 1.0) if known_us > 0 else None,
        starts=row["starts"],
        crashes=row["crashes"],
        spans=tuple(reversed(newest.sessions)),
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


async def lifecycle_page(
    transaction: ReadTransaction,
    time_range: TimeRange | None = None,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
    routine: bool = True,
) -> LifecyclePage:
    """Return one page of lifecycle events, newest first. ``routine=False`` leaves out ordinary starts and stops."""
    check_limit(limit)
    time_range = await resolve(transaction, time_range)
    rows = await transaction.all(
        queries.LIFECYCLE if routine else queries.NOTABLE_LIFECYCLE,
        {
            "cursor": min(id_below(cursor), time_range.end_id),
            "first_id": time_range.first_id,
            "limit": limit + 1,
        },
    )
    events = tuple(LifecycleEvent(**dict(row)) for row in rows[:limit])
    return LifecyclePage(events=events, next_cursor=str(events[-1].id) if len(rows) > limit else None)


async def incidents(transaction: ReadTransaction) -> tuple[LifecycleEvent, ...]:
    """Return the incidents of the database file in the last 30 days, newest first."""
    since = TimeRange(max(transaction.at_us - _INCIDENTS_FOR_US, 0), transaction.at_us + SECOND_US)
    rows = await transaction.all(queries.INCIDENTS, {"first_id": since.first_id, "limit": _MAX_INCIDENTS})
    return tuple(LifecycleEvent(**dict(row)) for row in rows)


async def losses_page(
    transaction: ReadTransaction,
    time_range: TimeRange | None = None,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> LossesPage:
    """Return one page of losses, newest first."""
    check_limit(limit)
    time_range = await resolve(transaction, time_range)
    rows = await transaction.all(
        queries.LOSSES,
        {
            "cursor": id_below(cursor),
            "since_us": time_range.since_us,
            "until_us": time_range.until_us,
            "limit": limit + 1,
        },
    )
    losses = tuple(Loss(**dict(row)) for row in rows[:limit])
    return LossesPage(losses=losses, next_cursor=str(losses[-1].id) if len(rows) > limit else None)


async def losses_by_reason(transaction: ReadTransaction, time_range: TimeRange, *, limit: int) -> tuple[Loss, ...]:
    """Return the losses of a time range, with one entry for each kind of record and reason, newest first."""
    rows = await transaction.all(
        queries.LOSSES_BY_REASON,
        {"since_us": time_range.since_us, "until_us": time_range.until_us, "limit": limit},
    )
    return tuple(Loss(**dict(row)) for row in rows)


async def lost_records(transaction: ReadTransaction, time_range: TimeRange) -> int:
    """Return the number of lost records in a time range."""
    row = await transaction.one(queries.LOST, {"since_us": time_range.since_us, "until_us": time_range.until_us})
    return row[0] if row is not None else 0


async def check_readable(transaction: ReadTransaction) -> None:
    """Read one row of each table that the pages need. If a table cannot be read, the question raises an error.

    The status alone can often be read from a damaged file whose first page cannot be shown.
    """
    await transaction.all(queries.ROW_OF_EACH_TABLE)
