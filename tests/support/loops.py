"""An event loop with simulated time."""

import asyncio
import selectors
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


class _ClockSelector(selectors.DefaultSelector):
    """Advances the clock instead of waiting for a timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("The event loop would wait forever: no callback and no timer is left")
        events = super().select(0)
        if not events:
            self.now += max(0, timeout)
        return events


class ManualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer as soon as no callback is ready."""

    def __init__(self) -> None:
        self._clock = _ClockSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def advance(self, seconds: float) -> None:
        """Advance the clock without running callbacks."""
        self._clock.now += seconds

    def monotonic_ns(self) -> int:
        """Return the same clock in nanoseconds, for code that takes a clock as an argument."""
        return int(self._clock.now * 1e9)

    def count_timers(self) -> int:
        """Count the timers that are set."""
        return sum(not timer.cancelled() for timer in self._scheduled)  # type: ignore[attr-defined]  asyncio has no public way


@contextmanager
def manual_loop() -> Generator[ManualLoop]:
    """Provide a loop, and cancel its tasks and close it at the end."""
    loop = ManualLoop()
    try:
        yield loop
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
