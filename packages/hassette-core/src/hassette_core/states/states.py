"""What every entity is now, as far as Home Assistant has told us."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from hassette_core.errors import UnknownEntityError
from hassette_core.events import State, StateChanged

_NO_STATES: Mapping[str, State] = MappingProxyType({})


class States(Mapping[str, State]):
    """A read-only view of all states by entity id, kept current by the link.

    A change is here before any listener hears of it. While the connection is lost, the last known states stay;
    when it is back, all are fetched anew.
    """

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._domains: dict[str, dict[str, State]] = {}
        self._touched: set[str] | None = None

    def __getitem__(self, entity_id: str) -> State:
        """Return the entity's state.

        Raises:
            UnknownEntityError: No such entity (a `KeyError` too).
        """
        try:
            return self._states[entity_id]
        except KeyError:
            raise UnknownEntityError(entity_id) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, entity_id: object) -> bool:
        return entity_id in self._states

    def domain(self, domain: str) -> Mapping[str, State]:
        """Return the states of one domain, such as ``light``, by entity id: a live view, empty if there are none."""
        found = self._domains.get(domain)
        return _NO_STATES if found is None else MappingProxyType(found)

    # The rest is for whoever keeps the states current: the link, or a test.

    def apply(self, change: StateChanged) -> None:
        """Take over one change."""
        entity_id = change.entity_id
        if self._touched is not None:
            self._touched.add(entity_id)
        if change.new_state is None:
            self._remove(entity_id)
        else:
            self._put(change.new_state)

    def begin_load(self) -> None:
        """Announce that all states are about to be fetched: from here on, changes win over what is fetched."""
        self._touched = set()

    def load(self, states: Iterable[State]) -> None:
        """Replace everything by what was fetched, except entities that have changed since `begin_load`.

        Home Assistant sends the changes and the answer to ``get_states`` in the order in which they came to be, but
        the answer reaches us through a future, hence a little later than changes that were sent after it. So the
        newest change of an entity is always at least as new as the fetched state.
        """
        touched = self._touched or set()
        fetched = {state.entity_id: state for state in states}
        for entity_id in self._states.keys() - fetched.keys() - touched:
            self._remove(entity_id)
        for entity_id, state in fetched.items():
            if entity_id not in touched:
                self._put(state)
        self._touched = None

    def _put(self, state: State) -> None:
        entity_id = state.entity_id
        self._states[entity_id] = state
        domain = entity_id.partition(".")[0]
        try:
            self._domains[domain][entity_id] = state
        except KeyError:
            self._domains[domain] = {entity_id: state}

    def _remove(self, entity_id: str) -> None:
        if self._states.pop(entity_id, None) is not None:
            domain = entity_id.partition(".")[0]
            del self._domains[domain][entity_id]
            if not self._domains[domain]:
                del self._domains[domain]
