"""Latency sketches of all apps by period, cached until the number of runs changes.

A live page needs the result every second, but adding the sketches of 250 busy handlers over a day takes half a second,
and more on a Raspberry Pi. A sketch changes only if the number of runs in its period changes, and this number is
cheap to read. So the cache stores each sketch with that number. When the number differs, it reads the sketch again.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping

from hassette_store.sketch import quantiles
from hassette_sync.answers.values import Percentiles
from hassette_sync.queries.statistics import PERCENTILES, statistics_sql
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import Periods

_MAX_SKETCHES = 1_000

Sketch = Mapping[int, int]
"""Number of runs by bucket."""

_Key = tuple[tuple[int, int], str, int]


class Sketches:
    """Cache of sketches by period."""

    def __init__(self) -> None:
        self._sketches: OrderedDict[_Key, tuple[int, Sketch]] = OrderedDict()

    async def by_period(
        self, transaction: ReadTransaction, periods: Periods, totals: Mapping[int, int]
    ) -> dict[int, Sketch]:
        """Return the sketch of each period that has runs.

        Args:
            transaction: Read transaction of the question.
            periods: The periods; only their unit is used.
            totals: Number of runs by period, from the same transaction.
        """
        found: dict[int, Sketch] = {}
        missing: list[int] = []
        for period, total in totals.items():
            known = self._sketches.get((transaction.identity, periods.unit, period))
            if known is not None and known[0] == total:
                found[period] = known[1]
            else:
                missing.append(period)
        if missing:
            read: dict[int, Counter[int]] = {period: Counter() for period in missing}
            within = {"first": min(missing), "last": max(missing)}
            for row in await transaction.all(statistics_sql(periods.unit).sketch_by_period, dict(within)):
                if row["period"] in read:
                    read[row["period"]][row["bucket"]] = row["count"]
            for period, sketch in read.items():
                found[period] = sketch
                self._remember((transaction.identity, periods.unit, period), (totals[period], sketch))
        return found

    def _remember(self, key: _Key, value: tuple[int, Sketch]) -> None:
        self._sketches[key] = value
        self._sketches.move_to_end(key)
        while len(self._sketches) > _MAX_SKETCHES:
            self._sketches.popitem(last=False)


def percentiles(sketches: Iterable[Sketch]) -> Percentiles:
    """Return the percentiles of several sketches together."""
    merged: Counter[int] = Counter()
    for sketch in sketches:
        merged.update(sketch)
    values = quantiles(merged.items(), tuple(PERCENTILES.values()))
    return Percentiles(**{f"{name}_us": round(value) for name, value in zip(PERCENTILES, values, strict=False)})
