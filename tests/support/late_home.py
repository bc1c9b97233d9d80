"""Entities of a simulated home that change later than the call, or several at once (``late.yaml``)."""

from collections.abc import Mapping
from typing import Any

from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.home.core import HomeContext
from hassette_core.simulation.home.model.model import HomeCall
from hassette_core.simulation.home.services.scripts import trigger_automation
from support.planted_home import plant

COVER = "cover.hall_window"
BEGUN_BEFORE = "switch.begun_before"
FIVE = tuple(f"input_boolean.five_{each}" for each in range(1, 6))
LIGHTS = (
    *("light.bed_light", "light.kitchen_lights", "light.office_rgbw_lights", "light.living_room_rgbww_lights"),
    "light.entrance_color_white_lights",
)
FIVE_LIGHTS = "light.five_lights"


def add_late_entities(home: SimulatedHome) -> None:
    """Add the entities of ``late.yaml``, and those of the demo with which they work."""
    core = home.core
    for entity_id in (*FIVE, "input_boolean.other_client", *LIGHTS, FIVE_LIGHTS):
        core.set(entity_id, "off", {"friendly_name": entity_id.partition(".")[2].replace("_", " ").capitalize()})
    core.set("group.five", "off", {"entity_id": list(FIVE)})
    core.set("timer.planted", "idle", {"duration": "0:00:01"})
    core.set("timer.restarted", "idle", {"duration": "0:00:00"})
    home.registries.register_entity("timer.restarted")
    core.set(BEGUN_BEFORE, "off")
    core.set(COVER, "open", {"current_position": 10, "supported_features": 3})
    home.add_scene("plant_five", dict.fromkeys(FIVE, "on"))
    home.add_service("cover.open_cover", lambda call: _move(home, call, "opening", "open"))
    # Version 2026.11 reports the end in two steps.
    ends = ("open", "closed") if core.since("2026.11") else ("closed",)
    home.add_service("cover.close_cover", lambda call: _move(home, call, "closing", *ends))
    home.add_script("plant_later", lambda call: _plant_later(home, call))
    _add_light_group(home)
    _add_automations(home)


def _move(home: SimulatedHome, call: HomeCall, begun: str, *ends: str) -> None:
    """Begin to move the cover. Its later changes do not have the context of the call."""

    def end() -> None:
        for state in ends:
            home.core.change(COVER, state)

    home.core.change(COVER, begun, context=call.context)
    home.core.clock.call_later(0.5, end)


def _plant_later(home: SimulatedHome, call: HomeCall) -> None:
    home.core.clock.call_later(0.2, lambda: plant(home, call.data["value"], call.context))


def _add_light_group(home: SimulatedHome) -> None:
    """Let the members of the group follow it."""

    def on_change(changed: str, _old: Any, new: Any, context: HomeContext) -> None:
        if changed == FIVE_LIGHTS and new is not None:
            for light in LIGHTS:
                home.core.change(light, new["state"], context=context)

    home.core.listen_to_changes(on_change)


def _add_automations(home: SimulatedHome) -> None:
    core = home.core

    def run(entity_id: str, source: str, event: Mapping[str, Any], value: str) -> None:
        context = core.context(parent=HomeContext(**event["context"]))
        trigger_automation(core, entity_id, context, source=source)
        plant(home, value, context)

    def on_queued(event: Mapping[str, Any]) -> None:
        run("automation.plant_queued", "event 'plant_queued'", event, event["data"]["value"])

    def on_finished(event: Mapping[str, Any]) -> None:
        if event["data"]["entity_id"] == "timer.restarted":
            run("automation.plant_by_timer_event", "event 'timer.finished'", event, "timer event")

    def by_timer(context: HomeContext) -> None:
        if core.states["timer.planted"]["state"] == "idle":
            plant(home, "timer", context)

    def begin(context: HomeContext) -> None:
        plant(home, "begun", context)
        core.listen("plant_continue", lambda _event: go_on(context, called))
        called = core.context()

    def go_on(context: HomeContext, called: HomeContext) -> None:
        plant(home, "begun before", context)
        core.change(BEGUN_BEFORE, "on", context=called)

    def on_switched(changed: str, old: Any, new: Any, _context: HomeContext) -> None:
        if changed == "automation.plant_before" and (old["state"], new["state"]) == ("off", "on"):
            core.clock.call_later(0, lambda: trigger_automation(core, changed, core.context(), source="time pattern"))

    for name in ("plant_queued", "plant_by_timer_event"):
        home.add_automation(name, lambda context: None)
    home.add_automation("plant_by_timer", by_timer, on_change_of="timer.planted")
    home.add_automation("plant_before", begin)
    core.change("automation.plant_before", "off")
    core.listen("plant_queued", on_queued)
    core.listen("timer.finished", on_finished)
    core.listen_to_changes(on_switched)
