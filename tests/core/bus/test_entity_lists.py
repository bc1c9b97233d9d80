"""One listener to several entities: ids, globs and selections. It is one registration with one mode."""

import asyncio
from collections.abc import Callable
from enum import Enum, StrEnum
from typing import Any

import pytest

from hassette_core.errors import RegistrationError
from hassette_core.events import StateChanged
from support.home import Home
from support.records import forever, nothing


class Motion(StrEnum):
    """Names of sensors, as an app may define them."""

    HALL = "binary_sensor.hall"


class Door(str, Enum):  # noqa: UP042  apps still have such classes
    """Names of doors, in the form of older Python versions."""

    FRONT = "binary_sensor.front"


class Area:
    """A selection whose entities change. Two selections of one area are equal."""

    def __init__(self, name: str, *entities: str) -> None:
        self.name = name
        self.entities = set(entities)
        self.asked = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Area) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def matches(self, entity_id: str) -> bool:
        self.asked += 1
        return entity_id in self.entities

    def describe(self) -> str:
        return f"lights in the area {self.name}"


@pytest.fixture
def seen() -> list[str]:
    """Collect the entities of the runs."""
    return []


@pytest.fixture
def note(seen: list[str]) -> Callable[..., Any]:
    async def note(event: StateChanged) -> None:
        seen.append(event.entity_id)

    return note


@pytest.mark.parametrize(
    "entities",
    [
        ["light.a", "light.b"],
        ("light.b", "light.a", "light.b"),
        {"light.a", "light.b"},
        frozenset({"light.a", "light.b"}),
        dict.fromkeys(["light.b", "light.a"]).keys(),
        (f"light.{name}" for name in "ab"),
    ],
)
async def test_several_entities_are_one_registration(
    home: Home, note: Callable[..., Any], seen: list[str], entities: Any
) -> None:
    subscription = home.bus.on_state_change(note, entities)
    for entity_id in ("light.a", "light.b", "light.c"):
        home.change(entity_id, "on")
    records = await home.records(2)
    assert seen == ["light.a", "light.b"]
    assert subscription.registration.key == ("app", "one", "note", "state_changed.light.a, light.b")
    assert {record.registration for record in records} == {subscription.registration}


@pytest.mark.parametrize(
    "entities",
    [["light.hall", "light.*", "*.hall"], ["light.?all", "light.hall"], ["light.hall", Area("Hall", "light.hall")]],
)
async def test_entity_that_is_named_twice_leads_to_one_run(
    home: Home, note: Callable[..., Any], seen: list[str], entities: Any
) -> None:
    home.bus.on_state_change(note, entities)
    home.change("light.hall", "on")
    await home.records(1)
    assert seen == ["light.hall"]


async def test_cancelled_listener_leaves_no_entity_behind(home: Home) -> None:
    area = Area("Hall", "light.c")
    subscription = home.bus.on_state_change(nothing, ["light.a", "light.*", area])
    subscription.cancel()
    area.asked = 0
    for entity_id in ("light.a", "light.b", "light.c"):
        home.change(entity_id, "on")
    await home.records(0)
    assert area.asked == 0
    assert await home.retired() == ["nothing"]


async def test_once_ends_the_listener_of_all_entities(home: Home, note: Callable[..., Any], seen: list[str]) -> None:
    home.bus.on_state_change(note, ["light.a", "light.b"], once=True)
    home.change("light.b", "on")
    home.change("light.a", "on")
    await home.records(1)
    assert seen == ["light.b"]


async def test_debounce_and_throttle_are_shared_by_all_entities(
    home: Home, note: Callable[..., Any], seen: list[str]
) -> None:
    home.bus.on_state_change(note, ["light.a", "light.b"], debounce=5)
    home.bus.on_state_change(note, ["light.a", "light.b"], throttle=5, name="throttled")
    home.change("light.a", "on")
    home.change("light.b", "on")
    await home.pass_time(6)
    await home.records(2)
    assert seen == ["light.a", "light.b"]
    assert await home.skipped() == {"rate_limited": 2}


async def test_mode_is_shared_by_all_entities(home: Home) -> None:
    home.bus.on_state_change(forever, ["light.a", "light.b"], mode="single")
    home.change("light.a", "on")
    await home.settle()
    home.change("light.b", "on")
    assert await home.skipped() == {"overlap": 1}


async def test_restart_by_one_sensor_cancels_the_run_of_another(home: Home, seen: list[str]) -> None:
    async def turn_off_later(event: StateChanged) -> None:
        await asyncio.sleep(0 if event.entity_id == "binary_sensor.b" else 3600)
        seen.append(event.entity_id)

    home.bus.on_state_change(turn_off_later, ["binary_sensor.a", "binary_sensor.b"], mode="restart")
    home.change("binary_sensor.a", "on")
    await home.settle()
    home.change("binary_sensor.b", "on")
    await home.records(2)
    assert seen == ["binary_sensor.b"]


