"""`Observation`: the check that all changes so far have been received, and the age of a time of Home Assistant."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime

from hassette_core.errors import LinkError

SAMPLES = 64
SAMPLE_INTERVAL_NS = 250_000_000


class Observation:
    """Confirms that no change is unread, and compares times of Home Assistant with this machine's monotonic clock.

    A state seems unchanged while its change waits unread in a socket, or while there is no connection. Code
    that concludes something from an unchanged state must call `when_current` first.

    The link calls `begin`, `end` and `note`; the bus calls the other methods.

    Args:
        monotonic_ns: The clock of `note`.
    """

    def __init__(self, *, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._monotonic_ns = monotonic_ns
        self._waiting: list[Callable[[], None]] = []
        self._ping: Callable[[], Awaitable[object]] | None = None
        self._confirming: asyncio.Task[None] | None = None
        self._offsets_s: deque[float] = deque(maxlen=SAMPLES)
        self._sampled_ns = -SAMPLE_INTERVAL_NS
        self._ended_ns = monotonic_ns()

    def begin(self, ping: Callable[[], Awaitable[object]]) -> None:
        """Start to answer `when_current`. Call this when all missed changes of a new connection have been passed on.

        Args:
            ping: Returns once Home Assistant has answered. It raises a `LinkError` if there is no connection.
        """
        self._ping = ping
        self._confirm()

    def end(self) -> None:
        """Keep the callbacks until the next `begin`. Call this when the connection is lost."""
        if self._ping is not None:  # an attempt that failed does not begin another interruption
            self._ended_ns = self._monotonic_ns()
        self._ping = None
        if self._confirming is not None:
            self._confirming.cancel()

    def when_current(self, callback: Callable[[], None]) -> None:
        """Call a function as soon as all changes that Home Assistant sent before this call have been passed on.

        Without a connection, the function is called after the reconnect.
        """
        self._waiting.append(callback)
        self._confirm()

    def note(self, time_fired: datetime, received_ns: int) -> None:
        """Use the time of a received event to compare the clocks."""
        if received_ns - self._sampled_ns >= SAMPLE_INTERVAL_NS:
            self._sampled_ns = received_ns
            self._offsets_s.append(received_ns / 1e9 - time_fired.timestamp())

    def age_s(self, moment: datetime) -> float:
        """Return the age, in seconds, of a change that was missed in the last interruption.

        The result may be too small, but is never too large, even if Home Assistant's clock was set meanwhile: it is at
        most the time since the last `end`. It is 0 before the first event.

        Args:
            moment: The time of the change, by Home Assistant's clock.
        """
        now_ns = self._monotonic_ns()
        return min(self.delay_s(moment, now_ns), (now_ns - self._ended_ns) / 1e9)

    def elapsed_s(self, moment: datetime, now: datetime) -> float:
        """Return the age of a time of Home Assistant's clock, in seconds, without a limit. It is never negative.

        Args:
            moment: The time, by Home Assistant's clock.
            now: The present time, by this machine's clock. It counts only until the first event has been received.
        """
        if self._offsets_s:
            return self.delay_s(moment, self._monotonic_ns())
        return max(0.0, (now - moment).total_seconds())

    def delay_s(self, time_fired: datetime, received_ns: int) -> float:
        """Return the delay of an event, in seconds, compared with the quickest of the last events.

        Args:
            time_fired: The time of the event, by Home Assistant's clock.
            received_ns: The time of its arrival, by the monotonic clock.
        """
        if not self._offsets_s:
            return 0.0
        return max(0.0, received_ns / 1e9 - time_fired.timestamp() - min(self._offsets_s))

    def _confirm(self) -> None:
        ping = self._ping
        if self._waiting and ping is not None and self._confirming is None:
            self._confirming = asyncio.get_running_loop().create_task(self._call_waiting(ping))
            self._confirming.add_done_callback(lambda task: self._confirmed(task, ping))

    async def _call_waiting(self, ping: Callable[[], Awaitable[object]]) -> None:
        # Call only the callbacks that were added before the ping was sent. Home Assistant answers in order, so the
        # answer arrives after all earlier changes.
        count = len(self._waiting)
        await ping()
        current, self._waiting = self._waiting[:count], self._waiting[count:]
        for callback in current:
            asyncio.get_running_loop().call_soon(callback)

    def _confirmed(self, task: asyncio.Task[None], ping: Callable[[], Awaitable[object]]) -> None:
        self._confirming = None
        if task.cancelled() or isinstance(task.exception(), LinkError):
            if self._ping is ping:
                return  # the connection is lost, and the link will call `end`
        else:
            task.result()
        self._confirm()
