"""Apps that rehearse next to apps that act: handlers with the objects of the other app, and responses of services."""

from collections.abc import Mapping
from typing import Any

import pytest

from hassette_core import App, AppConfig, RehearsalError, SyncApp
from hassette_core.testing import HomeUnderTest

LIGHT = "light.hall"


class Host(App[AppConfig]):
    """Registers handlers of other apps, and has a bus and a scheduler that they may use themselves."""

    async def on_initialize(self) -> None:
        self.handlers: list[Any] = []
        self.bus.on_event(self.call_all, "call_all")

    def listen(self, handler: Any) -> None:
        self.bus.on_event(handler, "go", name="listened")
        self.handlers.append(handler)

    async def call_all(self) -> None:
        for handler in self.handlers:
            await handler()


class Guest(App[AppConfig]):
    """Tries to use the objects of the host."""

    async def on_initialize(self) -> None:
        self.refused: list[str] = []
        host = self.apps.get("host", Host)
        attempts = {
            "bus": lambda: host.bus.on_event(self.act, "go", name="bus"),
            "method": lambda: host.listen(self.act),
            "scheduler": lambda: host.scheduler.run_in(self.act, 1, name="scheduler"),
        }
        for name, attempt in attempts.items():
            try:
                attempt()
            except RehearsalError as error:
                self.refused.append(f"{name} {type(error).__name__}")
        try:
            await host.bus.on_trigger(self.act, {"trigger": "event", "event_type": "go"}, name="trigger")
        except RehearsalError as error:
            self.refused.append(f"trigger {type(error).__name__}")
        host.handlers.append(self.act)
        self.bus.on_event(self.act, "go")

    async def act(self) -> None:
        await self.api.turn_on(LIGHT)


@pytest.mark.parametrize("host_rehearses", [False, True])
def test_handler_of_a_rehearsing_app_never_runs_as_code_of_another_app(
    home: HomeUnderTest, host_rehearses: bool
) -> None:
    home.set(LIGHT, "off")
    home.add_app(Host, rehearse=host_rehearses)
    home.add_app(Guest, rehearse=True)
    assert home.app(Guest).refused == [f"{name} RehearsalError" for name in ("bus", "method", "scheduler", "trigger")]
    home.fire("go")
    home.advance(seconds=2)
    assert home.calls() == []
    assert len(home.calls(outcome="rehearsed")) == 1
    # A method of the guest that the host itself calls is an act of the host.
    home.fire("call_all")
    assert len(home.calls()) == (0 if host_rehearses else 1)


def test_handler_of_an_acting_app_on_the_bus_of_a_rehearsing_app_rehearses(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(Host, rehearse=True)
    home.add_app(Guest)
    assert home.app(Guest).refused == []
    home.fire("go")
    home.advance(seconds=2)
    assert len(home.calls()) == 1  # the listener on its own bus
    assert len(home.calls(outcome="rehearsed")) == 4


class Bell(App[AppConfig]):
    """Rings for other apps."""

    async def on_initialize(self) -> None:
        self.bus.on_event(self.ring, "ring")

    async def ring(self) -> None:
        self.bus.emit("rang")


class Porch(App[AppConfig]):
    """Turns the light on when the bell rings."""

    async def on_initialize(self) -> None:
        self.bus.on_event(self.rang, "rang")

    async def rang(self) -> None:
        await self.api.turn_on(LIGHT)


def test_event_of_a_rehearsing_app_reaches_only_apps_that_rehearse(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(Bell, rehearse=True)
    home.add_app(Porch)
    home.add_app(Porch, app_key="rehearsing", rehearse=True)
    home.fire("ring")
    assert home.calls() == []
    assert [run.app for run in home.runs(Porch.rang)] == ["rehearsing"]
    assert len(home.calls(outcome="rehearsed")) == 1


class Agenda(SyncApp[AppConfig]):
    """A `SyncApp` that calls services with a response, also through generated functions."""

    def on_initialize(self) -> None:
        self.api.rehearsal_responses["calendar.get_events"] = {"calendar.waste": {"events": [{"summary": "Paper"}]}}
        self.api.rehearsal_responses["shop.price"] = self.price
        self.bus.on_event(self.read, "read")
        self.bus.on_event(self.read_unknown, "read_unknown")

    def price(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"price": len(fields["item"])}

    def read(self) -> None:
        events = self.api.call_service("calendar.get_events", target="calendar.waste", return_response=True)
        price = self.api.call_service("shop.price", return_response=True, item="milk")
        self.logger.info("%s %s", events.response["calendar.waste"]["events"][0]["summary"], price.response["price"])
        self.api.call_service("light", "turn_on", target=LIGHT)

    def read_unknown(self) -> None:
        self.api.call_service("weather.get_forecasts", target="weather.home", return_response=True)


def test_responses_of_services_come_from_the_app_and_may_depend_on_the_call(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(Agenda, rehearse=True)
    home.fire("read")
    (run,) = home.runs("read")
    assert run.logs == ("Paper 4",)
    assert run.calls == ("calendar.get_events", "shop.price", "light.turn_on")
    assert home.calls() == []
    home.fire("read_unknown")
    assert "rehearsal_responses has no response of this service" in (home.runs("read_unknown")[0].error or "")
