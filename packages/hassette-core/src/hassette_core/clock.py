"""Time, passed in: what the machine says, or what a test says.

Everything in core that waits (debounce, throttle, durations, schedules) asks a `Clock`, so that no test has to sleep.
"""

import asyncio
import contextvars
import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Timer(Protocol):
    """A callback that has been asked for and has not been called yet."""

    def cancel(self) -> None:
        """Call nothing. Does nothing when it is too late."""
        ...


class Clock(Protocol):
    """Two clocks and an alarm."""

    def now(self) -> datetime:
        """Return the wall clock's time (aware, UTC). It may jump: it is set by people and by NTP."""
        ...

    def monotonic_ns(self) -> int:
        """Return the nanoseconds since some moment. It never jumps, and may stand still while the machine sleeps."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back on the event loop after so many seconds of the monotonic clock; 0 or less: as soon as possible."""
        ...


class SystemClock:
    """The machine's clocks. `call_later` needs a running event loop.

    Timers run in the context in which the clock was made, not in that of whoever asks: a job planned by a handler
    would otherwise carry that handler's execution with it, for as long as the job lives.
    """

    def __init__(self) -> None:
        self._context = contextvars.copy_context()

    def now(self) -> datetime:
        """Return the wall clock's time (aware, UTC)."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """Return the machine's monotonic clock, in nanoseconds."""
        return time.monotonic_ns()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back on the running event loop after so many seconds."""
        return asyncio.get_running_loop().call_later(max(0.0, delay_s), callback, context=self._context)


class _ManualTimer:
    def __init__(self, due_ns: int, order: int, callback: Callable[[], None]) -> None:
        self.due_ns = due_ns
        self.order = order
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None

    def __lt__(self, other: "_ManualTimer") -> bool:
        return (self.due_ns, self.order) < (other.due_ns, other.order)


class ManualClock:
    """A clock that stands still until it is moved by hand.

    Args:
        now: Where the wall clock starts (aware).

    Raises:
        ValueError: ``now`` is naive.
    """

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if now.tzinfo is None:
            raise ValueError(f"a clock needs an aware datetime, got {now!r}")
        self._now = now.astimezone(UTC)
        self._monotonic_ns = 1_000_000_000_000
        self._timers: list[_ManualTimer] = []
        self._made = 0

    def now(self) -> datetime:
        """Return the wall clock's time (aware, UTC)."""
        return self._now

    def monotonic_ns(self) -> int:
        """Return the monotonic clock, in nanoseconds."""
        return self._monotonic_ns

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back when the clock has been moved that far."""
        self._made += 1
        timer = _ManualTimer(self._monotonic_ns + max(0, round(delay_s * 1e9)), self._made, callback)
        heapq.heappush(self._timers, timer)
        return timer

    @property
    def waiting(self) -> int:
        """How many timers are to come."""
        return sum(timer.callback is not None for timer in self._timers)

    def advance(self, seconds: float) -> None:
        """Move both clocks forward, calling what becomes due at its time and in order.

        Raises:
            ValueError: ``seconds`` is negative: use `step` to set the wall clock back.
        """
        if seconds < 0:
            raise ValueError(f"time does not run backward: {seconds} s")
        until_ns = self._monotonic_ns + round(seconds * 1e9)
        while self._timers and self._timers[0].due_ns <= until_ns:
            timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self._move_to(timer.due_ns)
                timer.callback()
        self._move_to(until_ns)

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back, as a person, NTP or a suspended machine does. No timer is called."""
        self._now += timedelta(seconds=seconds)

    def _move_to(self, monotonic_ns: int) -> None:
        passed_ns = max(0, monotonic_ns - self._monotonic_ns)
        self._monotonic_ns += passed_ns
        # Whole microseconds only: the wall clock keeps no more.
        self._now += timedelta(microseconds=passed_ns / 1000)
