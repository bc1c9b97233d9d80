"""Conditions on the time and the sun: `between`, `sun_is_up`, `sun_is_down`."""

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hassette_core.conditions import Condition, ConditionView, between, sun_is_down, sun_is_up
from hassette_core.errors import RegistrationError
from hassette_core.events import Context, State
from hassette_core.moments import Place
from support.home import Home
from support.records import nothing

BERLIN = Place(zone=ZoneInfo("Europe/Berlin"), latitude=52.5, longitude=13.4)
TROMSO = Place(zone=ZoneInfo("Europe/Oslo"), latitude=69.6, longitude=18.9)
NOWHERE = Place(zone=ZoneInfo("Europe/Berlin"))


def at(local: str, place: Place | None = BERLIN, **entities: str) -> ConditionView:
    """Return the view at a local time. Entities are in the domain ``input_datetime``."""
    now = datetime.fromisoformat(local).replace(tzinfo=BERLIN.zone)
    states = {
        f"input_datetime.{name}": State(f"input_datetime.{name}", value, MappingProxyType({}), now, now, Context("C"))
        for name, value in entities.items()
    }
    return ConditionView(states, now.astimezone(UTC), place)


@pytest.mark.parametrize(
    ("condition", "view", "expected"),
    [
        (between("22:00", "06:30"), at("2026-06-01 23:00"), True),
        (between("22:00", "06:30"), at("2026-06-01 06:29:59"), True),
        (between("22:00", "06:30"), at("2026-06-01 06:30"), False),
        (between("22:00", "06:30"), at("2026-06-01 22:00"), True),
        (between("22:00", "06:30", days="mon-fri"), at("2026-06-06 01:00"), True),
        (between("22:00", "06:30", days="mon-fri"), at("2026-06-07 01:00"), False),
        (between("sunset - 00:30", "23:00"), at("2026-06-01 20:58"), True),
        (between("sunset - 00:30", "23:00"), at("2026-06-01 20:45"), False),
        (between("input_datetime.a", "input_datetime.b"), at("2026-06-01 12:00", a="11:00:00", b="13:00:00"), True),
        (between("input_datetime.a", "input_datetime.b"), at("2026-06-01 12:00", a="11:00:00", b="unknown"), False),
        (between("input_datetime.a", "input_datetime.b"), at("2026-06-01 12:00"), False),
        (between("sunset", "sunrise"), at("2026-06-01 23:00", NOWHERE), False),
        (between("22:00", "sunrise"), at("2026-06-01 23:00", None), False),
        (sun_is_up(), at("2026-06-01 12:00"), True),
        (sun_is_up(), at("2026-06-01 23:00"), False),
        (sun_is_down(), at("2026-06-01 23:00"), True),
        (sun_is_down(), at("2026-06-01 12:00"), False),
        (sun_is_up(), at("2026-06-21 00:30", TROMSO), True),
        (sun_is_down(), at("2026-12-21 12:00", TROMSO), True),
        (sun_is_up(), at("2026-06-01 12:00", NOWHERE), False),
        (sun_is_down(), at("2026-06-01 12:00", NOWHERE), False),
        (sun_is_down(), at("2026-06-01 12:00", None), False),
    ],
)
def test_condition_on_the_time_holds_in_its_window(condition: Condition, view: ConditionView, expected: bool) -> None:
    assert condition.holds(view) is expected
    assert (~condition).holds(view) is not expected
    assert condition.explain(view)


@pytest.mark.parametrize(
    ("condition", "view", "text"),
    [
        (between("22:00", "sunrise"), at("2026-06-01 12:00"), "it is between 22:00 and sunrise: it was Mon 12:00:00"),
        (sun_is_up(), at("2026-06-01 23:00"), "the sun is up: it was down"),
        (sun_is_down(), at("2026-06-01 23:00", NOWHERE), "the sun is down: the location of the home is unknown"),
    ],
)
def test_explanation_contains_the_time_or_the_sun(condition: Condition, view: ConditionView, text: str) -> None:
    assert condition.explain(view) == text


def test_unknown_entity_of_a_window_is_named_in_the_explanation() -> None:
    condition = between("input_datetime.a", "12:00") & sun_is_up()

    assert "input_datetime.a" in condition.explain(at("2026-06-01 11:00"))
    assert condition.reads == ("input_datetime.a",)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("22:00", "22:00"), "end must be another moment than start"),
        (("25:00", "06:00"), "start must be"),
        (("22:00", 5), "end must be"),
        (("7", "8"), "start must be"),
    ],
)
def test_window_that_cannot_be_read_is_rejected(arguments: tuple[Any, Any], text: str) -> None:
    with pytest.raises(RegistrationError, match=text):
        between(*arguments)


async def test_bus_and_scheduler_share_the_place_of_the_home(home: Home) -> None:
    home.bus.on_event(nothing, "button", where=sun_is_up())
    home.fire("button")
    assert await home.skipped() == {"condition": 1}
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    home.fire("button")
    await home.records(1)


async def allowed(home: Home, where: Condition, hours: list[float]) -> list[bool]:
    """Return for each number of hours after noon whether a change leads to a run."""
    home.bus.on_event(nothing, "tick", where=where)
    found: list[bool] = []
    for before, after in zip([0.0, *hours], hours, strict=False):
        await home.pass_time((after - before) * 3600, step=3600)
        runs = len(await home.records())
        home.fire("tick")
        found.append(len(await home.records()) > runs)
    return found


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (between("12:00", "15:00"), [True, False, False]),
        (between("20:00", "sunrise"), [False, True, False]),
        (~between("20:00", "sunrise"), [True, False, True]),
        (between("20:00", "06:00", days="mon"), [False, True, False]),
        (between("20:00", "06:00", days="tue-sun"), [False, False, False]),
        (sun_is_up(), [True, False, True]),
        (sun_is_down(), [False, True, False]),
        (sun_is_down() | between("12:00", "13:00"), [True, True, False]),
    ],
)
async def test_condition_on_the_time_allows_or_skips_a_job(home: Home, where: Condition, expected: list[bool]) -> None:
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    assert await allowed(home, where, [0.5, 11, 19]) == expected
    assert await home.skipped() == {"condition": expected.count(False)}


async def test_window_follows_the_entity(home: Home) -> None:
    home.set_state("input_datetime.bed_time", "21:00:00")
    home.bus.on_event(nothing, "tick", where=between("input_datetime.bed_time", "22:00"))
    home.fire("tick")
    await home.records(0)
    home.set_state("input_datetime.bed_time", "11:00:00")
    home.fire("tick")
    await home.records(1)
