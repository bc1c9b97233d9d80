"""`StateWatch`: collects the new states of some entities, for code that waits for a state."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping

from hassette_core.events import State


class StateWatches:
    """All watches of a `StateCache`. The cache informs them about each new state."""

    def __init__(self) -> None:
        self._by_entity: dict[str, list[StateWatch]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_entity)

    @property
    def entity_ids(self) -> tuple[str, ...]:
        """The watched entities."""
        return tuple(self._by_entity)

    def add(self, watch: "StateWatch") -> None:
        """Inform a watch from now on."""
        for entity_id in watch.entity_ids:
            self._by_entity.setdefault(entity_id, []).append(watch)

    def remove(self, watch: "StateWatch") -> None:
        """Inform a watch no longer."""
        for entity_id in watch.entity_ids:
            watches = self._by_entity[entity_id]
            watches.remove(watch)
            if not watches:
                del self._by_entity[entity_id]

    def put(self, entity_id: str, state: State | None) -> None:
        """Pass on the new state of an entity; None if it was removed."""
        for watch in self._by_entity.get(entity_id, ()):
            watch.put(entity_id, state)


class StateWatch:
    """Collects the new states of some entities. Use it in a ``with`` block.

    A state that lasts only for a moment is collected, too: the waiting code takes the states one after the other.

    Args:
        watches: The watches of the cache.
        states: The current states.
        entity_ids: The watched entities.

    Attributes:
        entity_ids: The watched entities.
        current: The states of the watched entities after the last `take`. None if there is no such entity.
    """

    def __init__(self, watches: StateWatches, states: Mapping[str, State], entity_ids: Iterable[str]) -> None:
        self._watches = watches
        self._states = states
        self.entity_ids = tuple(dict.fromkeys(entity_ids))
        self.current: dict[str, State | None] = {}
        self._new: deque[tuple[str, State | None]] = deque()
        self._arrived = asyncio.Event()

    def __enter__(self) -> "StateWatch":
        self.current = {entity_id: self._states.get(entity_id) for entity_id in self.entity_ids}
        self._watches.add(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._watches.remove(self)

    def put(self, entity_id: str, state: State | None) -> None:
        """Collect a new state. The cache calls this method."""
        self._new.append((entity_id, state))
        self._arrived.set()

    def wake(self) -> None:
        """Make `wait` return."""
        self._arrived.set()

    def take(self) -> bool:
        """Apply the oldest collected state to `current`. Return False if there is none."""
        if not self._new:
            return False
        entity_id, state = self._new.popleft()
        self.current[entity_id] = state
        return True

    async def wait(self) -> None:
        """Return at the next new state, or after `wake`."""
        await self._arrived.wait()
        self._arrived.clear()
