"""`Budgets`: limits how often each key may be recorded, so that a flapping entity cannot fill the history."""

from collections.abc import Callable


class Budgets:
    """A budget for each key and one for all keys. A budget refills at a constant rate, up to its size.

    Args:
        monotonic_ns: Monotonic clock.
        size: Number of items of one key that may come at once.
        per_s: Number of items of one key that may come in each second.
        total: Number of items of all keys that may come at once.
        total_per_s: Number of items of all keys that may come in each second.
        max_keys: Number of keys that are remembered. Above it, the key that was added first is forgotten.
    """

    def __init__(
        self,
        monotonic_ns: Callable[[], int],
        *,
        size: float = 60,
        per_s: float = 0.1,
        total: float = 5_000,
        total_per_s: float = 5,
        max_keys: int = 10_000,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._size, self._per_ns = size, per_s / 1e9
        self._total_size, self._total_per_ns = total, total_per_s / 1e9
        self._max_keys = max_keys
        self._left: dict[str, tuple[float, int]] = {}
        self._total_left, self._total_at_ns = total, monotonic_ns()

    def take(self, key: str) -> bool:
        """Take one item from the budgets of a key. Return False if a budget is used."""
        now_ns = self._monotonic_ns()
        left, at_ns = self._left.get(key, (self._size, now_ns))
        left = min(self._size, left + (now_ns - at_ns) * self._per_ns)
        total = min(self._total_size, self._total_left + (now_ns - self._total_at_ns) * self._total_per_ns)
        allowed = left >= 1 and total >= 1
        if len(self._left) >= self._max_keys and key not in self._left:
            del self._left[next(iter(self._left))]
        self._left[key] = (left - allowed, now_ns)
        self._total_left, self._total_at_ns = total - allowed, now_ns
        return allowed