async def test_duration_is_timed_for_each_entity(home: Home, note: Callable[..., Any], seen: list[str]) -> None:
    home.bus.on_state_change(note, ["binary_sensor.a", "binary_sensor.b"], changed_to="on", duration=60)
    home.change("binary_sensor.a", "on")
    await home.pass_time(30)
    home.change("binary_sensor.b", "on")
    home.change("binary_sensor.a", "off")
    await home.pass_time(40)
    assert seen == []
    await home.pass_time(30)
    await home.records(1)
    assert seen == ["binary_sensor.b"]


async def test_attribute_listener_takes_several_entities(home: Home, note: Callable[..., Any], seen: list[str]) -> None:
    subscription = home.bus.on_attribute_change(note, ["light.b", "light.a"], "brightness")
    home.change("light.a", "on", brightness=1)
    home.change("light.b", "on")
    await home.records(1)
    assert seen == ["light.a"]
    assert subscription.registration.topic == "state_changed.light.a, light.b.brightness"


async def test_selection_is_current_for_each_event(home: Home, note: Callable[..., Any], seen: list[str]) -> None:
    area = Area("Kitchen")
    subscription = home.bus.on_state_change(note, area)
    home.change("light.new", "on")
    area.entities.add("light.new")
    home.change("light.new", "off")
    area.entities.clear()
    home.change("light.new", "on")
    await home.records(1)
    assert seen == ["light.new"]
    assert subscription.registration.topic == "state_changed.lights in the area Kitchen"


async def test_equal_selections_are_asked_once_for_each_event(home: Home) -> None:
    first, second = Area("Kitchen", "light.a"), Area("Kitchen", "light.a")
    home.bus.on_state_change(nothing, first)
    home.bus.on_state_change(nothing, second, name="second")
    home.change("light.a", "on")
    await home.records(2)
    assert (first.asked, second.asked) == (1, 0)


async def test_failed_selection_affects_only_its_listeners(home: Home) -> None:
    class Broken(Area):
        def matches(self, entity_id: str) -> bool:
            raise SystemExit(3)

    home.bus.on_state_change(nothing, Broken("Hall"))
    home.bus.on_state_change(nothing, Area("Kitchen", "light.a"), name="other")
    home.change("light.a", "on")
    (record,) = await home.records(1)
    assert record.registration.name == "other"
    assert await home.skipped() == {"predicate_failed": 1}


async def test_members_of_an_enumeration_are_entity_ids(home: Home) -> None:
    subscription = home.bus.on_state_change(nothing, [Motion.HALL, Door.FRONT])
    home.change("binary_sensor.hall", "on")
    home.change("binary_sensor.front", "on")
    await home.records(2)
    assert subscription.registration.topic == "state_changed.binary_sensor.front, binary_sensor.hall"


async def test_topic_of_a_long_list_is_cut_and_differs_from_other_lists(home: Home) -> None:
    lists = [[f"sensor.temperature_{number}" for number in range(100)] for _ in range(2)]
    lists[1][-1] = "sensor.other"
    topics = [
        home.bus.on_state_change(nothing, each, name=f"n{number}").registration.topic
        for number, each in enumerate([*lists, lists[0][::-1]])
    ]
    assert topics[0] == topics[2] != topics[1]
    assert max(map(len, topics)) < 250
    assert "more (" in topics[0]


@pytest.mark.parametrize(
    ("entities", "text"),
    [
        ([], r"entity_id must name at least one entity, got \[\]"),
        (set(), "must name at least one entity"),
        (iter(()), "must name at least one entity"),
        (["light.a", ""], "entity_id must consist of .* got ''"),
        (["light.a", "Light B"], "did you mean 'light.b'"),
        (["light.a", None], "entity_id must be an entity id or a glob, got None"),
        ([["light.a"]], "entity_id must be an entity id or a glob"),
        (None, "entity_id must be an entity id, a glob, a selection .* got None"),
        (5, "got 5"),
        (b"light.a", "got b'light.a'"),
        ({"light.a": 1}, r"write \['light.a'\]"),
    ],
)
async def test_entities_that_can_match_nothing_are_rejected(home: Home, entities: Any, text: str) -> None:
    with pytest.raises(RegistrationError, match=text):
        home.bus.on_state_change(nothing, entities)
    with pytest.raises(RegistrationError, match=r"must|did you mean"):
        home.bus.on_attribute_change(nothing, entities if not hasattr(entities, "__next__") else [], "x")
