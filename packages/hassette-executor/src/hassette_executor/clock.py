"""The clocks of the executor, as one argument that tests replace."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A wall clock and a monotonic clock. Timers use the clock of the event loop.

    Attributes:
        wall_ns: Nanoseconds since the Unix epoch.
        monotonic_ns: Nanoseconds of a clock that never goes back.
    """

    wall_ns: Callable[[], int] = time.time_ns
    monotonic_ns: Callable[[], int] = time.monotonic_ns
