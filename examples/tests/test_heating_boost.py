import pytest
from heating_boost import HeatingBoost
from heating_boost_sync import HeatingBoostSync

from hassette_core.testing import HomeUnderTest

BUTTON, CLIMATE = "input_button.bathroom_boost", "climate.bathroom"


@pytest.fixture(autouse=True, params=[HeatingBoost, HeatingBoostSync])
def bathroom(home: HomeUnderTest, request: pytest.FixtureRequest) -> None:
    home.set(BUTTON, "unknown")
    home.set(CLIMATE, "heat", temperature=20.5, supported_features=1, min_temp=7, max_temp=35)
    home.add_app(request.param, button=BUTTON, climate=CLIMATE)


def temperature(home: HomeUnderTest) -> float:
    return home.attributes(CLIMATE)["temperature"]


def test_room_is_warm_for_ninety_minutes(home: HomeUnderTest) -> None:
    home.call("input_button.press", BUTTON)
    assert temperature(home) == 24
    home.advance(minutes=89)
    assert temperature(home) == 24
    home.advance(minutes=1)
    assert temperature(home) == 20.5


def test_second_press_starts_the_time_again_and_keeps_the_first_temperature(home: HomeUnderTest) -> None:
    home.call("input_button.press", BUTTON)
    home.advance(minutes=60)
    home.call("input_button.press", BUTTON)
    home.advance(minutes=89)
    assert temperature(home) == 24
    home.advance(minutes=1)
    assert temperature(home) == 20.5


def test_boost_ends_in_time_although_hassette_restarted(home: HomeUnderTest) -> None:
    home.call("input_button.press", BUTTON)
    home.advance(minutes=60)
    home.restart()
    home.advance(minutes=29)
    assert temperature(home) == 24
    home.advance(minutes=1)
    assert temperature(home) == 20.5


def test_press_after_a_restart_starts_the_time_again(home: HomeUnderTest) -> None:
    home.call("input_button.press", BUTTON)
    home.restart()
    home.advance(minutes=60)
    home.call("input_button.press", BUTTON)
    home.advance(minutes=89)
    assert temperature(home) == 24
    home.advance(minutes=1)
    assert temperature(home) == 20.5


def test_restart_of_home_assistant_is_not_a_press(home: HomeUnderTest) -> None:
    home.call("input_button.press", BUTTON)
    home.advance(hours=2)
    home.restart_home_assistant()
    home.set(BUTTON, "unavailable")
    home.set(BUTTON, "2026-06-01T12:00:00+00:00")
    home.assert_called("climate.set_temperature", CLIMATE, times=2)
