"""Home Assistant's events about causes, as records: automations, scripts and service calls."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from hassette_core.events import Event
from hassette_executor import HomeCause, redact_and_cut

MAX_TEXT: Final = 255
"""Number of characters of a recorded state, name or id. Home Assistant's states and entity ids are not longer."""
MAX_TARGETS: Final = 50
"""Number of entities, areas, devices, floors or labels in a recorded target."""
_TIMER_EVENTS: Final = "timer."
_TARGET_KEYS: Final = ("entity_id", "device_id", "area_id", "floor_id", "label_id")

Redact = Callable[[str], str]


def cause_of(event: Event, redact: Redact) -> HomeCause | None:
    """Return the cause that an event reports; None if the event reports none or has an unknown form.

    Any program may send an event of these types, with any data.

    Args:
        event: The event.
        redact: Masks secrets. The recorded texts are also truncated.
    """
    if (parse := _PARSERS.get(event.event_type)) is None or not event.context.id:
        return None
    return parse(event, event.data, redact)


def event_as_cause(event: Event, redact: Redact) -> HomeCause:
    """Return an event of another type as a cause, for example the trigger of an automation.

    The events of a timer have a context without a cause, so the cause has the timer as its target. All other data may
    be private.
    """
    is_of_timer = event.event_type.startswith(_TIMER_EVENTS)
    return HomeCause(
        0,
        "event",
        None,
        redact_and_cut(event.event_type, MAX_TEXT, redact),
        _target_text(event.data, redact) if is_of_timer else "",
        "",
        event.context.id,
        event.context.parent_id,
        event.context.user_id,
    )


def _automation(event: Event, data: Mapping[str, Any], redact: Redact) -> HomeCause | None:
    return _entity_cause("automation", event, data, "source", redact)


def _script(event: Event, data: Mapping[str, Any], redact: Redact) -> HomeCause | None:
    return _entity_cause("script", event, data, "name", redact)


def _entity_cause(kind: str, event: Event, data: Mapping[str, Any], detail: str, redact: Redact) -> HomeCause | None:
    entity_id, context = _text(data, "entity_id", redact), event.context
    if entity_id is None:
        return None
    return HomeCause(
        0,
        kind,
        entity_id,
        None,
        "",
        _text(data, detail, redact) or "",
        context.id,
        context.parent_id,
        context.user_id,
        _text(data, "item_id", redact),
        _text(data, "run_id", redact),
    )


def _service_call(event: Event, data: Mapping[str, Any], redact: Redact) -> HomeCause | None:
    domain, service, context = _text(data, "domain", redact), _text(data, "service", redact), event.context
    if domain is None or service is None:
        return None
    return HomeCause(
        0,
        "service_call",
        None,
        f"{domain}.{service}",
        _target_text(data.get("service_data"), redact),
        "",
        context.id,
        context.parent_id,
        context.user_id,
    )


def _target_text(data: object, redact: Redact) -> str:
    """Return the target in the data of an event as JSON, without all other data, which may be private."""
    if not isinstance(data, Mapping):
        return ""
    found: dict[str, list[str]] = {}
    for key in _TARGET_KEYS:
        value = cast("Mapping[str, object]", data).get(key)
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        texts = [redact_and_cut(one, MAX_TEXT, redact) for one in values[:MAX_TARGETS] if isinstance(one, str) and one]
        if texts:
            found[key] = texts
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False) if found else ""


def _text(data: Mapping[str, Any], key: str, redact: Redact) -> str | None:
    value = data.get(key)
    return redact_and_cut(value, MAX_TEXT, redact) if isinstance(value, str) and value else None


_PARSERS: Final[dict[str, Callable[[Event, Mapping[str, Any], Redact], HomeCause | None]]] = {
    "automation_triggered": _automation,
    "script_started": _script,
    "call_service": _service_call,
}
