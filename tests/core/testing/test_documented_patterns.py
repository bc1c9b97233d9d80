"""Patterns that docs/apps/listening.md explains behave as the page describes."""

import asyncio

from hassette_core import App, AppConfig, NewState
from hassette_core.testing import HomeUnderTest


class Asks(App[AppConfig]):
    answer = ""

    async def on_initialize(self) -> None:
        self.bus.on_event(self.ask, "ask")

    async def ask(self) -> None:
        answer = asyncio.create_task(self.bus.wait_for("answer", timeout=60))
        await self.api.notify("Lock the door?")
        event = await answer
        assert event is not None
        self.answer = event.data["text"]


def test_wait_that_begins_before_a_request_receives_the_event_of_the_request(home: HomeUnderTest) -> None:
    home.add_service("notify.notify", lambda _: home.simulated.core.fire("answer", {"text": "yes"}))
    home.add_app(Asks)
    home.fire("ask")
    assert home.app(Asks).answer == "yes"


class Washer(App[AppConfig]):
    seen: tuple[str, str] | None = None

    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.done, "sensor.power", changed_to=lambda text: float(text) < 5, duration=60)

    async def done(self, new: NewState) -> None:
        self.seen = new.state, self.states["sensor.power"].state


def test_event_after_a_duration_is_that_of_the_change_that_began_it(home: HomeUnderTest) -> None:
    home.set("sensor.power", 900)
    home.add_app(Washer)
    for power in (3, 2):
        home.set("sensor.power", power)
        home.advance(seconds=30)
    assert home.app(Washer).seen == ("3", "2")
