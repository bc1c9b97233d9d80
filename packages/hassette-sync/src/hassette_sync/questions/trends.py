"""Question about the course of errors over time."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from hassette_store.ids import first_id_at, time_of
from hassette_sync.answers.errors import ErrorGroup
from hassette_sync.answers.trends import AppVersion, ErrorTrend
from hassette_sync.queries import trends as queries
from hassette_sync.questions.periods import resolve
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import TimeRange

PARTS = 24


async def error_trends(
    transaction: ReadTransaction, groups: Sequence[ErrorGroup], time_range: TimeRange | None = None
) -> tuple[ErrorTrend, ...]:
    """Return the course of some error groups in a time range, in the order of the groups.

    Args:
        transaction: Read transaction of the question.
        groups: The error groups.
        time_range: Time range, which is divided into 24 equal parts.
    """
    time_range = await resolve(transaction, time_range)
    some: Parameters = {
        "groups": json.dumps([group.id for group in groups]),
        "parts": json.dumps(_parts_of(time_range)),
        "first_id": time_range.first_id,
    }
    points: defaultdict[int, list[int]] = defaultdict(lambda: [0] * PARTS)
    for row in await transaction.all(queries.FAILURES_BY_PART, some):
        points[row["error_group_id"]][row["part"]] = row["count"]
    before = {row["error_group_id"]: row["run_id"] for row in await transaction.all(queries.LAST_FAILURE_BEFORE, some)}
    apps: defaultdict[int, list[str]] = defaultdict(list)
    for row in await transaction.all(queries.APPS_OF_GROUPS, some):
        apps[row["error_group_id"]].append(row["app"])
    versions = await _first_versions(transaction, groups, apps)
    return tuple(
        _trend(group, points[group.id], before.get(group.id), tuple(apps[group.id]), versions[group.id], time_range)
        for group in groups
    )


async def _first_versions(
    transaction: ReadTransaction, groups: Sequence[ErrorGroup], apps: Mapping[int, Sequence[str]]
) -> Mapping[int, Sequence[AppVersion]]:
    """Return the versions of the apps of each error group at the time of its first failure."""
    pairs: list[tuple[ErrorGroup, str]] = [(group, app) for group in groups for app in apps[group.id]]
    asked = json.dumps([(app, first_id_at(group.first_seen_us + 1)) for group, app in pairs])
    versions: defaultdict[int, list[AppVersion]] = defaultdict(list)
    for row in await transaction.all(queries.VERSIONS_BEFORE, {"apps": asked}):
        group, app = pairs[int(row["place"])]
        if row["version"] is not None:
            versions[group.id].append(AppVersion(app=app, version=row["version"]))
    return versions


def _parts_of(time_range: TimeRange) -> list[tuple[int, int]]:
    """Return the ranges of ids of equal parts of a time range."""
    length_us = -(-(time_range.until_us - time_range.since_us) // PARTS)
    ends = (min(time_range.since_us + part * length_us, time_range.until_us) for part in range(PARTS + 1))
    return list(pairwise(map(first_id_at, ends)))


def _trend(
    group: ErrorGroup,
    points: list[int],
    run_before: int | None,
    apps: tuple[str, ...],
    first_versions: Sequence[AppVersion],
    time_range: TimeRange,
) -> ErrorTrend:
    is_new = group.first_seen_us >= time_range.since_us
    length_us = time_range.until_us - time_range.since_us
    # The last failure before the range may have been deleted because of its age. Then it was long ago.
    quiet_since_us = time_of(run_before) if run_before is not None else group.first_seen_us
    return ErrorTrend(
        id=group.id,
        points=tuple(points),
        apps=apps,
        first_versions=tuple(first_versions),
        is_new=is_new,
        is_back=not is_new and quiet_since_us < time_range.since_us - length_us,
        is_over=any(points) and not any(points[PARTS // 2 :]),
    )
