"""The ported home of docs/moving/appdaemon-home.md behaves as its page describes."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from hassette_core.testing import HomeUnderTest

CONFIGURATION = Path(__file__).parents[1] / "moved_home" / "hassette.toml"
ALEX, KIM = "notify.mobile_app_alex", "notify.mobile_app_kim"
MODE = "input_select.home_mode"


@pytest.fixture(autouse=True)
def entities(home: HomeUnderTest) -> None:
    home.at("2026-06-01 21:30", tz="Europe/Vienna", latitude=48.2, longitude=16.4)  # a Monday, after sunset
    home.set(MODE, "Home", options=["Home", "Night", "Away"])
    home.set("person.alex", "home", friendly_name="Alex")
    home.set("person.kim", "home", friendly_name="Kim")
    for room in ("hall", "stairs", "kitchen"):
        home.set(f"binary_sensor.{room}_motion", "off")
    for light in ("hall", "kitchen", "bedroom", "living_room"):
        home.set(f"light.{light}", "off", supported_color_modes=["brightness"])
    home.set("group.all_lights", "off", entity_id=["light.hall", "light.kitchen"])
    home.set("sensor.hall_lux", 5)
    home.set("sensor.kitchen_lux", 5)
    home.set("binary_sensor.kitchen_window", "off", friendly_name="Kitchen window")
    home.set("binary_sensor.office_window", "off", friendly_name="Office window")
    home.set("climate.office", "heat", temperature=18, hvac_modes=["off", "heat"], supported_features=1)
    home.set("input_datetime.wake_up", "06:45:00", has_time=True, has_date=False)
    home.set("input_boolean.alarm", "on")
    home.set("sensor.energy_meter", 1000)
    for phone in (ALEX, KIM):
        home.add_service(phone)


def messages(home: HomeUnderTest, phone: str = ALEX) -> list[str]:
    return [call.data["message"] for call in home.calls(phone)]


def test_all_apps_start_with_the_settings_of_the_file(home: HomeUnderTest) -> None:
    home.add_apps(CONFIGURATION)
    assert home.app("motion_light", "kitchen").instance == "kitchen"


def test_motion_lights_the_hall_until_three_minutes_after_the_last_motion(home: HomeUnderTest) -> None:
    home.add_apps(CONFIGURATION, "motion_light")
    home.set("binary_sensor.hall_motion", "on")
    home.assert_called("light.turn_on", "light.hall", brightness_pct=80)
    home.set("sensor.hall_lux", 300)  # the sensor sees the light of the lamp
    home.advance(minutes=2)
    home.set("binary_sensor.stairs_motion", "on")
    home.advance(minutes=2)
    assert home.state("light.hall") == "on"
    home.advance(minutes=1)
    assert (home.state("light.hall"), home.state("light.kitchen")) == ("off", "off")


@pytest.mark.parametrize(("entity", "state"), [(MODE, "Away"), ("sensor.hall_lux", "51")])
def test_motion_lights_no_room_that_is_bright_or_in_a_home_without_persons(
    home: HomeUnderTest, entity: str, state: str
) -> None:
    home.add_apps(CONFIGURATION, "motion_light")
    home.set(entity, state)
    home.set("binary_sensor.hall_motion", "on")
    home.assert_not_called("light.turn_on")
    assert home.not_runs("motion")


def test_light_of_a_person_who_left_goes_off_although_the_mode_is_away(home: HomeUnderTest) -> None:
    home.add_apps(CONFIGURATION, "motion_light")
    home.set("binary_sensor.hall_motion", "on")
    home.set(MODE, "Away")
    home.advance(minutes=3)
    assert home.state("light.hall") == "off"


def test_light_goes_off_after_a_restart(home: HomeUnderTest) -> None:
    home.add_apps(CONFIGURATION, "motion_light")
    home.set(MODE, "Night")
    home.set("binary_sensor.kitchen_motion", "on")
    home.assert_called("light.turn_on", "light.kitchen", brightness_pct=10)
    home.restart()
    home.advance(minutes=10)
    assert home.state("light.kitchen") == "off"


def test_home_is_away_fifteen_minutes_after_the_last_person_has_left(home: HomeUnderTest) -> None:
    home.add_apps(CONFIGURATION, "notifier", "presence")
    home.set("light.hall", "on")
    home.set("binary_sensor.office_window", "on")
    home.set("person.kim", "not_home")
    home.advance(hours=1)
    home.assert_not_called()
    home.set("person.alex", "Work")
    home.advance(minutes=5)
    home.assert_called("homeassistant.turn_off", "group.all_lights", times=1)
    home.advance(minutes=9)
    assert home.state(MODE) == "Home"
    home.advance(minutes=1)
    assert home.state(MODE) == "Away"
    assert messages(home) == messages(home, KIM) == ["Open while all are away: Office window"]


def test_return_ends_both_timers_and_the_mode(home: HomeUnderTest) -> None:
    home.add_apps(CONFIGURATION, "notifier", "presence")
    for person in ("person.alex", "person.kim"):
        home.set(person, "not_home")
    home.advance(minutes=14)
    home.set("person.kim", "home")
    home.advance(hours=1)
    assert home.state(MODE) == "Home"
    home.set(MODE, "Away")
    home.set("person.alex", "home")
    assert home.state(MODE) == "Home"


def test_message_at_night_waits_until_the_morning_and_survives_a_restart(home: HomeUnderTest) -> None:
    home.add_apps(CONFIGURATION, "notifier", "presence")
    home.advance_to("23:00")
    home.set(MODE, "Away")
    home.set("person.kim", "not_home")
    home.set("person.kim", "home")
    assert messages(home) == []
    home.restart()
    home.advance_to("06:30")
    assert messages(home) == ["Kim is home"]
    home.advance(days=1)
    assert messages(home) == ["Kim is home"]


def test_alarm_clock_fades_the_light_in_on_working_days_at_the_time_of_the_dashboard(home: HomeUnderTest) -> None:
    home.add_apps(CONFIGURATION, "alarm_clock")
    home.set("input_datetime.wake_up", "06:10:00")
    home.advance_to("06:10")
    assert home.attributes("light.bedroom")["brightness"] == 26
    home.advance(minutes=9)
    assert home.attributes("light.bedroom")["brightness"] == 255
    home.set("input_boolean.alarm", "off")
    home.call("light.turn_off", "light.bedroom")
    home.advance(days=1)
    assert home.state("light.bedroom") == "off"
    assert home.not_runs("ring")


@pytest.mark.parametrize(
    ("action", "service", "target"),
    [
        ("toggle", "light.toggle", "light.living_room"),
        ("brightness_up_click", "light.turn_on", "light.living_room"),
        ("toggle_hold", "scene.turn_on", "scene.movie"),
    ],
)
def test_action_of_the_remote_calls_its_service(home: HomeUnderTest, action: str, service: str, target: str) -> None:
    home.run(lambda: home.simulated.add_scene("movie", {"light.hall": "on"}))
    home.add_apps(CONFIGURATION, "remote")
    home.fire_trigger("mqtt", topic="zigbee2mqtt/sofa_remote", payload=json.dumps({"action": action, "battery": 90}))
    home.assert_called(service, target, times=1)


@pytest.mark.parametrize("payload", [{"action": "brightness_down_click"}, {"battery": 90}, {"action": None}])
def test_other_messages_of_the_remote_have_no_effect(home: HomeUnderTest, payload: dict[str, Any]) -> None:
    home.add_apps(CONFIGURATION, "remote")
    home.fire_trigger("mqtt", topic="zigbee2mqtt/sofa_remote", payload=json.dumps(payload))
    home.assert_not_called()


def test_thermostat_follows_schedule_window_and_mode(home: HomeUnderTest) -> None:
    home.add_apps(CONFIGURATION, "thermostat")
    assert home.attributes("climate.office")["temperature"] == 21
    home.advance_to("22:00")
    assert home.attributes("climate.office")["temperature"] == 18
    home.set("binary_sensor.office_window", "on")
    home.advance(minutes=1)
    assert home.state("climate.office") == "off"
    home.advance_to("06:30")
    assert home.state("climate.office") == "off"
    home.set("binary_sensor.office_window", "off")
    assert (home.state("climate.office"), home.attributes("climate.office")["temperature"]) == ("heat", 21)
    home.set(MODE, "Away")
    assert home.attributes("climate.office")["temperature"] == 16


def test_energy_report_sends_the_consumption_of_each_day_with_the_secret_key(
    home: HomeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    def urlopen(request: Any, timeout: float) -> io.BytesIO:
        sent.append((request.get_header("Authorization"), json.loads(request.data)))
        return io.BytesIO()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    home.add_apps(CONFIGURATION, "notifier", "energy_report")
    home.advance(days=1)
    assert sent == []
    home.set("sensor.energy_meter", 1012.5)
    home.advance(days=1)
    assert sent == [("Bearer 5f0c-not-a-real-key", {"kwh": 12.5})]
    assert messages(home) == ["Energy of today: 12.5 kWh"]
    assert "5f0c" not in home.timeline()
