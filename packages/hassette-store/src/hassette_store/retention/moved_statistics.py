"""Statistics of runs that move to another time."""

import sqlite3
from collections import defaultdict
from typing import Final

from hassette_store.derived.statistics import COLUMNS, MERGE, TABLES, Totals, moved_to
from hassette_store.insertion import add_columns
from hassette_store.periods import PERIOD_TABLES, PERIODS_US
from hassette_store.statuses import STATUS_NAMES
from hassette_store.transactions import write_transaction

_SUMS: Final = (*STATUS_NAMES, "total_us", "waited_us")
_NO_RUNS: Final = " AND ".join(f"{column} = 0" for column in (*STATUS_NAMES, "shed"))


class MovedStatistics:
    """Statistics to subtract from old periods and to add to new periods.

    The longest duration of an old period does not change, because the other runs of that period are not read.
    """

    def __init__(self) -> None:
        # By unit of the period, registration, and old and new period.
        self._moved: defaultdict[tuple[str, int, int, int], Totals] = defaultdict(Totals)

    def add(
        self, registration_id: int, old_us: int, new_us: int, status: int, duration_us: int, waited_us: int
    ) -> None:
        """Add a run that moved from one time to another."""
        for unit, length_us in PERIODS_US.items():
            old, new = old_us // length_us, new_us // length_us
            if old != new:
                self._moved[unit, registration_id, old, new].add_runs(status, (duration_us,), waited_us)

    def write(self, db: sqlite3.Connection) -> None:
        """Change the statistics, in the transaction of the caller."""
        subtract = ", ".join(f"{column} = max({column} - ?, 0)" for column in _SUMS)
        for (unit, registration_id, old, new), totals in self._moved.items():
            table = TABLES[unit]
            values = totals.columns()
            sketch = values[-1]
            where = f"{unit} = ? AND registration_id = ?"
            sums = (*totals.by_status, totals.total_us, totals.waited_us)
            db.execute(
                f"UPDATE {table} SET {subtract}, sketch = subtract_sketch(sketch, ?) WHERE {where}",
                (*sums, sketch, old, registration_id),
            )
            db.execute(f"DELETE FROM {table} WHERE {where} AND {_NO_RUNS}", (old, registration_id))
            db.execute(
                f"INSERT INTO {table} ({unit}, registration_id, {', '.join(COLUMNS)}) "
                f"VALUES ({', '.join('?' * (len(COLUMNS) + 2))}) ON CONFLICT DO UPDATE SET {MERGE}",
                (new, registration_id, *values),
            )


def fold_future_statistics(db: sqlite3.Connection, now_us: int) -> None:
    """Add the statistics of future hours and days to the present hour and day.

    The redating moves the statistics of runs. The statistics of evicted runs, and of triggers that led to no run,
    remain in the future until this call.
    """
    with write_transaction(db):
        for table, period in PERIOD_TABLES:
            now = now_us // PERIODS_US[period]
            (newest,) = db.execute(f"SELECT max({period}) FROM {table}").fetchone()
            if newest is None or newest <= now + 1:
                continue
            source = f"FROM {table} WHERE {period} > ?"
            if table == TABLES[period]:
                db.execute(moved_to(period, "?", "registration_id", source), (now, now + 1))
            else:
                db.execute(
                    f"INSERT INTO {table} ({period}, registration_id, reason_id, count) "
                    f"SELECT ?, registration_id, reason_id, count {source} "
                    f"ON CONFLICT DO UPDATE SET {add_columns('count')}",
                    (now, now + 1),
                )
            db.execute(f"DELETE FROM {table} WHERE {period} > ?", (now + 1,))
