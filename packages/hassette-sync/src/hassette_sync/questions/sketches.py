"""The house's latency sketches, period by period, each read from the file only once.

Summing the sketches of 250 busy handlers over a day takes half a second, longer on a Raspberry Pi, and a page that
follows the runs asks each second. But a period's sketch only changes along with its number of runs, which is cheap to
ask: so a sketch is kept in memory together with that number, and read again when the number differs.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping

from hassette_sync.answers.values import Percentiles
from hassette_sync.queries.statistics import by_unit
from hassette_sync.questions.rows import bucket_value_us
from hassette_sync.reader import Snapshot
from hassette_sync.time_range import Periods

_MAX_KEPT = 1_000

Sketch = Mapping[int, int]
"""How many runs fell in each bucket."""

_Key = tuple[tuple[int, int], str, int]


class Sketches:
    """Remembers sketches of periods; see the module."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, tuple[int, Sketch]] = OrderedDict()

    async def of_house(self, snapshot: Snapshot, periods: Periods, totals: Mapping[int, int]) -> dict[int, Sketch]:
        """Return the sketch of each period that has runs.

        Args:
            snapshot: The moment to look at.
            periods: Which periods.
            totals: How many runs each has, in the same snapshot.
        """
        found: dict[int, Sketch] = {}
        missing: list[int] = []
        for period, total in totals.items():
            kept = self._kept.get((snapshot.identity, periods.unit, period))
            if kept is not None and kept[0] == total:
                found[period] = kept[1]
            else:
                missing.append(period)
        if missing:
            fresh: dict[int, Counter[int]] = {period: Counter() for period in missing}
            within = {"first": min(missing), "last": max(missing)}
            for row in await snapshot.all(by_unit(periods.unit).sketch_by_period, dict(within)):
                if row["period"] in fresh:
                    fresh[row["period"]][row["bucket"]] = row["count"]
            for period, sketch in fresh.items():
                found[period] = sketch
                self._keep((snapshot.identity, periods.unit, period), (totals[period], sketch))
        return found

    def _keep(self, key: _Key, value: tuple[int, Sketch]) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)


def percentiles(sketches: Iterable[Sketch]) -> Percentiles:
    """Return the percentiles of sketches together: the first buckets in which the running counts reach the shares."""
    merged: Counter[int] = Counter()
    for sketch in sketches:
        merged.update(sketch)
    total = merged.total()
    if not total:
        return Percentiles()
    reached: list[int] = []
    running = 0
    shares = [0.50, 0.95, 0.99]
    for bucket in sorted(merged):
        running += merged[bucket]
        while shares and running >= shares[0] * total:
            reached.append(bucket_value_us(bucket))
            shares.pop(0)
    return Percentiles(p50_us=reached[0], p95_us=reached[1], p99_us=reached[2])
