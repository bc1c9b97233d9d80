"""Causes of changes that come later than the call, of several changes at once, and of changes by other clients."""

from pathlib import Path

import pytest

from hassette_core import Hassette
from support.late_home import BEGUN_BEFORE, COVER, FIVE, FIVE_LIGHTS, LIGHTS
from support.patient_data import patient_data
from support.planted_home import PLANTED
from support.planting import Person, PlantingHome, framework, until
from support.waiting import eventually, patience

pytestmark = pytest.mark.timeout(240)

APPS = """
from hassette_core import App, AppConfig, NewState

class Late(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.obey, "input_text.order")

    async def obey(self, new: NewState) -> None:
        call = self.api.call_service
        if new.state == "close":
            await call("cover", "close_cover", target="cover.hall_window")
        elif new.state == "timer":
            await call("timer", "start", target="timer.planted")
        elif new.state == "start timer":
            await call("timer", "start", target="timer.restarted", duration={timer_s})
        elif new.state == "five lights":
            await call("light", "turn_on", target="light.five_lights", transition=1)
        elif new.state == "queued":
            await self.api.fire_event("plant_queued", {{"value": "queued 2"}})
        elif new.state == "later":
            variables = {{"value": "later", "seconds": 1}}
            await call("script", "turn_on", target="script.plant_later", variables=variables)
        elif new.state == "state":
            await self.api.rest("POST", "/api/states/input_boolean.other_client", {{"state": "by the app"}})
        elif new.state == "interrupted":
            await call("script", "plant_later", value="interrupted", seconds={script_s})
"""
CAUSES = {
    ("timer.planted", "active"): ["app", "person"],
    ("timer.planted", "idle"): ["app", "person"],
    (PLANTED, "timer"): ["automation", "app", "person"],
    ("timer.restarted", "active"): ["person"],
    ("timer.restarted", "idle"): ["person"],
    **{(entity, "on"): ["app", "person"] for entity in (FIVE_LIGHTS, *LIGHTS)},
    **{(entity, "off"): ["person"] for entity in (FIVE_LIGHTS, *LIGHTS)},
    **{(entity, "on"): ["person"] for entity in ("group.five", *FIVE)},
    (PLANTED, "queued 1"): ["automation", "person"],
    (PLANTED, "queued 2"): ["automation", "app", "person"],
    (PLANTED, "later"): ["script", "app", "person"],
    ("input_boolean.other_client", "on"): ["person"],
    ("input_boolean.other_client", "written"): ["person"],
    ("input_boolean.other_client", "by the app"): ["app", "person"],
    # Home Assistant does not report who wrote this state with the token of Hassette.
    ("input_boolean.other_client", "by a program"): ["unknown"],
    # The automation began before Hassette started.
    (PLANTED, "begun before"): ["unknown"],
    # The event has a context without a cause. It names the timer.
    (PLANTED, "timer event"): ["automation", "person"],
}
"""Kinds of the causes of each change, the nearest first."""
ONLY_REAL = {
    ("lock.front_door", "unlocking"): ["person"],
    ("lock.front_door", "unlocked"): ["person"],
    ("alarm_control_panel.security", "arming"): ["person"],
    ("alarm_control_panel.security", "armed_away"): ["person"],
    ("script.plant_later", "on"): ["script", "app", "person"],
    (PLANTED, "interrupted"): ["script", "app", "person"],
}
# For five seconds, a change of the device has the context of a call before the connection.
ONLY_SIMULATED = {(BEGUN_BEFORE, "on"): ["unknown"]}
LAST_START_S = 7
"""Duration of a timer. For five seconds after a call, Home Assistant gives its context to each change of the entity."""


async def order(person: Person, text: str) -> None:
    """Let the app act."""
    await person.api.call_service("input_text", "set_value", target="input_text.order", value=text)


async def plant_late_changes(home: PlantingHome, person: Person, hassette: Hassette) -> None:
    call, command = person.api.call_service, person.api.command
    label = (await command("config/label_registry/create", name="Restarted"))["label_id"]
    await command("config/entity_registry/update", entity_id="timer.restarted", labels=[label])
    await person.api.fire_event("plant_continue", {})
    await until(hassette, PLANTED, "begun before")
    await call("cover", "open_cover", target=COVER)
    await order(person, "timer")
    await until(hassette, PLANTED, "timer")
    await order(person, "start timer")
    await until(hassette, "timer.restarted", "active")
    # The target does not name the timer, and its state stays active.
    await call("timer", "start", target={"label_id": label}, duration=LAST_START_S)
    await until(hassette, PLANTED, "timer event")
    await until(hassette, COVER, "open")
    await order(person, "close")
    await until(hassette, COVER, "closed")
    await order(person, "later")
    await until(hassette, PLANTED, "later")


