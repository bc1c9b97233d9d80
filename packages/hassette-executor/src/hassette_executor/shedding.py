"""Giving up detail without giving up counts: how much memory a row gives back, and what remains of it.

Every row that goes is folded into a summary of its registration and hour, so totals, error counts and percentiles stay
right.
"""

from collections import Counter
from collections.abc import Collection

from hassette_executor.failures import Failure
from hassette_executor.ids import time_of
from hassette_executor.records import Record, Registration, ShedSummary, Status
from hassette_executor.sketch import bucket_of

HOUR_US = 3_600_000_000
MAX_FOLDS = 10_000
"""Summaries that may wait: the hours of two days of two hundred handlers. About 1 kB each."""

PLAIN_BYTES = 300
"""Estimate for a record with neither failure nor effects: the tuple, its integers, its share of the trigger."""
_FRAME_BYTES = 120
_ITEM_BYTES = 200


def hour_of(at_us: int) -> int:
    """Return the start of the hour (UTC) that holds a time, both in microseconds since the Unix epoch."""
    return at_us - at_us % HOUR_US


def size_of(record: Record) -> int:
    """Estimate the memory that a record holds, in bytes."""
    size = PLAIN_BYTES + (_size_of_failure(record.failure) if record.failure is not None else 0)
    if record.effects is not None:
        for line in record.effects.log_lines:
            size += _ITEM_BYTES + len(line.logger) + len(line.message)
        for call in record.effects.service_calls:
            size += _ITEM_BYTES + len(call.domain) + len(call.service) + len(call.target) + len(call.data)
            size += len(call.error or "")
    return size


def _size_of_failure(failure: Failure) -> int:
    size = _ITEM_BYTES + len(failure.message) + _FRAME_BYTES * len(failure.frames)
    if failure.cause is not None:
        size += _size_of_failure(failure.cause)
    return size + sum(map(_size_of_failure, failure.group))


def beyond_plain(records: Collection[Record]) -> list[Record]:
    """Return the records that have a failure or effects: few, as a rule."""
    # By place, not by name: with a backlog, this runs on the event loop for every record.
    return [record for record in records if record[7] is not None or record[8] is not None]


def total_size(records: Collection[Record], not_plain: Collection[Record] | None = None) -> int:
    """Estimate the memory that records hold together, in bytes.

    Args:
        records: The records.
        not_plain: Those of them that `beyond_plain` returns, if the caller has them already.
    """
    if not_plain is None:
        not_plain = beyond_plain(records)
    return PLAIN_BYTES * (len(records) - len(not_plain)) + sum([size_of(record) for record in not_plain])


class _Fold:
    """What remains of the shed runs of one registration and hour."""

    __slots__ = ("buckets", "counts", "max_us", "registration", "total_us", "waited_us")

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self.counts: Counter[Status] = Counter()
        self.buckets: Counter[int] = Counter()
        self.total_us = self.max_us = self.waited_us = 0

    def add_run(self, status: Status, duration_us: int, waited_us: int) -> None:
        """Add a run."""
        self.counts[status] += 1
        self.buckets[bucket_of(duration_us)] += 1
        self.total_us += duration_us
        self.waited_us += waited_us
        if duration_us > self.max_us:
            self.max_us = duration_us

    def add(self, other: "_Fold") -> None:
        """Add what another one holds."""
        self.counts.update(other.counts)
        self.buckets.update(other.buckets)
        self.total_us += other.total_us
        self.waited_us += other.waited_us
        self.max_us = max(self.max_us, other.max_us)


class Summaries:
    """Folds shed records, to ride in the next batch.

    By natural key and hour: a job that is registered anew for each run takes no more room than one that is not. In an
    outage of days the oldest hours become one: no count is lost, only in which of those hours it was.
    """

    def __init__(self) -> None:
        self._folds: dict[tuple[tuple[str, ...], int], _Fold] = {}
        self._hours: Counter[int] = Counter()

    def __bool__(self) -> bool:
        return bool(self._folds)

    def fold(self, record: Record) -> None:
        """Add one record's numbers."""
        record_id, registration, _, _, duration_us, waited_us, status, *_ = record
        self._fold_of(registration, hour_of(time_of(record_id))).add_run(status, duration_us, waited_us)

    def _fold_of(self, registration: Registration, hour_us: int) -> _Fold:
        key = (registration.key, hour_us)
        if (fold := self._folds.get(key)) is None:
            # Within one hour there is one for each key, however many those are: nothing is left to join.
            if len(self._folds) >= MAX_FOLDS and len(self._hours) > 1:
                self._join_oldest_hours()
                return self._fold_of(registration, hour_us)
            fold = self._folds[key] = _Fold(registration)
            self._hours[hour_us] += 1
        return fold

    def _join_oldest_hours(self) -> None:
        oldest, next_us, *_ = sorted(self._hours)
        del self._hours[oldest]
        for key, hour_us in [place for place in self._folds if place[1] == oldest]:
            fold = self._folds.pop((key, hour_us))
            self._fold_of(fold.registration, next_us).add(fold)

    def take(self) -> tuple[ShedSummary, ...]:
        """Return what was folded since the last call."""
        folds, self._folds = self._folds, {}
        self._hours.clear()
        return tuple(
            ShedSummary(
                fold.registration,
                hour_us,
                tuple(sorted(fold.counts.items())),
                fold.total_us,
                fold.max_us,
                fold.waited_us,
                tuple(sorted(fold.buckets.items())),
            )
            for (_, hour_us), fold in folds.items()
        )
