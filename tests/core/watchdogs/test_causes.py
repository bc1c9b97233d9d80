"""Listeners that trigger themselves through the changes that they cause are paused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hassette_core import Status
from hassette_core.simulation.home.core import HomeContext
from support.waiting import eventually
from support.whole_home import WholeHome, whole_home

LOOPS = """
    class App1(App[AppConfig]):
        async def on_initialize(self):
            self.subscription = self.bus.on_state_change(self.flips, "light.hall")
            self.bus.on_event(self.ping, "ping")
            self.bus.on_event(self.pong, "pong")
            self.bus.on_state_change(self.counts, "sensor.power")
            self.bus.on_event(self.chatty, "motion")

        async def flips(self, new: NewState):
            await self.api.call_service("light", "turn_off" if new.state == "on" else "turn_on", target="light.hall")

        async def ping(self):
            await self.api.fire_event("pong")

        async def pong(self):
            await self.api.fire_event("ping")

        async def counts(self, new: NewState):
            await self.api.set_state("sensor.power", str(float(new.state) + 1))

        async def chatty(self):
            await self.api.call_service("switch", "turn_on", target="switch.guest_wifi")

    class App2(SyncApp[AppConfig]):
        def on_initialize(self):
            self.bus.on_state_change(self.flips, "switch.guest_wifi")

        def flips(self, event: StateChanged):
            if event.new_state.state in ("on", "off"):
                self.api.call_service("switch", "toggle", target="switch.guest_wifi")
"""


async def paused(place: WholeHome) -> list[tuple[str, str]]:
    """Wait until a listener is paused and no run is in progress, and return the events."""
    executor = place.hassette.executor
    while not (found := await place.lifecycle("loop_paused")):
        await eventually(lambda: True)
    await eventually(lambda: not executor.in_flight.executions())
    return found


async def test_listener_that_triggers_itself_is_paused_and_can_be_resumed(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LOOPS, watchdogs={"loop_turns": 10}) as place:
        place.home.core.change("light.hall", "on")
        ((subject, detail),) = await paused(place)
        assert subject == "app1.app1"
        assert detail == (
            "flips triggers itself: 11 times within a minute. flips is paused for 300 s for events that apps cause;"
            " other events still lead to runs"
        )
        assert await place.hassette.executor.force_flush()
        records = list(place.sink.records)
        assert 12 <= len(records) <= 13
        assert {record.status for record in records} == {Status.SUCCESS}
        while not (skips := [skip for batch in place.sink.batches for skip in batch.skipped]):
            assert await place.hassette.executor.force_flush()
        assert {(skip.registration.name, skip.reason) for skip in skips} == {("flips", "loop")}
        subscription = place.app().subscription
        assert subscription.paused
        subscription.resume()
        assert not subscription.paused
        place.home.core.change("light.hall", "on")
        place.home.core.change("light.hall", "off")
        await eventually(lambda: place.hassette.executor.accounting().executed >= len(records) + 5)


@pytest.mark.parametrize(("event", "names"), [("ping", {"ping", "pong"}), ("count", {"counts"}), ("toggle", {"flips"})])
async def test_loops_of_events_states_and_sync_handlers_are_paused(tmp_path: Path, event: str, names: set[str]) -> None:
    async with whole_home(tmp_path, LOOPS, watchdogs={"loop_turns": 10}) as place:
        match event:
            case "ping":
                place.home.core.fire("ping", {})
            case "count":
                place.home.core.change("sensor.power", "1")
            case _:
                place.home.core.change("switch.guest_wifi", "on")
        ((_, detail),) = await paused(place)
        assert all(name in detail for name in names)


async def test_many_runs_that_no_app_has_caused_are_no_loop(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LOOPS.replace("class App2", "class Unused"), watchdogs={"loop_turns": 3}) as place:
        for _ in range(200):
            place.home.core.fire("motion", {})
        records = await place.records(200)
        assert len(records) == 200
        assert await place.lifecycle("loop_paused") == []


async def test_paused_listener_still_hears_events_that_no_app_has_caused(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LOOPS, watchdogs={"loop_turns": 5}) as place:
        place.home.core.fire("ping", {})
        await paused(place)
        before = place.hassette.executor.accounting().executed
        place.home.core.fire("ping", {})
        place.home.core.fire("pong", {})
        await eventually(lambda: place.hassette.executor.accounting().executed >= before + 2)


ROADS = """
    class App1(App[AppConfig]):
        async def on_initialize(self):
            self.bus.on_event(self.emits, "emits")
            self.bus.on_event(self.emits_in_thread, "emits_in_thread")
            self.bus.on_event(self.emit_ping, "emit_ping")
            self.bus.on_event(self.emit_pong, "emit_pong")
            self.bus.on_event(self.commands, "commands")
            self.bus.on_event(self.posts, "posts")
            self.bus.on_state_change(self.writes, "sensor.written")
            self.bus.on_state_change(self.calls_with_rest, "input_boolean.rest")
            self.bus.on_state_change(self.removes, "sensor.removed")
            self.bus.on_event(self.waits, "waits")
            self.bus.on_event(self.waits_twice, "waits_twice")
            self.bus.on_state_change(self.same, "sensor.same")
            self.bus.on_event(self.asks, "answered")

        async def emits(self):
            self.bus.emit("emits")

        def emits_in_thread(self):
            self.bus.emit("emits_in_thread")

        async def emit_ping(self):
            self.bus.emit("emit_pong")

        async def emit_pong(self):
            self.bus.emit("emit_ping")

        async def commands(self):
            await self.api.command("fire_event", event_type="commands")

        async def posts(self):
            await self.api.rest("POST", "/api/events/posts")

        async def writes(self, new: NewState):
            await self.api.rest("POST", "/api/states/sensor.written", {"state": str(int(new.state) + 1)})

        async def calls_with_rest(self):
            target = {"entity_id": "input_boolean.rest"}
            await self.api.rest("POST", "/api/services/input_boolean/toggle", target)

        async def removes(self, event: StateChanged):
            if event.new_state is None:
                await self.api.set_state("sensor.removed", "1")
            else:
                await self.api.remove_state("sensor.removed")

        async def waits(self):
            self.scheduler.run_in(self.later, 0)

        async def later(self):
            await self.api.fire_event("waits")

        async def waits_twice(self):
            self.scheduler.run_in(self.first, 0)

        async def first(self):
            self.scheduler.run_in(self.second, 0)

        async def second(self):
            self.bus.emit("waits_twice")

        async def same(self, new: NewState):
            await self.api.set_state("sensor.same", new.state)

        async def asks(self):
            await self.api.fire_event("question")
