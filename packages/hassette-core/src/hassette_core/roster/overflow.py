"""`Overflow`: room for the waiting runs of bursts, shared by all listeners or jobs."""

import asyncio
import contextvars
import logging
from typing import Protocol

from hassette_executor import Registration, RepeatedLog

logger = logging.getLogger(__name__)

MAX_OVERFLOW = 20_000
"""Maximum number of waiting runs above the limits of single listeners and jobs, for all of them together."""
TICK_S = 0.05
TICKS = 10


class OverflowingLane(Protocol):
    """A lane with more waiting runs than its limit."""

    def is_quick(self) -> bool:
        """Return whether at least as many runs have ended since the last call as the lane runs at once."""
        ...

    def drop_overflow(self) -> None:
        """Skip the waiting runs above the limit."""
        ...


class Overflow:
    """Shared room for waiting runs above the limits of their lanes, so that a burst does not lead to skipped runs.

    A lane may use the room while its handler is quick. A handler is quick if, in about half a second, at least as many
    of its runs end as the lane runs at once. The time is counted in ticks of the event loop and not in seconds. If
    the event loop is blocked, no handler can end, and only one tick passes.

    Args:
        size: Number of runs for which there is room.
        tick_s: Length of a tick, in seconds.
        ticks: Number of ticks after which a lane is checked.
    """

    def __init__(self, size: int = MAX_OVERFLOW, *, tick_s: float = TICK_S, ticks: int = TICKS) -> None:
        self._room = size
        self._tick_s = tick_s
        self._ticks = ticks
        self._lanes: dict[OverflowingLane, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        # The timer must not inherit the context of the handler that caused the burst; see `OwnedTasks`.
        self._context = contextvars.copy_context()
        self._dropped: dict[tuple[str, ...], int] = {}
        self._log = RepeatedLog(logger)

    def take(self, lane: OverflowingLane) -> bool:
        """Take the room for one run. Return False if there is no room."""
        if self._room <= 0:
            return False
        self._room -= 1
        self._lanes.setdefault(lane, 0)
        self._set_timer()
        return True

    def give_back(self, lane: OverflowingLane, count: int, *, empty: bool) -> None:
        """Release the room of runs that no longer wait above the limit.

        Args:
            lane: The lane.
            count: Number of runs.
            empty: True if the lane no longer uses any room.
        """
        self._room += count
        if empty:
            self._lanes.pop(lane, None)

    def report_dropped(self, registration: Registration, count: int) -> None:
        """Log runs that were skipped because too many runs wait: at most one line a minute for each registration."""
        total = self._dropped.get(registration.key, 0) + count
        self._dropped[registration.key] = total
        self._log.log(
            registration.key,
            logging.WARNING,
            "Runs are skipped because too many runs of their listener or job wait; the handler is too slow",
            extra={"registration": registration.key, "skipped": count, "skipped_so_far": total},
        )

    def forget(self, registration: Registration) -> None:
        """Forget the number of skipped runs of a registration that has ended."""
        self._dropped.pop(registration.key, None)

    def _set_timer(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._tick_s, self._tick, context=self._context)

    def _tick(self) -> None:
        self._timer = None
        for lane, ticks in list(self._lanes.items()):
            if ticks + 1 < self._ticks:
                self._lanes[lane] = ticks + 1
            elif lane.is_quick():
                self._lanes[lane] = 0
            else:
                lane.drop_overflow()
        if self._lanes:
            self._set_timer()
