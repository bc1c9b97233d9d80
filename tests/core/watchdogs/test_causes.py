"""Listeners that trigger themselves through the changes that they cause are paused."""

from pathlib import Path

import pytest

from hassette_core import Status
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
