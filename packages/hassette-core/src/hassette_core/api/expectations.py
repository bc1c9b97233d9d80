"""`Expectation`: the states that a service call must lead to."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

from hassette_core.api.targets import check_one
from hassette_core.conditions import truth_of
from hassette_core.entities import is_glob
from hassette_core.errors import describe_error
from hassette_core.events import State
from hassette_core.handlers import is_async

ExpectedValue = str | float | Collection[Any] | Callable[[Any], object] | None
"""A value, a collection of values, or a function that receives the value and returns a true value."""
ExpectedStates = ExpectedValue | Mapping[str, ExpectedValue | Mapping[str, ExpectedValue]]
"""The option ``expect`` of `Api.call_service`: the state by entity id, or one state for all entities of the target."""


class _Check(NamedTuple):
    """One expected value. The attribute None stands for the state."""

    entity_id: str
    attribute: str | None
    accepts: Callable[[Any], bool]
    text: str

    @property
    def name(self) -> str:
        return self.entity_id if self.attribute is None else f"{self.entity_id} {self.attribute}"

    def value_in(self, state: State | None) -> Any:
        if state is None:
            return None
        return state.state if self.attribute is None else state.attributes.get(self.attribute)


class Expectation:
    """The states that a service call must lead to.

    Args:
        checks: The expected values.

    Attributes:
        entity_ids: The entities.
    """

    def __init__(self, checks: Sequence[_Check]) -> None:
        self._checks = checks
        self.entity_ids = tuple(dict.fromkeys(check.entity_id for check in checks))

    def holds(self, states: Mapping[str, State | None]) -> bool:
        """Return whether the states have all expected values at once."""
        return all(self._holds(check, states) is True for check in self._checks)

    def unmet(self, states: Mapping[str, State | None]) -> tuple[dict[str, str], dict[str, Any], Exception | None]:
        """Return the expected values that the states do not have, and the actual values; see `NotConfirmedError`.

        The third value is the first exception that a function of the app has raised.
        """
        expected: dict[str, str] = {}
        seen: dict[str, Any] = {}
        cause: Exception | None = None
        for check in self._checks:
            holds = self._holds(check, states)
            if holds is True:
                continue
            seen[check.name] = check.value_in(states[check.entity_id])
            expected[check.name] = check.text
            if isinstance(holds, Exception):
                expected[check.name] += f", but raised {describe_error(holds)}"
                cause = cause or holds
        return expected, seen, cause

    @staticmethod
    def _holds(check: _Check, states: Mapping[str, State | None]) -> bool | Exception:
        """Return whether a value is as expected. If the function of the app raises an exception, return this."""
        state = states[check.entity_id]
        if state is None:
            return False
        try:
            return check.accepts(check.value_in(state))
        except Exception as error:  # noqa: BLE001  The state may be `unavailable`, which the function cannot read. The
            # next state may be as expected. If none is, the error of the call contains this exception.
            return error


def parse_expectation(expect: ExpectedStates, targets: Sequence[str]) -> Expectation | None:
    """Check the option ``expect``. None for None.

    Args:
        expect: The option.
        targets: The entity ids of the service call's target.

    Raises:
        TypeError, ValueError: The option can never hold. The message names the key and a correct value.
    """
    if expect is None:
        return None
    if isinstance(expect, Mapping):
        by_entity = cast("Mapping[Any, Any]", expect)
    elif targets:
        by_entity = cast("Mapping[Any, Any]", dict.fromkeys(targets, expect))
    else:
        raise ValueError(
            f"expect must name its entities if the target names none, got {expect!r};"
            " write {'light.hall': 'on'}, for example"
        )
    if not by_entity:
        raise ValueError("expect must contain an entity id, got {}; leave it out if nothing is expected")
    checks: list[_Check] = []
    for entity_id, wanted in by_entity.items():
        key = f"expect[{entity_id!r}]"
        if not isinstance(entity_id, str) or entity_id.count(".") != 1 or is_glob(entity_id):
            raise ValueError(f"expect must have entity ids as keys, such as 'light.hall', got {entity_id!r}")
        check_one("each key of expect", entity_id)
        if not isinstance(wanted, Mapping):
            checks.append(_Check(entity_id, None, *_state_value(key, wanted)))
            continue
        wanted_by_name = cast("Mapping[Any, Any]", wanted)
        if not wanted_by_name:
            raise ValueError(f"{key} must contain 'state' or an attribute, got {{}}")
        for name, value in wanted_by_name.items():
            if not isinstance(name, str):
                raise TypeError(f"{key} must have 'state' and names of attributes as keys, got {name!r}")
            inner = f"{key}[{name!r}]"
            if name == "state":
                checks.append(_Check(entity_id, None, *_state_value(inner, value)))
            else:
                checks.append(_Check(entity_id, name, *_value(inner, value)))
    return Expectation(checks)


def _state_value(key: str, wanted: object) -> tuple[Callable[[Any], bool], str]:
    for value in cast("Collection[object]", wanted) if _is_list(wanted) else (wanted,):
        if value is None or isinstance(value, bool):
            hint = "'unknown'" if value is None else ("'on'" if value else "'off'")
            raise ValueError(f"{key} must be a state, which is a string, got {value!r}; write {hint}")
        if not (isinstance(value, str | int | float) or callable(value)):
            raise TypeError(f"{key} must be a state, a collection of states or a function, got {value!r}")
    return _value(key, wanted)


def _value(key: str, wanted: Any) -> tuple[Callable[[Any], bool], str]:
    """Return a function that accepts a value, and the text of the expected value."""
    if callable(wanted):
        if is_async(wanted):
            raise ValueError(f"{key} must not be async, got {wanted!r}: a coroutine would always count as true")
        name = getattr(wanted, "__name__", type(wanted).__name__)
        return lambda value: truth_of(name, wanted(value)), f"must satisfy {name}"
    if not _is_list(wanted):
        if isinstance(wanted, float) and math.isnan(wanted):
            raise ValueError(f"{key} must be a value that a state can have, got {wanted!r}")
        return partial(_equal, wanted), f"must be {wanted!r}"
    values: list[Any] = list(wanted)
    if not values:
        raise ValueError(f"{key} must contain at least one value, got {wanted!r}")

    each = [_value(key, value) if callable(value) else (partial(_equal, value), repr(value)) for value in values]

    def accepts(value: Any) -> bool:
        # An attribute may itself be a list, such as a color.
        return any(accept(value) for accept, _ in each) or (isinstance(value, list | tuple) and _equal(values, value))

    texts = [text.replace("must satisfy", "a value that satisfies") for _, text in each]
    return accepts, f"must be {texts[0]}" if len(texts) == 1 else f"must be one of {', '.join(texts)}"


def _is_list(wanted: object) -> bool:
    return isinstance(wanted, list | tuple | set | frozenset)


def _equal(wanted: Any, value: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, int | float) and not isinstance(wanted, bool):
        try:
            return float(value) == wanted  # a state is always a string: '21.0' is the number 21
        except ValueError:
            return False
    if isinstance(value, list | tuple) and isinstance(wanted, list | tuple):
        return list(cast("Sequence[Any]", value)) == list(cast("Sequence[Any]", wanted))
    return bool(value == wanted)
