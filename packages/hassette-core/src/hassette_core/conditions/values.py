"""Expected values of states and attributes: check them at registration, and compare them with a state."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from hassette_core.conditions.functions import check_condition, truth_of
from hassette_core.entities import Entities, is_glob
from hassette_core.errors import RegistrationError

ValueFunction = Callable[[Any], object]
"""A function that receives a value and returns a true value to accept it. It must be quick and must not block."""
AttributeValue = str | float | bool | Sequence["AttributeValue"] | Mapping[str, "AttributeValue"] | None
"""The string of a state, or the value of an attribute, which may be a list or an object."""
Expected = AttributeValue | Collection[AttributeValue] | ValueFunction
"""A value, a collection of values, or a function that receives the value. None accepts every value."""


class ValueCondition(NamedTuple):
    """A ``changed_from`` or ``changed_to`` option.

    Attributes:
        accepts: The condition. It receives the value, which is never None.
        text: The option as a string, for the registration's settings.
        values: The accepted values, as JSON. None for a function.
    """

    accepts: ValueFunction
    text: str
    values: tuple[object, ...] | None = None


MAX_STATE_CHARACTERS = 255
"""Home Assistant does not accept a longer state."""


_TWO_STATES = ("binary_sensor", "input_boolean", "light", "switch")
"""Domains whose entities are ``on`` or ``off``."""
_MEANT = {"on": "on", "off": "off", "true": "on", "false": "off", "unavailable": "unavailable", "unknown": "unknown"}


def check_attribute(attribute: object) -> str:
    """Check the name of an attribute, and return it.

    Raises:
        RegistrationError: No attribute has this name.
    """
    if not isinstance(attribute, str) or not attribute or attribute != attribute.strip() or is_glob(attribute):
        raise RegistrationError(f"attribute must be the name of one attribute, such as 'brightness', got {attribute!r}")
    return attribute


def state_condition(option: str, expected: Expected) -> ValueCondition | None:
    """Return the condition for a state, which is always a string.

    Args:
        option: The name of the option, for the error message.
        expected: A string, a collection of strings, or a function. None accepts every state.

    Raises:
        RegistrationError: No state could meet the condition. The message suggests a fix.
    """

    def check(value: object) -> object:
        if not isinstance(value, str):
            hint = f"; write {_as_state(value)!r}" if value is None or isinstance(value, int | float) else ""
            raise RegistrationError(f"{option} must be a string, as every state is, got {value!r}{hint}")
        if len(value) > MAX_STATE_CHARACTERS:
            raise RegistrationError(
                f"{option} must have at most {MAX_STATE_CHARACTERS} characters, as every state has,"
                f" got {len(value)} characters"
            )
        return value

    def values(option: str, expected: Any) -> list[Any]:
        if isinstance(expected, Mapping):
            raise RegistrationError(
                f"{option} must be a string, a collection of strings or a function, got {expected!r}; write"
                f" {[str(key) for key in cast('Mapping[object, object]', expected)]!r}"
            )
        return _elements(option, expected)

    return _condition(option, expected, check, values)


def state_condition_of(entities: Entities, option: str, expected: Expected) -> ValueCondition | None:
    """Return the condition for a state of given entities, as `state_condition` does.

    Raises:
        RegistrationError: As for `state_condition`, or the state of a light, a switch or a binary sensor is misspelt.
    """
    if expected is None:
        return None
    condition = state_condition(option, expected)
    domains = {entity_id.partition(".")[0] for entity_id in entities.topics}
    if condition is None or condition.values is None or entities.selections or not domains <= set(_TWO_STATES):
        return condition
    for value in condition.values:
        meant = _MEANT.get(str(value).strip().lower(), value)
        if meant != value:
            raise RegistrationError(
                f"{option} must be a state of {entities.describe()}, such as 'on', got {value!r}; did you mean"
                f" {meant!r}?"
            )
    return condition


def attribute_condition(option: str, expected: Expected) -> ValueCondition | None:
    """Return the condition for an attribute, which may be any JSON value.

    A list or tuple matches an attribute that is one of its elements, and an attribute that is a list with the same
    elements. An attribute is either always a list or never a list, so only one of these two meanings applies.

    Args:
        option: The name of the option, for the error message.
        expected: A value, a collection of values, or a function. None accepts every value.

    Raises:
        RegistrationError: No attribute could meet the condition, or the condition has two meanings. The message
            suggests a fix.
    """

    def check(value: object) -> object:
        problem = _json_problem(value)
        if problem:
            raise RegistrationError(f"{option} must be a JSON value, as every attribute is, got {value!r}: {problem}")
        return _as_json(value)

    def values(option: str, expected: Any) -> list[Any]:
        if isinstance(expected, Mapping):
            return [cast("object", expected)]
        found = _elements(option, expected)
        if any(value is None for value in found):
            raise RegistrationError(
                f"{option} must be a collection without None, got {expected!r}: a missing attribute never matches."
                f" Leave {option} out and check the attribute in the handler"
            )
        if isinstance(expected, list | tuple):
            lists = [isinstance(value, list | tuple) for value in found]
            if any(lists) and not all(lists):
                whole = _as_json(cast("object", expected))
                raise RegistrationError(
                    f"{option} must be one list, or a collection in which either all values or no values are lists, got"
                    f" {expected!r}; pass a function, such as lambda value: value == {whole!r}"
                )
            found = [*found, cast("object", expected)]
        return found

    return _condition(option, expected, check, values)


def _condition(
    option: str, expected: Any, check: Callable[[object], object], values: Callable[[str, Any], list[Any]]
) -> ValueCondition | None:
    if expected is None:
        return None
    if callable(expected):
        function, name = cast("ValueFunction", expected), check_condition(option, expected)

        def accepts_by_function(value: object) -> bool:
            return truth_of(name, function(value))

        return ValueCondition(accepts_by_function, name)
    if isinstance(expected, str | int | float):
        given: list[Any] = [expected]
    elif isinstance(expected, Collection) and not isinstance(expected, bytes | bytearray | memoryview):
        given = values(option, expected)
    else:
        raise RegistrationError(f"{option} must be a value, a collection of values or a function, got {expected!r}")
    try:
        accepted = [check(value) for value in given]
        shown = [value for value in given if value is not expected] or given
        text = ", ".join(str(value) for value in shown)
    except RecursionError:
        raise RegistrationError(
            f"{option} must be a value that does not contain itself and is not nested deeply"
        ) from None

    def accepts(value: object) -> bool:
        return _as_json(value) in accepted

    return ValueCondition(accepts, text, tuple(accepted))


def _elements(option: str, expected: Collection[Any]) -> list[Any]:
    if len(expected) == 0:  # an array of numpy has no truth value
        raise RegistrationError(
            f"{option} must be a non-empty collection, got {expected!r}; leave it out to accept every value, or pass a"
            " function to compare with an empty list"
        )
    return list(expected)


def _as_json(value: object) -> object:
    """Return a value with lists in place of tuples, because JSON has no tuples, and no list equals a tuple."""
    if value is None or isinstance(value, str | int | float):
        return value  # nearly all values
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in cast("list[object]", value)]
    if isinstance(value, Mapping):
        return {key: _as_json(each) for key, each in cast("Mapping[object, object]", value).items()}
    return value


def _json_problem(value: object) -> str:
    """Return the reason why a value equals no JSON value. Empty if there may be an equal JSON value."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"JSON cannot express {value!r}"
    if value is None or isinstance(value, str | int | float):
        return ""
    parts: Iterable[object]
    if isinstance(value, list | tuple):
        parts = cast("list[object]", value)
    elif isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        if bad := [key for key in entries if not isinstance(key, str)]:
            return f"the key {bad[0]!r} is not a string"
        parts = entries.values()
    else:
        return f"JSON has no {type(value).__name__}"
    for part in parts:
        if problem := _json_problem(part):
            return problem
    return ""


def _as_state(value: float | None) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unknown" if value is None else f"{value}"
