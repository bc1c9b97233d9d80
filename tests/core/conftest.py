"""A small house for tests: a real executor with a sink in memory, a bus and a scheduler, and a clock moved by hand."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings

from hassette_core.bus import AppBus, BusService
from hassette_core.clock import ManualClock
from hassette_core.events import Context, Event, State, StateChanged
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_executor import CommandExecutor, MemorySink, Record

# How long one example takes says nothing on a machine that others use, too; each test has its own time limit.
settings.register_profile("core", deadline=None)
settings.load_profile("core")

NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
"""Noon in Berlin."""


class House:
    """What the tests of bus, scheduler and apps play with."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOON)
        self.sink = MemorySink()
        self.executor = CommandExecutor(self.sink)
        self.states: dict[str, State] = {}
        self.service = BusService(self.executor, states=self.states, clock=self.clock, grace_s=0.05)
        self.planner = SchedulerService(
            self.executor, clock=self.clock, time_zone=ZoneInfo("Europe/Berlin"), grace_s=0.05
        )
        self.bus = AppBus(self.service, "app", "one")
        self.scheduler = AppScheduler(self.planner, "app", "one")

    def change(self, entity_id: str, new: str | None, **attributes: object) -> StateChanged:
        """Change an entity as Home Assistant does: first the states, then the event."""
        old = self.states.get(entity_id)
        self.put(entity_id, new, **attributes)
        event = StateChanged(
            "state_changed",
            MappingProxyType({}),
            Context("C1", "P1", "U1"),
            NOON,
            self.clock.monotonic_ns(),
            entity_id,
            old,
            self.states.get(entity_id),
        )
        self.service.dispatch(event)
        return event

    def put(self, entity_id: str, state: str | None, **attributes: object) -> None:
        """Change an entity without anybody hearing of it."""
        if state is None:
            self.states.pop(entity_id, None)
        else:
            self.states[entity_id] = State(entity_id, state, MappingProxyType(attributes), NOON, NOON, Context("C1"))

    def fire(self, event_type: str, **data: object) -> None:
        """Let another event happen."""
        event = Event(event_type, MappingProxyType(data), Context("C2"), NOON, self.clock.monotonic_ns())
        self.service.dispatch(event)

    async def settle(self) -> None:
        """Let everything run that can run without time going on."""
        for _ in range(25):
            await asyncio.sleep(0)

    async def until(self, condition: Callable[[], object]) -> None:
        """Let things run until something is so."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110  any condition, and no time goes by
                await asyncio.sleep(0)

    async def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """Let time go on in small steps, and things run in between."""
        left = seconds
        while left > 0:
            self.clock.advance(min(step, left))
            left -= step
            await self.settle()

    async def records(self, count: int | None = None) -> list[Record]:
        """Return all records; with a count, wait until there are so many, and fail if there are more."""
        if count is not None:
            await self.until(lambda: self.executor.accounting().executed >= count)
        await self.settle()
        assert await self.executor.force_flush()
        records = list(self.sink.records)
        assert count is None or len(records) == count
        return records

    async def skipped(self) -> dict[str, int]:
        """Return what did not run, by reason."""
        assert await self.executor.force_flush()
        counts: Counter[str] = Counter()
        for batch in self.sink.batches:
            for skip in batch.skipped:
                counts[skip.reason] += skip.count
        return dict(counts)

    async def retired(self) -> list[str]:
        """Return the names of what has ended, in order."""
        assert await self.executor.force_flush()
        return [registration.name for batch in self.sink.batches for registration in batch.retired]

    async def lifecycle(self) -> list[tuple[str, str, str]]:
        """Return what was reported: kind, subject, detail."""
        assert await self.executor.force_flush()
        return [(e.kind, e.subject, e.detail) for batch in self.sink.batches for e in batch.lifecycle]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    async with house.executor, house.service, house.planner:
        yield house


@pytest.fixture
def calls() -> list[Any]:
    """What a handler has to say."""
    return []
