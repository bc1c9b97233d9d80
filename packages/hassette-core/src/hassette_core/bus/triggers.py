"""`trigger_of`: the recorded form of an event."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from hassette_core.events import Event, StateChanged, TriggerFired
from hassette_executor import MAX_LABEL, EventTrigger, cut_fields


def trigger_of(event: Event, redact: Callable[[str], str] = str) -> EventTrigger:
    """Return the trigger that is recorded for an event. Its texts are bounded: an app can emit any event."""
    trigger = _trigger_of(event, redact)
    # One sum is faster than a look at each text, and this runs for each event.
    return trigger if sum(map(len, filter(None, trigger[:7]))) <= MAX_LABEL else cut_fields(trigger, MAX_LABEL)


def _trigger_of(event: Event, redact: Callable[[str], str]) -> EventTrigger:
    context = event.context
    if isinstance(event, StateChanged):
        old, new = event.old_state, event.new_state
        return EventTrigger(
            event.event_type,
            event.entity_id,
            None if old is None else redact(old.state),
            None if new is None else redact(new.state),
            context.id or None,
            context.parent_id,
            context.user_id,
            event.missed,
            event.immediate,
        )
    entity_id = event.data.get("entity_id")
    is_trigger = isinstance(event, TriggerFired)
    return EventTrigger(
        event.event_type,
        entity_id if isinstance(entity_id, str) else None,
        _state_in(event.data.get("from_state"), redact) if is_trigger else None,
        _state_in(event.data.get("to_state"), redact) if is_trigger else None,
        context.id or None,
        context.parent_id,
        context.user_id,
    )


def _state_in(value: object, redact: Callable[[str], str]) -> str | None:
    """Return the state in a value of a trigger, such as ``to_state``; None if there is none."""
    state = cast("Mapping[str, Any]", value).get("state") if isinstance(value, Mapping) else None
    return redact(state) if isinstance(state, str) else None
