"""Scripts, automations and apps that act one after the other: each change has the cause that acted."""

from pathlib import Path

import pytest

from hassette_core import Hassette
from support.chained_home import CHAINED, CHAINED_2, HIGH
from support.patient_data import patient_data
from support.planting import Person, PlantingHome, framework, until

pytestmark = pytest.mark.timeout(120)

APPS = """
from hassette_core import App, AppConfig, NewState

class First(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.obey, "input_text.chain")
        self.bus.on_event(self.timer_finished, "timer.finished")
        self.bus.on_event(self.second, "second_step")

    async def put(self, entity: str, value: str) -> None:
        await self.api.call_service("input_text", "set_value", target=entity, value=value)

    async def obey(self, new: NewState) -> None:
        if new.state == "links":
            await self.put("input_text.chained_2", "link 0")
        elif new.state == "timer":
            await self.api.call_service("timer", "start", target="timer.chained")
        elif new.state == "emit":
            self.bus.emit("first_step", {})
        elif new.state == "stop":
            await self.api.call_service("script", "turn_off", target="script.chained_long")

    async def timer_finished(self) -> None:
        await self.put("input_text.chained_2", "timer of the app")

    async def second(self) -> None:
        await self.put("input_text.chained", "emitted")

class Second(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.last, "input_text.chained", changed_to="link 2")
        self.bus.on_event(self.pass_on, "first_step")

    async def last(self) -> None:
        await self.api.call_service("input_boolean", "turn_on", target="input_boolean.chained")

    async def pass_on(self) -> None:
        self.bus.emit("second_step", {})
"""
CAUSES = {
    (CHAINED, "first script"): ["script", "automation", "person"],
    (CHAINED_2, "second script"): ["script", "automation", "person"],
    (CHAINED, "after the scripts"): ["automation", "person"],
    (CHAINED_2, "inner script"): ["script", "script", "person"],
    (CHAINED, "outer script"): ["script", "person"],
    (CHAINED, "link 2"): ["automation", "automation", "app", "person"],
    ("input_boolean.chained", "on"): ["app", "automation", "automation", "app", "person"],
    (CHAINED, "timer"): ["automation", "app", "person"],
    (CHAINED_2, "timer of the app"): ["app", "app", "person"],
    (CHAINED, "emitted"): ["app", "app", "app", "person"],
    (HIGH, "on"): ["person"],
    (CHAINED, "threshold"): ["automation", "person"],
}
"""Kinds of the causes of each change, the nearest first."""
ONLY_REAL = {("script.chained_long", "off"): ["app", "person"]}


async def plant(home: PlantingHome, person: Person, hassette: Hassette) -> None:
    call, order = person.api.call_service, {"target": "input_text.chain"}
    await call("input_boolean", "turn_off", target="input_boolean.chained")
    await person.api.fire_event("chained_scripts", {})
    await until(hassette, CHAINED, "after the scripts")
    await call("script", "chained_then_self")
    await until(hassette, CHAINED, "outer script")
    await call("input_text", "set_value", value="links", **order)
    await until(hassette, "input_boolean.chained", "on")
    await call("input_text", "set_value", value="timer", **order)
    await until(hassette, CHAINED, "timer")
    await until(hassette, CHAINED_2, "timer of the app")
    await call("input_text", "set_value", value="emit", **order)
    await until(hassette, CHAINED, "emitted")
    await call("input_number", "set_value", target="input_number.chained", value=60)
    await until(hassette, CHAINED, "threshold")
    if home.is_real:
        await call("script", "turn_on", target="script.chained_long")
        await until(hassette, "script.chained_long", "on")
        await call("input_text", "set_value", value="stop", **order)
        await until(hassette, "script.chained_long", "off")


async def test_each_change_has_the_cause_that_acted(planting_home: PlantingHome, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(APPS, encoding="utf-8")
    endpoint = planting_home.endpoint
    async with (
        Person(endpoint, planting_home.anna) as anna,
        framework(endpoint, tmp_path, "First", "Second") as hassette,
    ):
        await plant(planting_home, anna, hassette)
    causes = CAUSES | (ONLY_REAL if planting_home.is_real else {})
    async with patient_data(tmp_path / "hassette.db") as data:
        explained = {key: (await data.why(entity=key[0], state=key[1])).found[0] for key in causes}
        kinds = {key: [cause.kind for cause in one.causes] for key, one in explained.items()}
        assert kinds == causes, "\n".join(one.sentence for one in explained.values())
        assert all(one.is_complete for one in explained.values())
        assert {one.causes[-1].title for one in explained.values()} == {"Anna"}
        linked = explained["input_boolean.chained", "on"].causes
        runs = [cause.run.id for cause in linked if cause.run is not None]
        shapes = [[(row.kind, row.title) for row in (await data.waterfall(run)).rows] for run in runs]
        assert shapes[0] == shapes[1]
        assert [title for kind, title in shapes[0] if kind == "run"] == ["first.obey", "second.last"]
