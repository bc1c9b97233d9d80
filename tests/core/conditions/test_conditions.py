"""Conditions: `state_is`, `above`, `below`, functions, and their combinations."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.conditions import Condition, ConditionView, above, as_condition, below, state_is
from hassette_core.errors import RegistrationError
from hassette_core.events import Context, Event, State

NOW = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


def state(entity_id: str, value: str, since_s: float = 0, **attributes: Any) -> State:
    """Return a state that has lasted for a number of seconds."""
    changed = NOW - timedelta(seconds=since_s)
    return State(entity_id, value, MappingProxyType(attributes), changed, changed, Context("C"))


def view(*states: State, event: Event | None = None) -> ConditionView:
    return ConditionView({each.entity_id: each for each in states}, NOW, event=event)


class Fixed(Condition):
    """A condition that always gives the same answer, and counts its checks."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.checks = 0

    def holds(self, view: ConditionView) -> bool:
        self.checks += 1
        return self.answer

    def describe(self) -> str:
        return "yes" if self.answer else "no"


HOME = view(
    state("light.hall", "on", 60, brightness=120, colour=[1, 2]),
    state("light.desk", "off"),
    state("light.lost", "unavailable"),
    state("sensor.lux", "80"),
    state("sensor.new", "unknown"),
    state("sensor.nan", "nan"),
    state("input_number.limit", "50"),
)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (state_is("light.hall", "on"), True),
        (state_is("light.hall", ["off", "on"]), True),
        (state_is("light.hall", "off"), False),
        (state_is("light.hall", lambda value: value.startswith("o")), True),
        (state_is("light.lost", "on"), False),
        (state_is("light.lost", "unavailable"), True),
        (state_is("sensor.new", lambda value: float(value) > 0), False),
        (state_is("light.gone", "on"), False),
        (state_is("light.gone", lambda value: True), False),
        (state_is("light.hall", 120, attribute="brightness"), True),
        (state_is("light.hall", (1, 2), attribute="colour"), True),
        (state_is("light.hall", lambda value: value > 100, attribute="brightness"), True),
        (state_is("light.desk", 120, attribute="brightness"), False),
        (state_is("light.hall", "on", duration=60), True),
        (state_is("light.hall", "on", duration=timedelta(seconds=61)), False),
        (state_is(["light.hall", "light.desk"], "on"), False),
        (state_is(["light.hall", "light.desk"], "on", match="any"), True),
        (state_is({"light.hall", "light.gone"}, "on"), False),
        (state_is((each for each in ["light.hall", "light.gone"]), "on", match="any"), True),
        (state_is("light.*", "on", match="any"), True),
        (state_is("light.*", ["on", "off", "unavailable"]), True),
        (state_is("fan.*", "on"), False),
        (state_is("fan.*", "on", match="any"), False),
        (above("sensor.lux", 79.5), True),
        (above("sensor.lux", 80), False),
        (below("sensor.lux", 80), False),
        (below("sensor.lux", 81), True),
        (above("sensor.lux", "input_number.limit"), True),
        (below("sensor.lux", "input_number.gone"), False),
        (above("sensor.new", 0), False),
        (below("sensor.new", 0), False),
        (above("sensor.nan", 0), False),
        (above("light.hall", 0), False),
        (above("light.gone", 0), False),
        (above("light.hall", 100, attribute="brightness"), True),
        (below("light.desk", 100, attribute="brightness"), False),
        (above(["sensor.lux", "input_number.limit"], 60), False),
        (above(["sensor.lux", "input_number.limit"], 60, match="any"), True),
    ],
)
def test_condition_holds_for_the_states_that_it_names(condition: Condition, expected: bool) -> None:
    assert condition.holds(HOME) is expected
    assert (~condition).holds(HOME) is not expected
    assert (~~condition).holds(HOME) is expected


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (below("sensor.lux", 50), "sensor.lux is below 50: it was 80"),
        (above("sensor.gone", 50), "sensor.gone is above 50: it does not exist"),
        (above("light.hall", 200, attribute="brightness"), "brightness of light.hall is above 200: it was 120"),
        (below("light.desk", 1, attribute="x"), "x of light.desk is below 1: it has no attribute 'x'"),
        (state_is("light.hall", ["off", "dim"]), "light.hall is off or dim: it was on"),
        (state_is("light.hall", "on", duration=300), "light.hall is on for 5 min: it was on for 1 min"),
        (~state_is("light.hall", "on"), "not (light.hall is on): it was on"),
        (state_is(["light.hall", "light.desk"], "on"), "light.hall and light.desk are on: light.desk was off"),
        (
            state_is(["light.desk", "light.lost"], "on", match="any"),
            "light.desk or light.lost is on: light.desk was off, light.lost was unavailable",
        ),
        (state_is("fan.*", "on"), "every entity of fan.* is on: there is no such entity"),
        (state_is("light.*", "on"), "every entity of light.* is on: light.desk was off, light.lost was unavailable"),
        (
            state_is("light.hall", "on") & below("sensor.lux", 50) & state_is("light.desk", "on"),
            "sensor.lux is below 50: it was 80",
        ),
        (
            state_is("light.desk", "on") | below("sensor.lux", 50),
            "light.desk is on (it was off) or sensor.lux is below 50 (it was 80)",
        ),
    ],
)
def test_explanation_names_the_deciding_entities(condition: Condition, text: str) -> None:
    assert not condition.holds(HOME)
    assert condition.explain(HOME) == text


def test_description_shows_how_conditions_are_combined() -> None:
    condition = (state_is("light.a", "on") | state_is("light.b", "on")) & ~above("sensor.c", 1.5)

    assert condition.describe() == "(light.a is on or light.b is on) and not (sensor.c is above 1.5)"


