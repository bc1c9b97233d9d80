import pytest
from room_climate import RoomClimate

from hassette_core.testing import HomeUnderTest

CLIMATE, LEFT, RIGHT = "climate.office", "binary_sensor.left_window", "binary_sensor.right_window"
ANN, BOB = "person.ann", "person.bob"


@pytest.fixture(autouse=True)
def office(home: HomeUnderTest) -> None:
    home.at("2026-12-01 12:00")
    home.set(CLIMATE, "off", hvac_modes=["off", "heat"], temperature=10, supported_features=1, min_temp=7, max_temp=35)
    for window in (LEFT, RIGHT):
        home.set(window, "off")
    for person in (ANN, BOB):
        home.set(person, "home")
    home.add_app(
        RoomClimate,
        climate=CLIMATE,
        windows=[LEFT, RIGHT],
        persons=[ANN, BOB],
        schedule=[{"start": "06:30", "temperature": 21}, {"start": "22:00", "temperature": 18}],
    )


def temperature(home: HomeUnderTest) -> float:
    return home.attributes(CLIMATE)["temperature"]


@pytest.mark.parametrize(("time", "expected"), [("21:59", 21), ("22:00", 18), ("06:29", 18), ("06:30", 21)])
def test_temperature_follows_the_schedule(home: HomeUnderTest, time: str, expected: float) -> None:
    home.advance_to(time)
    assert home.state(CLIMATE) == "heat"
    assert temperature(home) == expected


def test_heating_is_off_from_one_minute_of_an_open_window_until_all_are_closed(home: HomeUnderTest) -> None:
    home.set(LEFT, "on")
    home.set(RIGHT, "on")
    home.advance(seconds=59)
    assert home.state(CLIMATE) == "heat"
    home.advance(seconds=1)
    assert home.state(CLIMATE) == "off"
    home.set(LEFT, "off")
    assert home.state(CLIMATE) == "off"
    home.set(RIGHT, "off")
    assert home.state(CLIMATE) == "heat"


def test_schedule_does_not_heat_while_a_window_is_open(home: HomeUnderTest) -> None:
    home.set(LEFT, "on")
    home.advance_to("06:31")
    assert home.state(CLIMATE) == "off"
    home.set(LEFT, "off")
    assert temperature(home) == 21


def test_window_that_was_opened_during_a_restart_turns_the_heating_off(home: HomeUnderTest) -> None:
    home.set(LEFT, "on")
    home.restart()
    home.advance(minutes=1)
    assert home.state(CLIMATE) == "off"


def test_failed_window_sensor_counts_as_closed(home: HomeUnderTest) -> None:
    home.set(LEFT, "on")
    home.advance(minutes=1)
    home.set(LEFT, "unavailable")
    assert home.state(CLIMATE) == "heat"


def test_room_is_cooler_while_all_persons_are_away(home: HomeUnderTest) -> None:
    home.set(ANN, "not_home")
    assert temperature(home) == 21
    home.set(BOB, "not_home")
    assert temperature(home) == 16
    home.set(BOB, "home")
    assert temperature(home) == 21
