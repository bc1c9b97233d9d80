"""Record dispatcher: passes finished runs from the executor to the live feed, the write queues and the log."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from math import inf
from time import monotonic

from hassette_executor.clock import Clock
from hassette_executor.delivery.batch_builder import BatchBuilder
from hassette_executor.delivery.feed import Feed
from hassette_executor.delivery.outcome_log import OutcomeLog
from hassette_executor.delivery.sinks import RecordSink, SinkWithStopLimit
from hassette_executor.delivery.write_queue import WriteQueue
from hassette_executor.records.runs import Record, RunningExecution
from hassette_executor.records.sizes import total_size
from hassette_executor.running.effects import LateEffects
from hassette_executor.running.execution import NEVER_NS
from hassette_executor.running.threads import MakeThreads, ThreadPool
from hassette_executor.settings import ExecutorLimits, ExecutorSettings

logger = logging.getLogger(__name__)

DISPATCH_S = 0.1
"""Longest time that a record stays in the buffer while the feed has a subscriber, in seconds. Live pages must show a
record within 250 ms. Dispatching many records together takes a fraction of the time of dispatching them one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """Numbers of stored, lost and waiting runs of one sink: ``executed == persisted + sum(shed) + waiting``.

    A record is *shed* if it does not reach the sink. *Evicted* records (``queue_full_count``, ``queue_full_bytes``: the
    queue was full) and *rejected* records (``rejected_row``: the sink can never store them) are still counted in a
    `ShedSummary`. Records that are not written before the stop deadline (``stop_deadline``), and records of runs that
    end after the stop (``after_stop``), are lost without a count in the sink. Stored records also count as shed
    if the sink has lost them since, for example because its file was removed (``file_lost``).

    Attributes:
        executed: Number of runs that have ended, since the executor was created.
        persisted: Number of records that the sink has stored and still has.
        shed: Number of shed records by reason.
        waiting: Number of records that wait to be written.
    """

    executed: int
    persisted: int
    shed: Mapping[str, int]
    waiting: int


