"""Statistics: numbers, durations and latency sketches of runs, by registration, and by hour and by day."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hassette_store.ids import time_sql
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
# One row for each group instead of one for each run. Python releases the interpreter lock for each row, and while the
# event loop is busy, the writer's thread waits up to 5 ms each time until it gets the lock back. A NULL from a damaged
# page must be an error, and `group_concat` would leave it out.
_RUNS: Final = " UNION ALL ".join(
    f"SELECT {time_sql('id')} / {HOUR_US}, {kind.registration_column}, status, group_concat(ifnull(duration_us, '?')), "
    f"group_concat(ifnull(waited_us, '?')) FROM {kind.runs_table} WHERE id >= :first AND id < :below GROUP BY 1, 2, 3"
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

    def add_runs(self, status: int, durations_us: Sequence[int], waited_us: int) -> None:
        """Count runs with the same status. Runs with an unknown status, from a damaged page, do not count.

        Args:
            status: The number of the status.
            durations_us: The duration of each run.
            waited_us: Sum of their waiting times.
        """
        if not 0 <= status < len(STATUS_NAMES):
            return
        self.by_status[status] += len(durations_us)
        self.waited_us += waited_us
        if status != INTERRUPTED:
            self.total_us += sum(durations_us)
            self.max_us = max(self.max_us, *durations_us)
            self.buckets.update(map(bucket_of, durations_us))

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
    # Several hours may belong to the same day. SQLite then merges their rows.
    rows = [(*key, *totals.columns()) for key, totals in by_hour.items()]
    _INSERTIONS["hour"].insert(db, rows)
    _INSERTIONS["day"].insert(db, [(hour // HOURS_A_DAY, *others) for hour, *others in rows])


def totals_of(groups: Iterable[tuple[int, int, int, str, str]]) -> TotalsByPeriod:
    """Return the totals of groups of runs: hour, registration and status, and lists of durations and waiting times."""
    totals = TotalsByPeriod()
    for hour, registration_id, status, durations_us, waited_us in groups:
        totals[hour, registration_id].add_runs(status, _numbers(durations_us), sum(_numbers(waited_us)))
    return totals


def _numbers(text: str) -> list[int]:
    return list(map(int, text.split(",")))


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
