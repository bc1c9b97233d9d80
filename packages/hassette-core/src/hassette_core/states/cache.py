"""`StateCache`: all states, with the methods by which the link (or a test) updates them."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from hassette_core.events import State, StateChanged
from hassette_core.states.states import States
from hassette_core.states.watch import StateWatch, StateWatches


class StateCache:
    """All states. Events change single states, and a reconnect replaces all states.

    Attributes:
        states: The read-only view for apps and the bus. It is the same object for the lifetime of the cache.
        by_entity: The same states, for the framework's own lookups: they do not belong to the reads of a run.
    """

    def __init__(self) -> None:
        self._by_entity: dict[str, State] = {}
        self._by_domain: dict[str, dict[str, State]] = {}
        self._changed_while_loading: set[str] | None = None
        self._watches = StateWatches()
        self.states = States(self._by_entity, self._by_domain)
        self.by_entity: Mapping[str, State] = MappingProxyType(self._by_entity)

    def watch(self, entity_ids: Iterable[str]) -> StateWatch:
        """Return a watch, which collects the new states of some entities in its ``with`` block."""
        return StateWatch(self._watches, self._by_entity, entity_ids)

    def apply(self, change: StateChanged) -> None:
        """Store the new state of one entity, or remove the entity if the change removed it."""
        entity_id = change.entity_id
        if self._changed_while_loading is not None:
            self._changed_while_loading.add(entity_id)
        if change.new_state is None:
            self._remove(entity_id)
        else:
            self._put(change.new_state)
        if self._watches:
            self._watches.put(entity_id, change.new_state)

    def begin_load(self) -> None:
        """Prepare for `load`. From now on, `apply` notes changed entities, so that `load` does not overwrite them."""
        self._changed_while_loading = set()

    def load(self, states: Iterable[State]) -> None:
        """Replace all states, except those of entities that have changed since `begin_load`.

        Home Assistant may send changes before and after its answer to ``get_states``. The answer contains the changes
        that were sent before it. The changes that were sent after it are newer than the answer. `apply` may have stored
        changes of both kinds before `load` is called. A stored state is therefore at least as new as the fetched
        state, and `load` keeps the stored state.
        """
        changed = self._changed_while_loading or set()
        fetched = {state.entity_id: state for state in states}
        for entity_id in self._by_entity.keys() - fetched.keys() - changed:
            self._remove(entity_id)
        for entity_id, state in fetched.items():
            if entity_id not in changed:
                self._put(state)
        self._changed_while_loading = None
        for entity_id in self._watches.entity_ids:
            self._watches.put(entity_id, self._by_entity.get(entity_id))

    def snapshot(self) -> dict[str, State]:
        """Return a copy of all states by entity id."""
        return dict(self._by_entity)

    def _put(self, state: State) -> None:
        entity_id = state.entity_id
        self._by_entity[entity_id] = state
        domain = entity_id.partition(".")[0]
        try:
            self._by_domain[domain][entity_id] = state
        except KeyError:
            self._by_domain[domain] = {entity_id: state}

    def _remove(self, entity_id: str) -> None:
        if self._by_entity.pop(entity_id, None) is not None:
            domain = entity_id.partition(".")[0]
            del self._by_domain[domain][entity_id]
            if not self._by_domain[domain]:
                del self._by_domain[domain]
