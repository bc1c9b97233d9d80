"""Summaries of evicted records: their counts, without the individual records.

Each evicted or rejected record is added to a summary of its registration and hour, so that totals, error counts and
percentiles stay right.
"""

from collections import Counter

from hassette_executor.records.batches import ShedSummary
from hassette_executor.records.ids import hour_of, time_of
from hassette_executor.records.registrations import Registration
from hassette_executor.records.runs import Record, Status
from hassette_executor.records.sketch import bucket_of


class _Sums:
    """Sums over the evicted and rejected records of one registration and hour."""

    __slots__ = ("buckets", "counts", "max_us", "registration", "total_us", "waited_us")

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self.counts: Counter[Status] = Counter()
        self.buckets: Counter[int] = Counter()
        self.total_us = self.max_us = self.waited_us = 0

    def add(self, record: Record) -> None:
        self.counts[record.status] += 1
        self.buckets[bucket_of(record.duration_us)] += 1
        self.total_us += record.duration_us
        self.waited_us += record.waited_us
        if record.duration_us > self.max_us:
            self.max_us = record.duration_us

    def merge(self, other: "_Sums") -> None:
        self.counts.update(other.counts)
        self.buckets.update(other.buckets)
        self.total_us += other.total_us
        self.waited_us += other.waited_us
        self.max_us = max(self.max_us, other.max_us)


class Summaries:
    """Summaries of evicted and rejected records, collected for the next batch.

    There is one summary per natural key and hour, so a job that is registered again for each run uses no more memory
    than other jobs. If the sink fails for days, the oldest hours are merged. No count is lost, but some runs are then
    counted in a later hour.

    Args:
        limit: How many summaries to hold before the oldest hours are merged.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sums: dict[tuple[tuple[str, ...], int], _Sums] = {}
        self._hours: Counter[int] = Counter()

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, record: Record) -> None:
        """Add a record to the summary of its registration and hour."""
        self._sums_of(record.registration, hour_of(time_of(record.id))).add(record)

    def take(self) -> tuple[ShedSummary, ...]:
        """Return the summaries since the last call."""
        taken, self._sums = self._sums, {}
        self._hours.clear()
        return tuple(
            ShedSummary(
                sums.registration,
                hour_us,
                tuple(sorted(sums.counts.items())),
                sums.total_us,
                sums.max_us,
                sums.waited_us,
                tuple(sorted(sums.buckets.items())),
            )
            for (_, hour_us), sums in taken.items()
        )

    def _sums_of(self, registration: Registration, hour_us: int) -> _Sums:
        key = (registration.key, hour_us)
        if (sums := self._sums.get(key)) is None:
            # If all counts belong to the same hour, there is no older hour to merge, so the limit may be exceeded.
            if len(self._sums) >= self._limit and len(self._hours) > 1:
                self._merge_oldest_hours()
                return self._sums_of(registration, hour_us)
            sums = self._sums[key] = _Sums(registration)
            self._hours[hour_us] += 1
        return sums

    def _merge_oldest_hours(self) -> None:
        oldest_us, next_us, *_ = sorted(self._hours)
        del self._hours[oldest_us]
        for key, hour_us in [place for place in self._sums if place[1] == oldest_us]:
            sums = self._sums.pop((key, hour_us))
            self._sums_of(sums.registration, next_us).merge(sums)
