"""`trigger_of`: the recorded form of an event."""

from collections.abc import Callable

from hassette_core.events import Event, StateChanged
from hassette_executor import EventTrigger


def trigger_of(event: Event, redact: Callable[[str], str] = str) -> EventTrigger:
    """Return the trigger that is recorded for an event."""
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
    return EventTrigger(
        event.event_type,
        entity_id if isinstance(entity_id, str) else None,
        None,
        None,
        context.id or None,
        context.parent_id,
        context.user_id,
    )
