"""Latency sketches, and percentiles from them.

A live page needs the percentiles of all apps every second. The sketch of a period changes only if the store counts
more runs in it, and the number and total duration of its counted runs are cheap to read. So a cache keeps the merged
sketch of each period with these two numbers, and reads the sketches of a period again when they differ.
"""

import json
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hassette_store.sketch import bucket_of, counts_of, merge, quantiles
from hassette_sync.answers.values import Percentiles
from hassette_sync.queries.statistics import PERCENTILES, statistics_sql
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import Periods

_MAX_SKETCHES = 1_000

_Key = tuple[tuple[int, int], str, int]


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


class Sketches:
    """Cache of the merged sketches of all handlers and jobs, by period."""

    def __init__(self) -> None:
        self._sketches: OrderedDict[_Key, tuple[tuple[int, ...], bytes]] = OrderedDict()

    async def by_period(self, transaction: ReadTransaction, periods: Periods) -> dict[int, Durations]:
        """Return the durations in each period that has runs."""
        statements = statistics_sql(periods.unit)
        within: Parameters = {"first": periods.first, "last": periods.last}
        found: dict[int, Durations] = defaultdict(Durations)
        for row in await transaction.all(statements.counted_by_period, within):
            key = (transaction.identity, periods.unit, row["period"])
            counted = tuple(row)
            known = self._sketches.get(key)
            if known is None or known[0] != counted:
                rows = await transaction.all(statements.sketches_of_period, {"period": row["period"]})
                known = (counted, merge(one["sketch"] for one in rows))
                self._remember(key, known)
            found[row["period"]].sketches.append(known[1])
        for row in await transaction.all(statements.uncounted, within):
            found[row["period"]].buckets.append(bucket_of(row["duration_us"]))
        return dict(found)

    def _remember(self, key: _Key, value: tuple[tuple[int, ...], bytes]) -> None:
        self._sketches[key] = value
        self._sketches.move_to_end(key)
        while len(self._sketches) > _MAX_SKETCHES:
            self._sketches.popitem(last=False)


async def durations_by_registration(
    transaction: ReadTransaction, periods: Periods, registrations: Sequence[int]
) -> dict[int, Durations]:
    """Return the durations of some handlers and jobs; without those that have no runs."""
    statements = statistics_sql(periods.unit)
    within: Parameters = {"first": periods.first, "last": periods.last}
    found: dict[int, Durations] = defaultdict(Durations)
    some: Parameters = {**within, "registrations": json.dumps(registrations)}
    for registration_id, sketch in await transaction.all(statements.sketches_by_registration, some):
        found[registration_id].sketches.append(sketch)
    wanted = set(registrations)
    for row in await transaction.all(statements.uncounted, within):
        if row["registration_id"] in wanted:
            found[row["registration_id"]].buckets.append(bucket_of(row["duration_us"]))
    return dict(found)


async def durations_of_one(
    transaction: ReadTransaction, periods: Periods, registration_id: int
) -> dict[int, Durations]:
    """Return the durations of one handler or job in each period that has runs."""
    statements = statistics_sql(periods.unit)
    within: Parameters = {"first": periods.first, "last": periods.last}
    found: dict[int, Durations] = defaultdict(Durations)
    one: Parameters = {**within, "registration_id": registration_id}
    for row in await transaction.all(statements.sketches_of_one, one):
        found[row["period"]].sketches.append(row["sketch"])
    for row in await transaction.all(statements.uncounted, within):
        if row["registration_id"] == registration_id:
            found[row["period"]].buckets.append(bucket_of(row["duration_us"]))
    return dict(found)


def percentiles(durations: Iterable[Durations]) -> Percentiles:
    """Return the percentiles of some durations together."""
    durations = list(durations)
    sketches = (sketch for one in durations for sketch in one.sketches)
    more = (bucket for one in durations for bucket in one.buckets)
    values = quantiles(sketches, tuple(PERCENTILES.values()), more)
    return Percentiles(**{f"{name}_us": round(value) for name, value in zip(PERCENTILES, values, strict=False)})
