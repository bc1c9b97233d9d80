"""Is Home Assistant still there? Asked, rather than hoped."""

import asyncio
from collections.abc import Awaitable, Callable

INTERVAL_S = 5.0
PATIENCE_TICKS = 10
TICK_S = 1.0


class Pulse:
    """Notices a Home Assistant that hangs, with its connections still open, within about 15 s.

    hass-client has a heartbeat, but of 55 s, and an answer to it comes from aiohttp even while Home Assistant's
    own code is stuck. So we ask what only Home Assistant can answer.

    Patience is counted in ticks, not in seconds: when *our* loop was blocked for half a minute by somebody's slow
    code, that is one tick, and the answer that has been lying in the socket all the while is read before the next.

    Args:
        ping: Sends a ping and returns once it is answered.
        heard: Returns how much has been heard from Home Assistant; whoever sends events is alive, even when the
            answer to the ping stands behind thousands of them in the queue.
        interval_s: Pause between pings, in seconds.
        patience_ticks: How many silent ticks are too many.
        tick_s: Length of a tick, in seconds.
    """

    def __init__(
        self,
        ping: Callable[[], Awaitable[object]],
        heard: Callable[[], int],
        *,
        interval_s: float = INTERVAL_S,
        patience_ticks: int = PATIENCE_TICKS,
        tick_s: float = TICK_S,
    ) -> None:
        self._ping = ping
        self._heard = heard
        self._interval_s = interval_s
        self._patience_ticks = patience_ticks
        self._tick_s = tick_s

    async def until_silent(self) -> str:
        """Return, with a sentence about it, when Home Assistant has been silent for too long.

        Raises:
            LinkError: The ping could not be sent: the connection is gone.
        """
        while True:
            await asyncio.sleep(self._interval_s)
            ping = asyncio.ensure_future(self._ping())
            try:
                if not await self._answered(ping):
                    return f"no answer to a ping for {self._patience_ticks * self._tick_s:g} s"
                ping.result()
            finally:
                ping.cancel()

    async def _answered(self, ping: "asyncio.Future[object]") -> bool:
        silent_ticks, heard = 0, self._heard()
        while silent_ticks < self._patience_ticks:
            await asyncio.wait((ping,), timeout=self._tick_s)
            if ping.done():
                return True
            silent_ticks = silent_ticks + 1 if self._heard() == heard else 0
            heard = self._heard()
        return False
