"""What a run does beside running: its log lines and service calls, gathered within bounds."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from itertools import chain

from hassette_executor.records import Effects, LogLine, ServiceCall
from hassette_executor.settings import ExecutorSettings


class GatheredEffects:
    """The log lines and service calls of one run that is going on."""

    __slots__ = ("_calls", "_chatter", "_dropped_calls", "_dropped_lines", "_important", "_line_bytes", "_settings")

    def __init__(self, settings: ExecutorSettings) -> None:
        self._settings = settings
        # Each line with its place among all of them; two deques, so that chatter never pushes out a warning.
        self._important: deque[tuple[int, LogLine]] = deque()
        self._chatter: deque[tuple[int, LogLine]] = deque()
        self._line_bytes = 0
        self._dropped_lines = 0
        self._calls: list[ServiceCall] = []
        self._dropped_calls = 0

    def add_line(self, line: LogLine) -> None:
        """Add a log line. Beyond the bounds the oldest of the least important go: last words say the most."""
        important = line.level >= self._settings.log_keep_level
        place = len(self._important) + len(self._chatter) + self._dropped_lines
        (self._important if important else self._chatter).append((place, line))
        self._line_bytes += len(line.message)
        while (
            len(self._important) + len(self._chatter) > self._settings.log_lines
            or self._line_bytes > self._settings.log_bytes
        ):
            _, dropped = (self._chatter or self._important).popleft()
            self._line_bytes -= len(dropped.message)
            self._dropped_lines += 1

    def add_call(self, call: ServiceCall) -> None:
        """Add a service call. Beyond the bound new ones are counted only: the first shows what set off the rest."""
        if len(self._calls) < self._settings.service_calls:
            self._calls.append(call)
        else:
            self._dropped_calls += 1

    def take(self, *, failed: bool) -> Effects | None:
        """Return what the record keeps: every line of a run that failed, the important ones of one that did not."""
        # Copied in one step: a thread that the run left behind may be logging at this moment.
        placed, calls = tuple(self._important), tuple(self._calls)
        if failed:
            placed = sorted(chain(placed, tuple(self._chatter)))
        # What a run that went well logged below that level is left out on purpose: no loss to speak of.
        dropped = self._dropped_lines if failed or placed else 0
        if not (placed or calls or dropped):
            return None
        return Effects(tuple([line for _, line in placed]), calls, dropped, self._dropped_calls)


class LateEffects:
    """Counts log lines and service calls that came after their run's record was made.

    A background task or a leaked thread goes on under the name of the run that started it. Its effects have no
    record to attach to, and are not lost without a word either. Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
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
