"""Why a run began: the event that was heard, or the time that was due.

One trigger is made per event and shared by every handler that hears it. They are named tuples because a frozen
dataclass costs about six times as much to make (docs/adr/0004-named-tuples-on-the-hot-path.md).
"""

from typing import NamedTuple


class EventTrigger(NamedTuple):
    """The event that a handler heard.

    Attributes:
        event_type: Home Assistant's event type, such as ``state_changed``.
        entity_id: The entity concerned, if the event names one.
        old_state: Its state before, None when there was none (or none is meant).
        new_state: Its state after, None when it was removed.
        context_id: Home Assistant's context id of the event.
        parent_id: The id of that context's parent: the event was caused by an automation or script.
        user_id: The id of the user who caused the event; for a service call made by Hassette, its own user.
    """

    event_type: str
    entity_id: str | None = None
    old_state: str | None = None
    new_state: str | None = None
    context_id: str | None = None
    parent_id: str | None = None
    user_id: str | None = None


class DueTrigger(NamedTuple):
    """The moment at which a job was due.

    Attributes:
        due_us: Wall-clock time, in microseconds since the Unix epoch.
        manual: True when a person or an app asked for this run, outside the schedule.
    """

    due_us: int
    manual: bool = False
