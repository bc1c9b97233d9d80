"""Home Assistant's events and states as immutable values.

The link creates these values on the event loop, for each message from Home Assistant. All handlers that receive an
event share one object. The classes are structs of msgspec, because msgspec decodes the JSON of a message straight into
them (docs/adr/0023-decode-with-msgspec.md). This takes about 3 µs for a state change. With the standard library,
parsing the message and checking its fields takes 25 µs.
"""

import reprlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, cast

import msgspec

from hassette_core.errors import UnreadableEventError

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with a time zone. Without a time zone, it could not be compared with any other time."""

_ULID_DIGITS = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ" * 8
"""A digit for each value of a byte."""

_set = msgspec.structs.force_setattr  # read once: it is called twice for each state change


class Context(msgspec.Struct, frozen=True, gc=False):
    """The cause of a state or event, as Home Assistant reports it.

    Every state and every event has a context. When an automation reacts to an event, Home Assistant creates a context
    for the actions of the automation. The parent of that context is the context of the event.

    Example:
        Ignore changes made by a user, including Hassette's own service calls::

            if event.context.user_id is not None:
                return

    Attributes:
        id: A ULID of 26 characters, which Home Assistant creates.
        parent_id: The id of the context that caused this context. None if the cause is unknown.
        user_id: The Home Assistant user who caused the state or event. None if no user did.
    """

    id: str
    parent_id: str | None = None
    user_id: str | None = None


class State(msgspec.Struct, frozen=True, gc=False):
    """The state of one entity at one moment.

    `state` is always a string, even for a number. Convert it where you use it, and expect ``unavailable`` and
    ``unknown``.

    Example:
        ::

            temperature = float(self.states["sensor.hall_temperature"].state)
            brightness = self.states["light.hall"].attributes.get("brightness", 0)

    Attributes:
        entity_id: For example ``light.hall``.
        state: For example ``on``, ``21.5`` or ``unavailable``.
        attributes: Further values, for example ``brightness``. Read-only, because all handlers share them.
        last_changed: The time of the last change of `state` (timezone-aware, UTC).
        last_updated: The time of the last change of `state` or `attributes` (timezone-aware, UTC).
        context: The cause of the last change.
    """

    entity_id: str
    state: str
    attributes: Mapping[str, Any]
    last_changed: Time
    last_updated: Time
    context: Context

    def __post_init__(self) -> None:
        """Make the attributes read-only."""
        if type(self.attributes) is not MappingProxyType:
            _set(self, "attributes", MappingProxyType(self.attributes))

    @property
    def domain(self) -> str:
        """The part of the entity id before the dot, for example ``light``."""
        return self.entity_id.partition(".")[0]


class Event(msgspec.Struct, frozen=True):
    """An event of Home Assistant. A state change is a `StateChanged`, which is also an `Event`.

    Example:
        A handler receives the event if it has a parameter with this annotation::

            self.bus.on_event(self.button_pressed, "zha_event")

            async def button_pressed(self, event: Event) -> None:
                self.logger.info("Button pressed", extra={"command": event.data["command"]})

    Attributes:
        event_type: For example ``call_service``, ``automation_triggered``, or the type that an integration chose.
        data: The event's data, by key. Read-only, because all handlers share one object.
        context: The cause of the event.
        time_fired: The time of the event, by Home Assistant's clock (timezone-aware, UTC).
        received_ns: The time of its arrival, in nanoseconds of `time.monotonic_ns`.
    """

    event_type: str
    data: Mapping[str, Any]
    context: Context
    time_fired: datetime
    received_ns: int


class StateChanged(Event, frozen=True, gc=False):
    """An entity was added, changed its state or attributes, or was removed.

    It has all attributes of an `Event`. Its event type is ``state_changed``.

    Example:
        Ignore a sensor that was unavailable::

            async def door_changed(self, event: StateChanged) -> None:
                if event.old_state is not None and event.old_state.state == "unavailable":
                    return

    Attributes:
        entity_id: For example ``light.hall``.
        old_state: The state before the change. None if the entity has just been added, or if Home Assistant sent a
            malformed old state.
        new_state: The state after the change. None if the entity has been removed.
        missed: True if the change happened while there was no connection to Home Assistant. The old state is then the
            last known one, and the new state was fetched after the reconnect. Changes in between are not known.
        immediate: True if nothing has changed: a listener with ``immediate=True`` runs with the current state, which is
            ``new_state``. The old state is None.
    """

    entity_id: str
    old_state: State | None
    new_state: State | None
    missed: bool = False
    immediate: bool = False

    @property
    def domain(self) -> str:
        """The part of the entity id before the dot, for example ``light``."""
        return self.entity_id.partition(".")[0]

    @property
    def differs(self) -> bool:
        """Whether the state or an attribute differs. False if only a time differs."""
        old, new = self.old_state, self.new_state
        if old is None or new is None:
            return old is not new
        return old.state != new.state or old.attributes != new.attributes


class TriggerFired(Event, frozen=True):
    """A trigger of `AppBus.on_trigger` has fired in Home Assistant.

    It has all attributes of an `Event`. Its `data` are the values that Home Assistant's templates call ``trigger``.
    Home Assistant's documentation lists them for each kind of trigger, such as ``payload_json`` for MQTT. So a
    parameter ``Annotated[str, Data("payload")]`` receives the payload of an MQTT message.

    Example:
        ::

            async def on_message(self, event: TriggerFired) -> None:
                self.logger.info("Message received", extra={"topic": event.data["topic"]})

    Attributes:
        event_type: ``trigger`` and the kind of the trigger, such as ``trigger.mqtt``.
        data: The values of the trigger, by key. Read-only.
        context: The cause. Its id is empty if Home Assistant does not name one, for example for a web hook.
        time_fired: When the firing arrived (timezone-aware, UTC). Home Assistant does not send a time.
        variables: All variables of the firing. ``variables["trigger"]`` is the same as `data`.
        config: The configuration of the listener's triggers, as JSON.
    """

    variables: Mapping[str, Any]
    config: str

    @property
    def platform(self) -> str:
        """The kind of the trigger that has fired, such as ``mqtt`` or ``light.turned_on``."""
        return str(self.data.get("platform", ""))

    @property
    def id(self) -> str:
        """The ``id`` of the trigger that has fired: from the configuration, or its position in the list: ``"0"``."""
        return str(self.data.get("id", ""))

    @property
    def description(self) -> str:
        """One line of Home Assistant about the cause, such as ``state of light.hall``."""
        return str(self.data.get("description") or "")


def parse_trigger(raw: Any, config: str, now: datetime, received_ns: int) -> TriggerFired:
    """Parse the firing of a trigger as ``subscribe_trigger`` sends it.

    Args:
        raw: The ``event`` of a message: ``variables`` and ``context``. The context may be None.
        config: The configuration of the triggers, as JSON.
        now: The present time (aware, UTC).
        received_ns: The present time, in nanoseconds of `time.monotonic_ns`.

    Raises:
        UnreadableEventError: A field is missing or has an unexpected type.
    """
    try:
        variables = _view(raw["variables"])
        data = _view(variables["trigger"])
        context = raw.get("context")
        return TriggerFired(
            f"trigger.{_text(data['platform'])}",
            data,
            Context("") if context is None else _context(context),
            now,
            received_ns,
            variables,
            config,
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableEventError(repr(error)) from None


def parse_event(raw: Mapping[str, Any], received_ns: int) -> Event:
    """Parse an event as the WebSocket API sends it.

    Args:
        raw: The ``event`` of a message: ``event_type``, ``data``, ``time_fired``, ``context``.
        received_ns: The time of its arrival, in nanoseconds of `time.monotonic_ns`.

    Raises:
        UnreadableEventError: A field is missing or has an unexpected type.
    """
    try:
        event_type = _text(raw["event_type"])
        data = raw["data"]
        context = _context(raw["context"])
        time_fired = _time(raw["time_fired"])
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
            _parse_old_state(old),
            None if new is None else parse_state(new),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableEventError(repr(error)) from None


def _parse_old_state(raw: Any) -> State | None:
    if raw is None:
        return None
    try:
        return parse_state(raw)
    except (LookupError, TypeError, ValueError, AttributeError):
        # If the event were ignored because of its malformed old state, the new state would be lost too.
        return None


def missed_change(before: State | None, after: State | None, time_fired: datetime, received_ns: int) -> StateChanged:
    """Return the change of an entity between the last known state and the state after a reconnect.

    Args:
        before: The last known state. None if the entity was not known.
        after: The state after the reconnect. None if the entity is gone.
        time_fired: The time of a removal. Every other change has the time and the context of the new state.
        received_ns: The time at which the new state was fetched, in nanoseconds of `time.monotonic_ns`.
    """
    known = after or before
    assert known is not None  # a change has at least one state
    data = {"entity_id": known.entity_id, "old_state": _as_json(before), "new_state": _as_json(after)}
    return StateChanged(
        "state_changed",
        MappingProxyType(data),
        Context("") if after is None else after.context,  # nothing is known about the cause of a removal
        time_fired if after is None else after.last_updated,
        received_ns,
        known.entity_id,
        before,
        after,
        missed=True,
    )


def new_context_id() -> str:
    """Return a context id for a call or event that is not sent to Home Assistant. It has the form of its ids."""
    return secrets.token_bytes(26).translate(_ULID_DIGITS).decode()


def own_event(
    event_type: str, data: Mapping[str, Any], now: datetime, received_ns: int, context: Context | None = None
) -> Event:
    """Return an event that does not come from Home Assistant.

    Args:
        event_type: The type. Those of the framework start with ``hassette_``.
        data: The data. It is copied.
        now: The present time (aware, UTC).
        received_ns: The present time, in nanoseconds of `time.monotonic_ns`.
        context: The cause; None if it is not known.
    """
    return Event(event_type, MappingProxyType(dict(data)), context or Context(""), now, received_ns)


def current_state(state: State, received_ns: int) -> StateChanged:
    """Return the event with which a listener with ``immediate=True`` runs.

    Args:
        state: The current state of the entity.
        received_ns: The present time, in nanoseconds of `time.monotonic_ns`.
    """
    data = {"entity_id": state.entity_id, "old_state": None, "new_state": _as_json(state)}
    return StateChanged(
        "state_changed",
        MappingProxyType(data),
        Context(""),  # the cause of the state is not the cause of the run
        state.last_updated,
        received_ns,
        state.entity_id,
        None,
        state,
        immediate=True,
    )


def _as_json(state: State | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "entity_id": state.entity_id,
        "state": state.state,
        "attributes": dict(state.attributes),
        "last_changed": state.last_changed.isoformat(),
        "last_updated": state.last_updated.isoformat(),
        "context": msgspec.structs.asdict(state.context),
    }


def parse_state(raw: Mapping[str, Any]) -> State:
    """Parse a state as the WebSocket and REST APIs send it.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: A field is missing or has an unexpected type.
    """
    return State(
        _text(raw["entity_id"]),
        _text(raw["state"]),
        _view(raw["attributes"]),
        _time(raw["last_changed"]),
        _time(raw["last_updated"]),
        _context(raw["context"]),
    )


def _text(value: Any) -> str:
    # Ids and states are used as dict keys and compared with strings. A value of another type would cause an error only
    # later, in a handler.
    if type(value) is not str:
        raise TypeError(f"expected a string, got {reprlib.repr(value)}")
    return value


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)


def _time(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError(f"expected a time with a time zone, got {reprlib.repr(value)}")
    return time


def _view(value: Any) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise TypeError(f"expected an object, got {reprlib.repr(value)}")
    return MappingProxyType(cast("dict[str, Any]", value))


def _context(raw: Mapping[str, Any]) -> Context:
    return Context(_text(raw["id"]), _optional_text(raw.get("parent_id")), _optional_text(raw.get("user_id")))
