"""Pace of the retention: the size of a step, adapted so that a step occupies the writer for about two milliseconds."""

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from hassette_store.file.writer import Writer

TARGET_S: Final = 0.002
"""Time that a step should occupy the writer."""
MIN_ROWS: Final = 8
MAX_ROWS: Final = 300


class PacedWriter:
    """Writer for the steps of the retention. It adapts the size of the steps to their duration.

    Args:
        db: The writer.
        max_rows: Maximum number of rows that one step considers.

    Attributes:
        size: Number of rows that the next step may consider.
        longest_s: Duration of the longest step, in seconds.
        changed_rows: Total number of rows that the steps have changed.
    """

    def __init__(self, db: Writer, *, max_rows: int = MAX_ROWS) -> None:
        self.db = db
        self.size = min(64, max_rows)
        self.longest_s = 0.0
        self.changed_rows = 0
        self._max_rows = max_rows

    async def run_timed(self, work: Callable[[sqlite3.Connection], object]) -> float:
        """Run a step; return the seconds that it occupied the writer.

        Raises:
            sqlite3.Error: The step failed. Its transaction was rolled back.
        """

        def timed(db: sqlite3.Connection) -> float:
            began, before = time.perf_counter(), db.total_changes
            try:
                work(db)
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            self.changed_rows += db.total_changes - before
            return time.perf_counter() - began

        took_s = await self.db.run(timed)
        self.longest_s = max(self.longest_s, took_s)
        return took_s

    async def run_and_adapt(self, work: Callable[[sqlite3.Connection], object]) -> float:
        """Run a step like `run_timed`, and adapt `size` to its duration."""
        took_s = await self.run_timed(work)
        if took_s > 2 * TARGET_S:
            self.size = max(MIN_ROWS, self.size // 2)
        elif took_s < TARGET_S:
            self.size = min(self._max_rows, self.size + self.size // 8 + 1)
        return took_s
