"""Steps of the retention that extend the search index to older runs, and delete its oldest days."""

import sqlite3

from hassette_store.derived.search_coverage import cut_index, extend_index
from hassette_store.derived.search_index import TABLES
from hassette_store.ids import time_of
from hassette_store.periods import DAY_US
from hassette_store.retention.deletions import Deletions, Steps, StopCondition
from hassette_store.retention.pace import PacedWriter
from hassette_store.retention.shares import SEARCH
from hassette_store.retention.statements import PROGRESS

_DELETED_BELOW = f"SELECT coalesce(max(value), 0) FROM store_state WHERE name = '{PROGRESS[1]}'"


class IndexSteps:
    """Upkeep of the search index, in small steps.

    Below the id up to which the retention has deleted all runs, only the newest runs of each registration are left. The
    index does not cover them: a search reads them quickly.

    Args:
        writer: Runs the steps.
        deletions: Counts the deleted rows.
    """

    def __init__(self, writer: PacedWriter, deletions: Deletions) -> None:
        self._writer = writer
        self._deletions = deletions

    async def keep_up(self) -> Steps:
        """Delete the days whose runs are deleted, and extend the index to the runs that it does not cover."""
        ((oldest_id,),) = await self._writer.db.rows(_DELETED_BELOW)
        async for took_s in self._cut(time_of(oldest_id) // DAY_US):
            yield took_s
        done = False
        while not done:

            def work(db: sqlite3.Connection) -> None:
                nonlocal done
                done = not extend_index(db, self._writer.size, oldest_id)

            yield await self._writer.run_and_adapt(work)

    async def delete_oldest_days(self, stop_when: StopCondition) -> Steps:
        """Delete the oldest days of the index until ``stop_when`` is true. The runs stay."""
        while not await self._writer.db.run(stop_when):
            ((oldest, newest),) = await self._writer.db.rows(f"SELECT min(day), max(day) FROM {TABLES['day']}")
            if oldest is None or oldest == newest:
                break
            async for took_s in self._cut(oldest + 1):
                yield took_s

    async def _cut(self, below_day: int) -> Steps:
        done = False
        while not done:

            def work(db: sqlite3.Connection) -> None:
                nonlocal done
                deleted = cut_index(db, below_day, self._writer.size)
                self._deletions.deleted[SEARCH] += deleted
                done = not deleted

            yield await self._writer.run_and_adapt(work)
