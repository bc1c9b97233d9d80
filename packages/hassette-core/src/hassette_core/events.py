"""What Home Assistant says happened: events and states as values.

Made for every message, on the event loop, and shared by every handler that hears it, so they are immutable and cheap:
named tuples, because a frozen dataclass costs several times as much to make
(docs/adr/0004-named-tuples-on-the-hot-path.md), with their mappings behind read-only views.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from hassette_core.errors import UnreadableEventError


class Context(NamedTuple):
    """Who caused something: Home Assistant's thread from an effect back to its cause.

    Attributes:
        id: Given by Home Assistant: 26 characters (a ULID).
        parent_id: The context that caused this one, when an automation or a script stands between.
        user_id: The user who asked, if one did.
    """

    id: str
    parent_id: str | None = None
    user_id: str | None = None


class State(NamedTuple):
    """What an entity was at one moment.

    Attributes:
        entity_id: Such as ``light.hall``.
        state: Such as ``on``, ``21.5``, ``unavailable``: always a string.
        attributes: The rest of what is known, such as ``brightness``. Read-only: every handler shares it.
        last_changed: When `state` last changed (aware, UTC).
        last_updated: When `state` or `attributes` last changed (aware, UTC).
        context: Who caused it.
    """

    entity_id: str
    state: str
    attributes: Mapping[str, Any]
    last_changed: datetime
    last_updated: datetime
    context: Context

    @property
    def domain(self) -> str:
        """The part of the entity id before the dot, such as ``light``."""
        return self.entity_id.partition(".")[0]


class Event(NamedTuple):
    """Something that happened in Home Assistant, other than a change of state.

    Attributes:
        event_type: Such as ``call_service``, ``automation_triggered``, or anything that an integration or app fires.
        data: What the event carries. Read-only: every handler shares it.
        context: Who caused it.
        time_fired: When, by Home Assistant's clock (aware, UTC).
        received_ns: When it reached us, by `time.monotonic_ns`.
    """

    event_type: str
    data: Mapping[str, Any]
    context: Context
    time_fired: datetime
    received_ns: int


class StateChanged(NamedTuple):
    """An entity appeared, changed (its state or only its attributes) or was removed.

    It has all that an `Event` has, and the change itself, taken apart.

    Attributes:
        event_type: ``state_changed``.
        data: As Home Assistant sent it. Read-only: every handler shares it.
        context: Who caused it.
        time_fired: When, by Home Assistant's clock (aware, UTC).
        received_ns: When it reached us, by `time.monotonic_ns`.
        entity_id: Such as ``light.hall``.
        old_state: What it was before; None when it has just appeared.
        new_state: What it is now; None when it has been removed.
    """

    event_type: str
    data: Mapping[str, Any]
    context: Context
    time_fired: datetime
    received_ns: int
    entity_id: str
    old_state: State | None
    new_state: State | None

    @property
    def domain(self) -> str:
        """The part of the entity id before the dot, such as ``light``."""
        return self.entity_id.partition(".")[0]


def parse_event(raw: Mapping[str, Any], received_ns: int) -> Event | StateChanged:
    """Read an event as the WebSocket API sends it (the ``event`` of a message).

    Args:
        raw: The event: ``event_type``, ``data``, ``time_fired``, ``context``.
        received_ns: When it reached us, by `time.monotonic_ns`.

    Raises:
        UnreadableEventError: It has another shape.
    """
    try:
        event_type = _text(raw["event_type"])
        data = raw["data"]
        context = _context(raw["context"])
        time_fired = datetime.fromisoformat(raw["time_fired"])
        if event_type != "state_changed":
            return Event(event_type, _view(data), context, time_fired, received_ns)
        old, new = data["old_state"], data["new_state"]
        return StateChanged(
            event_type,
            _view(data),
            context,
            time_fired,
            received_ns,
            _text(data["entity_id"]),
            None if old is None else parse_state(old),
            None if new is None else parse_state(new),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableEventError(repr(error)) from None


def parse_state(raw: Mapping[str, Any]) -> State:
    """Read a state as the APIs send it.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: It has another shape.
    """
    return State(
        _text(raw["entity_id"]),
        _text(raw["state"]),
        _view(raw["attributes"]),
        datetime.fromisoformat(raw["last_changed"]),
        datetime.fromisoformat(raw["last_updated"]),
        _context(raw["context"]),
    )


def _text(value: Any) -> str:
    # What is looked up in dicts and compared all over must be a string, whoever sent it.
    if type(value) is not str:
        raise TypeError(f"expected a string, got {value!r}")
    return value


def _view(value: Any) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise TypeError(f"expected an object, got {value!r}")
    return MappingProxyType(cast("dict[str, Any]", value))


def _context(raw: Mapping[str, Any]) -> Context:
    return Context(_text(raw["id"]), raw["parent_id"], raw["user_id"])
