"""Bounded queue that writes records to a sink in batches, retries failures, and accounts for every record.

At every moment ``accepted = persisted + shed + waiting``. The queue runs on the event loop, in one task that it creates
itself. Therefore cancelling the service that waits for the queue does not cancel the flush.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from hassette_executor.clock import Clock
from hassette_executor.delivery.attempts import WriteAttempts
from hassette_executor.delivery.backlog import Backlog
from hassette_executor.delivery.batch_builder import BatchBuilder
from hassette_executor.delivery.flush_schedule import FlushSchedule
from hassette_executor.delivery.loss_counter import LossCounter
from hassette_executor.delivery.sinks import RecordSink, SinkWithLosses
from hassette_executor.delivery.unsettled import UnsettledBatches
from hassette_executor.records.batches import Batch
from hassette_executor.records.runs import Record
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.settings import ExecutorLimits, ExecutorSettings

logger = logging.getLogger(__name__)


class WriteQueue:
    """Passes records to one sink, in order, in batches.

    Args:
        sink: The sink.
        settings: Bounds and intervals.
        limits: Bounds of announcements.
        clock: The clocks that date batches and limit the log.

    Attributes:
        builder: Announcements for the next batch; call `schedule_flush` after adding one.
        persisted: Number of records that the sink has stored, including those that it has lost since.
        shed: Number of records that did not reach the sink, by reason (see `Accounting`).
    """

    def __init__(
        self,
        sink: RecordSink,
        settings: ExecutorSettings,
        limits: ExecutorLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or Clock()
        self.builder = BatchBuilder(limits or ExecutorLimits())
        self.persisted = 0
        self._sink = sink
        self._lost_before = self._lost_runs
        self._settings = settings
        self._wall_ns = clock.wall_ns
        self._log = RepeatedLog(logger, settings.log_interval_s, clock.monotonic_ns)
        self._losses = LossCounter(self.builder, self._log)
        self.shed = self._losses.shed
        self._backlog = Backlog(index_above=settings.max_records // 8)
        self._unsettled = UnsettledBatches()
        # A record may have waited in the dispatcher for 0.2 of the interval, so the schedule gets the other 0.8.
        self._schedule = FlushSchedule(settings.flush_interval_s * 0.8)
        self._attempts = WriteAttempts(sink, settings, self._log, lambda: self.waiting)
        self._writer: asyncio.Task[None] | None = None
        self._accepted = 0
        self._newest_id = 0
        self._stored_sequence = 0
        self._closing = False
        self._closed = False

    @property
    def lost(self) -> int:
        """Number of persisted records that the sink has lost since."""
        # Another executor may have stored some of the lost runs. So limit the number to the records of this queue.
        return max(0, min(self.persisted, self._lost_runs - self._lost_before))

    @property
    def _lost_runs(self) -> int:
        return self._sink.lost_runs if isinstance(self._sink, SinkWithLosses) else 0

    @property
    def waiting(self) -> int:
        """Number of records that are neither persisted nor shed."""
        return self._accepted - self.persisted - self.shed.total()

    def start(self) -> asyncio.Task[None]:
        """Start the writing task and return it, so that the caller can watch it. It ends when the queue is closed.

        A closed queue is opened again. A failed task is replaced; the new task retries the batch of the failed task.
        """
        self._closing = self._closed = False
        # A cancelled task is replaced, too, because it may still wait for a sink that ignores the cancellation.
        if self._writer is None or self._writer.done() or self._writer.cancelling():
            self._unsettled.recover_current()
            work = self._schedule.start()
            self._writer = asyncio.create_task(self._write_until_closed(work), name="hassette-write-queue")
        return self._writer

    def extend(self, records: Sequence[Record], size: int, *, flush: bool = False) -> None:
        """Add records; above the bounds, evict the least important records. Never waits and never raises.

        Args:
            records: At least one record, in the order in which the runs ended.
            size: The memory that they use together, in bytes (`total_size`).
            flush: Whether to write them without waiting for the interval, unless a pause is in progress: they have
                waited for the whole interval before.
        """
        self._accepted += len(records)
        if self._closed:
            self._losses.count_after_stop(len(records))
            return
        # After a step back of the clock, ids are lower, also within `records`. So keep the highest id: a flush may then
        # wait longer than needed, but does not end too early.
        self._newest_id = max(self._newest_id, *(record.id for record in records))
        self._backlog.extend(records, size)
        settings = self._settings
        if self.waiting > settings.max_records or self._backlog.bytes + self._unsettled.bytes > settings.max_bytes:
            self._evict()
        if flush and not self._schedule.pausing:
            self._schedule.request_flush()
        elif len(self._backlog) >= settings.batch_records and not self._schedule.pausing:
            self._schedule.work.set()
        else:
            self._schedule.set_timer()

    def schedule_flush(self) -> None:
        """Set the timer, so that waiting records and announcements are written within the flush interval."""
        if self._closed:
            message, extra = "Announcements after the stop wait for the next start", self._announcement_counts()
            self._log.log("late", logging.WARNING, message, extra={"waiting": extra})
        else:
            self._schedule.set_timer()

    async def flush(self) -> None:
        """Write waiting records and announcements without waiting for the interval; return when they are settled."""
        if self._closed or self._is_empty():
            return
        self._schedule.request_flush()
        newest_sequence = self._unsettled.newest_sequence + bool(self.builder)
        await self._schedule.wait_until_settled(self._newest_id, newest_sequence)

    async def close(self, timeout_s: float) -> None:
        """Write until the queue is empty or the timeout has passed, then count and log the rest.

        Args:
            timeout_s: Seconds from now.
        """
        if self._closed:
            return
        if self._writer is not None:
            # If all tasks of the process were cancelled before this, a new task has to write the rest.
            self.start()
        self._closing = True
        self._attempts.refused = False  # so that the queue tries once more
        self._schedule.request_flush()
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=timeout_s)
            if not self._writer.done():
                self._writer.cancel()
                await asyncio.wait({self._writer}, timeout=1)
        self._closed = True
        self._schedule.stop()
        self._attempts.stop_watching()
        runs, summarised = self._unsettled.drop_runs()
        runs += len(self._backlog.take(len(self._backlog))[0])
        summarised += self.builder.drop_summaries()
        self._losses.count_left(runs, summarised, self._announcement_counts(), timeout_s)

    async def _write_until_closed(self, work: asyncio.Event) -> None:
        """Wait for work, then write batches until none is due. This is the task of the queue.

        Args:
            work: Wakes this task. If the schedule has another event, a new task has replaced this task.
        """
        while work is self._schedule.work and not self._closed and not (self._closing and self._is_done()):
            await work.wait()
            work.clear()
            while (
                work is self._schedule.work and not self._schedule.pausing and (batch := self._next_batch()) is not None
            ):
                await self._write(batch, work)
                self._wake_flushed()
            self._wake_flushed()

    def _next_batch(self) -> Batch | None:
        """Return the batch to write now: first a batch to retry, else a new one; None if none is due."""
        if self._closed:
            return None
        if (batch := self._unsettled.begin_retry()) is not None:
            return batch
        waiting, full = len(self._backlog), self._settings.batch_records
        if waiting < full and not (self._schedule.flush_now or self._closing):
            if waiting or self.builder:
                self._schedule.set_timer()
            return None
        records, size = self._backlog.take(full)
        if waiting <= full:
            self._schedule.flush_now = False
        batch = self.builder.build(self._wall_ns() // 1000).with_records(records)
        return None if batch.is_empty else self._unsettled.begin(batch, size)

    async def _write(self, batch: Batch, work: asyncio.Event) -> None:
        """Try once to write a batch. After a failure, keep it for a retry, or split it if the sink rejects a row."""
        error = await self._attempts.write(batch)
        if work is not self._schedule.work or not self._unsettled.is_current(batch):
            # The sink ignored a cancellation. Meanwhile `close` has counted this batch, or a new task of `start` has
            # taken it over.
            return
        remaining: Sequence[Batch] = ()
        if error is None:
            self.persisted += batch.run_count
            self._stored_sequence = batch.sequence
            self._attempts.succeeded()
        elif isinstance(error, ValueError):
            remaining = batch.split()
            if not remaining:
                self._losses.count_rejected(batch, error)
        else:
            remaining = (batch,)
            self._schedule.pause(self._attempts.failed(error, closing=self._closing))
        # This is the last step on purpose. If an error above ends this task, the next task must still find the batch.
        self._unsettled.settle_current(remaining)

    def _evict(self) -> None:
        """Evict the least important runs until 1/256 of the bound is free.

        Without this room, every new record would cause another eviction. The runs of unsettled batches stay, because
        they may be stored although a write failed. If they were evicted, they would be counted twice.
        """
        max_records, max_bytes = self._settings.max_records, self._settings.max_bytes
        reason = "queue_full_count" if self.waiting > max_records else "queue_full_bytes"
        being_written = self.waiting - len(self._backlog)
        evicted = self._backlog.evict(
            max(0, max_records - max_records // 256 - being_written),
            max(0, max_bytes - max_bytes // 256 - self._unsettled.bytes),
        )
        self._losses.count_evicted(reason, evicted, waiting=self.waiting - len(evicted))

    def _announcement_counts(self) -> dict[str, int]:
        return dict(self._unsettled.announcement_counts() + Counter(self.builder.announcement_counts()))

    def _is_empty(self) -> bool:
        return not (self.waiting or self._unsettled or self.builder)

    def _is_done(self) -> bool:
        # A sink that refuses all records would otherwise delay the stop until its time limit.
        return self._attempts.refused or self._is_empty()

    def _wake_flushed(self) -> None:
        # While a batch is unsettled, no flush is complete. Another task may write it, if it has replaced this task.
        if self._schedule.has_waiters and not self._unsettled:
            oldest_id = self._backlog.oldest_id or self._newest_id + 1
            self._schedule.wake_settled(oldest_id, self._stored_sequence, announcements=bool(self.builder))