async def plant_many_changes(home: PlantingHome, person: Person, hassette: Hassette) -> None:
    call = person.api.call_service
    await call("light", "turn_on", target=FIVE_LIGHTS)
    await until(hassette, FIVE_LIGHTS, "on")
    await call("light", "turn_off", target=FIVE_LIGHTS, transition=1)
    await until(hassette, FIVE_LIGHTS, "off")
    await order(person, "five lights")
    await until(hassette, FIVE_LIGHTS, "on")
    await call("scene", "turn_on", target="scene.plant_five")
    await until(hassette, "group.five", "on")
    await person.api.fire_event("plant_queued", {"value": "queued 1"})
    await order(person, "queued")
    await until(hassette, PLANTED, "queued 2")


async def plant_with_rest(home: PlantingHome, person: Person, hassette: Hassette) -> None:
    other = "input_boolean.other_client"
    async with Person(home.endpoint, home.anna) as anna:
        await anna.api.rest("POST", "/api/services/input_boolean/turn_on", {"entity_id": other})
        await until(hassette, other, "on")
        await anna.api.rest("POST", f"/api/states/{other}", {"state": "written"})
        await until(hassette, other, "written")
    await order(person, "state")
    await until(hassette, other, "by the app")
    await person.api.rest("POST", f"/api/states/{other}", {"state": "by a program"})
    await until(hassette, other, "by a program")


async def plant_with_locks(person: Person, hassette: Hassette) -> None:
    call, alarm, door = person.api.call_service, "alarm_control_panel.security", "lock.front_door"
    await call("alarm_control_panel", "alarm_disarm", target=alarm, code="1234")
    await call("lock", "lock", target=door)
    await until(hassette, door, "locked")
    await call("alarm_control_panel", "alarm_arm_away", target=alarm, code="1234")
    await call("lock", "unlock", target=door)
    await until(hassette, door, "unlocked")
    await until(hassette, alarm, "armed_away")


@pytest.fixture
async def planted(planting_home: PlantingHome, tmp_path: Path) -> Path:
    """Plant all causes, and return the file of the history."""
    apps = APPS.format(timer_s=round(patience(30)), script_s=round(patience(8)))
    (tmp_path / "planted.py").write_text(apps, encoding="utf-8")
    person, is_real = Person(planting_home.endpoint), planting_home.is_real
    async with person:
        await order(person, "nothing")
        await person.api.call_service("automation", "turn_on", target="automation.plant_before")
        await eventually(lambda: person.states[PLANTED].state == "begun", within_s=20)
        async with framework(planting_home.endpoint, tmp_path, "Late") as hassette:
            await plant_late_changes(planting_home, person, hassette)
            await plant_many_changes(planting_home, person, hassette)
            await plant_with_rest(planting_home, person, hassette)
            if is_real:
                await plant_with_locks(person, hassette)
                await order(person, "interrupted")
                await eventually(lambda: hassette.states["script.plant_later"].state == "on", within_s=20)
        if is_real:
            async with framework(planting_home.endpoint, tmp_path, "Late") as hassette:
                await until(hassette, PLANTED, "interrupted")
    return tmp_path / "hassette.db"


async def test_each_late_or_common_change_has_its_cause_or_an_unknown_one(
    planting_home: PlantingHome, planted: Path
) -> None:
    causes = CAUSES | (ONLY_REAL if planting_home.is_real else ONLY_SIMULATED)
    async with patient_data(planted) as data:
        explained = {key: (await data.why(entity=key[0], state=key[1])).found[0] for key in causes}
        kinds = {key: [cause.kind for cause in one.causes] for key, one in explained.items()}
        assert kinds == causes, "\n".join(one.sentence for one in explained.values())
        assert {key for key, one in explained.items() if not one.is_complete} == {
            key for key, expected in causes.items() if expected[-1] == "unknown"
        }
        for state in ("on", "written"):
            assert explained["input_boolean.other_client", state].causes[-1].title == "Anna"
        # The cover may report the end of closing in two steps. Only opening was the person’s own call.
        moves = reversed((await data.why(entity=COVER)).found)
        by_app = [one.causes[0].kind == "app" for one in moves if one.change is not None]
        assert by_app == [False, False, *[True] * (len(by_app) - 2)]
        assert len(by_app) >= 4
        assert {one.first_cause for one in (await data.why(entity=COVER)).found} == {"person"}
        starts = (await data.why(entity="timer.restarted", state="active")).found
        assert [[cause.kind for cause in one.causes] for one in starts] == [["person"], ["app", "person"]]
        for entity in ("group.five", *FIVE):
            assert explained[entity, "on"].sentence.endswith(" called scene.turn_on.")
