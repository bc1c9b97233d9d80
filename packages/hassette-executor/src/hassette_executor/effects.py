"""What a run does beside running: its log lines and service calls, gathered within bounds."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from itertools import chain

from hassette_executor.records import Effects, LogLine, ServiceCall
from hassette_executor.settings import ExecutorSettings

# Reentrant: an object that is collected while its thread holds the lock may log something in that very moment.
_lock = threading.RLock


class GatheredEffects:
    """The log lines and service calls of one run that is going on. Safe to use from any thread.

    Args:
        settings: The bounds.
        late: Where to count what comes after `take`.
    """

    __slots__ = (
        "_calls",
        "_chatter",
        "_dropped_calls",
        "_dropped_chatter",
        "_dropped_important",
        "_important",
        "_late",
        "_line_bytes",
        "_lock",
        "_settings",
        "_taken",
    )

    def __init__(self, settings: ExecutorSettings, late: "LateEffects") -> None:
        self._settings = settings
        self._late = late
        self._lock = _lock()
        self._taken = False
        # Each line with its place among all and its size; two deques, so that chatter never pushes out a warning.
        self._important: deque[tuple[int, int, LogLine]] = deque()
        self._chatter: deque[tuple[int, int, LogLine]] = deque()
        self._line_bytes = 0
        self._dropped_important = 0
        self._dropped_chatter = 0
        self._calls: list[ServiceCall] = []
        self._dropped_calls = 0

    def add_line(self, line: LogLine) -> None:
        """Add a log line. Beyond the bounds the oldest of the least important go: last words say the most."""
        important = line.level >= self._settings.log_keep_level
        size = len(line.message.encode("utf-8", "replace"))
        with self._lock:
            if self._taken:
                self._late.add_line(line)
                return
            kept = len(self._important) + len(self._chatter)
            place = kept + self._dropped_important + self._dropped_chatter
            (self._important if important else self._chatter).append((place, size, line))
            self._line_bytes += size
            while (
                len(self._important) + len(self._chatter) > self._settings.log_lines
                or self._line_bytes > self._settings.log_bytes
            ):
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        if self._chatter:
            _, size, _ = self._chatter.popleft()
            self._dropped_chatter += 1
        else:
            _, size, _ = self._important.popleft()
            self._dropped_important += 1
        self._line_bytes -= size

    def add_call(self, call: ServiceCall) -> None:
        """Add a service call. Beyond the bound new ones are counted only: the first shows what set off the rest."""
        with self._lock:
            if self._taken:
                self._late.add_call(call)
            elif len(self._calls) < self._settings.service_calls:
                self._calls.append(call)
            else:
                self._dropped_calls += 1

    def take(self, *, failed: bool) -> Effects | None:
        """Return what the record keeps: every line of a run that failed, the important ones of one that did not.

        What a thread that the run left behind still adds goes to the late ones.
        """
        with self._lock:
            self._taken = True
        placed, dropped = list(self._important), self._dropped_important
        # What a run that went well logged below that level is left out on purpose: no loss to speak of.
        if failed:
            placed = sorted(chain(placed, self._chatter))
            dropped += self._dropped_chatter
        if not (placed or self._calls or dropped or self._dropped_calls):
            return None
        return Effects(tuple([line for _, _, line in placed]), tuple(self._calls), dropped, self._dropped_calls)


class LateEffects:
    """Counts log lines and service calls that came after their run's record was made.

    A background task or a leaked thread goes on under the name of the run that started it. Its effects have no
    record to attach to, and are not lost without a word either. Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._lock = _lock()
        self._counts: Counter[str] = Counter()

    def add_line(self, line: LogLine) -> None:
        """Count a late log line."""
        del line
        self._count("log_lines")

    def add_call(self, call: ServiceCall) -> None:
        """Count a late service call."""
        del call
        self._count("service_calls")

    def take(self) -> Mapping[str, int]:
        """Return the counts since the last call, by what was late."""
        if not self._counts:  # the usual case; what is counted in this very moment is taken the next time
            return {}
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1
