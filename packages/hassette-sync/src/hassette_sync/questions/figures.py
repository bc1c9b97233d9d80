"""Figures of an exact time range, such as the time of a version: whole days, whole hours, and runs at its ends."""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from hassette_store.ids import first_id_at
from hassette_store.sketch import bucket_of
from hassette_store.statuses import INTERRUPTED
from hassette_sync.answers.values import Counts, Percentiles
from hassette_sync.queries.runs import DURATIONS
from hassette_sync.questions.periods import MAX_HOURS
from hassette_sync.questions.sketches import Durations, durations_by_registration, percentiles
from hassette_sync.questions.statistics import Sums, is_counted, sums_by_registration
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import DAY_US, HOUR_US, Periods, TimeRange

_HOURS = DAY_US // HOUR_US
_MAX_RUNS = 20_000


@dataclass(frozen=True, slots=True)
class ExactFigures:
    """Figures of one handler or job: numbers of runs by status, and percentiles of the durations."""

    counts: Counts = field(default_factory=Counts)
    percentiles: Percentiles = field(default_factory=Percentiles)


async def exact_figures(
    transaction: ReadTransaction, time_range: TimeRange, registrations: Sequence[int]
) -> dict[int, ExactFigures]:
    """Return the figures of the runs in exactly this time, for each handler or job that has some.

    If the single runs of an hour at an end have been deleted or evicted, the runs of this hour are left out. So are
    the hours of a day at an end whose hourly statistics have been deleted.

    Args:
        transaction: Read transaction of the question.
        time_range: The time. If it ends after the present hour begins, it includes this hour.
        registrations: Ids of the handlers and jobs.
    """
    sums: defaultdict[int, Sums] = defaultdict(Sums)
    durations: defaultdict[int, list[Durations]] = defaultdict(list)
    is_open = time_range.until_us > transaction.at_us
    for periods in _whole_periods(time_range, is_open=is_open):
        found = await sums_by_registration(transaction, periods, registrations)
        for registration_id, one in found.items():
            sums[registration_id].add(one)
        for registration_id, one in (await durations_by_registration(transaction, periods, list(found))).items():
            durations[registration_id].append(one)
    for part in _parts_of_hours(time_range, is_open=is_open):
        hour = _hours(part.since_us // HOUR_US, part.since_us // HOUR_US)
        counted = await sums_by_registration(transaction, hour, registrations)
        for registration_id, (whole, some, some_durations) in (await _runs_in_part(transaction, counted, part)).items():
            if whole.total == counted[registration_id].total:
                sums[registration_id].add(some)
                durations[registration_id].append(some_durations)
    return {
        registration_id: ExactFigures(one.counts(), percentiles(durations[registration_id]))
        for registration_id, one in sums.items()
        if one.total
    }


def _hours(first: int, last: int) -> Periods:
    return Periods(unit="hour", first=first, last=last, until_us=(last + 1) * HOUR_US)


def _whole_periods(time_range: TimeRange, *, is_open: bool) -> list[Periods]:
    """Return the whole hours in a range; if it is long, the whole days, and the hours before and after them."""
    first = -(-time_range.since_us // HOUR_US)
    end = (time_range.until_us - 1) // HOUR_US + 1 if is_open else time_range.until_us // HOUR_US
    if end - first <= MAX_HOURS:
        return [_hours(first, end - 1)] if first < end else []
    first_day, end_day = -(-first // _HOURS), end // _HOURS
    days = Periods(unit="day", first=first_day, last=end_day - 1, until_us=end_day * DAY_US)
    before = [_hours(first, first_day * _HOURS - 1)] if first < first_day * _HOURS else []
    after = [_hours(end_day * _HOURS, end - 1)] if end_day * _HOURS < end else []
    return [*before, days, *after]


def _parts_of_hours(time_range: TimeRange, *, is_open: bool) -> list[TimeRange]:
    """Return the parts of hours at the start and at the end of a range."""
    since_us, until_us = time_range.since_us, time_range.until_us
    first, last = since_us // HOUR_US, until_us // HOUR_US
    found: list[TimeRange] = []
    if since_us % HOUR_US:
        end_us = (first + 1) * HOUR_US
        found.append(TimeRange(since_us, end_us if is_open else min(end_us, until_us)))
    if until_us % HOUR_US and not is_open and (last > first or not found):
        found.append(TimeRange(max(since_us, last * HOUR_US), until_us))
    return found


async def _runs_in_part(
    transaction: ReadTransaction, registrations: Collection[int], part: TimeRange
) -> dict[int, tuple[Sums, Sums, Durations]]:
    """Return the sums of the runs of a whole hour, and the sums and the durations of those in a part of this hour.

    Only runs that have a row are counted.
    """
    start_us = part.since_us // HOUR_US * HOUR_US
    hour: Parameters = {
        "registrations": json.dumps(list(registrations)),
        "first_id": first_id_at(start_us),
        "end_id": first_id_at(start_us + HOUR_US),
        "limit": _MAX_RUNS,
    }
    found: defaultdict[int, tuple[Sums, Sums, Durations]] = defaultdict(lambda: (Sums(), Sums(), Durations()))
    for row in await transaction.once(DURATIONS, hour) if registrations else ():
        whole, some, durations = found[row["registration_id"]]
        whole.add_run(row["status"], row["duration_us"])
        if not part.first_id <= row["id"] < part.end_id:
            continue
        some.add_run(row["status"], row["duration_us"])
        if row["status"] != INTERRUPTED and is_counted(row["status"]):
            durations.buckets.append(bucket_of(row["duration_us"]))
    return dict(found)
