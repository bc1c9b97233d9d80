"""Pace of the retention: how much one step does, so that it holds the writer for about two milliseconds."""

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from hassette_store.file.writer import Writer

TARGET_S: Final = 0.002
"""Time for which a step should hold the writer."""
MIN_ROWS: Final = 8
MAX_ROWS: Final = 300


class PacedWriter:
    """Writer for the steps of the retention, which adapts their size to the time that they take.

    Args:
        db: The writer.
        max_rows: The most rows that one step considers.

    Attributes:
        size: Number of rows that the next step may consider.
        longest_s: The longest time for which a step held the writer.
        changed_rows: Number of rows that all steps have changed.
    """

    def __init__(self, db: Writer, *, max_rows: int = MAX_ROWS) -> None:
        self.db = db
        self.size = min(64, max_rows)
        self.longest_s = 0.0
        self.changed_rows = 0
        self._max_rows = max_rows

    async def timed(self, work: Callable[[sqlite3.Connection], object]) -> float:
        """Do the work of a step; return for how many seconds it held the writer.

        Raises:
            sqlite3.Error: The work failed; its transaction was rolled back.
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

    async def sized(self, work: Callable[[sqlite3.Connection], object]) -> float:
        """Do the work of a step like `timed`, and adapt `size` to the time that it took."""
        took_s = await self.timed(work)
        if took_s > 2 * TARGET_S:
            self.size = max(MIN_ROWS, self.size // 2)
        elif took_s < TARGET_S:
            self.size = min(self._max_rows, self.size + self.size // 8 + 1)
        return took_s
