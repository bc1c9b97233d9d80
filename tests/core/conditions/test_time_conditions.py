"""Conditions on the time and the sun, for listeners."""

from typing import Any

import pytest

from hassette_core import RegistrationError, between, sun_is_down, sun_is_up
from hassette_core.conditions import Condition
from support.home import Home
from support.records import nothing


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
async def test_condition_at_noon_in_the_night_and_in_the_morning(
    home: Home, where: Condition, expected: list[bool]
) -> None:
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    assert await allowed(home, where, [0.5, 11, 19]) == expected
    assert sum((await home.skipped()).values()) == expected.count(False)


@pytest.mark.parametrize("where", [sun_is_up(), between("input_datetime.bed_time", "07:00")])
async def test_unknown_time_is_counted_as_a_failed_condition(home: Home, where: Condition) -> None:
    assert await allowed(home, where, [0.5]) == [False]
    assert await home.skipped() == {"predicate_failed": 1}


async def test_window_follows_the_entity(home: Home) -> None:
    home.set_state("input_datetime.bed_time", "21:00:00")
    home.bus.on_event(nothing, "tick", where=between("input_datetime.bed_time", "22:00"))
    home.fire("tick")
    await home.records(0)
    home.set_state("input_datetime.bed_time", "11:00:00")
    home.fire("tick")
    await home.records(1)


def test_conditions_are_described_as_text() -> None:
    assert between("22:00", "sunrise", days="fri").describe() == "it is between 22:00 and sunrise on fri"
    assert (sun_is_up() & ~sun_is_down()).describe() == "the sun is up and not (the sun is down)"


@pytest.mark.parametrize("arguments", [("7", "8"), ("07:00", "07:00"), ("07:00", "08:00", "whenever")])
def test_window_that_cannot_work_is_rejected(arguments: Any) -> None:
    start, end, *days = arguments
    with pytest.raises(RegistrationError):
        between(start, end, days=days[0] if days else None)
