"""Which run is going on: a context variable that tasks and threads inherit."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import cast

from hassette_executor.commands import Command
from hassette_executor.effects import GatheredEffects, LateEffects
from hassette_executor.records import ServiceCall
from hassette_executor.settings import ExecutorSettings

NEVER_NS = (1 << 63) - 1
"""A moment on the monotonic clock that does not come."""
LONGEST_S = 1e9
"""Thirty years: a deadline of ``inf`` seconds would break the arithmetic of the one sweeper that all runs share."""


class Circle:
    """What the runs of one executor share.

    Attributes:
        settings: The bounds of what is gathered.
        redact: Masks secrets in log lines and failures.
        executions: The runs that are going on.
        late: Counts effects of runs that are over.
    """

    def __init__(self, settings: ExecutorSettings, redact: Callable[[str], str] = str) -> None:
        self.settings = settings
        self.redact = redact
        self.executions: set[Execution] = set()
        self.late = LateEffects()


class Execution:
    """One run that is going on. Not a value: it is the executor's own note of it, from start to record.

    Attributes:
        command: What is run.
        started_ns: Start by `time.monotonic_ns`; of a sync handler, once it has a thread, the start in that.
        timeout_s: Its deadline, in seconds from the start; 0 for none.
        task: The task to cancel at the deadline; None without one.
        cancelling: How many requests to cancel that task were pending at the start.
        expired: Whether the deadline has passed and the task was told to end.
        run: Its number, once it has been running long enough to be reported; 0 before.
        waits_for_thread: Whether it is a sync handler's, and has not begun.
        effects: What it logged and called; None while that is nothing.
        circle: What it shares with the executor's other runs.
    """

    # No __slots__: class attributes as defaults leave three to set instead of nine, on the way of every event.
    task: "asyncio.Task[object] | None" = None
    timeout_s: float = 0
    cancelling: int = 0
    expired: bool = False
    run: int = 0
    waits_for_thread: bool = False
    effects: GatheredEffects | None = None

    def __init__(self, command: Command, started_ns: int, circle: "Circle") -> None:
        self.command = command
        self.started_ns = started_ns
        self.circle = circle

    @property
    def deadline_ns(self) -> int:
        """When it must have ended, by `time.monotonic_ns`; `NEVER_NS` without a deadline or when told to end."""
        if not self.timeout_s or self.expired:
            return NEVER_NS
        return self.started_ns + int(min(self.timeout_s, LONGEST_S) * 1e9)

    def gather(self) -> GatheredEffects | LateEffects:
        """Return where effects go now: with the record, or once that is made, to the count of the late ones."""
        if self not in self.circle.executions:
            return self.circle.late
        if self.effects is None:
            # One step, and the first one wins: two threads of the same run may get here at once.
            self.__dict__.setdefault("effects", GatheredEffects(self.circle.settings, self.circle.late))
            # The run is taken from the others first, and looked at then: if it is still there, it will be seen.
            if self not in self.circle.executions:
                return self.circle.late
        return cast("GatheredEffects", self.effects)


_current: ContextVar[Execution | None] = ContextVar("hassette_current_execution", default=None)
enter = _current.set
leave = _current.reset
current_execution = _current.get


def record_service_call(call: ServiceCall) -> None:
    """Attach a service call to the run that is going on here; outside of one, do nothing."""
    if (execution := current_execution()) is not None:
        execution.gather().add_call(call)
