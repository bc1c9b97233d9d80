"""When to try again, and when to stop trying."""

from collections import deque
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How long to wait between attempts, and how many crashes are too many.

    Attributes:
        first_pause_s: Upper bound of the first pause, in seconds; it doubles with each further attempt.
        longest_pause_s: Upper bound of any pause.
        budget: How many crashes within the window are forgiven.
        window_s: Length of the window, in seconds.
        rest_s: How long an exhausted part that is not required rests before it is tried anew.
    """

    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    budget: int = 5
    window_s: float = 120.0
    rest_s: float = 300.0

    def pause_s(self, attempt: int, random: Random) -> float:
        """Return how many seconds to wait before the given attempt, counted from 1.

        Between half of the bound and all of it: parts that fell together do not all come back in the same instant,
        and none comes back at once.
        """
        # The exponent is capped because 2.0 ** 1100 overflows, and a store may be down for days.
        bound = min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(attempt - 1, 32))
        return bound * random.uniform(0.5, 1.0)


class CrashBudget:
    """Counts the crashes within a sliding window.

    Args:
        policy: The window and how many crashes it forgives.
    """

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._crashes: deque[float] = deque()

    def spend(self, now_s: float) -> int | None:
        """Count a crash and return how many the window holds, or None when that is more than it forgives."""
        self._crashes.append(now_s)
        while self._crashes[0] <= now_s - self._policy.window_s:
            self._crashes.popleft()
        return len(self._crashes) if len(self._crashes) <= self._policy.budget else None

    def renew(self) -> None:
        """Forgive everything: the part has rested."""
        self._crashes.clear()
