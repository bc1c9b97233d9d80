"""Statistics: numbers, durations and latency sketches of runs, by registration, and by hour and by day."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hassette_store.ids import time_of
from hassette_store.insertion import Insertion, RowValues
from hassette_store.kinds import KINDS
from hassette_store.periods import HOUR_US, HOURS_A_DAY
from hassette_store.sketch import bucket_of, pack_counts
from hassette_store.statuses import INTERRUPTED, STATUS_NAMES

TABLES: Final = {"hour": "counted_hourly", "day": "counted_daily"}
"""The table for each unit of periods."""
SUMS: Final = (*STATUS_NAMES, "shed", "total_us", "waited_us")
"""Columns that add up."""
COLUMNS: Final = (*STATUS_NAMES, "shed", "total_us", "max_us", "waited_us", "sketch")
"""All columns except the key."""

# A damaged number must not make a sum that SQLite rejects, because then no later run could be counted.
_LARGEST: Final = 1 << 62
MERGE: Final = ", ".join(
    (
        *(f"{one} = max(min({one} + excluded.{one}, {_LARGEST}), -{_LARGEST})" for one in SUMS),
        "max_us = max(max_us, excluded.max_us)",
        "sketch = merge_sketches(sketch, excluded.sketch)",
    )
)
"""The part of an ``ON CONFLICT`` clause that adds new statistics to existing ones."""

_INSERTIONS: Final = {
    unit: Insertion(
        table,
        table,
        (unit, "registration_id", *COLUMNS),
        conflict=f"ON CONFLICT ({unit}, registration_id) DO UPDATE SET {MERGE}",
    )
    for unit, table in TABLES.items()
}
_RUNS: Final = " UNION ALL ".join(
    f"SELECT id, {kind.registration_column}, status, duration_us, waited_us FROM {kind.runs_table} "
    "WHERE id >= :first AND id < :below"
    for kind in KINDS
)


@dataclass(slots=True)
class Totals:
    """Statistics of one registration in one period.

    The duration of an interrupted run is unknown, so it counts neither in the durations nor in the sketch.
    """

    by_status: list[int] = field(default_factory=lambda: [0] * len(STATUS_NAMES))
    shed: int = 0
    total_us: int = 0
    max_us: int = 0
    waited_us: int = 0
    buckets: Counter[int] = field(default_factory=Counter[int])

    def add_run(self, status: int, duration_us: int, waited_us: int) -> None:
        """Count one run. A run with an unknown status, from a damaged page, does not count."""
        if not 0 <= status < len(STATUS_NAMES):
            return
        self.by_status[status] += 1
        self.waited_us += waited_us
        if status != INTERRUPTED:
            self.total_us += duration_us
            self.max_us = max(self.max_us, duration_us)
            self.buckets[bucket_of(duration_us)] += 1

    def add(self, other: "Totals") -> None:
        """Add other totals."""
        self.by_status = [one + two for one, two in zip(self.by_status, other.by_status, strict=True)]
        self.shed += other.shed
        self.total_us += other.total_us
        self.max_us = max(self.max_us, other.max_us)
        self.waited_us += other.waited_us
        self.buckets.update(other.buckets)

    def columns(self) -> RowValues:
        """Return the values of `COLUMNS`.

        Raises:
            ValueError: A bucket or a number of runs is out of range.
        """
        total_us, waited_us = (max(min(us, _LARGEST), -_LARGEST) for us in (self.total_us, self.waited_us))
        return (*self.by_status, self.shed, total_us, self.max_us, waited_us, pack_counts(self.buckets))


class TotalsByPeriod(dict[tuple[int, int], Totals]):
    """Totals by period and registration. A look-up of an unknown key adds empty totals."""

    def __missing__(self, key: tuple[int, int]) -> Totals:
        totals = self[key] = Totals()
        return totals


def moved_to(unit: str, period: str, registration: str, source: str) -> str:
    """Return a statement that adds existing statistics to those of another period or registration.

    Args:
        unit: ``hour`` or ``day``.
        period: SQL expression of the new period.
        registration: SQL expression of the new registration.
        source: ``FROM`` clause that selects the rows of the unit's table.
    """
    return (
        f"INSERT INTO {TABLES[unit]} ({unit}, registration_id, {', '.join(COLUMNS)}) "
        f"SELECT {period}, {registration}, {', '.join(COLUMNS)} {source} ON CONFLICT DO UPDATE SET {MERGE}"
    )


def write_totals(db: sqlite3.Connection, unit: str, totals: Mapping[tuple[int, int], Totals]) -> None:
    """Add totals to the statistics of their hours or days, in the transaction of the caller.

    Args:
        db: The writer's connection.
        unit: ``hour`` or ``day``.
        totals: Totals by period and registration.
    """
    _INSERTIONS[unit].insert(db, [(*key, *one.columns()) for key, one in totals.items()])


def add_totals(db: sqlite3.Connection, by_hour: Mapping[tuple[int, int], Totals]) -> None:
    """Add totals to the statistics of their hours and of their days, in the transaction of the caller."""
    by_day = TotalsByPeriod()
    for (hour, registration_id), totals in by_hour.items():
        by_day[hour // HOURS_A_DAY, registration_id].add(totals)
    write_totals(db, "hour", by_hour)
    write_totals(db, "day", by_day)


def totals_of(runs: Iterable[tuple[int, int, int, int, int]]) -> TotalsByPeriod:
    """Return the totals of runs: their ids, registrations, statuses, durations and waiting times."""
    totals = TotalsByPeriod()
    for id_, registration_id, status, duration_us, waited_us in runs:
        totals[time_of(id_) // HOUR_US, registration_id].add_run(status, duration_us, waited_us)
    return totals


class StatisticsDerivation:
    """Derivation of the statistics.

    Attributes:
        name: Name of the derivation.
    """

    name = "statistics"

    def derive(self, db: sqlite3.Connection, first_id: int, below_id: int) -> None:
        """Count the runs with ids from ``first_id`` to ``below_id`` (excluded)."""
        add_totals(db, totals_of(db.execute(_RUNS, {"first": first_id, "below": below_id})))


STATISTICS: Final = StatisticsDerivation()
