"""Context ids as Home Assistant makes them."""

import time
from collections.abc import Callable
from random import Random

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U


class UlidSource:
    """Makes ULIDs: 48 bits of milliseconds and 80 random bits, as 26 characters that sort by time.

    Args:
        random: Source of the random part.
        time_ns: Wall clock, nanoseconds since the Unix epoch.
    """

    def __init__(self, random: Random, time_ns: Callable[[], int] = time.time_ns) -> None:
        self._random = random
        self._time_ns = time_ns

    def __call__(self) -> str:
        """Return a new ULID."""
        value = (self._time_ns() // 1_000_000) << 80 | self._random.getrandbits(80)
        return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
