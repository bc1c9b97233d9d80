"""Services of scenes, scripts and automations."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from hassette_core.simulation.home.core import HomeContext, HomeCore, Json
from hassette_core.simulation.home.model.model import HomeCall
from hassette_core.simulation.home.services.fields import BOOLEAN, DICT, ENTITIES, NUMBER, TEXT
from hassette_core.simulation.home.services.refusals import validation_error
from hassette_core.simulation.home.services.registry import EntityCall, SimulatedService
from hassette_core.simulation.home.services.switches import SWITCHED, toggled, unchanged

SceneStates = Mapping[str, tuple[str, Json]]
ScriptHandler = Callable[[HomeCall], Any]


def parse_scene(entities: Mapping[str, Any]) -> dict[str, tuple[str, Json]]:
    """Parse the entities of a scene: each has a state, or an object with ``state`` and attributes.

    Raises:
        ValueError: The state of an entity is missing.
    """
    parsed: dict[str, tuple[str, Json]] = {}
    for entity_id, value in entities.items():
        if isinstance(value, Mapping):
            attributes = {str(key): each for key, each in cast("Mapping[str, Any]", value).items() if key != "state"}
            state = cast("Mapping[str, Any]", value).get("state")
            if state is None:
                raise ValueError(f"{entity_id} must have a state, got {value!r}")
        else:
            attributes, state = {}, value
        parsed[entity_id] = ({True: "on", False: "off"}.get(state, str(state)), attributes)
    return parsed


def _apply(core: HomeCore, states: SceneStates, context: HomeContext) -> None:
    for entity_id, (state, attributes) in states.items():
        if entity_id in core.entities and core.entities[entity_id].state != "unavailable":
            core.change(entity_id, state, context=context, **attributes)


def _turn_on_scene(call: EntityCall) -> None:
    states = call.model.scenes.get(call.entity_id, {})
    call.change(call.core.now())
    _apply(call.core, states, call.context)


def _apply_entities(call: EntityCall) -> None:
    _apply(call.core, parse_scene(call.data["entities"]), call.context)


def _create_scene(call: EntityCall) -> None:
    states = parse_scene(call.data.get("entities", {}))
    for entity_id in call.data.get("snapshot_entities", []):
        if (state := call.core.states.get(entity_id)) is not None:
            hidden = ("friendly_name", "supported_features", "icon", "entity_picture")
            kept = {key: value for key, value in state["attributes"].items() if key not in hidden}
            states[entity_id] = (state["state"], kept)
    if not states:
        return  # Home Assistant only logs a warning
    entity_id = f"scene.{call.data['scene_id']}"
    call.model.scenes[entity_id] = states
    name = call.data["scene_id"].replace("_", " ")
    before = call.core.states.get(entity_id)
    state = "unknown" if before is None else before["state"]
    call.core.set(entity_id, state, {"entity_id": list(states), "friendly_name": name}, call.context)


def _delete_scene(call: EntityCall) -> None:
    if call.model.scenes.pop(call.entity_id, None) is None:
        raise validation_error(f"{call.entity_id} is not a valid scene entity_id.")
    call.core.remove(call.entity_id, call.context)


_ENTITIES = DICT.replace(selector="object")
SCENE = {
    "turn_on": SimulatedService(_turn_on_scene, {"transition": NUMBER}),
    "apply": SimulatedService(
        _apply_entities, {"entities": _ENTITIES.as_required, "transition": NUMBER}, targeted=False
    ),
    "create": SimulatedService(
        _create_scene,
        {"scene_id": TEXT.as_required, "entities": _ENTITIES, "snapshot_entities": ENTITIES},
        one_of=("entities", "snapshot_entities"),
        targeted=False,
    ),
    "delete": SimulatedService(_delete_scene),
    "reload": SimulatedService(unchanged, targeted=False),
}


def run_script(core: HomeCore, entity_id: str, handler: ScriptHandler, call: HomeCall) -> object:
    """Run a script: fire ``script_started``, be ``on`` while the handler runs, and return its response."""
    context = call.context
    name = core.entities[entity_id].attributes.get("friendly_name", entity_id)
    core.fire("script_started", {"name": name, "entity_id": entity_id, **_run_id(core, entity_id)}, context)
    core.change(entity_id, "on", context=context, last_triggered=core.now(), current=1)
    try:
        return handler(call)
    finally:
        core.change(entity_id, "off", context=context, current=0)


def _turn_on_script(call: EntityCall) -> None:
    variables = call.data.get("variables", {})
    name = call.entity_id.partition(".")[2]
    if call.services.has("script", name):
        call.services.call("script", name, dict(variables), call.context)


SCRIPT = {
    "turn_on": SimulatedService(_turn_on_script, {"variables": DICT.replace(hidden=True)}),
    "turn_off": SimulatedService(SWITCHED["turn_off"].act),
    "toggle": SimulatedService(toggled(_turn_on_script, SWITCHED["turn_off"].act)),
    "reload": SimulatedService(unchanged, targeted=False),
}


def trigger_automation(
    core: HomeCore, entity_id: str, context: HomeContext, *, source: str | None = None, **attributes: Any
) -> None:
    """Fire ``automation_triggered``, and set ``last_triggered`` and other attributes."""
    name = core.entities[entity_id].attributes.get("friendly_name", entity_id)
    data = {"name": name, "entity_id": entity_id, **({"source": source} if source is not None else {})}
    core.fire("automation_triggered", data | _run_id(core, entity_id), context)
    core.change(entity_id, context=context, last_triggered=core.now(), **attributes)


def _run_id(core: HomeCore, entity_id: str) -> Json:
    if not core.since("2026.11"):
        return {}
    item = core.entities[entity_id].attributes.get("id", entity_id.partition(".")[2])
    return {"item_id": item, "run_id": core.new_id()}


def _trigger(call: EntityCall) -> None:
    trigger_automation(call.core, call.entity_id, call.core.context(parent=call.context))


AUTOMATION = {
    **SWITCHED,
    "turn_off": SimulatedService(SWITCHED["turn_off"].act, {"stop_actions": BOOLEAN}),
    "trigger": SimulatedService(_trigger, {"skip_condition": BOOLEAN, "variables": DICT.replace(hidden=True)}),
    "reload": SimulatedService(unchanged, targeted=False),
}
