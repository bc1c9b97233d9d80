"""Causes that are planted in a home: *why* finds each of them in the history, after the framework has stopped."""

from pathlib import Path

import pytest

from hassette_core import MemorySink
from hassette_sync import DataSyncService
from hassette_sync.answers.explanations import Explained
from hassette_sync.control import ControlAction
from support.home_assistant import Endpoint, Names
from support.patient_data import patient_data
from support.planted_home import PLANTED
from support.planting import Person, PlantingHome, framework, until
from support.waiting import eventually

pytestmark = pytest.mark.timeout(180)

APPS = """
from hassette_core import App, AppConfig, NewState

class First(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.follow, "{names.boolean}")

    async def follow(self, new: NewState) -> None:
        if new.state == "on":
            await self.api.call_service("light", "turn_on", target="{names.light}")
        else:
            await self.api.call_service("input_boolean", "turn_off", target="{names.source}")
            self.scheduler.run_in(self.darken, 0.1)

    async def darken(self) -> None:
        await self.api.call_service("light", "turn_off", target="{names.light}")

class Second(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.cool, "{names.light}", changed_to="on")

    async def cool(self) -> None:
        await self.api.call_service("climate", "turn_off", target="{names.climate}")
"""


async def plant(home: Endpoint, folder: Path) -> None:
    """Let a person, two apps, a job and an automation change the home, in two sessions of the framework."""
    names, person = home.names, Person(home)
    (folder / "planted.py").write_text(APPS.format(names=names), encoding="utf-8")
    async with person:
        for entity in (names.boolean, names.light):
            await person.turn(entity, "off")
        # The automation copies the state of the source at each change.
        for state in ("on", "off"):
            await person.turn(names.source, state)
            await eventually(lambda state=state: person.states[names.mirror].state == state, within_s=20)
        await person.api.call_service("climate", "turn_on", target=names.climate)
        await eventually(lambda: person.states[names.climate].state != "off", within_s=20)
        # The framework may receive an event later than the person. It must not stop before.
        async with framework(home, folder, "First", "Second") as hassette:
            await person.turn(names.boolean, "on")
            await until(hassette, names.climate, "off")
            await person.turn(names.source, "on")
            await until(hassette, names.mirror, "on")
        async with framework(home, folder, "First", "Second") as hassette:
            await person.turn(names.boolean, "off")
            await until(hassette, names.light, "off")
            await until(hassette, names.mirror, "off")


def expected(names: Names) -> list[tuple[str, str, list[str]]]:
    """Return the entity, the state and the kinds of the causes of each planted change."""
    return [
        (names.boolean, "on", ["person"]),
        (names.boolean, "off", ["person"]),
        (names.light, "on", ["app", "person"]),
        (names.climate, "off", ["app", "app", "person"]),
        (names.source, "on", ["person"]),
        (names.mirror, "on", ["automation", "person"]),
        (names.source, "off", ["app", "person"]),
        (names.mirror, "off", ["automation", "app", "person"]),
        (names.light, "off", ["scheduled"]),
    ]


async def test_each_planted_cause_is_found_also_after_a_restart(home: Endpoint, tmp_path: Path) -> None:
    await plant(home, tmp_path)

    async with patient_data(tmp_path / "hassette.db") as data:
        found: dict[tuple[str, str], list[str]] = {}
        explained: dict[tuple[str, str], Explained] = {}
        for entity, state, _ in expected(home.names):
            why = await data.why(entity=entity, state=state)
            assert why.found, why
            explained[entity, state] = why.found[0]
            found[entity, state] = [cause.kind for cause in why.found[0].causes]

        assert found == {(entity, state): kinds for entity, state, kinds in expected(home.names)}
        assert all(one.is_complete for one in explained.values())
        names = home.names
        automation = explained[names.mirror, "on"].causes[0]
        assert automation.entity is not None
        assert automation.entity.entity_id == names.automation
        assert bool(automation.link) is (home.version > "2026.11")
        await _names_are_shown(data, names)