class RecordDispatcher:
    """Passes records from the executor's buffer to the feed, the write queues and the log, on the event loop.

    A timer starts with the first record in the buffer. No timer runs while the buffer is empty. While the feed has no
    subscriber, the records stay in the buffer for the whole flush interval, and are then written at once. So a quiet
    home wakes up once for both steps. If no further record is expected before the end of the interval, the last record
    starts both steps, and the timer does not wake up the event loop at all.

    Args:
        sinks: Receivers of the records. Each sink has a separate write queue.
        settings: Bounds and intervals.
        late: Counter of late effects, which were added after the record of their run was made. They count as a loss.
        limits: Fixed limits.
        clock: Wall clock and monotonic clock.
        make_threads: Creates the thread of the log.

    Attributes:
        buffer: New records. The executor's hot path appends to it directly.
        with_details: The records in the buffer with a failure or effects. They are collected when they are made, so
            that no later step has to search for them.
        notify_at: If the buffer has at least this length after a record was added, the executor calls `record_added`.
        notify_from_ns: It also does so for a run that begins, or ends with a failure or effects, at this monotonic time
            or later.
        feed: The live feed.
    """

    def __init__(
        self,
        sinks: Sequence[RecordSink],
        settings: ExecutorSettings,
        late: LateEffects,
        limits: ExecutorLimits | None = None,
        clock: Clock | None = None,
        make_threads: MakeThreads = ThreadPool,
    ) -> None:
        limits, clock = limits or ExecutorLimits(), clock or Clock()
        self.buffer: deque[Record] = deque()
        self.with_details: list[Record] = []
        self.notify_at = 1
        self.notify_from_ns = NEVER_NS
        self.feed = Feed(settings.feed_records, settings.max_bytes // 4, before_subscribe=self._publish_waiting)
        self._settings = settings
        self._late = late
        self._last_id_s = limits.last_id_s
        self._wall_ns = clock.wall_ns
        self._monotonic_ns = clock.monotonic_ns
        self._due_ns = NEVER_NS
        self._sinks = sinks
        self._queues = [WriteQueue(sink, settings, limits, clock) for sink in sinks]
        self._writers: list[asyncio.Task[None]] = []
        self._dispatched = 0
        self._timer: asyncio.TimerHandle | None = None
        self._outcomes = OutcomeLog(settings.log_interval_s, limits.outcome_lines, clock.monotonic_ns, make_threads)
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def last_id(self) -> int:
        """Return the highest id that a sink has stored. If a sink fails or hangs, log a warning and ignore it."""
        last = 0
        for sink in self._sinks:
            try:
                async with asyncio.timeout(self._last_id_s):
                    last = max(last, await sink.last_id())
            except (Exception, asyncio.CancelledError) as error:
                # A failing sink must not prevent automations. It may also raise CancelledError, for example when its
                # task was cancelled.
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                    raise
                logger.warning(
                    "Sink did not return its last id; new ids may be lower than its stored ids",
                    extra={"error": f"{type(error).__name__}: {error}"},
                )
        return last

    def start(self) -> None:
        """Start to write. May be called again after `close`."""
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._outcomes.open()
        self._writers = [queue.start() for queue in self._queues]

    async def watch(self, stopped: asyncio.Event) -> None:
        """Wait until ``stopped`` is set.

        Raises:
            RuntimeError: The task of a write queue has failed or was cancelled; `start` replaces it.
        """
        waiting = asyncio.ensure_future(stopped.wait())
        try:
            await asyncio.wait({waiting, *self._writers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        for writer in self._writers:
            if writer.done() and not self._closing:
                error = None if writer.cancelled() else writer.exception()
                raise RuntimeError("the write queue has ended unexpectedly") from error

    async def close(self, timeout_s: float) -> None:
        """Dispatch and write all records and announcements, until the timeout.

        Args:
            timeout_s: Seconds from now.
        """
        self._closing = True
        until = monotonic() + timeout_s
        self.dispatch()
        await asyncio.gather(
            *(
                queue.close(max(0.1, min(until - monotonic(), _stop_limit_of(sink))))
                for sink, queue in zip(self._sinks, self._queues, strict=True)
            )
        )
        await self._outcomes.close()
        if self._timer is not None:
            self._timer.cancel()
        # Records and late effects that were added during the close are lost. The closed queues count and report them.
        self._tick()
        self._loop = None

    def announce(self, add: Callable[[BatchBuilder], None]) -> None:
        """Add an announcement to the next batch of every sink.

        May be called in a thread, because a program without hassette-core may register in a sync handler.

        Args:
            add: Adds the announcement to the batch builder of one queue.
        """
        self.call_on_loop(partial(self._announce, add))

    def announce_running(self, running: tuple[RunningExecution, ...]) -> None:
        """Announce the list of runs in progress. It replaces the previous list."""
        self.announce(lambda builder: builder.set_running(running))

    def call_on_loop(self, call: Callable[[], None]) -> None:
        """Call a function on the event loop: at once if the caller is there, soon if the caller is another thread."""
        if self._loop is None or _is_running_here(self._loop):
            call()
        else:
            self._loop.call_soon_threadsafe(call, context=Context())

    def _announce(self, add: Callable[[BatchBuilder], None]) -> None:
        for queue in self._queues:
            add(queue.builder)
            # Before the start there is no event loop for a timer. The first batch will contain the announcement.
            if self._writers:
                queue.schedule_flush()

    async def flush(self, timeout_s: float) -> bool:
        """Dispatch and write all records and announcements that wait now. Return False after the timeout."""
        self.dispatch()
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(queue.flush() for queue in self._queues))
        except TimeoutError:
            return False
        return True

    def accounting(self, sink: int) -> Accounting:
        """Return the numbers of stored, lost and waiting runs of one sink."""
        queue = self._queues[sink]
        buffered = len(self.buffer)
        return Accounting(
            executed=self._dispatched + buffered,
            persisted=queue.persisted - queue.lost,
            shed={**queue.shed, "file_lost": queue.lost} if queue.lost else dict(queue.shed),
            waiting=queue.waiting + buffered,
        )

    def record_added(self) -> None:
        """Set the timer after the first record in the buffer; dispatch a full batch, or the last record, at once."""
        if self._timer is not None:
            if len(self.buffer) >= self.notify_at:
                self.dispatch()
            elif self._expects_no_record():
                self._timer.cancel()
                self._tick_and_flush()
            return
        interval_s = self._settings.flush_interval_s
        delay_s = min(DISPATCH_S, interval_s / 5) if self.feed.has_subscribers else interval_s
        tick = self._tick if self.feed.has_subscribers else self._tick_and_flush
        self._timer = asyncio.get_running_loop().call_later(delay_s, tick, context=Context())
        self.notify_at = self._settings.batch_records
        if not self.feed.has_subscribers:
            interval_ns = int(interval_s * 1e9)
            self._due_ns = self._monotonic_ns() + interval_ns
            self.notify_from_ns = self._due_ns - interval_ns // 2

    def _expects_no_record(self) -> bool:
        """Return whether the next record comes after the timer, if records come at regular intervals."""
        if len(self.buffer) < 2:
            return False
        before, last = self.buffer[-2], self.buffer[-1]
        gap_ns = 1000 * (last.started_us + last.duration_us - before.started_us - before.duration_us)
        if self._monotonic_ns() + gap_ns > self._due_ns:
            return True
        # While records come at this interval, the answer stays the same until shortly before the timer. Without this
        # line, the executor would call `record_added` for thousands of records per second.
        self.notify_from_ns = self._due_ns - 2 * gap_ns
        return False

    def dispatch(self, *, flush: bool = False) -> None:
        """Pass the records in the buffer to the feed, the write queues and the log.

        Args:
            flush: Whether the write queues write them at once.
        """
        # The empty context keeps log lines of the dispatch out of the run that has added the last record.
        Context().run(self._dispatch, flush)

    def _dispatch(self, flush: bool) -> None:
        for what, count in self._late.take().items():
            self._announce_late_effects(what, count)
        if not self.buffer:
            return
        records = list(self.buffer)
        self.buffer.clear()
        self._dispatched += len(records)
        with_details, self.with_details = self.with_details, []
        size = total_size(records, with_details)
        self.feed.publish(records, size)
        for queue in self._queues:
            queue.extend(records, size, flush=flush)
        self._outcomes.add(records, with_details)

    def _announce_late_effects(self, what: str, count: int) -> None:
        at_us = self._wall_ns() // 1000
        self.announce(lambda builder: builder.count_loss("late_effect", what, count, at_us, at_us))

    def _tick(self, *, flush: bool = False) -> None:
        self._timer = None
        self.notify_at = 1
        self.notify_from_ns = NEVER_NS
        self.dispatch(flush=flush)

    def _tick_and_flush(self) -> None:
        self._tick(flush=True)

    def _publish_waiting(self) -> None:
        if self._timer is not None:
            # The timer may be set to the end of the flush interval, which is too late for a subscriber. The records may
            # have waited for nearly all of the interval, so the queues must not wait for it again.
            self._timer.cancel()
            self._tick_and_flush()


def _stop_limit_of(sink: RecordSink) -> float:
    return sink.stop_limit_s if isinstance(sink, SinkWithStopLimit) else inf


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:  # no loop runs in this thread
        return False
