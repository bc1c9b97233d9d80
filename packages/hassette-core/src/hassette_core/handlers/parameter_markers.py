"""Annotations for the parameters of a handler. Each annotation selects the value that the parameter receives.

Each of these handlers can be registered::

    async def on_motion(self) -> None: ...
    async def on_motion(self, event: StateChanged) -> None: ...
    async def on_light(self, light: EntityId, new: NewState, old: OldState | None) -> None: ...
    async def on_climate(self, celsius: Annotated[float, NewValue()]) -> None: ...
    async def on_dimmed(self, brightness: Annotated[int | None, Attr("brightness")]) -> None: ...
    async def on_button(self, device: Annotated[str, Data("device_id")]) -> None: ...

When the event has no value for a parameter, the parameter keeps its default. A parameter without a default is None if
its annotation allows None. If the annotation does not allow None, the handler is not called, and the run fails with a
`DependencyError`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any

from hassette_core.events import Event, State, StateChanged


class Missing:
    """The result of `ParameterMarker.provide` when the event does not contain the value.

    Args:
        reason: The reason, such as ``light.hall was removed``.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ParameterMarker(ABC):
    """Base class of the annotations. It marks a parameter that receives a value of the event.

    Most markers read a value that only a state change contains.
    """

    @abstractmethod
    def provide(self, event: Any) -> object:
        """Return the value, or `Missing` with the reason."""

    @property
    def needs_change(self) -> bool:
        """True when only a state change contains the value."""
        return True


@dataclass(frozen=True, slots=True)
class WholeEvent(ParameterMarker):
    """Selects the event itself, for a parameter annotated with `Event` or `StateChanged`, or called ``event``."""

    def provide(self, event: Event) -> object:
        return event

    @property
    def needs_change(self) -> bool:
        """Return False, because the value is the event itself."""
        return False


def _no_old_state(event: StateChanged) -> Missing:
    if event.immediate:
        return Missing(f"{event.entity_id} has not changed, because the run is immediate")
    return Missing(f"{event.entity_id} was added")


@dataclass(frozen=True, slots=True)
class _New(ParameterMarker):
    def provide(self, event: StateChanged) -> object:
        return event.new_state or Missing(f"{event.entity_id} was removed")


@dataclass(frozen=True, slots=True)
class _Old(ParameterMarker):
    def provide(self, event: StateChanged) -> object:
        return event.old_state or _no_old_state(event)


@dataclass(frozen=True, slots=True)
class _Entity(ParameterMarker):
    def provide(self, event: StateChanged) -> object:
        return event.entity_id


@dataclass(frozen=True, slots=True)
class NewValue(ParameterMarker):
    """The new state's string, converted to the annotated type: ``Annotated[float, NewValue()]``.

    With ``float | None``, the value of a state that is ``unavailable`` or ``unknown`` is None.
    """

    def provide(self, event: StateChanged) -> object:
        return event.new_state.state if event.new_state else Missing(f"{event.entity_id} was removed")


@dataclass(frozen=True, slots=True)
class OldValue(ParameterMarker):
    """The old state's string, converted to the annotated type."""

    def provide(self, event: StateChanged) -> object:
        return event.old_state.state if event.old_state else _no_old_state(event)


@dataclass(frozen=True, slots=True)
class Attr(ParameterMarker):
    """An attribute of the new state, converted to the annotated type: ``Annotated[int, Attr("brightness")]``.

    Attributes:
        name: The attribute's name.
    """

    name: str

    def provide(self, event: StateChanged) -> object:
        if event.new_state is None:
            return Missing(f"{event.entity_id} was removed")
        value = event.new_state.attributes.get(self.name)
        return Missing(f"{event.entity_id} has no attribute {self.name!r}") if value is None else value


@dataclass(frozen=True, slots=True)
class Data(ParameterMarker):
    """An entry of the event's data, converted to the annotated type: ``Annotated[str, Data("device_id")]``.

    Attributes:
        key: The entry's key.
    """

    key: str

    def provide(self, event: Event) -> object:
        value = event.data.get(self.key)
        return Missing(f"the event's data has no {self.key!r}") if value is None else value

    @property
    def needs_change(self) -> bool:
        """Return False, because every event has data."""
        return False


NewState = Annotated[State, _New()]
"""The state after the change. When the entity was removed, there is no such state."""
OldState = Annotated[State, _Old()]
"""The state before the change. When the entity was added, there is no such state."""
EntityId = Annotated[str, _Entity()]
"""The id of the entity that changed."""
