"""Size limit: delete the oldest rows of the tables that caused the growth.

1. It deletes rows of the groups of tables that exceed their shares (`retention.shares`).
2. Among the runs, it begins with the registrations that use most of the space (`retention.largest`). If there are no
   such registrations, it deletes the oldest successes, then the oldest failures.
3. If this does not suffice, it deletes runs, then error groups without runs, then the oldest statistics.
"""

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Final

from hassette_store.file.writer import Writer
from hassette_store.ids import MAX_ID
from hassette_store.kinds import EVENT_TABLES
from hassette_store.periods import PERIOD_TABLES
from hassette_store.retention.deletions import Deletions, Steps, StopCondition
from hassette_store.retention.index_steps import IndexSteps
from hassette_store.retention.largest import LargestRegistrations, runs_to_delete
from hassette_store.retention.pace import PacedWriter
from hassette_store.retention.shares import RUNS, SEARCH, Excess, groups_above_their_share, save_early_deletions
from hassette_store.retention.statements import CONDITIONS, PROGRESS, used_bytes
from hassette_store.retention.unused_names import UnusedNames
from hassette_store.sessions import LAST_ID
from hassette_store.statuses import SUCCESS

logger = logging.getLogger(__name__)

CONDITIONS_OF_RUNS: Final = (f"status = {SUCCESS}", "true")

_MIN_EXCESS_BYTES: Final = 65_536
_PART_OF_LIMIT: Final = 0.05
# The search for unused names reads all rows.
_MAX_SEARCHES: Final = 10


class SizeLimit:
    """Limit for the pages in use.

    Args:
        writer: Runs the steps.
        deletions: Deletes the rows, and counts them. `Deletions.find_newest` must come before `enforce`.
        max_bytes: The limit.
    """

    def __init__(self, writer: PacedWriter, deletions: Deletions, max_bytes: int) -> None:
        self._writer = writer
        self._deletions = deletions
        self._max_bytes = max_bytes

    async def enforce(self, now_us: Callable[[], int]) -> Steps:
        """Delete rows until the pages in use are within the limit.

        Args:
            now_us: Wall clock, for the time of the last early deletion.
        """
        db, max_bytes = self._writer.db, self._max_bytes
        before = self._deletions.deleted.copy()
        exhausted: set[str] = set()
        searches = 0
        while (used := await db.run(used_bytes)) > max_bytes:
            excesses = await db.run(lambda raw: groups_above_their_share(raw, max_bytes))
            # If the groups above their share cannot shrink further, delete the oldest rows of the large groups. Delete
            # a part at a time, because deleted runs can make rows of a group above its share deletable.
            rest = (Excess(group, max_bytes * _PART_OF_LIMIT) for group in (RUNS, "error_groups", "statistics"))
            left = [excess for excess in (*excesses, *rest) if excess.group not in exhausted]
            if not left:
                break
            group, excess_bytes = left[0]
            searches += group == "names"
            limit = max(max_bytes, used - max(excess_bytes, _MIN_EXCESS_BYTES))
            runs = self._deletions.deleted["runs"]
            async for took_s in self._shrink(group, lambda raw, limit=limit: used_bytes(raw) <= limit, limit / used):
                yield took_s
            # The deletion can make rows of other groups deletable: for example, an error group now has no runs. So try
            # each group again.
            helped = self._deletions.deleted["runs"] > runs or await db.run(used_bytes) < used
            exhausted = set() if helped else {*exhausted, group}
            if searches == _MAX_SEARCHES:
                exhausted.add("names")
        if deleted := self._deletions.deleted - before:
            logger.warning(
                "History exceeded max_size_mb; old rows were deleted early", extra={"deleted": dict(deleted)}
            )
            await db.run(partial(save_early_deletions, deleted=deleted, now_us=now_us()))

    async def _shrink(self, group: str, stop_when: StopCondition, kept_share: float) -> Steps:
        deletions = self._deletions
        if group in (*EVENT_TABLES, "losses", "not_runs"):
            steps = (deletions.delete_oldest(group, stop_when=stop_when),)
        elif group == RUNS:
            steps = (self._shrink_runs(stop_when, kept_share),)
        elif group == "registrations":
            # An app may register a retired registration again. So only removed registrations are deleted.
            steps = (deletions.delete_removed(MAX_ID, early=True, stop_when=stop_when),)
        elif group == "statistics":
            steps = (self._delete_oldest_periods(table, period, stop_when) for table, period in PERIOD_TABLES)
        elif group == SEARCH:
            steps = (IndexSteps(self._writer, deletions).delete_oldest_days(stop_when),)
        elif group == "names":
            steps = (self._shrink_names(stop_when, kept_share),)
        elif group in CONDITIONS:
            steps = (deletions.delete_unreferenced(group, MAX_ID, stop_when=stop_when),)
        else:
            return
        for some in steps:
            async for took_s in some:
                yield took_s

    async def _shrink_names(self, stop_when: StopCondition, kept_share: float) -> Steps:
        names = UnusedNames(self._writer, self._deletions)
        async for took_s in names.delete():
            yield took_s
        if await self._writer.db.run(stop_when):
            return
        # Runs with made-up names keep the names in use. The deletion of a run frees less space than that of its name,
        # so delete a number of runs in proportion.
        async for took_s in self._shrink_runs(None, kept_share):
            yield took_s
        async for took_s in names.delete():
            yield took_s

    async def _shrink_runs(self, stop_when: StopCondition | None, kept_share: float) -> Steps:
        """Delete runs until ``stop_when`` is true; with None, until only a share of their number is left."""
        largest = LargestRegistrations(self._writer)
        async for took_s in largest.measure():
            yield took_s
        before = self._deletions.deleted["runs"]
        number = math.ceil(sum(size.runs for size in largest.sizes) * (1 - kept_share))
        stop_when = stop_when or (lambda db: self._deletions.deleted["runs"] - before >= number)
        for size, count in runs_to_delete(largest.sizes, kept_share):
            left = count
            for condition in CONDITIONS_OF_RUNS:
                already = self._deletions.deleted["runs"]
                async for took_s in self._deletions.delete_runs_of(
                    size.kind, size.id, left, below=size.below, condition=condition, stop_when=stop_when
                ):
                    yield took_s
                left -= self._deletions.deleted["runs"] - already
        if self._deletions.deleted["runs"] > before:
            return
        end = await first_unused_id(self._writer.db)
        for progress, condition in zip(PROGRESS, CONDITIONS_OF_RUNS, strict=True):
            async for took_s in self._deletions.delete_runs(progress, end, condition, stop_when=stop_when):
                yield took_s

    async def _delete_oldest_periods(self, table: str, period: str, stop_when: StopCondition) -> Steps:
        db = self._writer.db
        while not await db.run(stop_when):
            ((oldest, newest),) = await db.rows(f"SELECT min({period}), max({period}) FROM {table}")
            if oldest is None or oldest == newest:
                break
            async for took_s in self._deletions.delete_periods(table, period, oldest + 1):
                yield took_s


async def first_unused_id(db: Writer) -> int:
    """Return the id after the highest stored one, which may be ahead of the clock or behind it."""
    (newest,) = (await db.rows(LAST_ID))[0]
    return int(newest) + 1
