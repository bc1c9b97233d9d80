"""States, events and contexts of the simulated home, as in Home Assistant's core."""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any, NamedTuple

from hassette_core.clock import SystemClock, TimerClock
from hassette_core.errors import RefusedError

Json = dict[str, Any]
EventCallback = Callable[[Json], None]
ChangeCallback = Callable[[str, Json | None, Json | None, "HomeContext"], None]

DEFAULT_VERSION = "2025.4.4"
MATCH_ALL = "*"
MAX_STATE_LENGTH = 255
MAX_EVENT_TYPE_LENGTH = 64
ENTITY_ID = re.compile(r"^(?!.+__)(?!_)[\da-z_]+(?<!_)\.(?!_)[\da-z_]+(?<!_)$")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ULID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U


class UlidSource:
    """Creates ULIDs, like Home Assistant's context ids: 26 characters that sort by time.

    A ULID has 48 bits of milliseconds and 80 random bits.

    Args:
        random: Source of the random part.
        now: Wall clock.
    """

    def __init__(self, random: Random, now: Callable[[], datetime]) -> None:
        self._random = random
        self._now = now

    def __call__(self) -> str:
        milliseconds = (self._now() - _EPOCH) // timedelta(milliseconds=1)
        value = milliseconds << 80 | self._random.getrandbits(80)
        return "".join(_ULID_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


class HomeContext(NamedTuple):
    """The cause of a state or event; see `hassette_core.events.Context`."""

    id: str
    parent_id: str | None = None
    user_id: str | None = None

    def as_json(self) -> Json:
        """Return the context as the APIs send it."""
        return {"id": self.id, "parent_id": self.parent_id, "user_id": self.user_id}


class HomeEntity(NamedTuple):
    """An entity as its integration knows it. Services change the entity, and write its state.

    Attributes:
        state: For example ``on``.
        attributes: All attributes.
    """

    state: str
    attributes: Json

    def number(self, name: str, default: float) -> float:
        """Return an attribute, or the default if the attribute is missing or is not a number."""
        value = self.attributes.get(name)
        return default if isinstance(value, bool) or not isinstance(value, int | float) else value


class HomeCore:
    """The entities, their states and the event bus. States and events have the same form as in the APIs.

    As in Home Assistant, an entity is not the same as its state. A client can write or remove any state (`write_state`,
    `remove_state`), but the entity does not change, and a state that only a client has written has no entity.

    Args:
        random: Source of the random part of context ids.
        clock: The source of all times of states, events and context ids. None uses the machine's clock.

    Attributes:
        entities: All entities by entity id.
        states: All states by entity id, as clients see them.
        user_id: The owner of the access token.
        clock: The source of all times, and of the timers of the home.
        version: The version of Home Assistant that the home behaves like.
    """

    def __init__(self, random: Random, clock: TimerClock | None = None) -> None:
        self.entities: dict[str, HomeEntity] = {}
        self.states: dict[str, Json] = {}
        self.user_id = f"{random.getrandbits(128):032x}"
        self.clock: TimerClock = SystemClock() if clock is None else clock
        self.version = DEFAULT_VERSION
        self._random = random
        self._new_id = UlidSource(random, self.clock.now)
        self._callbacks: dict[str, list[EventCallback]] = {}

    def set_version(self, version: str) -> None:
        """Behave like another version of Home Assistant.

        Raises:
            ValueError: The text is not a version.
        """
        if re.fullmatch(r"\d{4}\.\d+(\.\d+)?\w*", version) is None:
            raise ValueError(f"version must be a version of Home Assistant such as 2026.11.0, got {version!r}")
        self.version = version

    def since(self, version: str) -> bool:
        """Return whether the home behaves like this version of Home Assistant or a later one, such as ``2026.4``."""
        return _numbers(self.version) >= _numbers(version)

    def now(self) -> str:
        """Return the current time as the APIs send it."""
        return self.clock.now().isoformat()

    async def sleep(self, seconds: float) -> None:
        """Wait for some seconds of the home's clock."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        over = asyncio.Event()
        timer = self.clock.call_later(seconds, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    def context(self, *, parent: HomeContext | None = None, user: bool | str = False) -> HomeContext:
        """Return a new context.

        Args:
            parent: The context that caused this one.
            user: The id of the user who caused it. True names the owner of the access token.
        """
        return HomeContext(self._new_id(), parent and parent.id, self.user_id if user is True else user or None)

    def new_id(self) -> str:
        """Return 32 random hexadecimal digits, the form of ids in Home Assistant's registries."""
        return f"{self._random.getrandbits(128):032x}"

    def listen(self, event_type: str, callback: EventCallback) -> Callable[[], None]:
        """Call ``callback`` with every event of a type, or of all types (``*``). Return a function that removes it."""
        callbacks = self._callbacks.setdefault(event_type, [])
        callbacks.append(callback)
        return lambda: callbacks.remove(callback)

    def listen_to_changes(self, callback: ChangeCallback) -> Callable[[], None]:
        """Call ``callback`` with each change of a state: entity id, old state, new state, context.

        Events of this type that a client has fired with other data are ignored. Return a function that removes it.
        """

        def on_event(event: Json) -> None:
            data = event["data"]
            entity_id, old, new = (data.get(name) for name in ("entity_id", "old_state", "new_state"))
            if isinstance(entity_id, str) and all(_is_state(state) for state in (old, new)):
                callback(entity_id, old, new, HomeContext(**event["context"]))

        return self.listen("state_changed", on_event)

    def fire(self, event_type: str, data: Json | None = None, context: HomeContext | None = None) -> Json:
        """Pass an event to the callbacks of its type, and return the event.

        Raises:
            RefusedError: The event type is too long. The message is the same as in Home Assistant.
        """
        if len(event_type) > MAX_EVENT_TYPE_LENGTH:
            limit = f"has a maximum length of {MAX_EVENT_TYPE_LENGTH} characters"
            raise RefusedError("home_assistant_error", f"Value {event_type} for property event_type {limit}")
        event: Json = {
            "event_type": event_type,
            "data": data or {},
            "origin": "LOCAL",
            "time_fired": self.now(),
            "context": (context or self.context()).as_json(),
        }
        for callback in (*self._callbacks.get(MATCH_ALL, ()), *self._callbacks.get(event_type, ())):
            callback(event)
        return event

    def set(
        self,
        entity_id: str,
        state: object,
        attributes: Mapping[str, Any] | None = None,
        context: HomeContext | None = None,
    ) -> bool:
        """Set an entity, and write its state. The arguments, the result and the errors are those of `write_state`."""
        entity = HomeEntity(_check_state(entity_id, state), dict(attributes or {}))
        self.entities[entity_id] = entity
        return self.write_state(entity_id, entity.state, entity.attributes, context)

    def write_state(
        self,
        entity_id: str,
        state: object,
        attributes: Mapping[str, Any] | None = None,
        context: HomeContext | None = None,
    ) -> bool:
        """Write a state without an entity, as a client does. Return True if there was no such state.

        If the state or an attribute differs, fire ``state_changed``.

        Args:
            entity_id: For example ``light.hall``.
            state: Any value; it is converted to text.
            attributes: The new attributes, which replace all attributes. None removes all attributes.
            context: The cause; None creates a new context.

        Raises:
            ValueError: The entity id or the state is not valid. The message is the same as in Home Assistant.
        """
        text = _check_state(entity_id, state)
        new_attributes = dict(attributes or {})
        old = self.states.get(entity_id)
        if old is not None and old["state"] == text and old["attributes"] == new_attributes:
            return False  # Home Assistant fires state_reported here; the simulated home does not
        now = self.now()
        context = context or self.context()
        new: Json = {
            "entity_id": entity_id,
            "state": text,
            "attributes": new_attributes,
            "last_changed": old["last_changed"] if old is not None and old["state"] == text else now,
            "last_reported": now,
            "last_updated": now,
            "context": context.as_json(),
        }
        self.states[entity_id] = new
        self.fire("state_changed", {"entity_id": entity_id, "old_state": old, "new_state": new}, context)
        return old is None

    def change(
        self, entity_id: str, state: object = None, *, context: HomeContext | None = None, **attributes: Any
    ) -> None:
        """Change the given attributes of an existing entity, and its state if one is given. Keep all other attributes.

        A state without an entity gets an entity.

        Example:
            ::

                home.core.change("light.hall", "on", brightness=120)

        Raises:
            KeyError: There is neither such an entity nor such a state.
        """
        old = self.entities.get(entity_id)
        if old is None:  # only a client has written the state; from now on, it has an entity
            old = HomeEntity(self.states[entity_id]["state"], self.states[entity_id]["attributes"])
        self.set(entity_id, old.state if state is None else state, {**old.attributes, **attributes}, context)

    def restore(self) -> None:
        """Restore all states, as Home Assistant does when it starts: all their times and contexts are new."""
        now, context = self.now(), self.context().as_json()
        times = dict.fromkeys(("last_changed", "last_reported", "last_updated"), now)
        for entity_id, state in self.states.items():
            self.states[entity_id] = {**state, **times, "context": context}

    def remove(self, entity_id: str, context: HomeContext | None = None) -> bool:
        """Remove an entity and its state. Return False if there is no such state."""
        self.entities.pop(entity_id, None)
        return self.remove_state(entity_id, context)

    def remove_state(self, entity_id: str, context: HomeContext | None = None) -> bool:
        """Remove a state and fire ``state_changed``, but keep the entity. Return False if there is no such state.

        As in Home Assistant, the state appears again when the entity changes.
        """
        old = self.states.pop(entity_id, None)
        if old is None:
            return False
        self.fire("state_changed", {"entity_id": entity_id, "old_state": old, "new_state": None}, context)
        return True


def _is_state(value: object) -> bool:
    return value is None or (isinstance(value, dict) and {"state", "attributes", "last_updated"} <= value.keys())


@cache
def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _check_state(entity_id: str, state: object) -> str:
    if not ENTITY_ID.match(entity_id):
        raise ValueError("Invalid entity ID specified.")
    text = str(state)
    if len(text) > MAX_STATE_LENGTH:
        raise ValueError("Invalid state specified.")
    return text
