"""Deletion of old history in small steps between writes, so that no write waits long.

A pass has these steps:

1. It counts the runs that the statistics do not count yet (`hassette_store.derived`).
   Then it deletes old successful runs, and then old runs of any status. The newest runs of each current registration
   stay.
2. It deletes old statistics, and removed registrations without runs (`retention.removed`).
   Then it deletes old lifecycle events, losses, error groups, sessions and retired registrations that no other row
   refers to, and unused names (`retention.unused_names`).
3. If the pages in use still exceed the limit, it deletes the oldest rows of the tables that caused the growth
   (`retention.size_limit`). The status of the history shows these early deletions.
4. It returns free pages to the file system.

While the wall clock is not confirmed (`hassette_store.clock.check`), and in the first ten minutes after a start, a pass
deletes nothing by age. It has only steps 3 and 4.
"""

import contextlib
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hassette_store.clock.check import ClockCheck, Reading, WrongTime
from hassette_store.clock.state import save_clock
from hassette_store.file.connections import CHECKPOINT_PAGES
from hassette_store.file.damage import is_lost_schema
from hassette_store.file.writer import Writer
from hassette_store.ids import first_id_at
from hassette_store.kinds import CIRCUMSTANCES_OF_RUNS
from hassette_store.periods import DAY_US
from hassette_store.retention.deletions import Deletions, KnownIds, RunsDeleted, Steps
from hassette_store.retention.index_steps import IndexSteps
from hassette_store.retention.pace import MAX_ROWS, PacedWriter
from hassette_store.retention.redating import Redating
from hassette_store.retention.size_limit import CONDITIONS_OF_RUNS, SizeLimit, first_unused_id
from hassette_store.retention.statements import CONDITIONS, PROGRESS, RUNS_DELETED_BELOW
from hassette_store.retention.unused_names import UnusedNames
from hassette_store.settings import StoreSettings

logger = logging.getLogger(__name__)

# After a step, the writer is free for four times as long as the step took.
_PAUSE_FACTOR: Final = 4
_MIN_PAUSE_S: Final = 0.005
_STEPS_A_CHECKPOINT: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSchedule:
    """When retention runs, and how much one step may do.

    Attributes:
        first_pass_s: Seconds from the start to the first pass: during startup, other work is more important.
        interval_s: Seconds between two passes.
        max_rows: Maximum number of rows that one step considers.
    """

    first_pass_s: float = 30.0
    interval_s: float = 600.0
    max_rows: int = MAX_ROWS


