"""`ChangeFilter`: the state changes that a listener accepts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hassette_core.conditions import ValueCondition
from hassette_core.entities import Entities
from hassette_core.errors import RegistrationError
from hassette_core.events import State, StateChanged
from hassette_core.handlers import describe_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFilter:
    """Selects the changes for which a handler of `AppBus.on_state_change` or `AppBus.on_attribute_change` runs.

    Attributes:
        entities: The entities whose changes the listener receives.
        attribute: The watched attribute; None watches the state.
        include_attributes: True also accepts a change of the attributes that leaves the state string unchanged.
        changed_from: Condition for the value before the change; None accepts every value.
        changed_to: Condition for the value after the change; None accepts every value.
        duration_s: How long the change must last, in seconds; None for a handler that runs at once.
        immediate: True also accepts the current state at the registration.

    Raises:
        RegistrationError: No change can match.
    """

    entities: Entities
    attribute: str | None = None
    include_attributes: bool = False
    changed_from: ValueCondition | None = None
    changed_to: ValueCondition | None = None
    duration_s: float | None = None
    immediate: bool = False

    def __post_init__(self) -> None:
        """Check that a change can match.

        Raises:
            RegistrationError: ``changed_from`` and ``changed_to`` accept only the same value.
        """
        before, after = self.changed_from, self.changed_to
        if before is None or after is None or self.include_attributes or self.immediate:
            return
        if before.values is not None and len(before.values) == 1 and before.values == after.values:
            raise RegistrationError(
                f"changed_to must accept another value than changed_from, got {before.text!r} for both: such a change"
                " does not exist"
            )

    def value_of(self, state: State | None) -> Any:
        """Return the watched value: the string of the state, or the attribute. None when there is no such value."""
        if state is None:
            return None
        return state.state if self.attribute is None else state.attributes.get(self.attribute)

    def matches(self, event: StateChanged) -> bool:
        """Return whether a change meets all conditions. An exception that a condition raises is not caught."""
        old, new = self.value_of(event.old_state), self.value_of(event.new_state)
        if old == new and not (
            self.include_attributes and _attributes(event.old_state) != _attributes(event.new_state)
        ):
            return False
        return _accepts(self.changed_from, old) and _accepts(self.changed_to, new)

    def accepts_current(self, state: State) -> bool:
        """Return whether the current value meets ``changed_to``. ``changed_from`` cannot apply, as nothing changed."""
        value = self.value_of(state)
        return value is not None and _accepts(self.changed_to, value)

    def still_applies(self, change: StateChanged, state: State | None) -> bool:
        """Return whether the change that started the ``duration`` still applies.

        With ``changed_to``, the value must still meet that condition. Without ``changed_to``, the value must be the
        same as directly after the change.

        Args:
            change: The event that started the duration.
            state: The current state of the entity; None if the entity was removed.
        """
        value = self.value_of(state)
        if self.changed_to is not None:
            return _accepts(self.changed_to, value)
        return value == self.value_of(change.new_state)

    def began(self, state: State) -> datetime:
        """Return when the watched value took its current value, by Home Assistant's clock.

        Home Assistant keeps no time for a single attribute. For an attribute, this is the last change of the state or
        of any attribute.
        """
        return state.last_changed if self.attribute is None else state.last_updated

    def was_unbroken(self, change: StateChanged) -> bool:
        """Return whether it is certain that the watched value did not change during the interruption."""
        old, new = change.old_state, change.new_state
        return old is not None and new is not None and self.began(old) == self.began(new)

    @property
    def topic(self) -> str:
        """The entities, and the attribute if there is one. It does not depend on the order of the entities."""
        entities = self.entities.topic()
        return entities if self.attribute is None else f"{entities}.{self.attribute}"

    def settings(self) -> tuple[tuple[str, str], ...]:
        """Return the options that were set, as strings, for the registration's settings."""
        found: list[tuple[str, str]] = []
        if not self.entities.single and self.entities.describe() != self.entities.topic():
            found.append(("entities", self.entities.describe()))
        if self.changed_from is not None:
            found.append(("changed_from", self.changed_from.text))
        if self.changed_to is not None:
            found.append(("changed_to", self.changed_to.text))
        if self.include_attributes:
            found.append(("include_attributes", "yes"))
        if self.duration_s is not None:
            found.append(("duration", describe_duration(self.duration_s)))
        if self.immediate:
            found.append(("immediate", "yes"))
        return tuple(found)


def _attributes(state: State | None) -> object:
    return None if state is None else state.attributes


def _accepts(condition: ValueCondition | None, value: Any) -> bool:
    # A missing value meets no condition, and the condition is not called. Otherwise a condition such as
    # `lambda celsius: float(celsius) > 20` would raise an exception when the entity is removed.
    return condition is None or (value is not None and bool(condition.accepts(value)))
