"""The heart of the simulated home: states and events, with contexts, as Home Assistant's own core keeps them."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from hassette_core.simulation.home.ulids import UlidSource

Json = dict[str, Any]
Listener = Callable[[Json], None]

MATCH_ALL = "*"
MAX_STATE_LENGTH = 255
_ENTITY_ID = re.compile(r"^(?!.+__)(?!_)[\da-z_]+(?<!_)\.(?!_)[\da-z_]+(?<!_)$")


class HomeContext(NamedTuple):
    """Who caused something; see `hassette_core.events.Context`."""

    id: str
    parent_id: str | None = None
    user_id: str | None = None

    def as_json(self) -> Json:
        """Return it as the APIs send it."""
        return {"id": self.id, "parent_id": self.parent_id, "user_id": self.user_id}


class HomeCore:
    """States and the event bus.

    States and events are kept in the shape in which the APIs send them: that is all that anybody wants of them here.

    Args:
        random: Source of the random part of context ids.
        now: Wall clock.

    Attributes:
        states: All states by entity id.
        user_id: The user whom the token belongs to.
    """

    def __init__(self, random: Random, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.states: dict[str, Json] = {}
        self.user_id = f"{random.getrandbits(128):032x}"
        self._now = now
        self._new_id = UlidSource(random)
        self._listeners: dict[str, list[Listener]] = {}

    def context(self, *, parent: HomeContext | None = None, user: bool = False) -> HomeContext:
        """Make a new context.

        Args:
            parent: The context that caused this one.
            user: True for what comes in over an API: it carries the token's user.
        """
        return HomeContext(self._new_id(), parent and parent.id, self.user_id if user else None)

    def listen(self, event_type: str, listener: Listener) -> Callable[[], None]:
        """Call the listener with every event of a type (``*``: of all types); call what is returned to end it."""
        listeners = self._listeners.setdefault(event_type, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def fire(self, event_type: str, data: Json | None = None, context: HomeContext | None = None) -> Json:
        """Fire an event and return it."""
        event: Json = {
            "event_type": event_type,
            "data": data or {},
            "origin": "LOCAL",
            "time_fired": self._now().isoformat(),
            "context": (context or self.context()).as_json(),
        }
        for listener in (*self._listeners.get(MATCH_ALL, ()), *self._listeners.get(event_type, ())):
            listener(event)
        return event

    def set(
        self,
        entity_id: str,
        state: object,
        attributes: Mapping[str, Any] | None = None,
        context: HomeContext | None = None,
    ) -> bool:
        """Write a state, and fire ``state_changed`` if it differs; return whether the entity is new.

        Args:
            entity_id: Such as ``light.hall``.
            state: Any value; its text counts.
            attributes: Replaces all attributes; None leaves none.
            context: Who caused it.

        Raises:
            ValueError: The entity id or the state is not one; the text is Home Assistant's.
        """
        if not _ENTITY_ID.match(entity_id):
            raise ValueError("Invalid entity ID specified.")
        text = str(state)
        if len(text) > MAX_STATE_LENGTH:
            raise ValueError("Invalid state specified.")
        new_attributes = dict(attributes or {})
        old = self.states.get(entity_id)
        if old is not None and old["state"] == text and old["attributes"] == new_attributes:
            return False  # Home Assistant fires state_reported, which is only sent to those who ask for it
        now = self._now().isoformat()
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
        """Change an entity that is there: its state (None: not), and the attributes named; the others stay.

        Raises:
            KeyError: There is no such entity.
        """
        old = self.states[entity_id]
        self.set(entity_id, old["state"] if state is None else state, {**old["attributes"], **attributes}, context)

    def remove(self, entity_id: str, context: HomeContext | None = None) -> bool:
        """Remove a state, and fire ``state_changed``; return whether there was one."""
        old = self.states.pop(entity_id, None)
        if old is None:
            return False
        self.fire("state_changed", {"entity_id": entity_id, "old_state": old, "new_state": None}, context)
        return True
