"""Schedule of a write queue: when the queue writes the next batch, and which callers wait for a flush."""

import asyncio
import contextlib


class FlushSchedule:
    """Wakes the writing task when a batch is due, and the callers of `WriteQueue.flush` when their records are settled.

    Records wait for a timer, for a full batch, or for a flush. After a failed write, they wait until the pause has
    passed or a flush is requested.

    Args:
        interval_s: Seconds from a new record to the next write.

    Attributes:
        work: Set when the writing task has work.
        flush_now: Whether waiting records are written now, even if they do not fill a batch.
        pausing: Whether the queue waits before the next attempt, because a write has failed.
    """

    def __init__(self, interval_s: float) -> None:
        self.work = asyncio.Event()
        self.flush_now = False
        self.pausing = False
        self._interval_s = interval_s
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []

    @property
    def has_waiters(self) -> bool:
        """Whether a caller waits for a flush."""
        return bool(self._waiters)

    def start(self) -> asyncio.Event:
        """Replace `work` by a new event for a new writing task, and return the event.

        The event is already set, because records may be waiting.
        """
        # An `asyncio.Event` cannot be used in a second event loop, and the first loop may have ended.
        self.work = asyncio.Event()
        self.work.set()
        return self.work

    def stop(self) -> None:
        """Stop the timer and wake all waiters, because the queue is closed."""
        self._cancel_timer()
        self.pausing = False
        for _, _, flushed in self._waiters:
            _wake(flushed)
        self._waiters = []

    def set_timer(self) -> None:
        """Set a timer that requests a flush after the interval. Do nothing if a timer or a flush request is pending."""
        if self._timer is None and not self.flush_now and not self.pausing:
            self._timer = asyncio.get_running_loop().call_later(self._interval_s, self.request_flush)

    def request_flush(self) -> None:
        """Wake the writing task to write all waiting records; end a pause."""
        self._cancel_timer()
        self.pausing = False
        self.flush_now = True
        self.work.set()

    def pause(self, seconds: float) -> None:
        """Write nothing for some time, then flush. A full batch does not end the pause."""
        self._cancel_timer()
        self.pausing, self.flush_now = True, False
        self._timer = asyncio.get_running_loop().call_later(seconds, self.request_flush)

    async def wait_until_settled(self, newest_id: int, sequence: int) -> None:
        """Wait until the records and announcements of a flush are stored or lost, or until `stop`.

        Args:
            newest_id: Id of the newest record of this flush.
            sequence: The announcements that wait now will be in a batch with this number or a higher one.
        """
        flushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (newest_id, sequence, flushed)
        self._waiters.append(waiter)
        try:
            await flushed
        finally:
            # Without this step, a cancelled waiter would stay in the list for as long as the sink hangs.
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    def wake_settled(self, oldest_id: int, stored: int, *, announcements: bool) -> None:
        """Wake the waiters whose records and announcements are settled.

        Args:
            oldest_id: Id of the oldest waiting record.
            stored: Sequence number of the newest stored batch.
            announcements: Whether announcements wait.
        """
        unsettled: list[tuple[int, int, asyncio.Future[None]]] = []
        for newest_id, sequence, flushed in self._waiters:
            if oldest_id <= newest_id or (stored < sequence and announcements):
                unsettled.append((newest_id, sequence, flushed))
            else:
                _wake(flushed)
        self._waiters = unsettled

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _wake(flushed: asyncio.Future[None]) -> None:
    # The waiter may have been cancelled in the same iteration of the event loop.
    with contextlib.suppress(asyncio.InvalidStateError):
        flushed.set_result(None)
