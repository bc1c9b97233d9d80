"""From the executor's inbox to everyone who wants to know: the live feed, the write queues, the log."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial
from time import monotonic, time_ns

from hassette_executor.accounting import Accounting
from hassette_executor.effects import LateEffects
from hassette_executor.feed import Feed
from hassette_executor.outcome_log import OutcomeLog
from hassette_executor.pending import Pending
from hassette_executor.queue import WriteQueue
from hassette_executor.records import Record
from hassette_executor.settings import ExecutorSettings
from hassette_executor.shedding import total_size
from hassette_executor.sink import RecordSink
from hassette_executor.threads import HandlerThreads

logger = logging.getLogger(__name__)

HANDOVER_S = 0.1
"""How long a record stays in the inbox: live pages are promised it within 250 ms, and moving a hundred at once costs a
fraction of moving each."""
LAST_ID_S = 5.0
"""How long a sink may take to say its last id, in seconds: automations wait for it."""
LOG_BACKLOG = 2_000
"""Records that may wait for their log line while the log is slow; how many more there were is said in one line."""


class Handover:
    """Takes records from the inbox and hands them on, a timer's tick at a time; no timer runs while it is empty.

    Args:
        sinks: Where records go; each gets a write queue of its own.
        settings: Bounds and intervals.
        late: Effects that came too late for their record, to be counted as a loss.

    Attributes:
        inbox: Records that have just been made; the executor's hot path appends directly.
        not_plain: Those of them that have a failure or effects: looking for the few in a batch of many would cost the
            loop more than all the rest of handing it over to a queue.
        mark: When the inbox has grown to this length, call `mark_reached`.
        feed: Records, live.
    """

    def __init__(self, sinks: Sequence[RecordSink], settings: ExecutorSettings, late: LateEffects) -> None:
        self.inbox: deque[Record] = deque()
        self.not_plain: list[Record] = []
        self.mark = 1
        self.feed = Feed(settings.feed_records, settings.max_bytes // 4)
        self._settings = settings
        self._late = late
        self._sinks = sinks
        self._queues = [WriteQueue(sink, settings) for sink in sinks]
        self._writers: list[asyncio.Task[None]] = []
        self._handed_over = 0
        self._timer: asyncio.TimerHandle | None = None
        self._outcomes = OutcomeLog(settings.log_interval_s)
        self._log_thread = HandlerThreads(1, "log")
        self._to_say: list[Record] = []
        self._unsaid = 0
        self._saying: asyncio.Task[None] | None = None
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def last_id(self) -> int:
        """Return the highest id that any sink has kept; a sink that cannot say is passed over with a warning."""
        last = 0
        for sink in self._sinks:
            try:
                async with asyncio.timeout(LAST_ID_S):
                    last = max(last, await sink.last_id())
            except (Exception, asyncio.CancelledError) as error:
                # A sink in trouble, its own work cancelled included, must not keep automations from running.
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                    raise
                logger.warning(
                    "A sink could not say its last id; ids start from the clock",
                    extra={"error": f"{type(error).__name__}: {error}"},
                )
        return last

    def start(self) -> None:
        """Begin to write; also again, after `close`."""
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._log_thread.open()
        self._writers = [queue.start() for queue in self._queues]

    async def watch(self, stopped: asyncio.Event) -> None:
        """Wait until ``stopped`` is set.

        Raises:
            RuntimeError: A write queue's task has ended by a defect; `start` mends it.
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
        """Hand over and write what is left, for as long as the timeout allows."""
        self._closing = True
        until = monotonic() + timeout_s
        self.hand_over()
        await asyncio.gather(*(queue.close(max(0.1, until - monotonic())) for queue in self._queues))
        if self._saying is not None:
            await asyncio.wait({self._saying}, timeout=1)
        self._log_thread.close()
        # A log that hangs is not waited for, and not written to from here: that would hang as well.
        self._unsaid += len(self._to_say)
        self._to_say = []
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due()  # what has come meanwhile, late effects for one, is counted and said by the closed queues
        self._loop = None

    def announce(self, say: Callable[[Pending], None]) -> None:
        """Have something ride in every sink's next batch. May be called in a thread, as by a sync handler.

        Args:
            say: Says it to one queue's `Pending`.
        """
        if self._loop is None or _is_running_here(self._loop):
            self._announce(say)
        else:
            self._loop.call_soon_threadsafe(self._announce, say, context=Context())

    def _announce(self, say: Callable[[Pending], None]) -> None:
        for queue in self._queues:
            say(queue.pending)
            # Before start there is no loop to set a timer on; the first batch takes along what was said until then.
            if self._writers:
                queue.touch()

    async def flush(self) -> None:
        """Hand over and write what waits now."""
        self.hand_over()
        await asyncio.gather(*(queue.flush() for queue in self._queues))

    def accounting(self, sink: int) -> Accounting:
        """Return where every run went, of one sink."""
        queue = self._queues[sink]
        inbox = len(self.inbox)
        return Accounting(
            executed=self._handed_over + inbox,
            persisted=queue.persisted,
            shed=dict(queue.shed),
            waiting=queue.waiting + inbox,
        )

    def mark_reached(self) -> None:
        """The first record in the inbox sets the timer; a batch of them is handed over without waiting for it."""
        if self._timer is not None:
            self.hand_over()
            return
        delay_s = min(HANDOVER_S, self._settings.flush_interval_s / 5)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._timer_due, context=Context())
        self.mark = self._settings.batch_records

    def hand_over(self) -> None:
        """Hand what is in the inbox to the feed, the write queues and the log."""
        # This is nobody's run: in an empty context, what is logged here attaches to no record, not even to that of a
        # run inside of which another one was executed.
        Context().run(self._hand_over)

    def _hand_over(self) -> None:
        for what, count in self._late.take().items():
            at_us = time_ns() // 1000
            self.announce(
                lambda pending, what=what, count=count, at_us=at_us: pending.lose(
                    "late_effect", what, count, at_us, at_us
                )
            )
        if not self.inbox:
            return
        records = list(self.inbox)
        self.inbox.clear()
        self._handed_over += len(records)
        not_plain, self.not_plain = self.not_plain, []
        size = total_size(records, not_plain)
        self.feed.publish(records, size)
        for queue in self._queues:
            queue.extend(records, size)
        if said := self._outcomes.worth_saying(records, not_plain):
            self._say(said)

    def _say(self, records: list[Record]) -> None:
        if self._log_thread.closed:
            self._outcomes.write(records)  # of the few runs that outlive the stop
            return
        room = max(0, LOG_BACKLOG - len(self._to_say))
        self._to_say += records[:room]
        self._unsaid += len(records[room:])
        if self._saying is None or self._saying.done():
            self._saying = asyncio.ensure_future(self._say_all())

    async def _say_all(self) -> None:
        while self._to_say and not self._log_thread.closed:
            records, self._to_say = self._to_say, []
            unsaid, self._unsaid = self._unsaid, 0
            await self._log_thread.run(partial(self._outcomes.write, records, unsaid))

    def _timer_due(self) -> None:
        self._timer = None
        self.mark = 1
        self.hand_over()


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:  # no loop runs in this thread
        return False
