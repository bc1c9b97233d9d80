import pytest
from watering import Watering
from watering_sync import WateringSync

from hassette_core.testing import HomeUnderTest

VALVE, RAIN = "valve.garden", "sensor.rain"


@pytest.fixture(params=[Watering, WateringSync])
def garden(home: HomeUnderTest, request: pytest.FixtureRequest) -> HomeUnderTest:
    home.set(VALVE, "closed", supported_features=3)
    home.set(RAIN, 10, unit_of_measurement="mm")
    home.add_app(request.param, valve=VALVE, rain=RAIN, at="06:00")
    return home


def rain(home: HomeUnderTest, *levels: float | str) -> None:
    for level in levels:
        home.advance(minutes=10)
        home.set(RAIN, level)


def test_a_dry_garden_is_watered_for_twenty_minutes(garden: HomeUnderTest) -> None:
    garden.advance_to("06:00")
    assert garden.state(VALVE) == "open"
    garden.advance(minutes=20)
    assert garden.state(VALVE) == "closed"


@pytest.mark.parametrize(
    ("levels", "watered"),
    [
        ([11, 13.9], True),
        ([11, 14], False),
        ([12, 0, 2], False),  # the gauge begins again at 0, and 2 mm are added before and afterwards
        ([12, "unavailable", 12, "unknown", 13], True),
        (["unavailable", 14], False),
    ],
)
def test_rain_since_yesterday_decides(garden: HomeUnderTest, levels: list[float | str], watered: bool) -> None:
    rain(garden, *levels)

    garden.advance_to("06:00")

    assert (garden.state(VALVE) == "open") == watered


def test_rain_of_the_day_before_yesterday_does_not_count(garden: HomeUnderTest) -> None:
    rain(garden, 20)

    garden.advance_to("06:00")
    assert garden.state(VALVE) == "closed"
    garden.advance(days=1)
    assert garden.state(VALVE) == "open"


def test_a_gauge_that_was_unavailable_all_day_does_not_let_the_garden_dry_out(garden: HomeUnderTest) -> None:
    garden.set(RAIN, "unavailable")
    garden.advance(days=2)

    assert len(garden.calls("valve.open_valve")) == 2


def test_the_valve_is_closed_although_hassette_restarts_meanwhile(garden: HomeUnderTest) -> None:
    garden.advance_to("06:10")
    garden.restart()
    garden.advance(minutes=10)

    assert garden.state(VALVE) == "closed"


def test_a_valve_that_does_not_react_at_once_is_closed_at_the_second_attempt(garden: HomeUnderTest) -> None:
    garden.advance_to("06:10")
    garden.failures.deaf(VALVE, calls=1)
    garden.advance(minutes=11)

    assert garden.state(VALVE) == "closed"
    garden.assert_called("valve.close_valve", VALVE, times=2)


def test_a_valve_that_does_not_open_is_closed_all_the_same(garden: HomeUnderTest) -> None:
    garden.expect_failures()
    garden.failures.refuse("valve.open_valve", message="The valve is jammed")

    garden.advance_to("06:30")

    assert garden.runs("water")[0].failed
    garden.assert_called("valve.close_valve", VALVE, times=1)
