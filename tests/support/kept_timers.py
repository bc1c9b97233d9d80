"""A process with a scheduler and one app, which can be started again with the same file of kept jobs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hassette_core.clock import ManualClock
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_executor import CommandExecutor, MemorySink


class Lights:
    """The handlers of an app. A new object stands for the app after a restart."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def off(self, light: str = "all") -> None:
        self.calls.append(light)

    def turn_off(self) -> None:
        self.calls.append("turn_off")

    @property
    def failing(self) -> Any:
        """Not a method."""
        raise ValueError("failing at its read")


class Process:
    """One process with a scheduler and one app.

    Args:
        file: The file of the kept jobs.
        clock: The clock of the machine.
    """

    def __init__(self, file: Path, clock: ManualClock) -> None:
        self.sink = MemorySink()
        self.executor = CommandExecutor(self.sink)
        self.service = SchedulerService(self.executor, clock=clock, kept_in=file, grace_s=0.05)
        self.scheduler = AppScheduler(self.service, "app", "one")
        self.app = Lights()

    async def calls(self) -> list[Any]:
        """Return the arguments of all runs up to now."""
        for _ in range(20):
            await asyncio.sleep(0)
        return self.app.calls

    async def lifecycle(self) -> list[tuple[str, str, str]]:
        """Return the reported lifecycle events: kind, subject, detail."""
        assert await self.executor.force_flush()
        return [(e.kind, e.subject, e.detail) for batch in self.sink.batches for e in batch.lifecycle]

    async def skipped(self) -> dict[str, int]:
        """Return the number of skipped runs by reason."""
        assert await self.executor.force_flush()
        return {skip.reason: skip.count for batch in self.sink.batches for skip in batch.skipped}


@asynccontextmanager
async def process(file: Path, clock: ManualClock, *, restore: bool = True) -> AsyncGenerator[Process]:
    """Start a process; at the end, stop its app and its scheduler."""
    started = Process(file, clock)
    async with started.executor, started.service:
        if restore:
            started.scheduler.restore(started.app)
        yield started
        started.scheduler.suspend()
        started.scheduler.end()
