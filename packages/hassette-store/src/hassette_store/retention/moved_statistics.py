"""Statistics of runs that move to another time."""

import sqlite3
from collections import Counter, defaultdict
from typing import Final

from hassette_store.periods import PERIODS_US
from hassette_store.retention.statements import STATISTICS
from hassette_store.sketch import bucket_of
from hassette_store.statuses import INTERRUPTED, STATUS_NAMES

_SUMS: Final = (*STATUS_NAMES, "total_us", "waited_us")
_SUFFIXES: Final = {"hour": "hourly", "day": "daily"}
_NO_RUNS: Final = " AND ".join(f"{column} = 0" for column in (*STATUS_NAMES, "shed"))


class MovedStatistics:
    """Statistics to subtract from old periods and to add to new periods.

    The longest duration of an old period does not change, because the other runs of that period are not read.
    """

    def __init__(self) -> None:
        # By unit of the period, registration, and old and new period.
        self._sums: defaultdict[tuple[str, int, int, int], Counter[str]] = defaultdict(Counter)
        self._longest: dict[tuple[str, int, int, int], int] = {}
        self._buckets: defaultdict[tuple[str, int, int, int], Counter[int]] = defaultdict(Counter)

    def add(
        self, registration_id: int, old_us: int, new_us: int, status: int, duration_us: int, waited_us: int
    ) -> None:
        """Add a run that moved from one time to another."""
        for unit, length_us in PERIODS_US.items():
            old, new = old_us // length_us, new_us // length_us
            if old == new:
                continue
            key = (unit, registration_id, old, new)
            self._sums[key].update({STATUS_NAMES[status]: 1, "total_us": duration_us, "waited_us": waited_us})
            self._longest[key] = max(self._longest.get(key, 0), duration_us)
            if status != INTERRUPTED:
                self._buckets[key][bucket_of(duration_us)] += 1

    def write(self, db: sqlite3.Connection) -> None:
        """Change the statistics, in the transaction of the caller."""
        subtract = ", ".join(f"{column} = max({column} - ?, 0)" for column in _SUMS)
        add = ", ".join(f"{column} = {column} + excluded.{column}" for column in _SUMS)
        places = ", ".join("?" * (len(_SUMS) + 3))
        for key, sums in self._sums.items():
            unit, registration_id, old, new = key
            table = f"statistics_{_SUFFIXES[unit]}"
            values = [sums[column] for column in _SUMS]
            where = f"{unit} = ? AND registration_id = ?"
            db.execute(f"UPDATE {table} SET {subtract} WHERE {where}", (*values, old, registration_id))
            db.execute(f"DELETE FROM {table} WHERE {where} AND {_NO_RUNS}", (old, registration_id))
            db.execute(
                f"INSERT INTO {table} ({unit}, registration_id, {', '.join(_SUMS)}, max_us) VALUES ({places}) "
                f"ON CONFLICT DO UPDATE SET {add}, max_us = max(max_us, excluded.max_us)",
                (new, registration_id, *values, self._longest[key]),
            )
        for (unit, registration_id, old, new), buckets in self._buckets.items():
            table = f"latency_{_SUFFIXES[unit]}"
            for bucket, count in buckets.items():
                where = f"{unit} = ? AND registration_id = ? AND bucket = ?"
                db.execute(f"UPDATE {table} SET count = count - ? WHERE {where}", (count, old, registration_id, bucket))
                db.execute(f"DELETE FROM {table} WHERE {where} AND count <= 0", (old, registration_id, bucket))
                db.execute(
                    f"INSERT INTO {table} VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
                    (new, registration_id, bucket, count),
                )


def fold_future_statistics(db: sqlite3.Connection, now_us: int) -> None:
    """Add the statistics of future hours and days to the present hour and day.

    The redating moves the statistics of runs. The statistics of evicted runs, and of triggers that led to no run,
    remain in the future until this call.
    """
    db.execute("BEGIN IMMEDIATE")
    for table, period in STATISTICS:
        now = now_us // PERIODS_US[period]
        (newest,) = db.execute(f"SELECT max({period}) FROM {table}").fetchone()
        if newest is None or newest <= now + 1:
            continue
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        keys = [column for column in columns if column in ("registration_id", "bucket", "reason_id")]
        values = [column for column in columns if column != period and column not in keys]
        sums = ", ".join(f"{'max' if column == 'max_us' else 'sum'}({column})" for column in values)
        updates = ", ".join(
            f"{column} = max({column}, excluded.{column})"
            if column == "max_us"
            else f"{column} = {column} + excluded.{column}"
            for column in values
        )
        db.execute(
            f"INSERT INTO {table} ({period}, {', '.join((*keys, *values))}) "
            f"SELECT ?, {', '.join(keys)}, {sums} FROM {table} WHERE {period} > ? GROUP BY {', '.join(keys)} "
            f"HAVING true ON CONFLICT DO UPDATE SET {updates}",
            (now, now + 1),
        )
        db.execute(f"DELETE FROM {table} WHERE {period} > ?", (now + 1,))
    db.execute("COMMIT")
