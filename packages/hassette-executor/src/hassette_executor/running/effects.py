"""Effects of a run, log lines, service calls and reads of states, collected within bounds."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from itertools import chain

from hassette_executor.errors import HassetteError
from hassette_executor.records.runs import Effects, LogLine, ServiceCall, StateRead
from hassette_executor.settings import ExecutorSettings


class GatheredEffects:
    """Log lines, service calls and reads of one run in progress. Thread-safe.

    Args:
        settings: The bounds.
        late: Counter of late effects: effects that are added after `take`.
        lock: Guards the collected effects. It must be reentrant: garbage collection may log a line in a thread that
            already holds the lock.

    Attributes:
        problem: The first reason why the run counts as failed although its callable returned; None if there is none.
    """

    __slots__ = (
        "_calls",
        "_dropped_calls",
        "_dropped_important",
        "_dropped_other",
        "_dropped_reads",
        "_important",
        "_late",
        "_line_bytes",
        "_lock",
        "_other",
        "_reads",
        "_settings",
        "_taken",
        "problem",
    )

    def __init__(
        self, settings: ExecutorSettings, late: "LateEffects", lock: AbstractContextManager[object] | None = None
    ) -> None:
        self._settings = settings
        self._late = late
        self._lock = lock or threading.RLock()
        self._taken = False
        # Each item contains the position among all lines, the size, and the line. There are two deques, so that a line
        # below `log_keep_level` never displaces a more important line.
        self._important: deque[tuple[int, int, LogLine]] = deque()
        self._other: deque[tuple[int, int, LogLine]] = deque()
        self._line_bytes = 0
        self._dropped_important = 0
        self._dropped_other = 0
        self._calls: list[ServiceCall] = []
        self._dropped_calls = 0
        self._reads: dict[tuple[str, str | None], StateRead] = {}
        self._dropped_reads = 0
        self.problem: HassetteError | None = None

    def add_problem(self, problem: HassetteError) -> None:
        """Let the run fail, if it has not ended and its callable returns."""
        with self._lock:
            if not self._taken and self.problem is None:
                self.problem = problem

    def add_line(self, line: LogLine) -> None:
        """Add a log line. Above the bounds, the oldest lines below `log_keep_level` are dropped first."""
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
        """Add a service call.

        Above the bound, new calls are only counted, because the first calls of a faulty loop best show its cause.
        """
        with self._lock:
            if self._taken:
                self._late.add_call(call)
            elif len(self._calls) < self._settings.service_calls:
                self._calls.append(call)
            else:
                self._dropped_calls += 1

    def add_read(self, entity_id: str, state: str | None, make: Callable[[], StateRead]) -> None:
        """Add a read of a state, unless the run has read the same value before. Above the bound, it is only counted.

        Args:
            entity_id: The entity.
            state: The value that the run read.
            make: Returns the item for the record. It is called only if the item is kept.
        """
        key = entity_id, state
        if key in self._reads:  # without the lock: a handler may read the same states in a loop
            return
        with self._lock:
            if self._taken or key in self._reads:
                return
            if len(self._reads) < self._settings.state_reads:
                self._reads[key] = make()
            else:
                self._dropped_reads += 1

    def take(self, *, all_lines: bool) -> Effects | None:
        """Return the effects for the record; None if there are none. Effects that are added after this call are late.

        Args:
            all_lines: False returns only the lines at or above `log_keep_level`, as for a successful run.
        """
        with self._lock:
            self._taken = True
        positioned, dropped = list(self._important), self._dropped_important
        # A successful run leaves out lines below `log_keep_level` on purpose, so they do not count as dropped.
        if all_lines:
            positioned = sorted(chain(positioned, self._other))
            dropped += self._dropped_other
        if not (positioned or self._calls or dropped or self._dropped_calls or self._reads):
            return None
        return Effects(
            tuple([line for _, _, line in positioned]),
            tuple(self._calls),
            dropped,
            self._dropped_calls,
            tuple(self._reads.values()),
            self._dropped_reads,
        )


class LateEffects:
    """Counts late effects: log lines and service calls of runs whose record is already made. Thread-safe.

    A background task or a leaked thread keeps the context of the run that started it, and may add effects after the run
    has ended. No record can contain them, so they are counted and reported as a loss.

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

    def add_read(self, entity_id: str, state: str | None, make: Callable[[], StateRead]) -> None:
        """Ignore a late read: it explains nothing that the run did."""

    def add_problem(self, problem: HassetteError) -> None:
        """Ignore the problem, because the record of the run is already made."""

    def count(self, what: str) -> None:
        """Count one late effect: ``log_lines`` or ``service_calls``."""
        with self._lock:
            self._counts[what] += 1

    def take(self) -> Mapping[str, int]:
        """Return the counts since the last call, by kind of effect."""
        if not self._counts:  # the usual case; if another thread is adding a count now, the next call returns it
            return {}
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken
