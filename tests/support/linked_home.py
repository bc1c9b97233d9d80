"""A link to a simulated home, and a list of everything that the link passes on."""

import asyncio
from collections.abc import Awaitable, Callable
from random import random
from typing import Protocol

from hassette_core.api import Api
from hassette_core.events import Event, StateChanged
from hassette_core.link import HomeAssistantLink, LivenessCheck
from hassette_core.link.web_transport import MAX_MESSAGE_BYTES
from hassette_core.simulation.home import SimulatedHome
from hassette_core.states import StateCache
from support.waiting import eventually, patience


async def short_sleep(_seconds: float) -> None:
    """Replace the wait between two attempts to connect."""
    await asyncio.sleep(0.001)


class LinkedHome:
    """A simulated home, a link to it, and everything that the link passed on.

    Attributes:
        events: The events, in order.
        states_at_event: One item for each change of state: the entity's state in `states` when the link passed the
            change on.
        reports: The calls of ``report``: kind, address, sentence.
        losses: The calls of ``count_loss``: reason, what, number, first and last time.
    """

    def __init__(
        self,
        home: SimulatedHome,
        *,
        sleep: Callable[[float], Awaitable[object]] = short_sleep,
        random: Callable[[], float] = random,
        make_liveness_check: Callable[..., LivenessCheck] = LivenessCheck,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self.home = home
        self.events: list[Event] = []
        self.states_at_event: list[str | None] = []
        self.reports: list[tuple[str, str, str]] = []
        self.losses: list[tuple[str, str, int, int, int]] = []
        cache = StateCache()
        self.states = cache.states
        self.link = HomeAssistantLink(
            home.url,
            home.token,
            cache=cache,
            on_event=self._on_event,
            report=self._report,
            count_loss=self._count_loss,
            sleep=sleep,
            random=random,
            make_liveness_check=make_liveness_check,
            max_message_bytes=max_message_bytes,
        )
        self.api = Api(self.link)

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, StateChanged):
            state = self.states.get(event.entity_id)
            self.states_at_event.append(state and state.state)

    def _report(self, kind: str, subject: str, detail: str) -> None:
        self.reports.append((kind, subject, detail))

    def _count_loss(self, reason: str, what: str, count: int, first_us: int, last_us: int) -> None:
        self.losses.append((reason, what, count, first_us, last_us))

    def changes(self) -> list[tuple[str, str | None, str | None]]:
        """Return entity, old state and new state of each change that was passed on."""
        return [
            (event.entity_id, event.old_state and event.old_state.state, event.new_state and event.new_state.state)
            for event in self.events
            if isinstance(event, StateChanged)
        ]

    async def ready(self) -> None:
        async with asyncio.timeout(patience(10)):
            await self.link.wait_ready()

    async def settle(self) -> None:
        """Wait until every event that the home has fired so far has been passed on."""
        mark = await self.api.fire_event("mark")
        await eventually(lambda: any(event.context.id == mark for event in self.events))

    async def lost(self, times: int = 1) -> None:
        await eventually(lambda: [kind for kind, *_ in self.reports].count("connection_lost") >= times)

    async def restored(self, times: int = 1) -> None:
        await eventually(lambda: [kind for kind, *_ in self.reports].count("connection_restored") >= times)


class MakeLinked(Protocol):
    """Makes a `LinkedHome`; the type of a fixture."""

    def __call__(
        self,
        home: SimulatedHome,
        *,
        sleep: Callable[[float], Awaitable[object]] = ...,
        random: Callable[[], float] = ...,
        make_liveness_check: Callable[..., LivenessCheck] = ...,
        max_message_bytes: int = ...,
    ) -> LinkedHome: ...
