"""Which run is going on: a context variable that tasks and threads inherit."""

import asyncio
from contextvars import ContextVar

from hassette_executor.commands import Command
from hassette_executor.effects import GatheredEffects, LateEffects
from hassette_executor.records import ServiceCall
from hassette_executor.settings import ExecutorSettings

NEVER_NS = (1 << 63) - 1
"""A moment on the monotonic clock that does not come."""


class Execution:
    """One run that is going on. Not a value: it is the executor's own note of it, from start to record.

    Attributes:
        command: What is run.
        started_us: Wall-clock start, in microseconds since the Unix epoch.
        started_ns: Start by `time.monotonic_ns`.
        deadline_ns: When it must have ended, by `time.monotonic_ns`; `NEVER_NS` for no deadline.
        task: The task to cancel at the deadline; None without one.
        expired: Whether the deadline has passed and the task was told to end.
        run: Its number, once it has been running long enough to be reported; 0 before.
        effects: What it logged and called: None so far nothing; the late counter once the record is made.
        settings: The executor's, for the bounds of what is gathered.
    """

    __slots__ = (
        "command",
        "deadline_ns",
        "effects",
        "expired",
        "run",
        "settings",
        "started_ns",
        "started_us",
        "task",
    )

    def __init__(self, command: Command, started_us: int, started_ns: int, settings: ExecutorSettings) -> None:
        self.command = command
        self.started_us = started_us
        self.started_ns = started_ns
        self.settings = settings
        self.deadline_ns = NEVER_NS
        self.task: asyncio.Task[object] | None = None
        self.effects: GatheredEffects | LateEffects | None = None
        self.expired = False
        self.run = 0

    def gather(self) -> GatheredEffects | LateEffects:
        """Return where effects go: made when the first one comes, since most runs have none."""
        effects = self.effects
        if effects is None:
            effects = self.effects = GatheredEffects(self.settings)
        return effects


_current: ContextVar[Execution | None] = ContextVar("hassette_current_execution", default=None)
enter = _current.set
leave = _current.reset
current_execution = _current.get


def record_service_call(call: ServiceCall) -> None:
    """Attach a service call to the run that is going on here; outside of one, do nothing."""
    if (execution := current_execution()) is not None:
        execution.gather().add_call(call)
