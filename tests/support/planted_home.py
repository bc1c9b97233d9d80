"""Entities of a simulated home that plant causes, as those of a real Home Assistant do (``planted.yaml``)."""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any

from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.home.core import HomeContext
from hassette_core.simulation.home.services.refusals import failure
from hassette_core.simulation.home.services.scripts import trigger_automation

PLANTED = "input_text.planted"


def add_planted_entities(home: SimulatedHome) -> None:
    """Add the entities of ``planted.yaml``, and those of the test configuration with which they work."""
    core = home.core
    tests = [f"input_boolean.test_{each}" for each in (1, 2, 3)]
    states = dict.fromkeys(("input_boolean.motion_here", "input_boolean.device_on", *tests), "off")
    states |= {PLANTED: "", "input_text.order": "", "number.planted_device": "3.0"}
    states |= dict.fromkeys(("binary_sensor.planted_motion", "binary_sensor.any_test_on"), "off")
    for entity_id, state in states.items():
        core.set(entity_id, state, {"friendly_name": entity_id.partition(".")[2].replace("_", " ").capitalize()})
    core.set("group.tests", "off", {"entity_id": tests})
    _add_scripts(home)
    home.add_scene("plant", {PLANTED: "scene"})
    _add_automations(home)
    _add_reactions(home)


def plant(home: SimulatedHome, value: str, context: HomeContext) -> None:
    """Set the planted text with a context."""
    home.services.call("input_text", "set_value", {"entity_id": [PLANTED], "value": value}, context)


def _add_scripts(home: SimulatedHome) -> None:
    tries = count(1)

    def fail(context: HomeContext) -> None:
        plant(home, "failed", context)
        raise failure("Invalid value")

    home.add_script("plant", lambda call: plant(home, call.data["value"], call.context))
    home.add_script(
        "plant_nested", lambda call: home.services.call("script", "plant", {"value": "nested"}, call.context)
    )
    home.add_script("plant_and_fail", lambda call: fail(call.context))
    home.add_script(
        "plant_at_second_try",
        lambda call: plant(home, "second try", call.context) if next(tries) == 2 else None,
    )


def _add_automations(home: SimulatedHome) -> None:
    core = home.core

    def on_event(event: Mapping[str, Any]) -> None:
        context = core.context(parent=HomeContext(**event["context"]))
        trigger_automation(core, "automation.plant_by_event", context, source="event 'plant'")
        plant(home, event["data"]["value"], context)

    def on_switched(changed: str, _old: Any, new: Any, _context: HomeContext) -> None:
        if changed == "automation.plant_by_time" and new is not None and new["state"] == "on":
            asyncio.get_running_loop().call_soon(
                lambda: trigger_automation(core, changed, core.context(), source="time pattern")
            )

    home.add_automation("plant_by_time", lambda context: plant(home, "time", context))
    core.change("automation.plant_by_time", "off")
    core.listen_to_changes(on_switched)
    home.add_automation("plant_by_event", lambda context: None)
    core.listen("plant", on_event)
    home.add_automation(
        "plant_by_sensor", lambda context: plant(home, "sensor", context), on_change_of="binary_sensor.planted_motion"
    )
    home.add_automation("plant_when_asked", lambda context: plant(home, "asked", context))


def _add_reactions(home: SimulatedHome) -> None:
    core = home.core

    def on_change(changed: str, _old: Any, new: Any, context: HomeContext) -> None:
        if new is None:
            return
        if changed == "group.tests":
            core.change("binary_sensor.any_test_on", new["state"], context=context)
        elif changed == "input_boolean.motion_here":
            core.change("binary_sensor.planted_motion", new["state"])
        elif changed == "input_boolean.device_on":
            core.change("number.planted_device", "7.0" if new["state"] == "on" else "3.0")

    core.listen_to_changes(on_change)
