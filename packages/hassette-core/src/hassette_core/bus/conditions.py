"""What a change must be like for a listener to care about it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, cast

from hassette_core.errors import RegistrationError
from hassette_core.events import State, StateChanged
from hassette_core.handlers import check_body, is_async

Where = Callable[[Any], object]
"""A question about the event; true means that the handler runs. It is quick, and does not wait."""
Value = str | float | bool | None
"""A state's text, or the value of an attribute."""
Expected = Value | Collection[Value] | Callable[[Any], object]
"""A value, a collection of values, or a question about the value; None asks nothing."""
Test = Callable[[Any], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What `on_state_change` and `on_attribute_change` look for.

    Attributes:
        attribute: The attribute watched; None watches the state.
        also_attributes: True when a change of attributes alone counts, too.
        before: Asked about the value before; None asks nothing.
        after: Asked about the value after; None asks nothing.
    """

    attribute: str | None = None
    also_attributes: bool = False
    before: Test | None = None
    after: Test | None = None

    def value(self, state: State | None) -> Any:
        """Return what is watched: the state's text or the attribute, None when there is none."""
        if state is None:
            return None
        return state.state if self.attribute is None else state.attributes.get(self.attribute)

    def happened(self, event: StateChanged) -> bool:
        """Return whether the event is a change that matters. A question that raises, raises."""
        old, new = self.value(event.old_state), self.value(event.new_state)
        if old == new and not (self.also_attributes and _attributes(event.old_state) != _attributes(event.new_state)):
            return False
        return _passes(self.before, old) and _passes(self.after, new)

    def lasts(self, first: StateChanged, state: State | None) -> bool:
        """Return whether what began with an event still is so, for ``duration``.

        With ``changed_to`` the value must still pass it; without, it must still be the same.
        """
        value = self.value(state)
        if self.after is not None:
            return _passes(self.after, value)
        return value == self.value(first.new_state)


def _attributes(state: State | None) -> object:
    return None if state is None else state.attributes


def _passes(test: Test | None, value: Any) -> bool:
    # A value that is not there passes no question, and is not asked about: `lambda celsius: float(celsius) > 20`
    # should not have to think of an entity that is being removed.
    return test is None or (value is not None and bool(test(value)))


def expectation(option: str, expected: Expected, *, texts_only: bool) -> Test | None:
    """Turn ``changed_from`` or ``changed_to`` into a question.

    Args:
        option: Which of the two, named in the error.
        expected: A value, a collection, a callable, or None.
        texts_only: True for states, which are always text.

    Raises:
        RegistrationError: It could never be met; the message says what could.
    """
    if expected is None:
        return None
    if callable(expected):
        check_question(option, expected)
        return expected
    if isinstance(expected, str | int | float):
        wanted: list[Value] = [expected]
    elif isinstance(cast("object", expected), Collection):
        wanted = list(expected)
    else:
        raise RegistrationError(f"{option}={expected!r} must be a value, a collection of values, or a function")
    if not wanted:
        raise RegistrationError(f"{option}={expected!r} is empty, so nothing could ever match; leave it out for any")
    if texts_only:
        for value in wanted:
            if not isinstance(value, str):
                raise RegistrationError(f"{option}={value!r} can never match: a state is text; write {_text(value)!r}")
    # Not the `__eq__` of a value: of another type it answers NotImplemented, which counts as true.
    return wanted.__contains__


def check_question(option: str, question: Where | None) -> None:
    """Check a predicate.

    Raises:
        RegistrationError: It is not callable, or async or with a ``yield``: what those return always counts as true.
    """
    if question is None:
        return
    if not callable(question):
        raise RegistrationError(f"{option}={question!r} is not callable: give a function that returns True or False")
    check_body(option, question)
    if is_async(question):
        raise RegistrationError(f"{option}={describe_expected(question)} is async, and would always count as true")


def describe_expected(expected: Any) -> str:
    """Return an expectation as a person wrote it, for the registration's settings."""
    if isinstance(expected, str):
        return expected
    if callable(expected):
        name = getattr(expected, "__name__", type(expected).__name__)
        return "a function" if name == "<lambda>" else f"{name}()"
    if isinstance(expected, Collection):
        return ", ".join(str(value) for value in cast("Collection[object]", expected))
    return str(expected)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unknown" if value is None else f"{value}"