"""
EVENTS = ("emits", "emits_in_thread", "emit_ping", "commands", "posts", "waits", "waits_twice")


@pytest.mark.parametrize("road", [*EVENTS, "writes", "calls_with_rest", "removes"])
async def test_loop_on_each_road_is_paused_and_names_its_listener(tmp_path: Path, road: str) -> None:
    async with whole_home(tmp_path, ROADS, watchdogs={"loop_turns": 10}) as place:
        match road:
            case "writes":
                place.home.core.set("sensor.written", "1")
            case "calls_with_rest":
                place.home.core.set("input_boolean.rest", "on", {})
            case "removes":
                place.home.core.set("sensor.removed", "1")
            case _:
                place.home.core.fire(road, {})
        ((subject, detail),) = await paused(place)
        assert subject == "app1.app1"
        assert road in detail
        executed = place.hassette.executor.accounting().executed
        assert executed <= 60  # a turn has up to three runs


async def test_write_that_changes_nothing_is_no_loop(tmp_path: Path) -> None:
    async with whole_home(tmp_path, ROADS, watchdogs={"loop_turns": 1}) as place:
        for value in ("1", "2", "3", "4"):
            place.home.core.set("sensor.same", value)
            await eventually(lambda: not place.hassette.executor.in_flight.executions())
        await place.records(4)
        assert await place.lifecycle("loop_paused") == []


async def test_loop_through_two_automations_in_a_row_is_paused(tmp_path: Path) -> None:
    async with whole_home(tmp_path, ROADS, watchdogs={"loop_turns": 10}) as place:
        core, loop = place.home.core, asyncio.get_running_loop()

        def automation(heard: str, fired: str) -> None:
            def answer(event: dict[str, Any]) -> None:
                context = core.context(parent=HomeContext(**event["context"]))
                loop.call_soon(lambda: core.fire(fired, {}, context))

            core.listen(heard, answer)

        automation("question", "relayed")
        automation("relayed", "answered")
        core.fire("answered", {})
        ((_, detail),) = await paused(place)
        assert "asks triggers itself: 11 times within a minute" in detail
