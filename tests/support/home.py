"""`Home`: executor, bus and scheduler with a manual clock and a sink in memory, without a connection."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from hassette_core.bus import AppBus, BusService, OwnEvents
from hassette_core.clock import ManualClock
from hassette_core.conditions import ConditionContext
from hassette_core.events import Context, Event, State, StateChanged
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_executor import CommandExecutor, MemorySink, Record
from support.waiting import eventually

NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
"""Noon in Berlin: the start of the clock."""


def due_after_noon(record: Any) -> timedelta:
    """Return the time from noon to the due time of a run."""
    return timedelta(microseconds=record.trigger.due_us) - (NOON - datetime(1970, 1, 1, tzinfo=UTC))


class Home:
    """The parts that run handlers and jobs, for tests of bus, scheduler and apps.

    Args:
        now: The start of the clock.
        time_zone: The home's time zone.

    Attributes:
        clock: The clock of bus and scheduler. It moves only in `pass_time`.
        sink: The records.
        states: The current states.
        bus: The bus of the app instance ``app.one``.
        scheduler: The scheduler of the app instance ``app.one``.
    """

    def __init__(self, now: datetime = NOON, time_zone: str = "Europe/Berlin") -> None:
        self.clock = ManualClock(now)
        self.sink = MemorySink()
        self.executor = CommandExecutor(self.sink)
        self.states: dict[str, State] = {}
        conditions = ConditionContext(self.states, self.clock)
        self.bus_service = BusService(
            self.executor, states=self.states, clock=self.clock, conditions=conditions, grace_s=0.05
        )
        self.scheduler_service = SchedulerService(
            self.executor,
            clock=self.clock,
            conditions=conditions,
            watch=self.bus_service.watch,
            time_zone=ZoneInfo(time_zone),
            grace_s=0.05,
        )
        self.executor.hooks.observer = OwnEvents(self.bus_service)
        self.bus = AppBus(self.bus_service, "app", "one")
        self.scheduler = AppScheduler(self.scheduler_service, "app", "one")

    def change(self, entity_id: str, new: str | None, **attributes: object) -> StateChanged:
        """Change an entity and dispatch the event. None removes the entity."""
        old = self.states.get(entity_id)
        self.set_state(entity_id, new, **attributes)
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
        self.bus_service.dispatch(event)
        return event

    def set_state(self, entity_id: str, state: str | None, **attributes: object) -> None:
        """Change an entity without an event. None removes the entity."""
        if state is None:
            self.states.pop(entity_id, None)
        else:
            self.states[entity_id] = State(entity_id, state, MappingProxyType(attributes), NOON, NOON, Context("C1"))

    def fire(self, event_type: str, **data: object) -> None:
        """Dispatch an event that is not a state change."""
        event = Event(event_type, MappingProxyType(data), Context("C2"), NOON, self.clock.monotonic_ns())
        self.bus_service.dispatch(event)

    async def settle(self) -> None:
        """Let all tasks run until they wait for time or for a thread."""
        for _ in range(25):
            await asyncio.sleep(0)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition. The manual clock does not move."""
        for _ in range(100):  # most conditions hold after a few turns of the loop
            if condition():
                return
            await asyncio.sleep(0)
        await eventually(condition)

    async def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """Move the clock in small steps, and let all tasks run in between."""
        left = seconds
        while left > 0:
            self.clock.advance(min(step, left))
            left -= step
            await self.settle()

    async def records(self, count: int | None = None) -> list[Record]:
        """Return all records. With ``count``, wait until there are that many records, and fail if there are more."""
        if count is not None:
            await self.until(lambda: self.executor.accounting().executed >= count)
        await self.settle()
        assert await self.executor.force_flush()
        records = list(self.sink.records)
        assert count is None or len(records) == count
        return records

    async def skipped(self) -> dict[str, int]:
        """Return the number of skipped runs by reason."""
        assert await self.executor.force_flush()
        counts: Counter[str] = Counter()
        for batch in self.sink.batches:
            for skip in batch.skipped:
                counts[skip.reason] += skip.count
        return dict(counts)

    async def retired(self) -> list[str]:
        """Return the names of retired listeners and jobs, in order."""
        assert await self.executor.force_flush()
        return [registration.name for batch in self.sink.batches for registration in batch.retired]

    async def lifecycle(self) -> list[tuple[str, str, str]]:
        """Return the reported lifecycle events: kind, subject, detail."""
        assert await self.executor.force_flush()
        return [(e.kind, e.subject, e.detail) for batch in self.sink.batches for e in batch.lifecycle]
