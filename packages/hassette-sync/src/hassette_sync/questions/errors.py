"""Questions about failures."""

from sqlite3 import Row

from hassette_sync.answers.errors import ErrorGroup, ErrorGroupDetail, ErrorGroupsPage
from hassette_sync.answers.values import RegistrationRef
from hassette_sync.errors import BadQuestionError, NotFoundError
from hassette_sync.ids import MAX_ID, parse_id
from hassette_sync.queries import errors as queries
from hassette_sync.questions.runs import MAX_LIMIT, RunFilter, runs_page
from hassette_sync.reader import Snapshot
from hassette_sync.time_range import TimeRange


async def error_groups(snapshot: Snapshot, time_range: TimeRange, cursor: str | None, limit: int) -> ErrorGroupsPage:
    """Answer one page of error groups, the most recently seen first.

    A group that is seen again while somebody turns pages moves to the front, where the first page shows it.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise BadQuestionError(f"limit must be from 1 to {MAX_LIMIT}, not {limit}.")
    seen, _, id_ = (cursor or f"{MAX_ID}-{MAX_ID}").partition("-")
    recent = {
        row["error_group_id"]: row["count"]
        for row in await snapshot.all(
            queries.RECENT_COUNTS, {"first_id": time_range.first_id, "end_id": time_range.end_id}
        )
    }
    rows = await snapshot.all(
        queries.ERROR_GROUPS,
        {
            "since_us": time_range.since_us,
            "until_us": time_range.until_us,
            "first_id": time_range.first_id,
            "end_id": time_range.end_id,
            "last_seen_us": parse_id(seen, "cursor"),
            "id": parse_id(id_, "cursor"),
            "limit": limit + 1,
        },
    )
    groups = tuple(_group(row, recent.get(row["id"], 0)) for row in rows[:limit])
    return ErrorGroupsPage(
        groups=groups,
        next_cursor=f"{groups[-1].last_seen_us}-{groups[-1].id}" if len(rows) > limit else None,
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


async def error_group_detail(snapshot: Snapshot, group_id: int, time_range: TimeRange) -> ErrorGroupDetail:
    """Answer one error group: its traceback, whom it befell, its newest runs."""
    row = await snapshot.one(queries.ERROR_GROUP, {"id": group_id})
    if row is None:
        raise NotFoundError("error group", group_id)
    page = await runs_page(snapshot, RunFilter(error_group_id=group_id), TimeRange(0, time_range.until_us), None, 50)
    recent = await snapshot.one(
        queries.RECENT_COUNT, {"id": group_id, "first_id": time_range.first_id, "end_id": time_range.end_id}
    )
    affected = await snapshot.all(queries.AFFECTED, {"id": group_id})
    return ErrorGroupDetail(
        group=_group(row, recent["count"] if recent is not None else 0),
        traceback=row["traceback"],
        registrations=tuple(
            RegistrationRef(
                id=one["id"],
                kind="job" if one["kind"] == "job" else "handler",
                app=one["app"],
                instance=one["instance"],
                name=one["name"],
            )
            for one in affected
        ),
        runs=page.runs,
    )


def _group(row: Row, recent: int) -> ErrorGroup:
    return ErrorGroup(
        id=row["id"],
        kind=row["kind"],
        type=row["type"],
        message=row["message"],
        first_seen_us=row["first_seen_us"],
        last_seen_us=row["last_seen_us"],
        last_run_id=row["last_run_id"],
        count=row["count"],
        recent=recent,
    )
