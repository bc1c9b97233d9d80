import pytest
from night_round import NightRound

from hassette_core.testing import HomeUnderTest

LIGHT, OTHER_LIGHT, DOOR, CLIMATE = "light.hall", "light.kitchen", "binary_sensor.front_door", "climate.bedroom"


@pytest.fixture(autouse=True)
def night(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.set(OTHER_LIGHT, "off")
    home.set(DOOR, "off")
    home.set(CLIMATE, "heat", temperature=21, supported_features=1, min_temp=7, max_temp=35)
    home.add_app(NightRound, lights=[LIGHT, OTHER_LIGHT], doors=[DOOR], climate=CLIMATE)


def test_forgotten_light_is_turned_off_at_night(home: HomeUnderTest) -> None:
    home.set(LIGHT, "on")
    home.advance_to("02:29")
    assert home.state(LIGHT) == "on"
    home.advance_to("02:30")
    assert home.state(LIGHT) == "off"
    home.assert_not_called("light.turn_off", OTHER_LIGHT)


def test_open_door_is_reported(home: HomeUnderTest) -> None:
    home.set(DOOR, "on")
    home.advance_to("02:30")
    home.assert_called("notify.notify", message="binary_sensor.front_door is open")


def test_heating_is_lowered(home: HomeUnderTest) -> None:
    home.advance_to("02:30")
    assert home.attributes(CLIMATE)["temperature"] == 16
    home.assert_not_called("notify.notify")
