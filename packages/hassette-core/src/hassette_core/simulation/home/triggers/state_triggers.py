"""Triggers that follow from changes of states: state, numeric_state, template, zone, sun, device, purpose-specific."""

from collections.abc import Callable
from typing import Any, cast

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, Json
from hassette_core.simulation.home.model.template_syntax import syntax_problem
from hassette_core.simulation.home.triggers.attachment import Attachment, Detach

OnChange = Callable[[str, Json | None, Json, HomeContext], None]
"""Receives an entity id, its old and new state, and the context."""


def watch(attachment: Attachment, selects: Callable[[str], bool], on_change: OnChange) -> Detach:
    """Call ``on_change`` for each change of the selected entities. Return a function that ends this."""

    def on_any_change(entity_id: str, old: Json | None, new: Json | None, context: HomeContext) -> None:
        if new is not None and selects(entity_id):
            on_change(entity_id, old, new, context)

    return attachment.core.listen_to_changes(on_any_change)


def attach_state(attachment: Attachment) -> Detach:
    """Attach a state trigger: ``entity_id``, ``from``, ``to``, ``not_from``, ``not_to``, ``attribute``, ``for``."""
    attachment.check(required=("entity_id",), optional=("from", "to", "not_from", "not_to", "attribute", "for"))
    config, entities = attachment.config, set(attachment.entity_ids())
    attribute, wait_s = config.get("attribute"), attachment.seconds("for")
    any_change = not {"from", "to", "not_from", "not_to"} & set(config)

    def value(state: Json | None) -> Any:
        if state is None:
            return None
        return state["state"] if attribute is None else state["attributes"].get(attribute)

    def on_change(entity_id: str, old: Json | None, new: Json, context: HomeContext) -> None:
        before, after = value(old), value(new)
        if before == after and not (any_change and attribute is None):
            return
        if not (_admits(config, "from", before) and _admits(config, "to", after)):
            return

        def fire() -> None:
            variables = {
                "entity_id": entity_id,
                "from_state": old,
                "to_state": new,
                "for": config.get("for"),
                "attribute": attribute,
                "description": f"state of {entity_id}",
            }
            attachment.emit(variables, context)

        attachment.hold(wait_s, lambda: value(attachment.core.states.get(entity_id)) == after, fire)

    return watch(attachment, entities.__contains__, on_change)


def _admits(config: Json, key: str, value: Any) -> bool:
    wanted, excluded = config.get(key), config.get(f"not_{key}")
    if excluded is not None and value in _values(excluded):
        return False
    return wanted is None or value in _values(wanted)


