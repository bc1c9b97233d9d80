"""Conditions that cannot work raise clear errors, and false conditions have clear reasons."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest

from hassette_core.conditions import (
    Condition,
    ConditionView,
    above,
    as_condition,
    below,
    state_condition,
    state_is,
)
from hassette_core.errors import RegistrationError
from hassette_core.events import Context, State

NOW = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


def state(entity_id: str, value: str) -> State:
    return State(entity_id, value, MappingProxyType({}), NOW, NOW, Context("C"))


def view(*states: State) -> ConditionView:
    return ConditionView({each.entity_id: each for each in states}, NOW)


class Answering(Condition):
    """A condition with the answers of a test."""

    def __init__(self, holds: Any = True, describe: Any = "the home is quiet", explain: Any = None) -> None:
        self.answers = {"holds": holds, "describe": describe, "explain": explain}

    def holds(self, view: ConditionView) -> bool:
        return self.answers["holds"]

    def describe(self) -> str:
        if isinstance(self.answers["describe"], Exception):
            raise self.answers["describe"]
        return self.answers["describe"]

    def explain(self, view: ConditionView) -> str:
        return self.answers["explain"]


async def later() -> bool:
    return False


def is_dark() -> bool:
    return False


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (later, "a coroutine. It must be a plain `def` that does not wait"),
        (lambda: is_dark, "the function is_dark. Write parentheses"),
        (lambda: partial(is_dark), "the function is_dark. Write parentheses"),
        (lambda: (each for each in [False]), "a generator. Write any(…) or all(…) around it"),
        (asyncio.Future, "a coroutine"),
    ],
)
async def test_result_that_would_always_count_as_true_is_an_error(make: Callable[[], Any], problem: str) -> None:
    def allowed() -> Any:
        return make()

    now = view(state("light.a", "on"))
    conditions = [
        as_condition("where", allowed),
        ~as_condition("where", allowed),
        as_condition("where", allowed) | state_is("light.a", "on"),
        as_condition("where", [state_is("light.a", "on"), allowed]),
        state_is("light.a", lambda _value: make()),
    ]
    for condition in conditions:
        with pytest.raises(RegistrationError, match=re.escape(f"must return True or False, got {problem}")):
            condition.check(now)
    accepts = state_condition("changed_to", lambda _value: make())
    assert accepts is not None
    with pytest.raises(RegistrationError, match=re.escape(f"a function must return True or False, got {problem}")):
        accepts.accepts("on")
    with pytest.raises(RegistrationError, match=re.escape("holds() of the condition Answering must return True")):
        Answering(make()).check(now)


@pytest.mark.parametrize("name", ["holds", "describe", "observe", "explain"])
def test_condition_with_an_async_method_cannot_be_defined(name: str) -> None:
    async def wrong(self: object, *_: object) -> bool:
        return True

    with pytest.raises(RegistrationError, match=rf"{name}\(\) of the condition Quiet must be a plain `def`"):
        type("Quiet", (Answering,), {name: wrong})

    def generator(self: object, *_: object) -> Any:
        yield True

    with pytest.raises(RegistrationError, match=rf"{name}\(\) of the condition Quiet must not contain a yield"):
        type("Quiet", (Answering,), {name: generator})


@pytest.mark.parametrize(
    ("describe", "problem"),
    [
        (None, "must return a text, such as 'the home is quiet', got None"),
        ("", "must return a text, such as 'the home is quiet', got ''"),
        (5, "must return a text, such as 'the home is quiet', got 5"),
        (ValueError("no lux"), "must return a text, but it raised ValueError: no lux"),
    ],
)
def test_condition_without_a_description_is_rejected(describe: Any, problem: str) -> None:
    wrong = Answering(describe=describe)
    makes: list[Callable[[], object]] = [
        lambda: as_condition("where", wrong),
        lambda: as_condition("where", [wrong]),
        lambda: ~wrong,
        lambda: wrong & state_is("light.a", "on"),
        lambda: is_dark | wrong,
    ]
    for make in makes:
        with pytest.raises(RegistrationError, match=re.escape(f"describe() of the condition Answering {problem}")):
            make()


def test_condition_that_explains_nothing_raises_a_clear_error() -> None:
    with pytest.raises(RegistrationError, match=r"explain\(\) of the condition Answering must return a text"):
        Answering(holds=False, explain=None).check(view())
    assert Answering(holds=False, explain="too loud").check(view()) == "too loud"


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Answering, "where must be a condition, got the class Answering; write Answering(…)"),
        ([Answering], "where must be a condition, got the class Answering; write Answering(…)"),
        (dict, "where must be a function that returns True or False, got the class dict"),
        (lambda: state_is("light.a", dict), "values must be a function that returns True or False, got the class dict"),
    ],
)
def test_class_is_no_condition(where: Any, text: str) -> None:
    with pytest.raises(RegistrationError, match=re.escape(text)):
        as_condition("where", where) if isinstance(where, type | list) else where()


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (as_condition("where", is_dark), "is_dark() must be true, it returned False"),
        (as_condition("where", lambda: ""), "a function must be true, it returned ''"),
        (as_condition("where", lambda: None), "a function must be true, it returned None"),
        (~as_condition("where", lambda: "x" * 500), f"not (a function is true): it returned '{'x' * 79}…"),
        (
            as_condition("where", is_dark) | state_is("light.a", "off"),
            "is_dark() is true (it returned False) or light.a is off (it was on)",
        ),
        (as_condition("where", [state_is("light.a", "on"), is_dark]), "is_dark() must be true, it returned False"),
        (above("sensor.a", "input_number.b"), "sensor.a is above input_number.b: it was 20, input_number.b was 22.5"),
        (below("sensor.a", "sensor.gone"), "sensor.a is below sensor.gone: it was 20, sensor.gone does not exist"),
        (
            above(["sensor.a", "sensor.b"], "sensor.off"),
            "sensor.a and sensor.b are above sensor.off: sensor.a was 20, sensor.b was 21, sensor.off was unavailable",
        ),
    ],
)
def test_reason_contains_the_result_of_a_function_and_the_value_of_a_limit(condition: Condition, reason: str) -> None:
    now = view(
        state("light.a", "on"),
        state("sensor.a", "20"),
        state("sensor.b", "21"),
        state("input_number.b", "22.5"),
        state("sensor.off", "unavailable"),
    )
    assert condition.check(now) == reason


def test_false_function_is_called_once_for_each_check() -> None:
    calls: list[int] = []
    function = as_condition("where", lambda: calls.append(1))
    for condition in (function, function & is_dark, function | is_dark, ~~function):
        calls.clear()
        assert condition.check(view()) is not None
        assert len(calls) == 1
