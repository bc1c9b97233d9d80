import pytest
from room_light import RoomLight

from hassette_core.testing import HomeUnderTest

DOOR, SHOWER, LIGHT = "binary_sensor.door_motion", "binary_sensor.shower_motion", "light.bathroom"
LUX, HUMIDITY, NIGHT = "sensor.bathroom_lux", "sensor.bathroom_humidity", "input_boolean.night_mode"


@pytest.fixture(autouse=True)
def bathroom(home: HomeUnderTest) -> None:
    home.at("2026-06-01 20:00")
    for sensor in (DOOR, SHOWER):
        home.set(sensor, "off")
    home.set(LIGHT, "off", supported_color_modes=["brightness"])
    home.set(LUX, 20)
    home.set(HUMIDITY, 50)
    home.set(NIGHT, "off")
    home.add_app(
        RoomLight,
        motion=[DOOR, SHOWER],
        light=LIGHT,
        lux=LUX,
        humidity=HUMIDITY,
        night_mode=NIGHT,
        daytimes=[
            {"start": "06:30", "brightness_pct": 100, "off_after_s": 300},
            {"start": "22:00", "brightness_pct": 40, "off_after_s": 60},
        ],
    )
    home.advance(minutes=10)


@pytest.mark.parametrize(("time", "brightness"), [("21:59", 255), ("22:00", 102), ("03:00", 102), ("06:30", 255)])
def test_brightness_follows_the_time_of_day(home: HomeUnderTest, time: str, brightness: int) -> None:
    home.advance_to(time)
    home.set(DOOR, "on")
    assert home.attributes(LIGHT)["brightness"] == brightness


def test_night_mode_dims_the_light(home: HomeUnderTest) -> None:
    home.set(NIGHT, "on")
    home.set(DOOR, "on")
    home.assert_called("light.turn_on", LIGHT, times=1, brightness_pct=5)


def test_light_goes_off_when_no_sensor_has_seen_motion_for_the_delay(home: HomeUnderTest) -> None:
    home.set(DOOR, "on")
    home.set(SHOWER, "on")
    home.set(DOOR, "off")
    home.advance(minutes=10)
    assert home.state(LIGHT) == "on"
    home.set(SHOWER, "off")
    home.advance(seconds=299)
    assert home.state(LIGHT) == "on"
    home.advance(seconds=1)
    assert home.state(LIGHT) == "off"


def test_new_motion_starts_the_delay_again(home: HomeUnderTest) -> None:
    home.set(DOOR, "on")
    home.set(DOOR, "off")
    home.advance(seconds=299)
    home.set(SHOWER, "on")
    home.advance(minutes=10)
    assert home.state(LIGHT) == "on"


def test_light_stays_off_in_a_bright_room(home: HomeUnderTest) -> None:
    home.set(LUX, 300)
    home.set(DOOR, "on")
    home.assert_not_called("light.turn_on")


@pytest.mark.parametrize("lux", ["unavailable", "unknown"])
def test_light_goes_on_although_the_lux_sensor_has_failed(home: HomeUnderTest, lux: str) -> None:
    home.set(LUX, lux)
    home.set(DOOR, "on")
    assert home.state(LIGHT) == "on"


def test_light_stays_on_until_the_air_is_dry(home: HomeUnderTest) -> None:
    home.set(DOOR, "on")
    home.set(HUMIDITY, 85)
    home.set(DOOR, "off")
    home.advance(hours=1)
    assert home.state(LIGHT) == "on"
    home.set(HUMIDITY, 65)
    assert home.state(LIGHT) == "off"


def test_failed_motion_sensor_does_not_leave_the_light_on(home: HomeUnderTest) -> None:
    home.set(DOOR, "on")
    home.set(DOOR, "unavailable")
    home.advance(minutes=5)
    assert home.state(LIGHT) == "off"


def test_light_goes_off_although_hassette_restarted_in_the_delay(home: HomeUnderTest) -> None:
    home.set(DOOR, "on")
    home.set(DOOR, "off")
    home.advance(minutes=4)
    home.restart()
    home.advance(minutes=5)
    assert home.state(LIGHT) == "off"
