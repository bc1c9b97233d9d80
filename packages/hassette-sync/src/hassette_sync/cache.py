"""Bounded caches of values that questions compute from the history."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from sqlite3 import Row
from typing import Final, Generic, TypeVar

ValueT = TypeVar("ValueT")

# A key, its version and the objects of Python take about this many bytes.
_BYTES_OF_ENTRY: Final = 700
_BYTES_OF_ROW: Final = 500
_MAX_BYTES_OF_SKETCHES: Final = 8_000_000
_MAX_BYTES_OF_ROWS: Final = 8_000_000
_MAX_BYTES_OF_PERCENTILES: Final = 4_000_000


class ValueCache(Generic[ValueT]):
    """Cache of values with a version each, bounded in bytes. It drops the least recently used values.

    A value is valid only for its version. So a question reads the version from the history, and a value of another
    version is as good as none. Questions in several threads may use the cache at the same time.

    Args:
        max_bytes: Maximum size of all values.
        size_of: Returns the approximate size of a value in bytes.
    """

    def __init__(self, max_bytes: int, size_of: Callable[[ValueT], int]) -> None:
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[Hashable, ValueT]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, version: Hashable) -> ValueT | None:
        """Return the value of a key, or None if it is unknown or has another version."""
        with self._lock:
            known = self._values.get(key)
            if known is None or known[0] != version:
                return None
            self._values.move_to_end(key)
            return known[1]

    def put(self, key: Hashable, version: Hashable, value: ValueT) -> None:
        """Keep the value of a key, unless it is larger than the cache. It replaces the value of another version."""
        size = self._size_of(value) + _BYTES_OF_ENTRY
        with self._lock:
            self._drop(key)
            if size > self._max_bytes:
                return
            self._values[key] = (version, value)
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._values)))

    @property
    def size_bytes(self) -> int:
        """Size of all values, in bytes."""
        return self._bytes

    def _drop(self, key: Hashable) -> None:
        known = self._values.pop(key, None)
        if known is not None:
            self._bytes -= self._size_of(known[1]) + _BYTES_OF_ENTRY


class Caches:
    """Caches of one reader. Their keys contain the identity of the file.

    Attributes:
        sketches: Merged latency sketches.
        rows: Sums of the statistics.
        percentiles: Percentiles of handlers and jobs.
    """

    def __init__(self) -> None:
        self.sketches = ValueCache[bytes](_MAX_BYTES_OF_SKETCHES, len)
        self.rows = ValueCache[Sequence[Row]](_MAX_BYTES_OF_ROWS, lambda rows: _BYTES_OF_ROW * len(rows))
        self.percentiles = ValueCache[Sequence[int]](_MAX_BYTES_OF_PERCENTILES, lambda values: 32 * len(values))