async def _names_are_shown(data: DataSyncService, names: Names) -> None:
    why = await data.why(entity=names.light, state="on")
    assert why.entity is not None
    assert why.entity.name
    assert why.found[0].sentence.startswith(f"{why.entity.name} turned on at ")
    assert why.found[0].reactions[0].registration.app == "second"


PLANTING_APPS = """
from hassette_core import App, AppConfig, NewState

class Planting(App[AppConfig]):
    async def plant(self, value: str) -> None:
        await self.api.call_service("input_text", "set_value", target="input_text.planted", value=value)

class First(Planting):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.obey, "input_text.order")
        self.scheduler.run_in(self.at_once, 3600)
        await self.plant("initialize")

    async def at_once(self) -> None:
        await self.plant("by hand")

    async def obey(self, new: NewState) -> None:
        call = self.api.call_service
        if new.state == "app script":
            await call("script", "plant", value="app script")
        elif new.state == "scene":
            await call("scene", "turn_on", target="scene.plant")
        elif new.state == "asked":
            await call("automation", "trigger", target="automation.plant_when_asked")
        elif new.state == "switch off":
            await call("automation", "turn_off", target="automation.plant_when_asked")
        elif new.state == "fired":
            await self.api.fire_event("plant", {"value": "fired"})
        elif new.state == "app rest":
            data = {"entity_id": "input_text.planted", "value": "app rest"}
            await self.api.rest("POST", "/api/services/input_text/set_value", data)
        elif new.state == "second try":
            expected = {"input_text.planted": "second try"}
            await call("script", "plant_at_second_try", expect=expected, within=1, retries=2)
        elif new.state == "failed":
            await call("script", "plant_and_fail")
        elif new.state in ("app", "one"):
            await self.plant(new.state)

class Second(Planting):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.two, "input_text.planted", changed_to="one")
        self.bus.on_state_change(self.answer, "input_text.planted", changed_to="asked")
        self.bus.on_state_change(self.group, "binary_sensor.any_test_on", changed_to="on")

    async def two(self) -> None:
        await self.plant("two")

    async def answer(self) -> None:
        await self.plant("answered")

    async def group(self) -> None:
        await self.plant("template")

class Third(Planting):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.three, "input_text.planted", changed_to="two")

    async def three(self) -> None:
        await self.plant("three")

class Rehearsing(Planting):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.rehearse, "input_text.order", changed_to="rehearse")

    async def rehearse(self) -> None:
        await self.api.call_service("input_select", "select_next", target="input_select.mode")
"""
ORDERS = ("app", "app rest", "app script", "scene", "asked", "switch off", "fired", "one", "second try", "failed")
PLANTED_CAUSES = {
    (PLANTED, "initialize"): ["app"],
    (PLANTED, "by hand"): ["app", "person"],
    (PLANTED, "person"): ["person"],
    (PLANTED, "person rest"): ["person"],
    (PLANTED, "script"): ["script", "person"],
    (PLANTED, "nested"): ["script", "script", "person"],
    (PLANTED, "event"): ["automation", "person"],
    (PLANTED, "time"): ["automation"],
    (PLANTED, "sensor"): ["automation", "device"],
    ("number.planted_device", "7.0"): ["device"],
    ("input_boolean.test_2", "on"): ["person"],
    ("binary_sensor.any_test_on", "on"): ["person"],
    (PLANTED, "template"): ["app", "person"],
    (PLANTED, "app"): ["app", "person"],
    (PLANTED, "app rest"): ["app", "person"],
    (PLANTED, "app script"): ["script", "app", "person"],
    (PLANTED, "scene"): ["app", "person"],
    (PLANTED, "asked"): ["automation", "app", "person"],
    (PLANTED, "answered"): ["app", "automation", "app", "person"],
    ("automation.plant_when_asked", "off"): ["app", "person"],
    (PLANTED, "fired"): ["automation", "app", "person"],
    (PLANTED, "one"): ["app", "person"],
    (PLANTED, "two"): ["app", "app", "person"],
    (PLANTED, "three"): ["app", "app", "app", "person"],
    (PLANTED, "second try"): ["script", "app", "person"],
    (PLANTED, "failed"): ["script", "app", "person"],
    (PLANTED, "after the restart"): ["person"],
}
"""Kinds of the causes of each planted change, the nearest first."""


