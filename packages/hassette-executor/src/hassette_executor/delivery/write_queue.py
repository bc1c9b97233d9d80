"""Bounded queue that writes records to a sink in batches, retries failures, and accounts for every record.

At every moment ``accepted = persisted + shed + waiting``. The queue runs on the event loop, in one task that it creates
itself. Therefore cancelling the service that waits for the queue does not cancel the flush.
"""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Sequence

from hassette_executor.clock import Clock
from hassette_executor.delivery.attempts import WriteAttempts
from hassette_executor.delivery.backlog import Backlog
from hassette_executor.delivery.batch_builder import BatchBuilder
from hassette_executor.delivery.flush_waiters import FlushWaiters
from hassette_executor.delivery.sinks import RecordSink
from hassette_executor.delivery.unsettled import UnsettledBatches
from hassette_executor.records.batches import Batch
from hassette_executor.records.runs import Record
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.settings import ExecutorLimits, ExecutorSettings

logger = logging.getLogger(__name__)

# Batch numbers. All queues of the process share one counter: if a second executor later uses the same sink, its batches
# still get higher numbers.
_sequences = itertools.count(1)


class WriteQueue:
    """Passes records to one sink, in order, in batches.

    Args:
        sink: The sink.
        settings: Bounds and intervals.
        limits: Bounds of announcements.
        clock: The clocks that date batches and limit the log.

    Attributes:
        builder: Announcements for the next batch; call `schedule_flush` after adding one.
        persisted: Number of records that the sink has stored.
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
        self.shed: Counter[str] = Counter()
        self._settings = settings
        self._wall_ns = clock.wall_ns
        self._backlog = Backlog(index_above=settings.max_records // 8)
        self._unsettled = UnsettledBatches()
        self._accepted = 0
        self._newest_id = 0
        self._sequence = 0
        self._stored_sequence = 0
        self._work = asyncio.Event()
        self._flush_now = False
        self._pausing = False
        self._closing = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._flushes = FlushWaiters()
        self._writer: asyncio.Task[None] | None = None
        self._generation = 0
        self._log = RepeatedLog(logger, settings.log_interval_s, clock.monotonic_ns)
        self._attempts = WriteAttempts(sink, settings, self._log, lambda: self.waiting)

    @property
    def failures(self) -> int:
        """Number of failed writes in a row."""
        return self._attempts.failures

    @property
    def waiting(self) -> int:
        """Number of records that are neither persisted nor shed."""
        return self._accepted - self.persisted - self.shed.total()

    def start(self) -> asyncio.Task[None]:
        """Start the writing task and return it, so that the caller can watch it. It ends when the queue is closed.

        A closed queue is opened again. A failed task is replaced; the new task retries the batch of the failed task.
        """
        if self._closed:
            self._closing = self._closed = self._pausing = False
        # A task that was cancelled may still wait for a sink that ignores the cancellation.
        if self._writer is None or self._writer.done() or self._writer.cancelling():
            self._unsettled.recover_current()
            # A new event: an event cannot be used in a second event loop, and the first may have ended.
            self._work = asyncio.Event()
            self._work.set()
            self._generation += 1
            self._writer = asyncio.create_task(self._write_until_closed(self._generation), name="hassette-write-queue")
        return self._writer

    def extend(self, records: Sequence[Record], size: int) -> None:
        """Add records; above the bounds, evict the least important records. Never waits and never raises.

        Args:
            records: At least one record, ordered by id.
            size: The memory that they use together, in bytes (`total_size`).
        """
        self._accepted += len(records)
        if self._closed:
            self.shed["after_stop"] += len(records)
            self._log.log(
                "after_stop",
                logging.ERROR,
                "Runs that ended after the stop are lost",
                extra={"lost": self.shed["after_stop"]},
            )
            return
        self._newest_id = records[-1].id
        self._backlog.extend(records, size)
        settings = self._settings
        if self.waiting > settings.max_records or self._backlog.bytes + self._unsettled.bytes > settings.max_bytes:
            self._evict()
        if len(self._backlog) >= settings.batch_records and not self._pausing:
            self._work.set()
        else:
            self.schedule_flush()

    def schedule_flush(self) -> None:
        """Set the timer, so that waiting records and announcements are written within the flush interval."""
        if self._closed:
            self._log.log(
                "late",
                logging.WARNING,
                "Announcements after the stop wait for the next start",
                extra={"waiting": self._announcement_counts()},
            )
        elif self._timer is None and not self._flush_now and not self._pausing:
            # A record may have waited in the dispatcher for 0.2 of the interval, so the timer is set to the other 0.8.
            self._timer = asyncio.get_running_loop().call_later(self._settings.flush_interval_s * 0.8, self._flush_due)

    async def flush(self) -> None:
        """Write waiting records and announcements without waiting for the interval; return when they are settled."""
        if self._closed or self._is_empty():
            return
        self._flush_due()
        await self._flushes.wait(self._newest_id, self._sequence + bool(self.builder))

    async def close(self, timeout_s: float) -> None:
        """Write until the queue is empty or the timeout has passed, then count and log the rest.

        Args:
            timeout_s: Seconds from now.
        """
        if self._closed:
            return
        self._closing = True
        self._flush_due()
        if self._writer is not None:
            # If all tasks of the process were cancelled before this, a new task has to write the rest.
            self.start()
            await asyncio.wait({self._writer}, timeout=timeout_s)
            if not self._writer.done():
                self._writer.cancel()
                await asyncio.wait({self._writer}, timeout=1)
        self._closed = True
        self._cancel_timer()
        self._attempts.stop_watching()
        self._count_rest(timeout_s)
        self._flushes.release()

    def _count_rest(self, timeout_s: float) -> None:
        unsettled = self._unsettled.take_all()
        left = sum(batch.run_count for batch in unsettled) + len(self._backlog)
        self._backlog.take(left)
        if left:
            self.shed["stop_deadline"] += left
        summarised = self.builder.drop_summaries() + sum(batch.summarised_runs for batch in unsettled)
        # Summaries are dropped; all other announcements stay in batches with their old numbers. If the sink has stored
        # such a batch, it ignores the batch after the next start.
        self._unsettled.keep_announcements(batch._replace(summaries=()) for batch in unsettled)
        facts: dict[str, object] = {"waiting": self._announcement_counts(), "deadline_s": timeout_s}
        if left or summarised:
            message = "Records were not written before the stop deadline and are lost"
            self._log.write(logging.ERROR, message, extra={"lost": left, "lost_counts": summarised, **facts})
        elif facts["waiting"]:
            message = "Announcements were not written before the stop deadline; they wait for the next start"
            self._log.write(logging.ERROR, message, extra=facts)

    async def _write_until_closed(self, generation: int) -> None:
        """Wait for work, then write batches until none is due. This is the task of the queue."""
        while generation == self._generation and not self._closed and not (self._closing and self._is_empty()):
            await self._work.wait()
            self._work.clear()
            while generation == self._generation and not self._pausing and (batch := self._next_batch()) is not None:
                await self._write(batch, generation)
                self._wake_flushed()
            self._wake_flushed()

    def _next_batch(self) -> Batch | None:
        """Return the batch to write now: first a batch to retry, else a new one; None if none is due."""
        if self._closed:
            return None
        if (batch := self._unsettled.next_retry()) is not None:
            batch = batch if batch.sequence else self._numbered(batch)
            self._unsettled.begin(batch, 0)
            return batch
        waiting, full = len(self._backlog), self._settings.batch_records
        if waiting < full and not (self._flush_now or self._closing):
            if waiting or self.builder:
                self.schedule_flush()
            return None
        records, size = self._backlog.take(full)
        if waiting <= full:
            self._flush_now = False
        batch = self.builder.build(self._wall_ns() // 1000).with_records(records)
        if batch.is_empty:
            return None
        batch = self._numbered(batch)
        self._unsettled.begin(batch, size)
        return batch

    def _numbered(self, batch: Batch) -> Batch:
        self._sequence = next(_sequences)
        return batch._replace(sequence=self._sequence)

    async def _write(self, batch: Batch, generation: int) -> None:
        """Try once to write a batch. After a failure, keep it for a retry, or split it if the sink rejects a row."""
        error = await self._attempts.write(batch)
        if generation != self._generation or not self._unsettled.is_current(batch):
            # The sink ignored a cancellation. Meanwhile `close` has counted this batch, or a new task of `start` has
            # taken it over.
            return
        if error is None:
            self.persisted += batch.run_count
            self._stored_sequence = batch.sequence
            self._attempts.succeeded()
        elif isinstance(error, ValueError):
            self._isolate(batch, error)
        else:
            pause_s = self._attempts.failed(error, closing=self._closing)
            self._cancel_timer()
            self._pausing, self._flush_now = True, False
            self._timer = asyncio.get_running_loop().call_later(pause_s, self._flush_due)
            self._unsettled.put_back([batch])
        # The last step: if an error above ends this task, the next task must find the batch.
        self._unsettled.settle_current()

    def _isolate(self, batch: Batch, error: ValueError) -> None:
        """Find the row that the sink rejects by splitting the batch; drop the batch if it is a single row."""
        if pieces := batch.split():
            # A piece gets its number when it is written. Suppose all pieces got their numbers now.
            # If the first piece is then split again, its parts get new, higher numbers, but they are written before the
            # remaining pieces. The sink would then ignore the remaining pieces as already stored.
            self._unsettled.put_back([piece._replace(sequence=0) for piece in pieces])
            return
        if records := batch.records():
            message, count = "Row was rejected by the sink and is lost; it still counts in the totals", 1
            row = repr(records[0].registration.key)
            self._count_shed("rejected_row", records)
        else:
            message = "Announcement was rejected by the sink and is lost"
            row, count = batch.only_announcement()
            if not batch.losses:
                self.builder.count_loss("rejected_row", row, count, batch.at_us, batch.at_us)
        extra = {"error": str(error), "row": row, "lost": count}
        self._log.log(("rejected", bool(records)), logging.ERROR, message, extra=extra)

    def _evict(self) -> None:
        """Evict the least important runs until 1/256 of the bound is free.

        Without this room, every new record would cause another eviction.
        """
        for records, size in reversed(self._unsettled.take_records()):
            self._backlog.put_back(records, size)
        max_records, max_bytes = self._settings.max_records, self._settings.max_bytes
        reason = "queue_full_count" if self.waiting > max_records else "queue_full_bytes"
        being_written = self.waiting - len(self._backlog)
        evicted = self._backlog.evict(
            max(0, max_records - max_records // 256 - being_written),
            max(0, max_bytes - max_bytes // 256 - self._unsettled.bytes),
        )
        self._count_shed(reason, evicted)
        self._log.log(
            "full",
            logging.WARNING,
            "Write queue is full; records are evicted but still count in the totals",
            extra={"evicted": self.shed[reason], "reason": reason, "waiting": self.waiting},
        )

    def _count_shed(self, reason: str, records: Sequence[Record]) -> None:
        self.builder.count_shed(reason, records)
        self.shed[reason] += len(records)

    def _announcement_counts(self) -> dict[str, int]:
        return dict(self._unsettled.announcement_counts() + Counter(self.builder.announcement_counts()))

    def _is_empty(self) -> bool:
        return not (self.waiting or self._unsettled or self.builder)

    def _flush_due(self) -> None:
        self._cancel_timer()
        self._pausing = False
        self._flush_now = True
        self._work.set()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake_flushed(self) -> None:
        # While a batch waits for a retry, no flush is complete.
        if self._flushes and not self._unsettled.has_waiting:
            oldest_id = self._backlog.oldest_id or self._newest_id + 1
            self._flushes.settle(oldest_id, self._stored_sequence, announcements=bool(self.builder))
