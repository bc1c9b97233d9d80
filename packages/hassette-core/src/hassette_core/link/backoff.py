"""Wait times between attempts to connect."""

from collections.abc import Callable
from random import random

FIRST_S = 0.25
MAX_S = 2.0
"""Upper bound of every wait, in seconds. An attempt that Home Assistant's machine refuses costs almost nothing, and a
successful attempt fetches all states once. So a longer wait would save little, and it would delay every automation
after a restart."""

MAX_REFUSED_S = 30.0
"""Upper bound after an attempt in which Home Assistant refused a command or answered in an unknown form, in seconds.
The cause of this seldom disappears within seconds."""


class Backoff:
    """Exponential backoff with jitter, so that the clients of a restarted server do not all connect at once.

    The n-th wait, counted from 0, has the upper bound ``min(max_s, first_s · 2ⁿ)``. It is random between half of this
    bound and the bound ("equal jitter" in Brooker, "Exponential Backoff And Jitter", 2015).

    Args:
        first_s: Upper bound of the first wait, in seconds.
        max_s: Upper bound of every wait, in seconds.
        random: Returns numbers in [0, 1).
    """

    def __init__(self, first_s: float = FIRST_S, max_s: float = MAX_S, *, random: Callable[[], float] = random) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._random = random
        self._ceiling_s = first_s

    def next_s(self) -> float:
        """Return the next wait in seconds, and double the upper bound."""
        wait_s = self._ceiling_s * (1 + self._random()) / 2
        self._ceiling_s = min(self._max_s, self._ceiling_s * 2)
        return wait_s

    def reset(self) -> None:
        """Start again with short waits."""
        self._ceiling_s = self._first_s
