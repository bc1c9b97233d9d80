"""`States`: the read-only view of all states, for apps."""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from types import MappingProxyType

from hassette_core.app_component import AppComponent
from hassette_core.errors import UnknownEntityError
from hassette_core.events import State
from hassette_executor import record_state_read

_NO_STATES: Mapping[str, State] = MappingProxyType({})


class States(Mapping[str, State], AppComponent, attribute="states"):
    """The current states of all entities, by entity id. Read-only.

    A state change is visible here before a listener receives it. While the connection to Home Assistant is lost, this
    object contains the last known states. After a reconnect, the link fetches all states again.

    The record of a run contains the states that it read here with ``states[…]``, `get` and `domain`.

    To change a state in Home Assistant, use `Api.call_service` or `Api.set_state`.

    Example:
        ::

            if self.states["sun.sun"].state == "below_horizon":
                lights_on = [id for id, state in self.states.domain("light").items() if state.state == "on"]

    Args:
        by_entity: All states by entity id. A `States` object is a view of this mapping.
        by_domain: The same states, grouped by domain.
    """

    def __init__(self, by_entity: Mapping[str, State], by_domain: Mapping[str, Mapping[str, State]]) -> None:
        self._by_entity = by_entity
        self._by_domain = by_domain

    def __getitem__(self, entity_id: str) -> State:
        """Return the state of one entity.

        Raises:
            UnknownEntityError: Home Assistant has no such entity. The error is also a `KeyError`. ``get(entity_id)``
                returns None instead.
        """
        state = self._by_entity.get(entity_id)
        if state is None:
            record_state_read(entity_id, None)
            raise UnknownEntityError(entity_id)
        record_state_read(entity_id, state.state)
        return state

    def __iter__(self) -> Iterator[str]:
        # A copy: a plain `def` handler iterates in its thread while the event loop adds and removes entities.
        return iter(tuple(self._by_entity))

    def keys(self) -> KeysView[str]:
        """Return the entity ids at the moment of the call."""
        return dict(self._by_entity).keys()

    def values(self) -> ValuesView[State]:
        """Return the states at the moment of the call."""
        return dict(self._by_entity).values()

    def items(self) -> ItemsView[str, State]:
        """Return the entity ids and states at the moment of the call."""
        return dict(self._by_entity).items()

    def __len__(self) -> int:
        return len(self._by_entity)

    def __contains__(self, entity_id: object) -> bool:
        return entity_id in self._by_entity

    def domain(self, domain: str) -> Mapping[str, State]:
        """Return the states of one domain, by entity id.

        Args:
            domain: For example ``light``.

        Returns:
            A read-only copy, empty if the domain has no entity.
        """
        found = self._by_domain.get(domain)
        record_state_read(f"{domain}.*", "0" if found is None else str(len(found)))
        return _NO_STATES if found is None else MappingProxyType(dict(found))
