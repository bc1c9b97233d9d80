"""Types of the fixtures in tests/store: a clock moved by hand, a reader, and a factory of stores."""

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from hassette_store import DatabaseService
from hassette_store.file.schema import Schema
from hassette_store.retention.retention import RetentionSchedule
from hassette_store.sketch import bucket_of, counts_of
from support.rows import T0_US


class Clock:
    """Wall clock and monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.us = T0_US
        self.s = 1_000.0

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.s

    def advance(self, seconds: float) -> None:
        self.us += int(seconds * 1e6)
        self.s += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock, as NTP or a user does. The monotonic clock does not move."""
        self.us += int(seconds * 1e6)


class MakeStore(Protocol):
    """Returns a store on a file, by default the test's file. The store is stopped after the test."""

    def __call__(
        self,
        file: Path | None = None,
        *,
        retention_schedule: RetentionSchedule | None = None,
        schema: Schema | None = None,
        **settings: Any,
    ) -> DatabaseService: ...


class Reader:
    """Reads a history from another connection, while the store may be writing to it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, parameters)]

    def row(self, sql: str, *parameters: object) -> dict[str, Any]:
        (row,) = self.rows(sql, *parameters)
        return row

    def latency(self, unit: str = "day") -> dict[int, Counter[int]]:
        """Return the number of runs by bucket in the latency sketches, for each hour or day.

        Runs that the statistics do not count yet are included.
        """
        table = {"hour": "counted_hourly", "day": "counted_daily"}[unit]
        found: defaultdict[int, Counter[int]] = defaultdict(Counter)
        for row in self.rows(f"SELECT {unit} AS period, sketch FROM {table}"):
            found[row["period"]].update(dict(counts_of(row["sketch"])))
        for row in self.rows(f"SELECT {unit} AS period, duration_us FROM uncounted_runs WHERE status <> 4"):
            found[row["period"]][bucket_of(row["duration_us"])] += 1
        return {period: counts for period, counts in found.items() if counts}

    def value(self, sql: str, *parameters: object) -> Any:
        (value,) = self.row(sql, *parameters).values()
        return value


class RunScript(Protocol):
    """Runs statements in the test's file without the store."""

    def __call__(self, script: str) -> None: ...
