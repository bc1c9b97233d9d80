"""How long to wait before the next attempt."""

from collections.abc import Callable
from random import random

FIRST_S = 0.5
MOST_S = 30.0


class Backoff:
    """Exponential, with full jitter: many clients of one server that comes back do not all knock at once.

    The wait before attempt n is uniform between 0 and ``min(most_s, first_s · 2ⁿ)`` (Brooker, "Exponential Backoff
    And Jitter", 2015).

    Args:
        first_s: Longest first wait, in seconds.
        most_s: Longest wait, in seconds.
        random: Gives numbers in [0, 1).
    """

    def __init__(
        self, first_s: float = FIRST_S, most_s: float = MOST_S, *, random: Callable[[], float] = random
    ) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._random = random
        self._ceiling_s = first_s

    def next_s(self) -> float:
        """Return how many seconds to wait now; the next answer may be twice as long."""
        wait_s = self._random() * self._ceiling_s
        self._ceiling_s = min(self._most_s, self._ceiling_s * 2)
        return wait_s

    def reset(self) -> None:
        """Begin again with short waits."""
        self._ceiling_s = self._first_s
