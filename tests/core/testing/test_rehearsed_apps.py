"""Apps that rehearse next to apps that act: handlers with the objects of the other app, and responses of services."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hassette_core import App, AppConfig, RehearsalError, SyncApp
from hassette_core.events import own_event
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


class Shop(App[AppConfig]):
    """Computes responses with ``async def`` functions."""

    async def on_initialize(self) -> None:
        self.api.rehearsal_responses["shop.price"] = self.price
        self.api.rehearsal_responses["shop.stock"] = lambda fields: self.price(fields)
        self.bus.on_event(self.read, "read")

    async def price(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(1)
        return {"price": len(fields["item"])}

    async def read(self) -> None:
        for service in ("shop.price", "shop.stock"):
            result = await self.api.call_service(service, return_response=True, item="milk")
            self.logger.info("%s", result.response["price"])


def test_response_may_come_from_an_async_function(home: HomeUnderTest) -> None:
    home.add_app(Shop, rehearse=True)
    home.fire("read")
    home.advance(seconds=2)
    (run,) = home.runs("read")
    assert (run.error, run.logs) == (None, ("4", "4"))


class Owner(App[AppConfig]):
    """Acts, and has a job, a group, a listener and a storage, with methods that control them."""

    async def on_initialize(self) -> None:
        self.storage["seen"] = [1]
        self.off = self.scheduler.run_in(self.act, 60, group="holiday")
        self.again = self.scheduler.run_every(self.act, 3600, name="again")
        self.listener = self.bus.on_event(self.act, "go")
        self.bus.on_event(self.heard, "rang")

    async def act(self) -> None:
        await self.api.turn_on(LIGHT)

    async def heard(self) -> None:
        await self.api.turn_on("switch.heard")

    def stop_early(self) -> None:
        self.off.cancel()


class Intruder(App[AppConfig]):
    """Tries to control the parts of the owner."""

    def roads(self) -> dict[str, Callable[[], object]]:
        owner = self.apps.get("owner", Owner)
        bus, scheduler, event = owner.bus, owner.scheduler, own_event("rang", {}, self.time.now(), 0)
        return {
            "job cancel": owner.off.cancel,
            "job pause": owner.again.pause,
            "job resume": owner.again.resume,
            "job run_now": owner.off.run_now,
            "group pause": scheduler.group("holiday").pause,
            "group resume": scheduler.group("holiday").resume,
            "group cancel": scheduler.group("holiday").cancel,
            "jobs cancel": scheduler.jobs()[0].cancel,
            "scheduler": scheduler.cancel_all,
            "listener cancel": owner.listener.cancel,
            "listener resume": owner.listener.resume,
            "bus": bus.cancel_all,
            "method": owner.stop_early,
            "private job": lambda: self.scheduler._service.cancel(owner.off._job),  # pyright: ignore[reportPrivateUsage]
            "private bus": lambda: self.bus._service.cancel_all("owner", "owner"),  # pyright: ignore[reportPrivateUsage]
            "emit": lambda: bus.emit("rang"),
            "dispatch": lambda: self.bus._service.dispatch(event),  # pyright: ignore[reportPrivateUsage]
            "storage": lambda: owner.storage.update(a=1),
            "storage in place": lambda: owner.storage["seen"].append(2),
            "storage del": lambda: owner.storage.pop("seen"),
        }

    async def on_initialize(self) -> None:
        self.refused: set[str] = set()
        self.reasons: set[str] = set()
        self.bus.on_event(self.intrude, "intrude")
        self.bus.on_event(self.intrude_in_thread, "intrude")

    async def intrude(self) -> None:
        self.try_all(self.roads())

    def intrude_in_thread(self) -> None:
        self.try_all(self.roads())

    def try_all(self, roads: Mapping[str, Callable[[], object]]) -> None:
        for name, road in roads.items():
            try:
                road()
            except RehearsalError as error:
                self.reasons.add(str(error).partition(": ")[2])
                self.refused.add(name)


def test_rehearsing_app_controls_nothing_of_an_acting_app(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.set("switch.heard", "off")
    home.add_app(Owner)
    home.add_app(Intruder, rehearse=True)
    home.fire("intrude")
    owner, intruder = home.app(Owner), home.app(Intruder)
    assert home.calls() == []
    assert intruder.refused == home.run(intruder.roads).result.keys() - {"emit", "dispatch"}
    assert intruder.reasons == {"the app intruder.intruder rehearses, and owner.owner acts"}
    assert (owner.off.active, owner.again.paused, owner.listener.active) == (True, False, True)
    assert dict(owner.storage) == {"seen": [1]}
    home.fire("go")
    home.advance(seconds=61)
    assert len(home.calls("light.turn_on")) == 2


@pytest.mark.parametrize(("owner", "intruder"), [(True, True), (False, False)])
def test_apps_that_both_act_or_both_rehearse_control_each_other(
    home: HomeUnderTest, owner: bool, intruder: bool
) -> None:
    home.add_app(Owner, rehearse=owner)
    home.add_app(Intruder, rehearse=intruder)
    home.run(home.app(Intruder).intrude())
    assert home.app(Intruder).refused == set()
    assert not home.app(Owner).off.active


@pytest.mark.parametrize("rehearse", [False, True])
def test_code_of_a_test_acts_for_an_acting_app_and_rehearses_for_a_rehearsing_app(
    home: HomeUnderTest, rehearse: bool
) -> None:
    home.set(LIGHT, "off")
    home.add_app(Porch, app_key="other", rehearse=True)
    home.add_app(Porch, rehearse=rehearse)
    porch = home.app(Porch)
    home.run(porch.rang())
    home.run(porch.rang)
    home.run(lambda: porch.rang())
    assert len(home.calls()) == (0 if rehearse else 3)


def test_code_of_a_test_may_act_while_an_app_rehearses(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(Porch, rehearse=True)
    home.add_app(Owner)

    async def scene() -> None:
        await home.app(Owner).act()

    home.run(scene())
    home.run(scene)
    assert len(home.calls("light.turn_on")) == 2
