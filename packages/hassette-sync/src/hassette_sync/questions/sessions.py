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
from hassette_sync.errors import BadQuestionError, NotFoundError
from hassette_sync.ids import MAX_ID, parse_id
from hassette_sync.queries import sessions as queries
from hassette_sync.questions.rows import facts_of
from hassette_sync.questions.runs import MAX_LIMIT
from hassette_sync.reader import Snapshot
from hassette_sync.time_range import DAY_US, SECOND_US, TimeRange

# The heart beats at least each 5 s; three missed beats are no accident.
HEARTBEAT_OVERDUE_US = 15 * SECOND_US
_MAX_SPANS = 500
_INCIDENTS_FOR_US = 30 * DAY_US
_MAX_INCIDENTS = 5


def session_of(row: Row, at_us: int) -> Session:
    """Make a session of a row, seen at this moment."""
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
    snapshot: Snapshot, time_range: TimeRange, cursor: str | None, limit: int, at_us: int
) -> SessionsPage:
    """Answer one page of the sessions that touch a time, newest first."""
    rows = await snapshot.all(
        queries.SESSIONS,
        {
            "cursor": _below(cursor, limit),
            "since_us": time_range.since_us,
            "until_us": time_range.until_us,
            "limit": limit + 1,
        },
    )
    sessions = tuple(session_of(row, at_us) for row in rows[:limit])
    return SessionsPage(
        sessions=sessions,
        next_cursor=str(sessions[-1].id) if len(rows) > limit else None,
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


async def newest_session(snapshot: Snapshot, at_us: int) -> Session | None:
    """Answer the newest session, None in an empty history."""
    row = await snapshot.one(queries.NEWEST_SESSION)
    return session_of(row, at_us) if row is not None else None


async def session(snapshot: Snapshot, session_id: int, at_us: int) -> Session:
    """Answer one session."""
    row = await snapshot.one(queries.SESSION, {"id": session_id})
    if row is None:
        raise NotFoundError("session", session_id)
    return session_of(row, at_us)


async def uptime(snapshot: Snapshot, time_range: TimeRange, at_us: int) -> Uptime:
    """Answer how much of a time the framework was up."""
    newest = await sessions_page(snapshot, time_range, None, _MAX_SPANS, at_us)
    # All of them are counted: what starts each minute and crashes has thousands.
    spans = await snapshot.all(queries.SPANS, {"since_us": time_range.since_us, "until_us": time_range.until_us})
    first = await snapshot.one(queries.FIRST_START)
    until_us = min(time_range.until_us, at_us)
    known_from = max(time_range.since_us, first["started_us"]) if first is not None else until_us
    up_us = 0
    covered = time_range.since_us
    for span in spans:
        # Sessions do not overlap, unless a clock was set back: then no moment counts twice.
        end = min(at_us if _state(span, at_us) == "running" else span["until_us"], until_us)
        start = max(span["started_us"], covered)
        up_us += max(end - start, 0)
        covered = max(covered, end)
    known_us = until_us - known_from
    return Uptime(
        up_us=up_us,
        share=min(up_us / known_us, 1.0) if known_us > 0 else None,
        starts=sum(span["started_us"] >= time_range.since_us for span in spans),
        crashes=sum(span["outcome"] == "crashed" and span["until_us"] < time_range.until_us for span in spans),
        spans=tuple(reversed(newest.sessions)),
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


async def lifecycle_page(
    snapshot: Snapshot, time_range: TimeRange, cursor: str | None, limit: int, *, routine: bool = True
) -> LifecyclePage:
    """Answer one page of lifecycle events, newest first; without ``routine`` only those that are not daily business."""
    rows = await snapshot.all(
        queries.LIFECYCLE if routine else queries.NOTABLE_LIFECYCLE,
        {
            "cursor": min(_below(cursor, limit), time_range.end_id),
            "first_id": time_range.first_id,
            "limit": limit + 1,
        },
    )
    events = tuple(LifecycleEvent(**dict(row)) for row in rows[:limit])
    return LifecyclePage(events=events, next_cursor=str(events[-1].id) if len(rows) > limit else None)


async def incidents(snapshot: Snapshot, at_us: int) -> tuple[LifecycleEvent, ...]:
    """Answer what befell the history file in the last 30 days, newest first: a recovery, an upgrade."""
    since = TimeRange(max(at_us - _INCIDENTS_FOR_US, 0), at_us + SECOND_US)
    rows = await snapshot.all(queries.INCIDENTS, {"first_id": since.first_id, "limit": _MAX_INCIDENTS})
    return tuple(LifecycleEvent(**dict(row)) for row in rows)


async def losses_page(snapshot: Snapshot, time_range: TimeRange, cursor: str | None, limit: int) -> LossesPage:
    """Answer one page of gaps, newest first."""
    rows = await snapshot.all(
        queries.LOSSES,
        {
            "cursor": _below(cursor, limit),
            "since_us": time_range.since_us,
            "until_us": time_range.until_us,
            "limit": limit + 1,
        },
    )
    losses = tuple(Loss(**dict(row)) for row in rows[:limit])
    return LossesPage(losses=losses, next_cursor=str(losses[-1].id) if len(rows) > limit else None)


async def lost(snapshot: Snapshot, time_range: TimeRange) -> int:
    """Answer how many details all gaps of a time make together."""
    row = await snapshot.one(queries.LOST, {"since_us": time_range.since_us, "until_us": time_range.until_us})
    return row[0] if row is not None else 0


def _below(cursor: str | None, limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise BadQuestionError(f"limit must be from 1 to {MAX_LIMIT}, not {limit}.")
    return parse_id(cursor, "cursor") if cursor else MAX_ID
