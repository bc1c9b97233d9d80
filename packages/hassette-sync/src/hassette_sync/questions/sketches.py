"""Latency sketches, and percentiles from them.

A live page needs the percentiles of all handlers every second. A sketch changes only if the store counts more runs in
it, and the sums of its counted runs are cheap to read. So the caches of the reader keep merged sketches with these sums
as their version, and the sketches are read again when the sums differ. Runs only enter or leave the statistics together
with their numbers and durations, so the same sums mean the same runs.

The last period of a range grows, while the others seldom change. So each handler or job has two merged sketches. The
percentiles of those without uncounted runs are cached, too.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hassette_store.sketch import bucket_of, counts_of, merge, quantiles
from hassette_store.statuses import INTERRUPTED
from hassette_sync.answers.values import Percentiles
from hassette_sync.queries.statistics import FEW, PERCENTILES, statistics_sql
from hassette_sync.questions.statistics import counted_by_period, counted_by_registration, is_counted, uncounted_runs
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import Periods


@dataclass(slots=True)
class Durations:
    """Durations of some runs.

    Attributes:
        sketches: Sketches of counted runs.
        buckets: Buckets of runs that the store has not counted yet.
    """

    sketches: list[bytes] = field(default_factory=list[bytes])
    buckets: list[int] = field(default_factory=list[int])

    def counts(self) -> Mapping[int, int]:
        """Return the number of runs by bucket."""
        counts: defaultdict[int, int] = defaultdict(int)
        for bucket, count in counts_of(merge(self.sketches)):
            counts[bucket] += count
        for bucket in self.buckets:
            counts[bucket] += 1
        return counts


async def durations_by_period(transaction: ReadTransaction, periods: Periods) -> dict[int, Durations]:
    """Return the durations of all handlers and jobs in each period that has runs."""
    statement = statistics_sql(periods.unit).sketches_of_period
    found: defaultdict[int, Durations] = defaultdict(Durations)
    for row in await counted_by_period(transaction, periods):
        period, *version = row
        key = ("all", transaction.identity, periods.unit, period)
        sketch = transaction.caches.sketches.get(key, tuple(version))
        if sketch is None:
            rows = await transaction.all(statement, {"period": period})
            sketch = merge(one["sketch"] for one in rows)
            transaction.caches.sketches.put(key, tuple(version), sketch)
        found[period].sketches.append(sketch)
    await _add_uncounted(transaction, periods, "period", found)
    return dict(found)


async def percentiles_by_registration(
    transaction: ReadTransaction,
    periods: Periods,
    registrations: Sequence[int],
    among: Sequence[int] | None = None,
) -> dict[int, Percentiles]:
    """Return the percentiles of some handlers and jobs; without those that have no runs.

    Args:
        transaction: Read transaction of the question.
        periods: Hours or days of the runs.
        registrations: Ids of the handlers and jobs.
        among: Ids whose sums the question has read; None for all handlers and jobs.
    """
    wanted = set(registrations)
    uncounted: defaultdict[int, Durations] = defaultdict(Durations)
    await _add_uncounted(transaction, periods, "registration_id", uncounted, wanted)
    versions = await _versions(transaction, periods, wanted, among)
    cache = transaction.caches.percentiles
    found: dict[int, Percentiles] = {}
    for registration_id, parts in versions.items():
        known = cache.get(_key(transaction, periods, registration_id), tuple(parts))
        if known is not None and registration_id not in uncounted:
            found[registration_id] = _percentiles(known)
    missing = {registration_id: parts for registration_id, parts in versions.items() if registration_id not in found}
    durations = await _counted_durations(transaction, periods, missing)
    for registration_id in {*missing, *uncounted}:
        one = durations.get(registration_id, Durations())
        values = _values([one, uncounted[registration_id]] if registration_id in uncounted else [one])
        found[registration_id] = _percentiles(values)
        if registration_id not in uncounted:
            cache.put(_key(transaction, periods, registration_id), tuple(missing[registration_id]), values)
    return found


async def durations_by_registration(
    transaction: ReadTransaction, periods: Periods, registrations: Sequence[int]
) -> dict[int, Durations]:
    """Return the durations of some handlers and jobs in all the periods; without those that have no runs."""
    wanted = set(registrations)
    versions = await _versions(transaction, periods, wanted, registrations)
    found = defaultdict(Durations, await _counted_durations(transaction, periods, versions))
    await _add_uncounted(transaction, periods, "registration_id", found, wanted)
    return dict(found)


_Versions = Mapping[int, Sequence[tuple[int, ...] | None]]
"""For each handler or job the sums of its runs in the last period, and of those in the other periods."""


async def _versions(
    transaction: ReadTransaction, periods: Periods, wanted: set[int], among: Sequence[int] | None
) -> _Versions:
    found: defaultdict[int, list[tuple[int, ...] | None]] = defaultdict(lambda: [None, None])
    for place, rows in enumerate(await counted_by_registration(transaction, periods, among)):
        for registration_id, *sums in rows:
            if registration_id in wanted:
                found[registration_id][place] = tuple(sums)
    return found


async def _counted_durations(
    transaction: ReadTransaction, periods: Periods, versions: _Versions
) -> dict[int, Durations]:
    """Return the durations of counted runs."""
    cache = transaction.caches.sketches
    found: defaultdict[int, Durations] = defaultdict(Durations)
    for place, part in enumerate(("last", "before")):
        missing: dict[int, tuple[int, ...]] = {}
        for registration_id, parts in versions.items():
            if (version := parts[place]) is None:
                continue
            sketch = cache.get((part, *_key(transaction, periods, registration_id)), version)
            if sketch is None:
                missing[registration_id] = version
            else:
                found[registration_id].sketches.append(sketch)
        first, last = (periods.last, periods.last) if part == "last" else (periods.first, periods.last - 1)
        for registration_id, sketch in (await _merged(transaction, periods.unit, first, last, missing)).items():
            cache.put((part, *_key(transaction, periods, registration_id)), missing[registration_id], sketch)
            found[registration_id].sketches.append(sketch)
    return dict(found)


def _key(transaction: ReadTransaction, periods: Periods, registration_id: int) -> tuple[object, ...]:
    return (transaction.identity, periods.unit, periods.first, periods.last, registration_id)


async def _merged(
    transaction: ReadTransaction, unit: str, first: int, last: int, registrations: Iterable[int]
) -> dict[int, bytes]:
    """Return the merged sketches of some handlers and jobs."""
    ids = list(registrations)
    if not ids:
        return {}
    some: Parameters = {"first": first, "last": last, "registrations": json.dumps(ids)}
    sketches: defaultdict[int, list[bytes]] = defaultdict(list)
    statements = statistics_sql(unit)
    statement = statements.sketches_of_few if len(ids) <= FEW else statements.sketches_by_registration
    for registration_id, sketch in await transaction.all(statement, some):
        sketches[registration_id].append(sketch)
    return {registration_id: merge(some) if len(some) > 1 else some[0] for registration_id, some in sketches.items()}


async def durations_of_one(
    transaction: ReadTransaction, periods: Periods, registration_id: int
) -> dict[int, Durations]:
    """Return the durations of one handler or job in each period that has runs."""
    found: defaultdict[int, Durations] = defaultdict(Durations)
    one: Parameters = {"first": periods.first, "last": periods.last, "registration_id": registration_id}
    for row in await transaction.all(statistics_sql(periods.unit).sketches_of_one, one):
        found[row["period"]].sketches.append(row["sketch"])
    await _add_uncounted(transaction, periods, "period", found, {registration_id})
    return dict(found)


async def _add_uncounted(
    transaction: ReadTransaction,
    periods: Periods,
    by: str,
    found: defaultdict[int, Durations],
    registrations: set[int] | None = None,
) -> None:
    for row in await uncounted_runs(transaction, periods):
        has_duration = row["status"] != INTERRUPTED and is_counted(row["status"])
        if has_duration and (registrations is None or row["registration_id"] in registrations):
            found[row[by]].buckets.append(bucket_of(row["duration_us"]))


def percentiles(durations: Iterable[Durations]) -> Percentiles:
    """Return the percentiles of some durations together."""
    return _percentiles(_values(durations))


def _values(durations: Iterable[Durations]) -> list[int]:
    durations = list(durations)
    sketches = (sketch for one in durations for sketch in one.sketches)
    more = (bucket for one in durations for bucket in one.buckets)
    return [round(value) for value in quantiles(sketches, tuple(PERCENTILES.values()), more)]


def _percentiles(values: Sequence[int]) -> Percentiles:
    return Percentiles(**{f"{name}_us": value for name, value in zip(PERCENTILES, values, strict=False)})
