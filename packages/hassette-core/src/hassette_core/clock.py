"""Clocks: the machine's clock, and a manual clock for tests.

Gates (debounce, throttle, durations) and schedules take a `TimerClock`, so that their tests need not sleep.
"""

import asyncio
import contextvars
import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Timer(Protocol):
    """A callback that a clock will call once."""

    def cancel(self) -> None:
        """Prevent the call. If the callback has already been called, do nothing."""
        ...


class TimerClock(Protocol):
    """A wall clock, a monotonic clock, and timers."""

    def now(self) -> datetime:
        """Return the wall clock's time (aware, UTC). This time may jump, because users and NTP set the clock."""
        ...

    def wall_ns(self) -> int:
        """Return the wall clock's time in nanoseconds since the Unix epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Return the nanoseconds since a fixed moment. The clock never jumps, but may stop while the machine sleeps."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call a function on the event loop after a delay on the monotonic clock.

        With a delay of 0 or less, the function is called as soon as possible.
        """
        ...


class SystemClock:
    """The machine's clocks. `call_later` needs a running event loop.

    Timers run in the context (`contextvars`) in which this object was created. Otherwise a timer that a handler sets
    would run in the handler's context. The log lines of the timer would be added to the handler's run. After the end of
    that run, they would count as lost.
    """

    # The executor reads both clocks in each run. A method in Python would take longer than the clock itself.
    wall_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)

    def __init__(self) -> None:
        self._context = contextvars.copy_context()

    def now(self) -> datetime:
        """Return the wall clock's time (aware, UTC)."""
        return datetime.now(UTC)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call a function on the running event loop after a delay in seconds."""
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
    """A clock for tests. It moves only when a test calls `advance`, `stall` or `step`.

    Args:
        now: The wall clock's initial time (aware).

    Raises:
        ValueError: ``now`` is naive.
    """

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if now.tzinfo is None:
            raise ValueError(f"now must be an aware datetime, got {now!r}")
        self._now = now.astimezone(UTC)
        self._monotonic_ns = 1_000_000_000_000
        self._timers: list[_ManualTimer] = []
        self._made = 0

    def now(self) -> datetime:
        """Return the wall clock's time (aware, UTC)."""
        return self._now

    def wall_ns(self) -> int:
        """Return the wall clock's time in nanoseconds since the Unix epoch."""
        return (self._now - _EPOCH) // _MICROSECOND * 1_000

    def monotonic_ns(self) -> int:
        """Return the time of the monotonic clock, in nanoseconds."""
        return self._monotonic_ns

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call a function once `advance` has moved the clock by the delay."""
        self._made += 1
        timer = _ManualTimer(self._monotonic_ns + max(0, round(delay_s * 1e9)), self._made, callback)
        heapq.heappush(self._timers, timer)
        return timer

    @property
    def waiting(self) -> int:
        """Number of timers that have not fired yet and are not cancelled."""
        return sum(timer.callback is not None for timer in self._timers)

    def advance(self, seconds: float) -> None:
        """Move both clocks forward. Fire each timer when the clocks reach its due time.

        Raises:
            ValueError: ``seconds`` is negative. Use `step` to set the wall clock back.
        """
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, got {seconds!r}")
        until_ns = self._monotonic_ns + round(seconds * 1e9)
        while self._timers and self._timers[0].due_ns <= until_ns:
            timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self._move_to(timer.due_ns)
                timer.callback()
        self._move_to(until_ns)

    def step(self, seconds: float) -> None:
        """Move only the wall clock, forward or back, as if a user or NTP had set it. No timer fires.

        The monotonic clock may stop while the machine sleeps, so this method also simulates a suspended machine.
        """
        self._now += timedelta(seconds=seconds)

    def stall(self, seconds: float) -> None:
        """Move both clocks forward without firing timers, as if the event loop were blocked.

        The next call of `advance` fires the overdue timers.
        """
        self._move_to(self._monotonic_ns + round(seconds * 1e9))

    def _move_to(self, monotonic_ns: int) -> None:
        passed_ns = max(0, monotonic_ns - self._monotonic_ns)
        self._monotonic_ns += passed_ns
        # The wall clock has a resolution of one microsecond.
        self._now += timedelta(microseconds=passed_ns / 1000)


STEP = timedelta(seconds=1)
"""`ClockDrift` reports a jump when the movements of the wall clock and the monotonic clock differ by more than this."""


class ClockDrift:
    """Detects that the wall clock was set, or that the machine was suspended.

    Args:
        clock: The two clocks that are compared.
    """

    def __init__(self, clock: TimerClock) -> None:
        self._clock = clock
        self._reset()

    def _reset(self) -> None:
        self._wall = self._clock.now()
        self._monotonic_ns = self._clock.monotonic_ns()

    def take_jump(self) -> timedelta:
        """Return the jump of the wall clock since the last returned jump, or since this object was created.

        The result is positive for a jump forward, negative for a jump back, and zero if there is no jump of more than
        `STEP`. Smaller differences add up. Once their sum exceeds `STEP`, the method returns the sum as a jump.
        """
        passed = timedelta(microseconds=(self._clock.monotonic_ns() - self._monotonic_ns) / 1000)
        jump = self._clock.now() - self._wall - passed
        if abs(jump) <= STEP:
            return timedelta()
        self._reset()
        return jump
