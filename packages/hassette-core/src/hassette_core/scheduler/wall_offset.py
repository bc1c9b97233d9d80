"""Noticing that the wall clock was set, or that the machine has slept."""

from datetime import timedelta

from hassette_core.clock import Clock

STEP = timedelta(seconds=1)
"""The wall clock counts as set when it has moved by more than this against the monotonic one; NTP's slewing is less."""


class WallOffset:
    """The difference between the two clocks, and whether it has changed.

    Args:
        clock: Both clocks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.take()

    def take(self) -> None:
        """Take the clocks as they are."""
        self._wall = self._clock.now()
        self._monotonic_ns = self._clock.monotonic_ns()

    def step(self) -> timedelta:
        """Return by how much the wall clock was set forward (or back, negative) since the last time; mostly zero."""
        passed = timedelta(microseconds=(self._clock.monotonic_ns() - self._monotonic_ns) / 1000)
        step = self._clock.now() - self._wall - passed
        if abs(step) <= STEP:
            return timedelta()
        self.take()
        return step
