"""A bus that is linked to a simulated home. A test can break the connection and allow it again."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from hassette_core.bus import AppBus, BusService
from hassette_core.clock import ManualClock
from hassette_core.link import HomeAssistantLink
from hassette_core.simulation.home import SimulatedHome
from hassette_core.states import Observation, StateCache
from hassette_executor import CommandExecutor, MemorySink, Record
from support.waiting import eventually, patience


class LinkedBus:
    """A bus, its executor, and its link to a simulated home.

    Attributes:
        clock: The clock of durations. It moves only in a test.
        home: The simulated home.
        bus: The bus of the app instance ``app.one``.
        reports: The calls of ``report``: kind, address, sentence.
    """

    def __init__(self, home: SimulatedHome) -> None:
        self.home = home
        self.reports: list[tuple[str, str, str]] = []
        self.sink = MemorySink()
        self.executor = CommandExecutor(self.sink)
        cache, observation = StateCache(), Observation()
        self.states = cache.states
        self.clock = ManualClock()
        self.service = BusService(
            self.executor, states=cache.states, observation=observation, clock=self.clock, grace_s=0.1
        )
        self.bus = AppBus(self.service, "app", "one")
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self.link = HomeAssistantLink(
            home.url,
            home.token,
            cache=cache,
            on_event=self.service.dispatch,
            observation=observation,
            report=lambda kind, subject, detail: self.reports.append((kind, subject, detail)),
            count_loss=self.executor.count_loss,
            sleep=self._wait_to_connect,
        )

    async def _wait_to_connect(self, _seconds: float) -> None:
        await asyncio.sleep(0.001)
        await self._may_connect.wait()

    async def disconnect(self) -> None:
        """Break the connection, and keep it broken until `reconnect`."""
        self._may_connect.clear()
        self.home.drop_connections()
        await eventually(lambda: not self.link.ready.is_set())

    async def reconnect(self) -> None:
        """Allow a new connection, and wait until it is ready."""
        self._may_connect.set()
        async with asyncio.timeout(patience(10)):
            await self.link.wait_ready()

    async def settle(self) -> None:
        """Wait until every change so far has been dispatched."""
        async with asyncio.timeout(patience(10)):
            await self.link.require_connection("settle").ping()

    async def records(self, count: int) -> list[Record]:
        """Wait for a number of runs, and return their records."""
        await eventually(lambda: self.executor.accounting().executed >= count)
        assert await self.executor.force_flush()
        records = list(self.sink.records)
        assert len(records) == count
        return records

    def losses(self) -> list[tuple[str, str, int]]:
        """Return reason, kind and number of each recorded loss."""
        return [(loss.reason, loss.what, loss.count) for batch in self.sink.batches for loss in batch.losses]


@asynccontextmanager
async def linked_bus() -> AsyncGenerator[LinkedBus]:
    """Start a simulated home and a bus that is linked to it, and wait until the link is ready."""
    async with SimulatedHome(speed=0) as home:
        linked = LinkedBus(home)
        async with linked.executor, linked.service, linked.link:
            await linked.reconnect()
            yield linked