class Retention:
    """Retention of one history.

    Args:
        db: The writer.
        settings: Ages and limits of the rows to keep.
        now_us: Wall clock.
        monotonic: Monotonic clock, in seconds.
        schedule: When it runs, and how much one step may do.
        check: Decides whether the wall clock is confirmed; by default, a new check of the two clocks.
        session_id: The present session, whose rows are redated after a correction of the clock. With None, no rows are
            redated.
        session_moved: Called when the start of the present session moves, with the size of the move in microseconds.
        known_ids: Returns the ids in the memory of the writer of batches; None if there is no such writer.
        runs_deleted: Called in the writer's thread with the sessions of deleted runs.
    """

    def __init__(
        self,
        db: Writer,
        settings: StoreSettings,
        now_us: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        schedule: RetentionSchedule | None = None,
        check: ClockCheck | None = None,
        session_id: int | None = None,
        session_moved: Callable[[int], None] = lambda by_us: None,
        known_ids: Callable[[], KnownIds | None] = lambda: None,
        runs_deleted: RunsDeleted = lambda sessions: None,
    ) -> None:
        self.schedule = schedule or RetentionSchedule()
        self._db = db
        self._settings = settings
        self._now_us = now_us
        self._monotonic = monotonic
        self._check = check or ClockCheck(now_us, monotonic)
        self._writer = PacedWriter(db, max_rows=self.schedule.max_rows)
        self._deletions = Deletions(self._writer, settings, known_ids, runs_deleted)
        self._size_limit = SizeLimit(self._writer, self._deletions, int(settings.max_size_mb * 1_000_000))
        self._next_pass_s = monotonic() + self.schedule.first_pass_s
        self._pass: Steps | None = None
        self._was_confirmed = True
        self._redating = None if session_id is None else Redating(self._writer, session_id)
        self._session_moved = session_moved
        self._corrections: deque[WrongTime] = deque()
        self._finish_first = session_id is not None
        self._is_redating = False

    @property
    def changed_rows(self) -> int:
        """Total number of rows that the steps have changed."""
        return self._writer.changed_rows

    async def step(self) -> float:
        """Do one step if it is due; return the seconds until the next one.

        Raises:
            sqlite3.DatabaseError: The file is damaged. If a step fails for another reason, such as a lock, the method
                raises nothing, and the next pass continues.
        """
        try:
            reading = await self._read_clock()
            if self._redating is not None and (self._corrections or self._finish_first) and not self._is_redating:
                await self.close()
                self._is_redating = True
                self._pass = self.with_checkpoints(self._redate(self._redating))
            if self._pass is None:
                wait_s = self._next_pass_s - self._monotonic()
                if wait_s > 0:
                    return wait_s
                self._pass = self._pass_at(reading)
            return max(_MIN_PAUSE_S, _PAUSE_FACTOR * await anext(self._pass))
        except StopAsyncIteration:
            pass
        except sqlite3.OperationalError as error:
            if is_lost_schema(error):
                raise
            logger.debug("Retention could not delete old rows; the next pass retries", extra={"error": str(error)})
            self._finish_first = self._redating is not None
        self._pass = None
        if self._is_redating:
            self._is_redating = False
            return max(_MIN_PAUSE_S, self._next_pass_s - self._monotonic())
        self._next_pass_s = self._monotonic() + self.schedule.interval_s
        return self.schedule.interval_s

    async def close(self) -> None:
        """End the current pass, if there is one. The next pass continues where this pass ended."""
        if self._pass is not None:
            # The connection may be closed already, or the file removed.
            with contextlib.suppress(sqlite3.Error, ValueError):
                await self._pass.aclose()
            self._pass = None

    async def _read_clock(self) -> Reading:
        reading = self._check.read()
        if reading.wrong is not None and self._redating is not None:
            self._corrections.append(reading.wrong)
            if reading.wrong.from_start:
                self._session_moved(reading.wrong.by_us)
        if reading.step_us or reading.confirmed != self._was_confirmed:
            # Without these values in the file, the next start would compare its clock with times from the wrong clock.
            await save_clock(self._check, self._db)
        if reading.confirmed != self._was_confirmed:
            self._was_confirmed = reading.confirmed
            logger.warning(
                "Wall clock is confirmed; the retention deletes old rows again"
                if reading.confirmed
                else "Wall clock is not confirmed; the retention deletes no rows by age",
                extra={"time": f"{datetime.fromtimestamp(reading.now_us / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}"},
            )
        return reading

    async def _redate(self, redating: Redating) -> Steps:
        async for took_s in redating.finish_interrupted():
            yield took_s
        self._finish_first = False
        while self._corrections:
            steps = redating.correct(self._corrections[0])
            yield await anext(steps)
            # The file now contains the state of the redating. A new attempt continues it, instead of moving rows twice.
            self._corrections.popleft()
            async for took_s in steps:
                yield took_s

    def _pass_at(self, reading: Reading) -> Steps:
        # A clock that starts a little behind is confirmed, but NTP soon corrects it. Until then, rows with true times
        # are in its future.
        if reading.confirmed and self._check.is_past_start:
            return self.whole_pass(reading.now_us)
        return self.with_checkpoints(self._within_size())

    def whole_pass(self, now_us: int | None = None) -> Steps:
        """Run one pass, also if the clock is not confirmed. Yield the seconds that each step occupied the writer.

        Args:
            now_us: The time from which ages of rows are computed; None for the time of the wall clock.
        """
        return self.with_checkpoints(self._steps(self._now_us() if now_us is None else now_us))

    async def with_checkpoints(self, steps: Steps) -> Steps:
        """Run steps, with separate checkpoints between them.

        Yield the seconds that each step and each checkpoint occupied the writer.

        An automatic checkpoint would run inside the commit of a step and take several times as long as the step. With
        separate checkpoints, a flush waits for a step or for a checkpoint, but not for both.

        Few steps make no checkpoint, as in most passes with an unconfirmed clock. In a quiet home, a checkpoint in each
        pass would write pages to the disk every ten minutes. After the steps, SQLite makes checkpoints again when the
        log is long.
        """
        await self._db.rows("PRAGMA wal_autocheckpoint = 0")
        done = 0
        try:
            async for took_s in steps:
                yield took_s
                done += 1
                if done % _STEPS_A_CHECKPOINT == 0:
                    yield await self.checkpoint()
        finally:
            await self._db.rows(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")

    async def checkpoint(self) -> float:
        """Copy the write-ahead log into the database file; return the seconds that this occupied the writer."""
        began = time.perf_counter()
        await self._db.rows("PRAGMA wal_checkpoint(PASSIVE)")
        return time.perf_counter() - began

    def free_pages(self) -> Steps:
        """Return free pages to the file system, some at a time."""
        return self._deletions.free_pages()

    async def _within_size(self) -> Steps:
        # The size limit needs no clock: it deletes the oldest rows, however old they are.
        for steps in (
            self._deletions.derive_rows(),
            self._deletions.find_newest(),
            self._size_limit.enforce(self._now_us),
            self._deletions.free_pages(),
        ):
            async for took_s in steps:
                yield took_s

    async def _steps(self, now_us: int) -> Steps:
        settings, deletions = self._settings, self._deletions
        if self._redating is not None:
            cutoff_us = now_us - int(settings.keep_successes_days * DAY_US)
            for corrections in (self._redating.correct_future(now_us), self._redating.correct_past(cutoff_us, now_us)):
                async for took_s in corrections:
                    yield took_s
        removed_before_us = now_us - int(settings.keep_failures_days * DAY_US)
        async for took_s in deletions.derive_rows():
            yield took_s
        async for took_s in deletions.find_newest(removed_before_us):
            yield took_s
        end = await first_unused_id(self._db)
        # Progress beyond the newest id comes from a clock that was ahead. If that progress were kept, later runs with
        # lower ids would not be deleted.
        await self._db.rows(f"DELETE FROM store_state WHERE name IN {RUNS_DELETED_BELOW} AND value > ?", (end,))
        failures_end = min(end, first_id_at(now_us - int(settings.keep_failures_days * DAY_US)))
        successes_end = max(failures_end, min(end, first_id_at(now_us - int(settings.keep_successes_days * DAY_US))))
        before_us = now_us - int(settings.keep_daily_days * DAY_US)
        for steps in (
            deletions.delete_runs(PROGRESS[0], successes_end, CONDITIONS_OF_RUNS[0]),
            deletions.delete_runs(PROGRESS[1], failures_end, CONDITIONS_OF_RUNS[1]),
            deletions.delete_formerly_newest(),
            IndexSteps(self._writer, deletions).keep_up(),
            deletions.delete_old_statistics(now_us),
            deletions.delete_removed(removed_before_us),
            *(
                deletions.delete_unreferenced(table, removed_before_us if table in CIRCUMSTANCES_OF_RUNS else before_us)
                for table in CONDITIONS
            ),
            UnusedNames(self._writer, deletions).delete_if_doubled(),
            self._size_limit.enforce(self._now_us),
            deletions.free_pages(),
        ):
            async for took_s in steps:
                yield took_s
        # Update the query planner's statistics. SQLite does a limited amount of work, and only for tables that have
        # changed much.
        yield await self._writer.run_timed(lambda db: db.executescript("PRAGMA analysis_limit = 200; PRAGMA optimize"))
