"""Side effects of a run, log lines and service calls, collected within bounds."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import AbstractContextManager
from itertools import chain

from hassette_executor.records.runs import Effects, LogLine, ServiceCall
from hassette_executor.settings import ExecutorSettings


class GatheredEffects:
    """Log lines and service calls of one run in progress. Thread-safe.

    Args:
        settings: The bounds.
        late: Counts effects that are added after `take`.
        lock: Guards the collected effects; must be reentrant, because garbage collection may log something while its
            thread holds the lock.
    """

    __slots__ = (
        "_calls",
        "_dropped_calls",
        "_dropped_important",
        "_dropped_other",
        "_important",
        "_late",
        "_line_bytes",
        "_lock",
        "_other",
        "_settings",
        "_taken",
    )

    def __init__(
        self, settings: ExecutorSettings, late: "LateEffects", lock: AbstractContextManager[object] | None = None
    ) -> None:
        self._settings = settings
        self._late = late
        self._lock = lock or threading.RLock()
        self._taken = False
        # Each line with its position among all lines and its size. Two deques, so that lines below `log_keep_level`
        # never push out a warning.
        self._important: deque[tuple[int, int, LogLine]] = deque()
        self._other: deque[tuple[int, int, LogLine]] = deque()
        self._line_bytes = 0
        self._dropped_important = 0
        self._dropped_other = 0
        self._calls: list[ServiceCall] = []
        self._dropped_calls = 0

    def add_line(self, line: LogLine) -> None:
        """Add a log line. Beyond the bounds the oldest less important lines are dropped first."""
        settings = self._settings
        important = line.level >= settings.log_keep_level
        size = len(line.message.encode("utf-8", "replace"))
        with self._lock:
            if self._taken:
                self._late.add_line(line)
                return
            kept = len(self._important) + len(self._other)
            position = kept + self._dropped_important + self._dropped_other
            max_lines, max_bytes = settings.log_lines, settings.log_bytes
            (self._important if important else self._other).append((position, size, line))
            self._line_bytes += size
            while len(self._important) + len(self._other) > max_lines or self._line_bytes > max_bytes:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        if self._other:
            _, size, _ = self._other.popleft()
            self._dropped_other += 1
        else:
            _, size, _ = self._important.popleft()
            self._dropped_important += 1
        self._line_bytes -= size

    def add_call(self, call: ServiceCall) -> None:
        """Add a service call. Beyond the bound new calls are only counted: the first ones show what caused the rest."""
        with self._lock:
            if self._taken:
                self._late.add_call(call)
            elif len(self._calls) < self._settings.service_calls:
                self._calls.append(call)
            else:
                self._dropped_calls += 1

    def take(self, *, failed: bool) -> Effects | None:
        """Return the effects for the record; None if there are none. Effects added later count as late.

        Args:
            failed: True keeps every line, False only the lines from `log_keep_level` on.
        """
        with self._lock:
            self._taken = True
        positioned, dropped = list(self._important), self._dropped_important
        # Lines below that level are left out of a successful run on purpose, so they do not count as dropped.
        if failed:
            positioned = sorted(chain(positioned, self._other))
            dropped += self._dropped_other
        if not (positioned or self._calls or dropped or self._dropped_calls):
            return None
        return Effects(tuple([line for _, _, line in positioned]), tuple(self._calls), dropped, self._dropped_calls)


class LateEffects:
    """Counts log lines and service calls that came after the record of their run was made. Thread-safe.

    A background task or a leaked thread keeps the context of the run that started it. Its effects have no record to
    attach to, so they are counted and reported as a loss.

    Args:
        lock: Guards the counts; must be reentrant.
    """

    def __init__(self, lock: AbstractContextManager[object] | None = None) -> None:
        self._lock = lock or threading.RLock()
        self._counts: Counter[str] = Counter()

    def add_line(self, line: LogLine) -> None:
        """Count a late log line."""
        del line
        self.count("log_lines")

    def add_call(self, call: ServiceCall) -> None:
        """Count a late service call."""
        del call
        self.count("service_calls")

    def count(self, what: str) -> None:
        """Count one late effect of a kind."""
        with self._lock:
            self._counts[what] += 1

    def take(self) -> Mapping[str, int]:
        """Return the counts by kind since the last call."""
        if not self._counts:  # the usual case; a count that is added right now is returned by the next call
            return {}
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken
