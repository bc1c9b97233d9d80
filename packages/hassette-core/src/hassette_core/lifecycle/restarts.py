"""Rules for restarts: pauses between attempts, and the crash budget."""

from collections import deque
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """Pauses between attempts, and the number of crashes that are allowed.

    Attributes:
        first_pause_s: Upper bound of the first pause, in seconds. The bound doubles with each further attempt.
        longest_pause_s: Upper bound of every pause, in seconds.
        budget: Number of crashes allowed within the window.
        window_s: Length of the window, in seconds.
        rest_s: Pause of an optional service after its budget is used up, in seconds.
    """

    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    budget: int = 5
    window_s: float = 120.0
    rest_s: float = 300.0

    def pause_s(self, attempt: int, random: Random) -> float:
        """Return the pause before the given attempt (counted from 1), in seconds.

        The pause is random, between half of the upper bound and the upper bound. Otherwise services that crashed
        together would all restart in the same instant.
        """
        # The exponent is limited, because 2.0 ** 1100 overflows. A store that cannot start for days makes so many
        # attempts.
        bound = min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(attempt - 1, 32))
        return bound * random.uniform(0.5, 1.0)


class CrashBudget:
    """Counts crashes within a sliding window.

    Args:
        policy: The window and its budget.
    """

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._crashes: deque[float] = deque()

    def spend(self, now_s: float) -> int | None:
        """Count a crash. Return the number of crashes in the window, or None if this number exceeds the budget."""
        self._crashes.append(now_s)
        while self._crashes[0] <= now_s - self._policy.window_s:
            self._crashes.popleft()
        return len(self._crashes) if len(self._crashes) <= self._policy.budget else None

    def renew(self) -> None:
        """Forget all crashes."""
        self._crashes.clear()