def _values(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def attach_numeric_state(attachment: Attachment) -> Detach:
    """Attach a numeric_state trigger, which fires when a value enters a range."""
    attachment.check(required=("entity_id",), optional=("above", "below", "attribute", "for", "value_template"))
    config, entities = attachment.config, set(attachment.entity_ids())
    if "above" not in config and "below" not in config:
        raise RefusedError("invalid_format", "must contain at least one of below, above.")
    wait_s, attribute = attachment.seconds("for"), config.get("attribute")

    def limit(name: str) -> float | None:
        value = config.get(name)
        if isinstance(value, str) and value in attachment.core.states:
            value = attachment.core.states[value]["state"]
        return None if value is None else float(value)

    def inside(state: Json | None) -> bool:
        if state is None:
            return False
        try:
            value = float(state["state"] if attribute is None else state["attributes"].get(attribute))
            above, below = limit("above"), limit("below")
        except (TypeError, ValueError):
            return False  # neither the value nor a limit that is not a number is in a range
        return (above is None or value > above) and (below is None or value < below)

    def on_change(entity_id: str, old: Json | None, new: Json, context: HomeContext) -> None:
        if not inside(new) or inside(old):
            return

        def fire() -> None:
            variables = {
                "entity_id": entity_id,
                "below": limit("below"),
                "above": limit("above"),
                "from_state": old,
                "to_state": new,
                "for": config.get("for"),
                "description": f"numeric state of {entity_id}",
            }
            attachment.emit(variables, context)

        attachment.hold(wait_s, lambda: inside(attachment.core.states.get(entity_id)), fire)

    return watch(attachment, entities.__contains__, on_change)


def attach_template(attachment: Attachment) -> Detach:
    """Attach a template trigger, which fires when a change of a state makes the template true."""
    attachment.check(required=("value_template",), optional=("for",))
    template, wait_s = str(attachment.config["value_template"]), attachment.seconds("for")

    def is_true() -> bool:
        result = attachment.model.render(template)
        return result is True or str(result).lower() in ("true", "yes", "on", "enable", "1")

    # Home Assistant checks the template before it attaches the trigger.
    if (problem := syntax_problem(template)) is not None:
        raise attachment.invalid("value_template", f"invalid template (TemplateSyntaxError: {problem})")
    try:
        was_true = is_true()
    except RefusedError as error:
        raise attachment.invalid("value_template", f"invalid template ({error.message})") from None

    def on_change(entity_id: str, old: Json | None, new: Json, context: HomeContext) -> None:
        nonlocal was_true
        before, was_true = was_true, is_true()
        if before or not was_true:
            return

        def fire() -> None:
            variables = {
                "entity_id": entity_id,
                "from_state": old,
                "to_state": new,
                "for": attachment.config.get("for"),
                "description": f"{entity_id} via template",
            }
            attachment.emit(variables, context)

        attachment.hold(wait_s, is_true, fire)

    return watch(attachment, lambda _entity_id: True, on_change)


def attach_zone(attachment: Attachment) -> Detach:
    """Attach a zone trigger, which fires when a person or a device enters or leaves a zone."""
    attachment.check(required=("entity_id", "zone"), optional=("event",))
    entities, zone = set(attachment.entity_ids()), attachment.entity_ids("zone")[0]
    kind = attachment.config.get("event", "enter")
    if kind not in ("enter", "leave"):
        raise RefusedError("invalid_format", f"event must be enter or leave, got {kind!r}")

    def inside(state: Json | None) -> bool:
        zone_state = attachment.core.states.get(zone)
        names = {"home"} if zone == "zone.home" else {zone.partition(".")[2]}
        if zone_state is not None and zone != "zone.home":
            names.add(zone_state["attributes"].get("friendly_name"))
        return state is not None and state["state"] in names

    def on_change(entity_id: str, old: Json | None, new: Json, context: HomeContext) -> None:
        if (inside(old), inside(new)) == ((False, True) if kind == "enter" else (True, False)):
            variables = {
                "entity_id": entity_id,
                "from_state": old,
                "to_state": new,
                "zone": attachment.core.states.get(zone),
                "event": kind,
                "description": f"{entity_id} {'entering' if kind == 'enter' else 'leaving'} {zone}",
            }
            attachment.emit(variables, context)

    return watch(attachment, entities.__contains__, on_change)


def attach_sun(attachment: Attachment) -> Detach:
    """Attach a sun trigger, which fires when ``sun.sun`` rises or sets; the offset must not be negative."""
    attachment.check(required=("event",), optional=("offset",))
    wanted = {"sunrise": "above_horizon", "sunset": "below_horizon"}.get(str(attachment.config["event"]))
    if wanted is None:
        raise RefusedError("invalid_format", f"event must be sunrise or sunset, got {attachment.config['event']!r}")
    wait_s = attachment.seconds("offset")

    def on_change(_entity_id: str, old: Json | None, new: Json, context: HomeContext) -> None:
        if old is None or old["state"] == new["state"] or new["state"] != wanted:
            return
        variables = {
            "event": attachment.config["event"],
            "offset": attachment.config.get("offset"),
            "description": attachment.config["event"],
        }
        attachment.hold(wait_s, lambda: True, lambda: attachment.emit(variables, None))

    return watch(attachment, "sun.sun".__eq__, on_change)


_ACTIVE: dict[str, tuple[str, ...]] = {
    "turned_on": ("on",),
    "turned_off": ("off",),
    "opened": ("open", "on"),
    "closed": ("closed", "off"),
    "locked": ("locked",),
    "unlocked": ("unlocked",),
    "detected": ("on",),
    "cleared": ("off",),
    "motion": ("on",),
    "no_motion": ("off",),
    "occupied": ("on",),
    "not_occupied": ("off",),
    "started_playing": ("playing",),
    "paused_playing": ("paused",),
    "stopped_playing": ("idle", "off"),
    "docked": ("docked",),
    "started_cleaning": ("cleaning",),
    "paused_cleaning": ("paused",),
    "started_returning": ("returning",),
    "armed": ("armed_home", "armed_away", "armed_night", "armed_vacation", "armed_custom_bypass"),
    "disarmed": ("disarmed",),
    "triggered": ("triggered",),
    "entered_home": ("home",),
    "left_home": ("not_home",),
}


def attach_purpose(attachment: Attachment) -> Detach:
    """Attach a purpose-specific trigger such as ``light.turned_on``, with ``target`` and ``options``.

    Raises:
        RefusedError: The version of the home has no such triggers, or not this one.
    """
    platform = str(attachment.config.get("trigger", attachment.config.get("platform")))
    domain, _, purpose = platform.partition(".")
    if not attachment.core.since("2025.12"):
        raise RefusedError("invalid_format", f"Integration '{domain}' does not provide trigger support")
    if domain not in attachment.model.integrations or purpose not in _ACTIVE:
        raise RefusedError("invalid_format", f"Invalid trigger '{platform}' specified")
    attachment.check(required=("target",), optional=("options",))
    options: Json = attachment.config.get("options", {})
    behavior, active = options.get("behavior", "each"), _ACTIVE[purpose]
    wait_s = Attachment(attachment.model, options, attachment.emit).seconds("for")
    wanted = {
        key: [value] if isinstance(value, str) else list(value) for key, value in attachment.config["target"].items()
    }

    def targets() -> list[str]:
        found = attachment.model.registries.resolve(wanted)
        # The motion and door purposes are about binary sensors; the others are about entities of their domain.
        return [each for each in (*found.named, *found.found) if each.partition(".")[0] in (domain, "binary_sensor")]

    def is_active(state: Json | None) -> bool:
        return state is not None and state["state"] in active

    def on_change(entity_id: str, old: Json | None, new: Json, context: HomeContext) -> None:
        if is_active(old) or not is_active(new) or old is None or old["state"] in ("unavailable", "unknown"):
            return
        others = [is_active(attachment.core.states.get(each)) for each in targets() if each != entity_id]
        if (behavior in ("first",) and any(others)) or (behavior in ("all", "last") and not all(others)):
            return

        def fire() -> None:
            variables = {
                "description": f"state of {entity_id}",
                "entity_id": entity_id,
                "from_state": old,
                "to_state": new,
                "for": options.get("for"),
            }
            attachment.emit(variables, context)

        attachment.hold(wait_s, lambda: is_active(attachment.core.states.get(entity_id)), fire)

    return watch(attachment, lambda entity_id: entity_id in targets(), on_change)


def attach_device(attachment: Attachment) -> Detach:
    """Attach a device trigger: a state of one of the device's entities, or an event of a button.

    Raises:
        RefusedError: The home has no such device.
    """
    config = attachment.config
    attachment.check(
        required=("device_id", "domain"),
        optional=("type", "subtype", "entity_id", "for", "event", "metadata", "above", "below"),
    )
    device_id, registries = str(config["device_id"]), attachment.model.registries
    if device_id not in registries.devices:
        raise RefusedError("home_assistant_error", f"Unknown device '{device_id}'")
    purpose = str(config.get("type", ""))
    if purpose in _ACTIVE and "subtype" not in config:
        wait_s = attachment.seconds("for")

        def selects(entity_id: str) -> bool:
            row = registries.entities.get(entity_id)
            named = config.get("entity_id")
            return row is not None and row["device_id"] == device_id and named in (None, entity_id, row["id"])

        def on_change(entity_id: str, old: Json | None, new: Json, context: HomeContext) -> None:
            if old is None or old["state"] in _ACTIVE[purpose] or new["state"] not in _ACTIVE[purpose]:
                return
            variables = {
                "entity_id": entity_id,
                "from_state": old,
                "to_state": new,
                "for": config.get("for"),
                "attribute": None,
                "description": f"state of {entity_id}",
            }
            state = new["state"]
            attachment.hold(
                wait_s,
                lambda: attachment.core.states.get(entity_id, {}).get("state") == state,
                lambda: attachment.emit({"platform": "device", **variables}, context),
            )

        return watch(attachment, selects, on_change)

    def on_event(event: Json) -> None:
        data = event["data"]
        if data.get("device_id") == device_id and all(
            key not in config or data.get(key) == config[key] for key in ("type", "subtype")
        ):
            attachment.emit({"event": event, "description": "event of a device"}, HomeContext(**event["context"]))

    return attachment.core.listen("simulated_device_event", on_event)
