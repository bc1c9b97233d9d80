"""``changed_from`` and ``changed_to`` compare lists and objects with the whole attribute, or raise an error."""

from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest

from hassette_core.conditions import attribute_condition, state_condition
from hassette_core.errors import RegistrationError
from support.home import Home
from support.records import nothing

RED, BLUE = [255, 0, 0], [0, 0, 255]


class Mode(StrEnum):
    HEAT = "heat"


class Level(IntEnum):
    HIGH = 3


class Plain(Enum):
    ON = "on"


async def runs_for(home: Home, option: str, expected: Any, values: list[Any]) -> list[Any]:
    """Give an attribute each value in turn, and return the values for which the handler ran."""
    seen: list[Any] = []
    home.set_state("light.x", "on", watched="before")
    home.bus.on_attribute_change(nothing, "light.x", "watched", **{option: expected})
    for number, value in enumerate(values):
        before = len(await home.records())
        home.change("light.x", "on", watched=value)
        home.change("light.x", "on", watched=f"between {number}")
        if len(await home.records()) > before:
            seen.append(value)
    return seen


@pytest.mark.parametrize("option", ["changed_from", "changed_to"])
@pytest.mark.parametrize(
    ("expected", "equal", "different"),
    [
        ((255, 0, 0), [RED, [255.0, 0, 0]], [BLUE, [255, 0], [[255, 0, 0]], "(255, 0, 0)", {"0": 255}]),
        ([255, 0, 0], [RED], [BLUE, [0, 0, 255]]),
        ((0.701, 0.299), [[0.701, 0.299]], [[0.299, 0.701], [0.7, 0.3]]),
        ([(255, 0, 0), (0, 0, 255)], [RED, BLUE, [RED, BLUE]], [[0, 255, 0], [BLUE, RED], 255]),
        ([RED], [RED, [RED]], [BLUE, 255]),
        ({(255, 0, 0), (0, 0, 255)}, [RED, BLUE], [[RED, BLUE], 255]),
        (["colorloop", "random"], ["colorloop", "random", ["colorloop", "random"]], [["random"], "col", []]),
        ({"low": 1, "high": [2, 3]}, [{"high": [2, 3], "low": 1}], [{"low": 1}, "low", ["low", "high"], {}]),
        ([{"low": 1}, {"low": 2}], [{"low": 1}, {"low": 2}, [{"low": 1}, {"low": 2}]], [{"low": 3}, "low"]),
        (({"at": (1, 2)},), [{"at": [1, 2]}, [{"at": [1, 2]}]], [{"at": [2, 1]}]),
        ({}, [{}], [{"a": 1}, "a", []]),
        (((1, None),), [[1, None], [[1, None]]], [[1], [None, 1], 1]),
        ({20, 21.5}, [20, 21.5, 20.0], [[20, 21.5], "20", 22]),
        (range(10, 12), [10, 11], [12, [10, 11]]),
        (deque([1, 2]), [1, 2], [3]),
        ("on", ["on"], [True, ["on"], "On", {"on": 1}]),
        (True, [True], ["on", "true", ["True"], "True"]),
        (21, [21, 21.0], ["21", [21]]),
        ("21", ["21"], [21, ["21"]]),
        (Mode.HEAT, ["heat"], ["cool", ["heat"]]),
        ([Level.HIGH], [3, [3]], [2]),
    ],
)
async def test_list_is_compared_with_an_attribute_that_is_a_list(
    home: Home, option: str, expected: Any, equal: list[Any], different: list[Any]
) -> None:
    assert await runs_for(home, option, expected, [*equal, *different]) == equal
    assert await home.skipped() == {}  # no comparison failed


