"""`LoopLag`: by how much the event loop of this process delays its timers."""

import asyncio
from collections import deque

INTERVAL_S = 0.5
SAMPLES = 60
"""Number of samples in half a minute. Home Assistant disconnects a client that does not answer a ping for that long."""


class LoopLag:
    """Measures the delay of a timer again and again, from `start` to `stop`.

    A handler that blocks the event loop delays all timers. A slow network does not.
    """

    def __init__(self) -> None:
        self._delays_s: deque[float] = deque(maxlen=SAMPLES)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def worst_s(self) -> float:
        """The longest delay of the last half minute, in seconds."""
        return max(self._delays_s, default=0.0)

    def start(self) -> None:
        """Forget earlier delays, and start measuring."""
        self.stop()
        self._delays_s.clear()
        self._set_timer()

    def stop(self) -> None:
        """Stop measuring. `worst_s` stays the same."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + INTERVAL_S
        self._timer = loop.call_at(due, self._measure, due)

    def _measure(self, due: float) -> None:
        self._delays_s.append(asyncio.get_running_loop().time() - due)
        self._set_timer()
