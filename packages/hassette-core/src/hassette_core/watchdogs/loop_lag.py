"""`LoopLag`: the delay of the timers of this process's event loop."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable

INTERVAL_S = 0.5
SAMPLES = 60
"""Number of samples in half a minute. Home Assistant disconnects a client that does not answer a ping for that long."""


class LoopLag:
    """Measures the delay of a timer again and again, from `start` to `stop`.

    A handler that blocks the event loop delays all timers. A slow network does not.

    Args:
        measured: Called with each delay, in seconds.

    Attributes:
        due_s: The due time of the timer, by `time.monotonic`; None without a measurement. Any thread may read it.
    """

    def __init__(self, measured: Callable[[float], None] | None = None) -> None:
        self._measured = measured
        self.due_s: float | None = None
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
            self.due_s = None

    def _set_timer(self) -> None:
        loop = asyncio.get_running_loop()
        due = self.due_s = loop.time() + INTERVAL_S
        # The timer must not inherit the context of an app.
        self._timer = loop.call_at(due, self._measure, due, context=contextvars.Context())

    def _measure(self, due: float) -> None:
        delay_s = asyncio.get_running_loop().time() - due
        self._delays_s.append(delay_s)
        self._set_timer()
        if self._measured is not None:
            self._measured(delay_s)
