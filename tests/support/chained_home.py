"""Scripts and automations of a simulated home that act one after the other (``chained.yaml``)."""

from collections.abc import Mapping
from typing import Any

from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.home.core import HomeContext
from hassette_core.simulation.home.services.scripts import trigger_automation

CHAINED, CHAINED_2 = "input_text.chained", "input_text.chained_2"
HIGH = "binary_sensor.chained_high"


def add_chained_entities(home: SimulatedHome) -> None:
    """Add the entities of ``chained.yaml``."""
    core, call = home.core, home.services.call
    states = {CHAINED: "", CHAINED_2: "", "input_text.chain": "", "input_boolean.chained": "off"}
    for entity_id, state in states.items():
        core.set(entity_id, state, {"friendly_name": entity_id.partition(".")[2].replace("_", " ").capitalize()})
    core.set("input_number.chained", "0.0", {"min": 0, "max": 100, "friendly_name": "Chained number"})
    core.set(HIGH, "off", {"entity_id": "input_number.chained", "friendly_name": "Chained high"})
    core.set("timer.chained", "idle", {"duration": "0:00:01", "friendly_name": "Chained timer"})

    def put(entity_id: str, value: str, context: HomeContext) -> None:
        call("input_text", "set_value", {"entity_id": [entity_id], "value": value}, context)

    def then_self(context: HomeContext) -> None:
        call("script", "chained_set_2", {"value": "inner script"}, context)
        put(CHAINED, "outer script", context)

    home.add_script("chained_set", lambda one: put(CHAINED, one.data["value"], one.context))
    home.add_script("chained_set_2", lambda one: put(CHAINED_2, one.data["value"], one.context))
    home.add_script("chained_then_self", lambda one: then_self(one.context))
    _add_automations(home, put)


def _add_automations(home: SimulatedHome, put: Any) -> None:
    core, call = home.core, home.services.call

    def scripts(context: HomeContext) -> None:
        call("script", "chained_set", {"value": "first script"}, context)
        call("script", "chained_set_2", {"value": "second script"}, context)
        put(CHAINED, "after the scripts", context)

    def on_event(event: Mapping[str, Any], name: str) -> None:
        context = core.context(parent=HomeContext(**event["context"]))
        trigger_automation(core, f"automation.{name}", context, source=f"event '{event['event_type']}'")

    def on_finished(event: Mapping[str, Any]) -> None:
        if event["data"]["entity_id"] == "timer.chained":
            on_event(event, "chained_by_timer")

    def when(entity_id: str, state: str, then: str, value: str) -> Any:
        def act(context: HomeContext) -> None:
            if core.states[entity_id]["state"] == state:
                put(then, value, context)

        return act

    def on_change(changed: str, _old: Any, new: Any, _context: HomeContext) -> None:
        if changed == "input_number.chained" and new is not None:
            core.change(HIGH, "on" if float(new["state"]) > 50 else "off")

    home.add_automation("chained_scripts", scripts)
    core.listen("chained_scripts", lambda event: on_event(event, "chained_scripts"))
    home.add_automation("chained_by_timer", lambda context: put(CHAINED, "timer", context))
    core.listen("timer.finished", on_finished)
    home.add_automation("chained_1", when(CHAINED_2, "link 0", CHAINED_2, "link 1"), on_change_of=CHAINED_2)
    home.add_automation("chained_2", when(CHAINED_2, "link 1", CHAINED, "link 2"), on_change_of=CHAINED_2)
    home.add_automation("chained_by_threshold", when(HIGH, "on", CHAINED, "threshold"), on_change_of=HIGH)
    core.listen_to_changes(on_change)
