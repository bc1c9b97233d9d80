"""The write queue: bounded, batched, patient, and honest about every record (design section 5).

At every moment ``accepted = persisted + shed + waiting``. One task, owned by the queue and by nobody else, writes;
so whoever cancels the service that waits for the queue does not cancel the flush.
"""

import asyncio
import itertools
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from hassette_executor.backlog import Backlog
from hassette_executor.flush_waiters import FlushWaiters
from hassette_executor.ids import time_of
from hassette_executor.pending import (
    Pending,
    count_of,
    halved,
    held_by,
    is_empty,
    kind_of,
    records_of,
    stands_for,
    with_records,
    without_records,
)
from hassette_executor.records import Batch, Record
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.settings import ExecutorSettings
from hassette_executor.shedding import total_size
from hassette_executor.sink import RecordSink
from hassette_executor.watched_sink import WatchedSink

logger = logging.getLogger(__name__)

# For all queues of the process: a sink that is given from one executor to the next sees them rise.
_sequences = itertools.count(1)


class WriteQueue:
    """Hands records to one sink, in order, in batches.

    Args:
        sink: Where records go.
        settings: Bounds and intervals.
        now_us: Wall clock, in microseconds since the Unix epoch.
        monotonic_ns: The clock of the log's intervals; timers are the event loop's.

    Attributes:
        pending: What is to be said beside runs; call `touch` after adding to it.
        persisted: How many runs the sink has kept.
        shed: How many runs were given up, by reason.
        failures: How many writes in a row have failed.
    """

    def __init__(
        self,
        sink: RecordSink,
        settings: ExecutorSettings,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.pending = Pending()
        self.persisted = 0
        self.shed: Counter[str] = Counter()
        self.failures = 0
        self._settings = settings
        self._now_us = now_us
        self._sequence = 0
        self._kept = 0
        self._backlog = Backlog(line_up_from=settings.max_records // 8)
        self._tried_bytes = 0
        # Batches that were tried already, or are pieces of one that was, in order; they go before everything else.
        self._aside: deque[Batch] = deque()
        self._in_hand: Batch | None = None
        self._due = asyncio.Event()
        self._partial_due = False
        self._blocked = False
        self._closing = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._flushes = FlushWaiters()
        self._accepted = 0
        self._newest_id = 0
        self._writer: asyncio.Task[None] | None = None
        self._generation = 0
        self._log = RepeatedLog(logger, settings.log_interval_s, monotonic_ns)
        self._sink = WatchedSink(sink, settings, self._log, lambda: self.waiting)

    @property
    def waiting(self) -> int:
        """How many runs are neither persisted nor shed."""
        return self._accepted - self.persisted - self.shed.total()

    def start(self) -> asyncio.Task[None]:
        """Begin to write; return the task that does, for a supervisor to watch. It ends when the queue is closed.

        A queue that was closed is opened again; a task that has ended by a defect is replaced, and what it had in hand
        is tried again.
        """
        if self._closed:
            self._closing = self._closed = self._blocked = False
        # One that was told to end may still wait for a sink that does not heed it.
        if self._writer is None or self._writer.done() or self._writer.cancelling():
            self._aside.extendleft(reversed(self._take_unsettled()))
            # A new one: an event stays with the loop in which it was first waited for, and that may be over.
            self._due = asyncio.Event()
            self._due.set()
            self._generation += 1
            self._writer = asyncio.create_task(self._write_until_closed(self._generation), name="hassette-write-queue")
        return self._writer

    def extend(self, records: Sequence[Record], size: int) -> None:
        """Take records. Never waits, never raises; beyond the bound, detail is shed.

        Args:
            records: In the order of their ids; at least one.
            size: The memory that they hold together, in bytes (`total_size`).
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
        if (
            self.waiting > self._settings.max_records
            or self._backlog.bytes + self._tried_bytes > self._settings.max_bytes
        ):
            self._shed_detail()
        if len(self._backlog) >= self._settings.batch_records and not self._blocked:
            self._due.set()
        else:
            self.touch()

    def touch(self) -> None:
        """See to it that what waits is written within the flush interval."""
        if self._closed:
            self._log.log(
                "late",
                logging.WARNING,
                "What was announced after the stop is kept for the next start only",
                extra={"waiting": self._held()},
            )
        elif self._timer is None and not self._partial_due and not self._blocked:
            # Records have waited in the executor's inbox already: a fifth less keeps the whole within the interval.
            self._timer = asyncio.get_running_loop().call_later(self._settings.flush_interval_s * 0.8, self._flush_due)

    async def flush(self) -> None:
        """Write what waits now, whatever the interval or a retry's time; return when all of it is settled."""
        if self._closed or self._is_empty():
            return
        self._flush_due()
        await self._flushes.wait(self._newest_id, self._sequence + bool(self.pending))

    async def close(self, timeout_s: float) -> None:
        """Write what waits, for as long as the timeout allows; count and say what is left.

        Args:
            timeout_s: Seconds from now.
        """
        if self._closed:
            return
        self._closing = True
        self._flush_due()
        if self._writer is not None:
            # Somebody may have cancelled every task there is before the orderly stop: write on in a new one.
            self.start()
            await asyncio.wait({self._writer}, timeout=timeout_s)
            if not self._writer.done():
                self._writer.cancel()
                await asyncio.wait({self._writer}, timeout=1)
        self._closed = True
        self._cancel_timer()
        self._sink.look_no_more()
        unsettled = self._take_unsettled()
        left = sum(count_of(batch) for batch in unsettled) + len(self._backlog)
        self._backlog.take(left)
        self._tried_bytes = 0
        if left:
            self.shed["stop_deadline"] += left
        summaries = [*self.pending.summaries.take(), *(one for batch in unsettled for one in batch.summaries)]
        summed_up = sum(count for summary in summaries for _, count in summary.counts)
        # What else they say keeps its number: should the sink have kept it after all, the next start does not say it
        # once more.
        self._put_aside(batch._replace(summaries=()) for batch in unsettled)
        facts: dict[str, object] = {"waiting": self._held(), "deadline_s": timeout_s}
        if left or summed_up:
            message = "Records were not written before the stop deadline and are lost"
            self._log.say(logging.ERROR, message, extra={"lost": left, "lost_counts": summed_up, **facts})
        elif facts["waiting"]:
            message = "What was announced was not written before the stop deadline; it is kept for the next start only"
            self._log.say(logging.ERROR, message, extra=facts)
        self._flushes.release()

    def _is_empty(self) -> bool:
        return not (self.waiting or self._aside or self._in_hand or self.pending)

    # ---- writing ----------------------------------------------------------------------------------------------

    async def _write_until_closed(self, generation: int) -> None:
        while generation == self._generation and not self._closed and not (self._closing and self._is_empty()):
            await self._due.wait()
            self._due.clear()
            while generation == self._generation and not self._blocked and (batch := self._next_batch()) is not None:
                await self._write(batch, generation)
                self._tell_flushed()
            self._tell_flushed()

    def _next_batch(self) -> Batch | None:
        if self._closed:
            return None
        if self._aside:
            batch = self._aside.popleft()
            return batch if batch.sequence else self._numbered(batch)
        waits, at_once = len(self._backlog), self._settings.batch_records
        if waits < at_once and not (self._partial_due or self._closing):
            if waits or self.pending:
                self.touch()
            return None
        taken, size = self._backlog.take(at_once)
        if waits <= at_once:
            self._partial_due = False
        self._tried_bytes += size
        beside = self.pending.take(self._now_us()) if self.pending else Batch(0, self._now_us())
        batch = with_records(beside, taken)
        return None if is_empty(batch) else self._numbered(batch)

    def _numbered(self, batch: Batch) -> Batch:
        self._sequence = next(_sequences)
        return batch._replace(sequence=self._sequence)

    async def _write(self, batch: Batch, generation: int) -> None:
        self._in_hand = batch
        error = await self._attempt(batch)
        if self._in_hand is not batch or generation != self._generation:
            # `close` stopped waiting for a sink that does not heed its cancellation, and has counted this batch.
            return
        if isinstance(error, ValueError):
            self._isolate(batch, error)
        elif error is not None:
            self._retry_later(error)
            self._aside.appendleft(batch)
        else:
            self.persisted += count_of(batch)
            self._kept = batch.sequence
            if self.failures:
                # Once per interval, too: a sink may come and go with every batch.
                facts = {"failed_writes": self.failures, "waiting": self.waiting}
                self._log.log("again", logging.WARNING, "Records can be written again", extra=facts)
            self.failures = 0
        # Only now: a defect above ends this task, and the next one has to find the batch.
        self._in_hand = None
        self._tried_bytes = sum(total_size(records_of(batch)) for batch in self._aside)

    async def _attempt(self, batch: Batch) -> Exception | None:
        try:
            await self._sink.write(batch)
        except asyncio.CancelledError:
            if self._writer is not None and self._writer.cancelling():
                # The batch stays in hand, for `close` to count or for the next writer to try again.
                raise
            return RuntimeError("the sink's own work was cancelled")
        except Exception as error:  # noqa: BLE001  whatever ails the sink, the batch is kept and tried again
            return error
        return None

    def _retry_later(self, error: Exception) -> None:
        pause = min(self._settings.retry_max_s, self._settings.retry_min_s * 2 ** min(self.failures, 30))
        self.failures += 1
        self._log.log(
            "retry",
            logging.WARNING,
            "Records could not be written; they are kept and tried again",
            extra={
                "error": f"{type(error).__name__}: {error}",
                "waiting": self.waiting,
                "failed_writes": self.failures,
            },
        )
        # Full pauses, and not less than half: a sink in trouble is not helped by a crowd.
        self._blocked = True
        self._partial_due = False
        self._cancel_timer()
        pause = min(pause, self._settings.retry_min_s) if self._closing else pause
        self._timer = asyncio.get_running_loop().call_later(pause * random.uniform(0.5, 1), self._flush_due)  # noqa: S311  no secret

    def _isolate(self, batch: Batch, error: ValueError) -> None:
        """Look for the row that the sink rejects in ever smaller pieces; give up on that row, keep the rest."""
        if pieces := halved(batch):
            # They are numbered when it is their turn. Numbered here, what is left of this one would come after pieces
            # of pieces with higher numbers, and a sink would take it for something that it has kept already.
            self._aside.extendleft(piece._replace(sequence=0) for piece in reversed(pieces))
            return
        if records := records_of(batch):
            message, count = "A row was rejected by the sink and is lost; its counts are kept", 1
            row = repr(records[0].registration.key)
            self._shed("rejected_row", records)
        else:
            message, row, count = (
                "What was announced was rejected by the sink and is lost",
                kind_of(batch),
                stands_for(batch),
            )
            if not batch.losses:
                self.pending.lose("rejected_row", row, count, batch.at_us, batch.at_us)
        extra = {"error": str(error), "row": row, "lost": count}
        self._log.log(("rejected", bool(records)), logging.ERROR, message, extra=extra)

    # ---- shedding ---------------------------------------------------------------------------------------------

    def _shed_detail(self) -> None:
        """Give up the cheapest rows until a little of the bound is free, so that the work is not done per record."""
        self._dissolve_aside()
        reason = "queue_full_count" if self.waiting > self._settings.max_records else "queue_full_bytes"
        records, size = self._settings.max_records, self._settings.max_bytes
        tried = self.waiting - len(self._backlog)
        going = self._backlog.give_up(
            max(0, records - records // 256 - tried), max(0, size - size // 256 - self._tried_bytes)
        )
        self._shed(reason, going)
        self._log.log(
            "full",
            logging.WARNING,
            "The write queue is full: rows are given up, their counts are kept",
            extra={"given_up": self.shed[reason], "reason": reason, "waiting": self.waiting},
        )

    def _dissolve_aside(self) -> None:
        """Put the runs of batches that wait for a retry back into the queue, so that they can make room, too.

        What a batch says beside them waits on under its number: the sink may have kept it and told us otherwise, and
        sums that are said twice are wrong.
        """
        dissolved = tuple(self._aside)
        self._aside.clear()
        for batch in reversed(dissolved):
            records = records_of(batch)
            size = total_size(records)
            self._backlog.put_back(records, size)
            self._tried_bytes -= size
        self._put_aside(dissolved)

    def _put_aside(self, batches: Iterable[Batch]) -> None:
        """Keep what batches say beside runs, under the numbers that they have."""
        rests = map(without_records, batches)
        self._aside.extend(rest for rest in rests if not is_empty(rest))

    def _held(self) -> dict[str, int]:
        """Return what waits beside runs, tried already or not, by kind."""
        return dict(sum((Counter(held_by(batch)) for batch in self._aside), Counter(self.pending.held())))

    def _shed(self, reason: str, records: Sequence[Record]) -> None:
        for record in records:
            self.pending.summaries.fold(record)
        self.pending.lose(reason, "runs", len(records), time_of(records[0].id), time_of(records[-1].id))
        self.shed[reason] += len(records)

    # ---- waking -----------------------------------------------------------------------------------------------

    def _flush_due(self) -> None:
        self._cancel_timer()
        self._blocked = False
        self._partial_due = True
        self._due.set()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell_flushed(self) -> None:
        # What was tried and waits to be tried again is older than whatever anybody waits for.
        if self._flushes and not self._aside:
            self._flushes.settled(self._backlog.oldest_id or self._newest_id + 1, self._kept, beside=bool(self.pending))

    def _take_unsettled(self) -> list[Batch]:
        """Return the batches that were begun and not settled, in order; nobody has them any more."""
        batches = [self._in_hand, *self._aside] if self._in_hand is not None else list(self._aside)
        self._in_hand = None
        self._aside.clear()
        return batches
