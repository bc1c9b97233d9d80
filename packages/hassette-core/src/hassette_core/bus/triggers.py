"""`trigger_of`: the recorded form of an event."""

from collections.abc import Callable

from hassette_core.events import Event, StateChanged
from hassette_executor import EventTrigger


def trigger_of(event: Event, redact: Callable[[str], str] = str) -> EventTrigger:
    """Return the trigger that is recorded for an event."""
    context = event.context
    if isinstance(event, StateChanged):
        entity_id: object = event.entity_id
        old = None if event.old_state is None else redact(event.old_state.state)
        new = None if event.new_state is None else redact(event.new_state.state)
    else:
        entity_id, old, new = event.data.get("entity_id"), None, None
    return EventTrigger(
        event.event_type,
        entity_id if isinstance(entity_id, str) else None,
        old,
        new,
        context.id or None,
        context.parent_id,
        context.user_id,
        missed=isinstance(event, StateChanged) and event.missed,
        immediate=isinstance(event, StateChanged) and event.immediate,
    )
