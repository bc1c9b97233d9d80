"""`LivenessCheck`: detect that Home Assistant hangs while its connections stay open."""

import asyncio
from collections.abc import Awaitable, Callable

INTERVAL_S = 5.0
MAX_SILENT_TICKS = 10
TICK_S = 1.0


class LivenessCheck:
    """Sends pings, and detects within about 15 s that Home Assistant does not answer.

    aiohttp's heartbeat is not used, see `Connection`.

    The limit is a number of ticks and not of seconds. If a handler blocks the event loop of this process for half a
    minute, only one tick passes, and an answer that has arrived is read before the next tick.

    Args:
        ping: Sends a ping and returns once Home Assistant has answered.
        count_received: Returns the number of events received so far. While this number grows, Home Assistant works,
            even if its answer waits behind thousands of events.
        interval_s: Pause between pings, in seconds.
        max_silent_ticks: Home Assistant counts as silent after this many ticks without an answer or an event.
        tick_s: Length of a tick, in seconds.
        pause: Waits between pings.
    """

    def __init__(
        self,
        ping: Callable[[], Awaitable[object]],
        count_received: Callable[[], int],
        *,
        interval_s: float = INTERVAL_S,
        max_silent_ticks: int = MAX_SILENT_TICKS,
        tick_s: float = TICK_S,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._ping = ping
        self._count_received = count_received
        self._interval_s = interval_s
        self._max_silent_ticks = max_silent_ticks
        self._tick_s = tick_s
        self._pause = pause

    async def wait_until_silent(self) -> str:
        """Wait until Home Assistant has been silent for too long, and return the cause in one sentence.

        Raises:
            LinkError: The ping could not be sent, because the connection is lost.
        """
        while True:
            await self._pause(self._interval_s)
            ping = asyncio.ensure_future(self._ping())
            try:
                if not await self._answered(ping):
                    return f"no answer to a ping for {self._max_silent_ticks * self._tick_s:g} s"
                ping.result()
            finally:
                ping.cancel()

    async def _answered(self, ping: "asyncio.Future[object]") -> bool:
        silent_ticks, received = 0, self._count_received()
        while silent_ticks < self._max_silent_ticks:
            await asyncio.wait((ping,), timeout=self._tick_s)
            if ping.done():
                return True
            silent_ticks = silent_ticks + 1 if self._count_received() == received else 0
            received = self._count_received()
        return False
