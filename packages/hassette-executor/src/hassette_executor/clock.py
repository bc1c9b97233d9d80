"""The clocks of the executor, as one argument, so that tests can move them."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A wall clock and a monotonic clock. Timers use the clock of the event loop.

    Attributes:
        wall_ns: Nanoseconds since the Unix epoch.
        monotonic_ns: Nanoseconds that never go back.
    """

    wall_ns: Callable[[], int] = time.time_ns
    monotonic_ns: Callable[[], int] = time.monotonic_ns
