import pytest
from remote_control import RemoteControl

from hassette_core.testing import HomeUnderTest

BUTTON, DESK, CEILING = "00:0d:6f:00:01", "light.desk", "light.ceiling"
CLICK, HOLD, RELEASE = "remote_button_short_press", "remote_button_long_press", "remote_button_long_release"


@pytest.fixture(autouse=True)
def room(home: HomeUnderTest) -> None:
    for light in (DESK, CEILING):
        home.set(light, "on", brightness=255, supported_color_modes=["brightness"])
    home.add_app(RemoteControl, device=BUTTON, light=DESK, all_lights=[DESK, CEILING])


def press(home: HomeUnderTest, command: str, device: str = BUTTON) -> None:
    home.fire("zha_event", device_ieee=device, command=command)


def test_click_toggles_the_light(home: HomeUnderTest) -> None:
    press(home, CLICK)
    home.advance(seconds=0.4)
    assert (home.state(DESK), home.state(CEILING)) == ("off", "on")
    press(home, CLICK)
    home.advance(seconds=0.4)
    assert home.state(DESK) == "on"


def test_double_click_turns_all_lights_off(home: HomeUnderTest) -> None:
    press(home, CLICK)
    home.advance(seconds=0.3)
    press(home, CLICK)
    assert (home.state(DESK), home.state(CEILING)) == ("off", "off")
    home.assert_not_called("light.toggle")


def test_two_slow_clicks_are_two_clicks(home: HomeUnderTest) -> None:
    press(home, CLICK)
    home.advance(seconds=0.5)
    press(home, CLICK)
    home.advance(seconds=0.5)
    assert (home.state(DESK), home.state(CEILING)) == ("on", "on")
    home.assert_called("light.toggle", DESK, times=2)


def test_light_is_dimmed_until_the_release(home: HomeUnderTest) -> None:
    press(home, HOLD)
    home.advance(seconds=0.7)
    press(home, RELEASE)
    home.advance(seconds=10)
    home.assert_called("light.turn_on", DESK, times=3, brightness_step_pct=-10)


def test_lost_release_does_not_dim_for_ever(home: HomeUnderTest) -> None:
    press(home, HOLD)
    home.advance(minutes=10)
    home.assert_called("light.turn_on", DESK, times=10)


def test_other_buttons_have_no_effect(home: HomeUnderTest) -> None:
    press(home, CLICK, device="00:0d:6f:00:02")
    home.advance(seconds=1)
    home.assert_not_called()


def test_event_without_a_command_has_no_effect(home: HomeUnderTest) -> None:
    home.fire("zha_event", device_ieee=BUTTON)
    home.advance(seconds=1)
    home.assert_not_called()
