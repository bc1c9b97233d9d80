"""Questions about failures."""

import json
from collections.abc import Sequence
from dataclasses import replace
from sqlite3 import Row

from hassette_store.ids import MAX_ID
from hassette_sync.answers.errors import ErrorGroup, ErrorGroupDetail, ErrorGroupsPage
from hassette_sync.errors import BadQuestionError, NotFoundError
from hassette_sync.ids import parse_id
from hassette_sync.queries import errors as queries
from hassette_sync.questions.paging import DEFAULT_LIMIT, check_limit
from hassette_sync.questions.periods import resolve
from hassette_sync.questions.rows import failing_line_of, registration_ref
from hassette_sync.questions.runs import RunFilter, newest_id, runs_page
from hassette_sync.questions.silences import silenced_groups
from hassette_sync.questions.trends import error_trends
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import TimeRange


async def error_groups_page(
    transaction: ReadTransaction,
    time_range: TimeRange | None = None,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
    silenced: bool = True,
    with_trends: bool = True,
) -> ErrorGroupsPage:
    """Return one page of error groups, most recently seen first.

    All pages use the order and the start of the time range of the first page. So a group that fails again between two
    pages keeps its place.

    Args:
        transaction: Read transaction of the question.
        time_range: Time range of the failures.
        cursor: ``next_cursor`` of the page before.
        limit: Maximum number of error groups.
        silenced: If false, error groups that are silenced now are left out.
        with_trends: If false, the answer has no trends.
    """
    check_limit(limit)
    time_range = await resolve(transaction, time_range)
    if cursor:
        as_of, below, since_us = _parse(cursor)
        time_range = replace(time_range, since_us=min(since_us, time_range.until_us - 1))
    else:
        as_of, below = await newest_id(transaction), MAX_ID
    within: Parameters = {"first_id": time_range.first_id, "end_id": time_range.end_id}
    rows = await transaction.all(
        queries.ERROR_GROUPS,
        {
            **within,
            "since_us": time_range.since_us,
            "until_us": time_range.until_us,
            "as_of": as_of,
            "below": below,
            "limit": limit + 1,
            "left_out": json.dumps([] if silenced else list(await silenced_groups(transaction))),
        },
    )
    listed: Parameters = {**within, "groups": json.dumps([row["id"] for row in rows[:limit]])}
    recent = {row["error_group_id"]: row["count"] for row in await transaction.all(queries.RECENT_COUNTS, listed)}
    groups = tuple(_group(row, recent[row["id"]]) for row in rows[:limit])
    more = len(rows) > limit
    return ErrorGroupsPage(
        groups=groups,
        trends=await error_trends(transaction, groups, time_range) if with_trends else (),
        next_cursor=f"{as_of}-{rows[limit - 1]['place']}-{time_range.since_us}" if more else None,
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


def _parse(cursor: str) -> tuple[int, int, int]:
    """Return the newest run of the first page, the place of the last group, and the start of the time range."""
    parts = cursor.split("-")
    if len(parts) != 3:
        raise BadQuestionError(f"must be the next_cursor of a page of errors, got {cursor[:40]!r}.", parameter="cursor")
    as_of, below, since_us = (parse_id(part, "cursor") for part in parts)
    return as_of, below, since_us


async def error_group_detail(
    transaction: ReadTransaction, group_id: int, time_range: TimeRange | None = None
) -> ErrorGroupDetail:
    """Return one error group with its traceback, the affected handlers and jobs, and its newest runs.

    Raises:
        NotFoundError: The history has no error group with this id.
    """
    row = await transaction.one(queries.ERROR_GROUP, {"id": group_id})
    if row is None:
        raise NotFoundError("error group", group_id)
    time_range = await resolve(transaction, time_range)
    page = await runs_page(transaction, RunFilter(error_group_id=group_id), TimeRange(0, time_range.until_us))
    recent = await transaction.one(
        queries.RECENT_COUNT, {"id": group_id, "first_id": time_range.first_id, "end_id": time_range.end_id}
    )
    affected = await transaction.all(queries.AFFECTED_REGISTRATIONS, {"id": group_id})
    group = _group(row, recent["count"] if recent is not None else 0)
    (trend,) = await error_trends(transaction, (group,), time_range)
    return ErrorGroupDetail(
        group=group,
        trend=trend,
        sample_line=failing_line_of(row),
        sample_traceback=row["sample_traceback"],
        registrations=tuple(registration_ref(registration) for registration in affected),
        runs=page.runs,
    )


async def groups_of_runs(
    transaction: ReadTransaction, run_ids: Sequence[int], *, limit: int
) -> tuple[tuple[ErrorGroup, ...], bool]:
    """Return the error groups of some failed runs, most recently seen first, and whether there are more of them.

    ``recent`` of each group counts only these runs.

    Args:
        transaction: Read transaction of the question.
        run_ids: Ids of failed runs.
        limit: Maximum number of groups.
    """
    rows = await transaction.all(queries.GROUPS_OF_RUNS, {"ids": json.dumps(run_ids), "limit": limit + 1})
    found = [(await transaction.one(queries.ERROR_GROUP, {"id": row["error_group_id"]}), row["count"]) for row in rows]
    return tuple(_group(group, count) for group, count in found[:limit] if group is not None), len(rows) > limit


async def error_group_key(transaction: ReadTransaction, group_id: int) -> tuple[str, str]:
    """Return the fingerprint and the type of an error group.

    Raises:
        NotFoundError: The history has no error group with this id.
    """
    row = await transaction.one(queries.ERROR_GROUP_KEY, {"id": group_id})
    if row is None:
        raise NotFoundError("error group", group_id)
    return row["fingerprint"], row["type"]


def _group(row: Row, recent: int) -> ErrorGroup:
    return ErrorGroup(
        id=row["id"],
        kind=row["kind"],
        type=row["type"],
        sample_message=row["sample_message"],
        sample_run_id=row["sample_run_id"],
        first_seen_us=row["first_seen_us"],
        last_seen_us=row["last_seen_us"],
        last_run_id=row["last_run_id"],
        count=row["count"],
        recent=recent,
        silenced_until_us=row["silenced_until_us"],
    )