@pytest.mark.parametrize("option", ["changed_from", "changed_to"])
@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ([255, (255, 0, 0)], "in which either all values or no values are lists"),
        (("off", ["a", "b"]), "in which either all values or no values are lists"),
        ([], r"a non-empty collection, got \[\]"),
        (set(), r"a non-empty collection, got set\(\)"),
        ([None, 5], r"a collection without None, got \[None, 5\]: a missing attribute never matches"),
        ({None}, "a collection without None"),
        (float("nan"), "a JSON value, as every attribute is, got nan: JSON cannot express nan"),
        ([1, float("inf")], "JSON cannot express inf"),
        (((0.1, float("nan")),), "JSON cannot express nan"),
        ({"a": float("nan")}, "JSON cannot express nan"),
        ({1: "a"}, "the key 1 is not a string"),
        ([datetime(2026, 1, 1, tzinfo=UTC)], "JSON has no datetime"),
        ({"at": {1, 2}}, "JSON has no set"),
        ([{1, 2}], "JSON has no set"),
        ([b"on"], "JSON has no bytes"),
        (b"on", "a value, a collection of values or a function, got b'on'"),
        (Plain.ON, "a value, a collection of values or a function"),
        ([Plain.ON], "JSON has no Plain"),
        (Decimal(5), "a value, a collection of values or a function"),
        (iter([1]), "a value, a collection of values or a function"),
    ],
)
async def test_attribute_value_that_never_matches_or_has_two_meanings_is_rejected(
    home: Home, option: str, expected: Any, text: str
) -> None:
    with pytest.raises(RegistrationError, match=f"{option} must .*{text}"):
        home.bus.on_attribute_change(nothing, "light.x", "rgb_color", **{option: expected})


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ((255, 0, 0), "a string, as every state is, got 255; write '255'"),
        ([("on", "off")], r"a string, as every state is, got \('on', 'off'\)$"),
        (["on", None], "got None; write 'unknown'"),
        ({"on": True}, r"a string, a collection of strings or a function, got {'on': True}; write \['on'\]"),
        ({}, r"a string, a collection of strings or a function, got {}"),
        ([True], "got True; write 'on'"),
        (float("nan"), "got nan; write 'nan'"),
        ("x" * 256, "at most 255 characters, as every state has, got 256 characters"),
        (b"on", "a value, a collection of values or a function"),
    ],
)
async def test_expected_state_that_no_state_can_equal_is_rejected(home: Home, expected: Any, text: str) -> None:
    with pytest.raises(RegistrationError, match=f"changed_to must .*{text}"):
        home.bus.on_state_change(nothing, "light.x", changed_to=expected)


async def test_collection_of_states_accepts_each_of_them(home: Home) -> None:
    home.bus.on_state_change(nothing, "light.x", changed_to=("on", "off"), changed_from={"idle"})
    for state in ("idle", "on", "idle", "off", "idle", "('on', 'off')", "idle"):
        home.change("light.x", state)
    assert [record.trigger.new_state for record in await home.records()] == ["on", "off"]


async def test_change_to_a_list_must_last_for_the_duration(home: Home) -> None:
    home.set_state("light.x", "on", rgb_color=[1, 1, 1])
    home.bus.on_attribute_change(nothing, "light.x", "rgb_color", changed_to=(255, 0, 0), duration=5)
    home.change("light.x", "on", rgb_color=[255, 0, 0])
    await home.pass_time(4)
    home.change("light.x", "on", rgb_color=[0, 0, 255])
    await home.pass_time(5)
    await home.records(0)
    home.change("light.x", "on", rgb_color=[255, 0, 0])
    await home.pass_time(5)
    await home.records(1)


@pytest.mark.parametrize(
    ("expected", "text"),
    [((255, 0, 0), "255, 0, 0"), ([(255, 0, 0), (0, 0, 255)], "(255, 0, 0), (0, 0, 255)"), ({"a": 1}, "{'a': 1}")],
)
async def test_settings_show_expected_lists(home: Home, expected: Any, text: str) -> None:
    subscription = home.bus.on_attribute_change(nothing, "light.x", "rgb_color", changed_to=expected)
    assert subscription.registration.settings == (("changed_to", text),)


class Array:
    """An array like that of numpy: it has elements and a length, but no truth value."""

    def __init__(self, *values: object) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[object]:
        return iter(self._values)

    def __contains__(self, value: object) -> bool:
        return value in self._values

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


def test_elements_of_an_array_are_accepted() -> None:
    condition = attribute_condition("changed_to", Array(1, 2))
    assert condition is not None
    assert condition.accepts(2)
    assert not condition.accepts(3)
    with pytest.raises(RegistrationError, match="changed_to must be a string"):
        state_condition("changed_to", Array(1, 2))
    with pytest.raises(RegistrationError, match="must be a non-empty collection"):
        attribute_condition("changed_to", Array())


def _nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("condition", [attribute_condition, state_condition])
def test_value_that_contains_itself_or_is_nested_deeply_is_refused(condition: Callable[..., object]) -> None:
    endless: list[object] = []
    endless.append(endless)
    table: dict[str, object] = {}
    table["a"] = table
    for value in (endless, table, [table], _nested(50_000)):
        with pytest.raises(RegistrationError, match="changed_to must be"):
            condition("changed_to", value)
