"""Sums over runs in whole hours or days: by handler or job, and by period.

The sums of counted runs come from the statistics, and those of the few uncounted runs from their rows. A statement that
several parts of one answer need is read once in each transaction.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from sqlite3 import Row

from hassette_store.statuses import FAILED_STATUSES, INTERRUPTED, STATUS_NAMES
from hassette_sync.answers.values import Counts
from hassette_sync.queries.statistics import FEW, statistics_sql
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import Periods

_FAILED = tuple(STATUS_NAMES.index(status) for status in FAILED_STATUSES)


def is_counted(status: int) -> bool:
    """Return whether a run with a status is counted. Like the store, ignore an unknown one from a damaged page."""
    return 0 <= status < len(STATUS_NAMES)


@dataclass(slots=True)
class Sums:
    """Sums over some runs.

    Attributes:
        statuses: Number of runs by status.
        total_us: Total duration.
        max_us: The longest duration.
    """

    statuses: list[int] = field(default_factory=lambda: [0] * len(STATUS_NAMES))
    total_us: int = 0
    max_us: int = 0

    @property
    def total(self) -> int:
        """Number of runs."""
        return sum(self.statuses)

    @property
    def failed(self) -> int:
        """Number of failed runs."""
        return sum(self.statuses[number] for number in _FAILED)

    @property
    def mean_us(self) -> int | None:
        """Mean duration; None without runs. Interrupted runs do not count, because their durations are unknown."""
        timed = self.total - self.statuses[INTERRUPTED]
        return self.total_us // timed if timed else None

    def counts(self) -> Counts:
        """Return the numbers of runs by status."""
        return Counts(**dict(zip(STATUS_NAMES, self.statuses, strict=True)))

    def add(self, other: "Sums") -> None:
        """Add other sums."""
        self.add_counted(other.statuses, other.total_us, other.max_us)

    def add_counted(self, statuses: Iterable[int], total_us: int, max_us: int) -> None:
        """Add sums of the statistics."""
        self.statuses = [one + two for one, two in zip(self.statuses, statuses, strict=True)]
        self.total_us += total_us
        self.max_us = max(self.max_us, max_us)

    def add_run(self, status: int, duration_us: int) -> None:
        """Add one run, if it is counted."""
        if is_counted(status):
            self.statuses[status] += 1
            self.total_us += duration_us
            self.max_us = max(self.max_us, duration_us)


async def counted_by_registration(
    transaction: ReadTransaction, periods: Periods, registrations: Sequence[int] | None = None
) -> tuple[Sequence[Row], Sequence[Row]]:
    """Return the sums of counted runs of some or all handlers and jobs: of the last period, and of those before it.

    The last period grows, while the others seldom change. The sums of all handlers and jobs in the others are cached:
    to sum them up takes three times as long as to sum up each period, because SQLite must sort the rows.

    Args:
        transaction: Read transaction of the question.
        periods: Hours or days of the runs.
        registrations: Ids of the handlers and jobs; None for all. For many, the answer also contains others.
    """
    statements = statistics_sql(periods.unit)
    before: Parameters = {"first": periods.first, "last": periods.last - 1}
    last: Parameters = {"first": periods.last, "last": periods.last}
    if registrations is not None and len(registrations) <= FEW:
        some = {"registrations": json.dumps(registrations)}
        statement = statements.counted_of_few
        none: Sequence[Row] = ()
        return (
            await transaction.once(statement, last | some),
            await transaction.once(statement, before | some) if periods.first < periods.last else none,
        )
    statement = statements.counted_by_registration
    key = (transaction.identity, periods.unit, periods.first, periods.last)
    version = _digest(row for row in await counted_by_period(transaction, periods) if row["period"] < periods.last)
    rows = transaction.caches.rows.get(key, version)
    if rows is None:
        rows = await transaction.once(statement, before)
        transaction.caches.rows.put(key, version, rows)
    return await transaction.once(statement, last), rows


def _digest(rows: Iterable[Row]) -> bytes:
    # The rows of 400 days would take 150 kB in the cache, more than its values.
    return blake2b(repr([tuple(row) for row in rows]).encode(), digest_size=16).digest()


async def counted_by_period(transaction: ReadTransaction, periods: Periods) -> Sequence[Row]:
    """Return the sums of counted runs in each period that has some."""
    within: Parameters = {"first": periods.first, "last": periods.last}
    return await transaction.once(statistics_sql(periods.unit).counted_by_period, within)


async def uncounted_runs(transaction: ReadTransaction, periods: Periods) -> Sequence[Row]:
    """Return the runs that the store has not counted yet."""
    within: Parameters = {"first": periods.first, "last": periods.last}
    return await transaction.once(statistics_sql(periods.unit).uncounted, within)


async def sums_by_registration(
    transaction: ReadTransaction, periods: Periods, registrations: Sequence[int] | None = None
) -> Mapping[int, Sums]:
    """Return the sums of each handler or job that has runs. Several parts of one answer share them.

    Args:
        transaction: Read transaction of the question.
        periods: Hours or days of the runs.
        registrations: Ids of the handlers and jobs; None for all.
    """
    key = ("sums", periods, None if registrations is None else tuple(registrations))
    if key not in transaction.computed:
        transaction.computed[key] = await _sums_of(transaction, periods, registrations)
    return transaction.computed[key]


async def _sums_of(
    transaction: ReadTransaction, periods: Periods, registrations: Sequence[int] | None
) -> dict[int, Sums]:
    found: defaultdict[int, Sums] = defaultdict(Sums)
    wanted = None if registrations is None else set(registrations)
    for rows in await counted_by_registration(transaction, periods, registrations):
        for registration_id, _, *statuses, total_us, max_us in rows:
            if wanted is not None and registration_id not in wanted:
                continue
            if registration_id in found:
                found[registration_id].add_counted(statuses, total_us, max_us)
            else:
                found[registration_id] = Sums(statuses, total_us, max_us)
    for row in await uncounted_runs(transaction, periods):
        if wanted is None or row["registration_id"] in wanted:
            found[row["registration_id"]].add_run(row["status"], row["duration_us"])
    return dict(found)


async def sums_by_period(transaction: ReadTransaction, periods: Periods) -> dict[int, Sums]:
    """Return the sums of all handlers and jobs in each period that has runs."""
    found: defaultdict[int, Sums] = defaultdict(Sums)
    for period, _, _, *statuses, total_us, max_us in await counted_by_period(transaction, periods):
        found[period].add_counted(statuses, total_us, max_us)
    for row in await uncounted_runs(transaction, periods):
        found[row["period"]].add_run(row["status"], row["duration_us"])
    return dict(found)


async def counts_in(transaction: ReadTransaction, periods: Periods) -> Counts:
    """Return the numbers of all runs in some periods."""
    together = Sums()
    for sums in (await sums_by_period(transaction, periods)).values():
        together.add(sums)
    return together.counts()
