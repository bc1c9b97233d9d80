"""A link to a simulated home, with an ear for everything it says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hassette_core.api import Api
from hassette_core.events import Event, StateChanged
from hassette_core.link import HomeAssistantLink, Pulse
from hassette_core.simulation.home import SimulatedHome
from hassette_core.states import StateCache


async def no_wait(_seconds: float) -> None:
    await asyncio.sleep(0.001)


class Listening:
    """A link, and what it has said."""

    def __init__(self, home: Any, **options: Any) -> None:
        self.home = home
        self.events: list[Event] = []
        self.states_when_heard: list[str | None] = []
        self.reports: list[tuple[str, str, str]] = []
        cache = StateCache()
        self.states = cache.states
        self._news = asyncio.Event()
        options = {"sleep": no_wait, **options}
        self.link = HomeAssistantLink(
            home.url, home.token, cache=cache, on_event=self._hear, report=self._take_report, **options
        )
        self.api = Api(self.link)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, StateChanged):
            state = self.states.get(event.entity_id)
            self.states_when_heard.append(state and state.state)
        self._news.set()

    def _take_report(self, kind: str, subject: str, detail: str) -> None:
        self.reports.append((kind, subject, detail))
        self._news.set()

    def changes(self) -> list[tuple[str, str | None, str | None]]:
        return [
            (event.entity_id, event.old_state and event.old_state.state, event.new_state and event.new_state.state)
            for event in self.events
            if isinstance(event, StateChanged)
        ]

    async def until(self, is_so: Callable[[], Any], within_s: float = 10) -> None:
        async with asyncio.timeout(within_s):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    async def settle(self) -> None:
        """Wait until everything that has happened so far has been heard."""
        mark = await self.api.fire_event("mark")
        await self.until(lambda: any(event.context.id == mark for event in self.events))

    async def restored(self) -> None:
        await self.until(lambda: self.reports and self.reports[-1][0] == "connection_restored")


@pytest.fixture
async def home() -> AsyncIterator[SimulatedHome]:
    """A house in which nothing happens by itself."""
    async with SimulatedHome(speed=0) as home:
        yield home


@pytest.fixture
def make_listening() -> type[Listening]:
    return Listening


@pytest.fixture
async def listening(home: SimulatedHome) -> AsyncIterator[Listening]:
    listening = Listening(home)
    async with listening.link:
        await listening.link.wait_ready()
        yield listening


@pytest.fixture
def quick_pulse() -> Callable[..., Pulse]:
    """A pulse of tenths of seconds."""
    return lambda ping, heard: Pulse(ping, heard, interval_s=0.01, patience_ticks=5, tick_s=0.02)
