import pytest
from alarm_clock import AlarmClock

from hassette_core.testing import HomeUnderTest

CLOCK, ENABLED, LIGHT = "input_datetime.wake_up", "input_boolean.alarm_clock", "light.bedroom"


@pytest.fixture(autouse=True)
def bedroom(home: HomeUnderTest) -> None:
    home.at("2026-06-01 22:00")
    home.set(CLOCK, "07:00:00", has_date=False, has_time=True)
    home.set(ENABLED, "on")
    home.set(LIGHT, "off", supported_color_modes=["brightness"])
    home.add_app(AlarmClock, light=LIGHT)


def brightness(home: HomeUnderTest) -> int:
    return home.attributes(LIGHT)["brightness"]


def test_light_becomes_brighter_until_the_time_of_the_alarm(home: HomeUnderTest) -> None:
    home.advance_to("06:39")
    assert home.state(LIGHT) == "off"
    home.advance_to("06:50")
    assert brightness(home) == 128
    home.advance_to("07:00")
    assert brightness(home) == 255
    home.advance(hours=1)
    assert brightness(home) == 255


def test_another_time_on_the_dashboard_counts_at_once(home: HomeUnderTest) -> None:
    home.set(CLOCK, "08:30:00")
    home.advance_to("08:09")
    assert home.state(LIGHT) == "off"
    home.advance_to("08:30")
    assert brightness(home) == 255


def test_light_that_was_turned_off_stays_off(home: HomeUnderTest) -> None:
    home.advance_to("06:50")
    home.call("light.turn_off", LIGHT)
    home.advance(hours=1)
    assert home.state(LIGHT) == "off"


def test_disabled_alarm_does_not_wake(home: HomeUnderTest) -> None:
    home.set(ENABLED, "off")
    home.advance_to("08:00")
    home.assert_not_called()
    assert [reason.reason for reason in home.not_runs("fade_in")] == ["condition"]


def test_no_alarm_at_the_weekend(home: HomeUnderTest) -> None:
    home.advance_to("2026-06-06 00:00")
    calls = len(home.calls())
    home.advance_to("2026-06-07 23:00")
    assert len(home.calls()) == calls


def test_alarm_clock_that_is_unavailable_does_not_wake(home: HomeUnderTest) -> None:
    home.set(CLOCK, "unavailable")
    home.advance_to("08:00")
    home.assert_not_called()
    home.set(CLOCK, "09:00:00")
    home.advance_to("09:00")
    assert brightness(home) == 255