async def plant_all(home: PlantingHome, folder: Path) -> None:
    """Plant all causes, most of them before a restart of the framework and of the home."""
    (folder / "planted.py").write_text(PLANTING_APPS, encoding="utf-8")
    person = Person(home.endpoint)
    call = person.api.call_service
    async with person:
        await call("homeassistant", "turn_off", target="group.tests")
        memory = MemorySink()
        apps = ("First", "Second", "Third")
        async with framework(home.endpoint, folder, *apps, rehearsing="Rehearsing", memory=memory) as hassette:
            await until(hassette, PLANTED, "initialize")
            await hassette.control.act(ControlAction(verb="run_job", target="first.at_once", by="Anna’s phone"))
            await until(hassette, PLANTED, "by hand")
            await call("input_text", "set_value", target=PLANTED, value="person")
            await until(hassette, PLANTED, "person")
            data = {"entity_id": PLANTED, "value": "person rest"}
            await person.api.rest("POST", "/api/services/input_text/set_value", data)
            await until(hassette, PLANTED, "person rest")
            await call("script", "plant", value="script")
            await until(hassette, PLANTED, "script")
            await call("script", "plant_nested")
            await until(hassette, PLANTED, "nested")
            await person.api.fire_event("plant", {"value": "event"})
            await until(hassette, PLANTED, "event")
            await call("automation", "turn_on", target="automation.plant_by_time")
            await until(hassette, PLANTED, "time")
            await call("automation", "turn_off", target="automation.plant_by_time")
            await until(hassette, "automation.plant_by_time", "off")
            await person.turn("input_boolean.motion_here", "on")
            await until(hassette, PLANTED, "sensor")
            await person.turn("input_boolean.device_on", "on")
            await until(hassette, "number.planted_device", "7.0")
            await call("homeassistant", "turn_on", target="group.tests")
            await until(hassette, PLANTED, "template")
            await call("input_text", "set_value", target="input_text.order", value="rehearse")
            # The stop drops a run that has not begun.
            await eventually(lambda: "rehearsing" in {one.registration.app for one in memory.records}, within_s=20)
        async with framework(home.endpoint, folder, *apps) as hassette:
            orders = {"asked": "answered", "one": "three", "switch off": None}
            for order in ORDERS:
                await call("input_text", "set_value", target="input_text.order", value=order)
                if (planted := orders.get(order, order)) is not None:
                    await until(hassette, PLANTED, planted)
            await until(hassette, "automation.plant_when_asked", "off")
            await home.restart()
            # A change before the states are loaded counts as missed, and has no cause then.
            await eventually(lambda: hassette.link.ready.is_set(), within_s=60)
            async with Person(home.endpoint) as again:
                await again.api.call_service("input_text", "set_value", target=PLANTED, value="after the restart")
                await until(hassette, PLANTED, "after the restart")


async def test_each_kind_of_cause_is_found_after_restarts(planting_home: PlantingHome, tmp_path: Path) -> None:
    await plant_all(planting_home, tmp_path)

    async with patient_data(tmp_path / "hassette.db") as data:
        explained = {key: (await data.why(entity=key[0], state=key[1])).found[0] for key in PLANTED_CAUSES}
        kinds = {key: [cause.kind for cause in one.causes] for key, one in explained.items()}
        assert kinds == PLANTED_CAUSES, "\n".join(one.sentence for one in explained.values())
        assert all(one.is_complete for one in explained.values())
        assert explained[PLANTED, "by hand"].causes[-1].title == "Anna’s phone"
        sensor = explained[PLANTED, "sensor"].causes[-1]
        assert sensor.change is not None
        assert sensor.change.entity.entity_id == "binary_sensor.planted_motion"
        (rehearsed,) = (await data.why(service="input_select.select_next")).found
        assert rehearsed.call is not None
        assert rehearsed.call.rehearsed
        assert [cause.kind for cause in rehearsed.causes] == ["app", "person"]
        (failed,) = (await data.why(service="script.plant_and_fail")).found
        assert failed.call is not None
        assert failed.call.error is not None
        assert [cause.kind for cause in failed.causes] == ["app", "person"]