_VALUES = st.recursive(
    st.booleans(),
    lambda inner: st.tuples(st.sampled_from(["and", "or", "not"]), inner, inner),
    max_leaves=8,
)


def build(tree: Any) -> tuple[Condition, bool]:
    """Return a condition and its expected answer."""
    if isinstance(tree, bool):
        return Fixed(tree), tree
    operator, (left, left_holds), (right, right_holds) = tree[0], build(tree[1]), build(tree[2])
    if operator == "and":
        return left & right, left_holds and right_holds
    if operator == "or":
        return left | right, left_holds or right_holds
    return ~left, not left_holds


@given(_VALUES)
def test_combination_always_has_the_answer_of_its_parts(tree: Any) -> None:
    condition, expected = build(tree)

    assert condition.holds(HOME) is expected
    assert condition.explain(HOME)


def test_later_parts_are_not_checked_when_the_answer_is_known() -> None:
    last = Fixed(True)

    assert not (Fixed(False) & last).holds(HOME)
    assert (Fixed(True) | last).holds(HOME)
    assert last.checks == 0


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: True, True),
        (lambda event: event is None, True),
        (lambda event=None: event is None, True),
        (lambda *args: args == (None,), True),
        (lambda: 0, False),
    ],
)
def test_function_receives_the_event_if_it_takes_an_argument(function: Callable[..., Any], expected: bool) -> None:
    assert as_condition("where", function).holds(HOME) is expected


def test_function_is_combined_with_a_condition_on_either_side() -> None:
    light_is_on = state_is("light.hall", "on")

    assert (light_is_on & (lambda: True)).holds(HOME)
    assert not ((lambda: False) & light_is_on).holds(HOME)
    assert ((lambda: True) | light_is_on).describe() == "a function is true or light.hall is on"


def test_list_holds_if_all_its_parts_hold() -> None:
    assert as_condition("where", [Fixed(True), lambda: True]).holds(HOME)
    assert not as_condition("where", (each for each in [Fixed(True), [lambda: False]])).holds(HOME)
    assert as_condition("where", []).holds(HOME)


def test_job_takes_no_function_that_needs_an_event() -> None:
    assert as_condition("where", [lambda: True, lambda event=None: True], has_event=False).holds(HOME)
    with pytest.raises(RegistrationError, match="a function without arguments, because a job has no event"):
        as_condition(
            "where", state_is("light.hall", "on") & ~as_condition("where", lambda event: True), has_event=False
        )


async def coroutine() -> bool:
    return True


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: as_condition("where", "light.hall"),
            r"got 'light.hall'; write state_is\('light.hall'",
        ),
        (lambda: as_condition("where", True), "where must be a condition .* got True"),
        (lambda: as_condition("where", [1]), "where must be a condition .* got 1"),
        (lambda: as_condition("where", {"light.hall": "on"}), "where must be a condition"),
        (lambda: as_condition("where", coroutine), "where must not be async, got coroutine"),
        (lambda: as_condition("where", lambda a, b: True), "takes the event, or no argument, .* parameters a, b"),
        (lambda: as_condition("where", lambda *, key: True), "takes the event, or no argument, .* parameters key"),
        (lambda: state_is("light.hall", "on") & "x", "& must be a condition"),
        (lambda: state_is("light.hall", "on") and state_is("light.desk", "on"), "combine conditions with & | ~"),
        (lambda: not state_is("light.hall", "on"), "combine conditions with & | ~"),
        (lambda: state_is("light.hall", None), "values must be a state such as 'on'"),
        (lambda: state_is("light.hall", True), "write 'on'"),
        (lambda: state_is("Light Hall", "on"), "did you mean 'light.hall'"),
        (lambda: state_is([], "on"), "entities must name at least one entity"),
        (lambda: state_is(["light.a", 5], "on"), "entities must be an entity id or a glob, got 5"),
        (lambda: state_is({"light.a": 1}, "on"), r"write \['light.a'\]"),
        (lambda: state_is("light.a", "on", match="some"), "match must be 'all' or 'any', got 'some'"),
        (lambda: state_is("light.a", "on", duration=-1), "duration must be more than 0"),
        (lambda: state_is("light.a", 1, attribute=""), "attribute must be the name of one attribute"),
        (lambda: above("sensor.a", "much"), "limit must consist of lower case letters, .* with one dot, .* got 'much'"),
        (lambda: above("sensor.a", "sensor.*"), "limit must be the id of one entity, got the glob"),
        (lambda: above("sensor.a", float("nan")), "limit must be a finite number or an entity id, got nan"),
        (lambda: above("sensor.a", True), "limit must be a finite number or an entity id, got True"),
    ],
)
def test_condition_that_cannot_work_is_rejected(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(RegistrationError, match=text):
        make()


class Kitchen:
    """A selection whose entities change."""

    def __init__(self) -> None:
        self.entities: set[str] = set()

    def matches(self, entity_id: str) -> bool:
        return entity_id in self.entities

    def describe(self) -> str:
        return "lights in the area Kitchen"


def test_selection_is_read_again_for_each_check() -> None:
    kitchen = Kitchen()
    condition = state_is(kitchen, "on")
    home: Mapping[str, State] = HOME.states

    assert not condition.holds(ConditionView(home, NOW))
    kitchen.entities = {"light.hall"}
    assert condition.holds(ConditionView(home, NOW))
    kitchen.entities = {"light.hall", "light.desk"}
    assert condition.explain(HOME) == "every entity of lights in the area Kitchen is on: light.desk was off"
