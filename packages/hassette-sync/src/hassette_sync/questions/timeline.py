"""Details of the timeline: runs by the minute, and marks of sessions and versions."""

import json
from collections import Counter
from collections.abc import Mapping
from sqlite3 import Row

from hassette_store.ids import first_id_at, time_of
from hassette_store.sketch import nearest_rank
from hassette_store.statuses import INTERRUPTED, STATUS_NAMES
from hassette_sync.answers.overview import Mark, TimeChoices, TimelinePoint
from hassette_sync.answers.values import Counts, Percentiles
from hassette_sync.queries import timeline as queries
from hassette_sync.queries.statistics import PERCENTILES
from hassette_sync.questions.sessions import newest_session
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import HOUR_US, MINUTE_US, SECOND_US, Periods, TimeRange

_MAX_HOURS = 7
_MAX_POINTS = 125
_STEPS_US = tuple(minutes * MINUTE_US for minutes in (1, 2, 5, 10))
LONGEST_MINUTES_US = _STEPS_US[-1]
"""Length of the longest point of a chart by the minute."""
# Reading more runs than this takes longer than the chart is worth.
_MAX_RUNS = 20_000
_STATUS = (1 << queries.STATUS_BITS) - 1
_MAX_MARKS = 40


async def points_by_minute(
    transaction: ReadTransaction, periods: Periods, counts: Mapping[int, Counts], registration_id: int | None
) -> tuple[int, tuple[TimelinePoint, ...]] | None:
    """Return the points of a short range by the minute, and their length.

    Return None if the range is too long, if there are too many runs, or if the history does not have the rows of all
    runs any more. The chart then shows whole hours.

    Args:
        transaction: Read transaction of the question.
        periods: The hours of the range.
        counts: Numbers of runs by hour, from the statistics.
        registration_id: Id of a handler or job; None for all.
    """
    if periods.unit != "hour" or periods.last - periods.first >= _MAX_HOURS:
        return None
    if sum(one.total for one in counts.values()) > _MAX_RUNS:
        return None
    since_us, until_us = periods.since_us, periods.until_us
    length_us = next(step for step in _STEPS_US if (until_us - since_us) / step <= _MAX_POINTS)
    points: Parameters = {"first": since_us // length_us, "last": (until_us - 1) // length_us}
    points["ids_per_point"] = first_id_at(length_us)
    statement = queries.BY_POINT
    if registration_id is not None:
        statement, points["registration_id"] = queries.BY_POINT_OF_ONE, registration_id
    found = tuple(_point(row, length_us) for row in await transaction.all(statement, points))
    by_hour: Counter[int] = Counter()
    for point in found:
        by_hour[point.start_us // HOUR_US] += point.counts.total
    if any(by_hour[hour] != one.total for hour, one in counts.items()):
        return None
    return length_us, found


def _point(row: Row, length_us: int) -> TimelinePoint:
    start, *of_kinds = row
    # The duration is in the upper bits of a value, so this is also the order of the durations.
    runs = sorted(run for of_kind in of_kinds for run in json.loads(of_kind))
    statuses = Counter(map(_STATUS.__and__, runs))
    if statuses[INTERRUPTED]:
        runs = [run for run in runs if run & _STATUS != INTERRUPTED]
    return TimelinePoint(
        start_us=start * length_us,
        counts=Counts(**{name: statuses[status] for status, name in enumerate(STATUS_NAMES)}),
        percentiles=_percentiles(runs),
        skipped=None,
    )


def _percentiles(runs: list[int]) -> Percentiles:
    """Return the percentiles of sorted runs by nearest rank."""
    if not runs:
        return Percentiles()
    ranks = {name: nearest_rank(share, len(runs)) for name, share in PERCENTILES.items()}
    return Percentiles(**{f"{name}_us": runs[rank - 1] >> queries.STATUS_BITS for name, rank in ranks.items()})


async def marks_in(transaction: ReadTransaction, time_range: TimeRange, app: str | None = None) -> tuple[Mark, ...]:
    """Return the starts and crashes of the framework and the new versions of apps in a time range, oldest first.

    The function returns at most 40 marks, the newest ones.

    Args:
        transaction: Read transaction of the question.
        time_range: The time range.
        app: Key of the app whose versions are returned; None for all apps.
    """
    since_us, until_us = time_range.since_us, time_range.until_us
    within: Parameters = {
        "since_us": since_us, "until_us": until_us, "first_id": time_range.first_id, "end_id": time_range.end_id,
        "app": app, "limit": _MAX_MARKS,
    }  # fmt: skip
    marks: list[Mark] = []
    for row in await transaction.all(queries.SESSION_MARKS, within):
        if since_us <= row["started_us"] < until_us:
            marks.append(Mark(at_us=row["started_us"], kind="start", title=f"Hassette started (session {row['id']})"))
        if row["outcome"] == "crashed" and row["ended_us"] is not None and since_us <= row["ended_us"] < until_us:
            marks.append(Mark(at_us=row["ended_us"], kind="crash", title=f"Hassette crashed (session {row['id']})"))
    versions = queries.NEW_VERSIONS if app is None else queries.NEW_VERSIONS_OF_APP
    marks += [
        Mark(at_us=time_of(row["id"]), kind="version", title=f"{row['app']} changed ({row['version']})")
        for row in await transaction.all(versions, within)
    ]
    return tuple(sorted(marks, key=lambda mark: mark.at_us)[-_MAX_MARKS:])


async def time_choices(transaction: ReadTransaction, app: str | None = None) -> TimeChoices:
    """Return the start of the newest session and of the newest version, as choices of a time range.

    Args:
        transaction: Read transaction of the question.
        app: Key of the app whose version is meant; None for any app.
    """
    session = await newest_session(transaction)
    ever = TimeRange(0, transaction.at_us + SECOND_US)
    statement = queries.NEW_VERSIONS if app is None else queries.NEW_VERSIONS_OF_APP
    within: Parameters = {"first_id": ever.first_id, "end_id": ever.end_id, "app": app, "limit": 1}
    newest = await transaction.one(statement, within)
    return TimeChoices(
        session_us=session.started_us if session is not None else None,
        version_us=time_of(newest["id"]) if newest is not None else None,
        version_title=f"{newest['app']} {newest['version']}" if newest is not None else "",
    )
