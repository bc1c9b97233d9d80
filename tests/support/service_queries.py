"""Service calls that a simulated home and a real Home Assistant answer in the same way, for each kind of entity.

The real Home Assistant has the entities of its demo and of the test configuration. `add_demo_entities` adds the same
entities to a simulated home.
"""

from datetime import UTC, datetime
from typing import Any

from hassette_core.errors import CallFailedError
from hassette_core.simulation.home import SimulatedHome
from support.home_assistant import Endpoint
from support.home_queries import HomeClient

ServiceCall = tuple[str, str, dict[str, Any]]
"""The service, the entity, and the fields."""

VACUUM = "<vacuum>"
_FAN = {"percentage": None, "percentage_step": 100 / 3, "preset_mode": None}
_PRESETS = {"preset_modes": ["auto", "smart", "sleep", "on"]}
_INPUT = {"editable": False}
DEMO: dict[str, tuple[str, dict[str, Any]]] = {
    "alarm_control_panel.security": (
        "disarmed",
        {"code_format": "number", "code_arm_required": True, "supported_features": 63},
    ),
    "button.push": ("unknown", {}),
    "climate.hvac": (
        "cool",
        {
            "fan_mode": "on_high",
            "fan_modes": ["on_low", "on_high", "auto_low", "auto_high", "off"],
            "hvac_action": "cooling",
            "hvac_modes": ["off", "heat", "cool", "auto", "dry", "fan_only"],
            "humidity": 67.4,
            "max_humidity": 99,
            "max_temp": 35,
            "min_humidity": 30,
            "min_temp": 7,
            "supported_features": 943,
            "swing_mode": "auto",
            "swing_modes": ["auto", "1", "2", "3", "off"],
            "temperature": 21,
        },
    ),
    "counter.hits": ("0", {"initial": 0, "step": 1}),
    "date.date": ("2020-01-01", {}),
    "fan.ceiling_fan": ("off", {**_FAN, "preset_modes": None, "supported_features": 49}),
    "fan.living_room_fan": (
        "off",
        {**_FAN, **_PRESETS, "direction": "forward", "oscillating": False, "supported_features": 55},
    ),
    "humidifier.hygrostat": (
        "on",
        {"available_modes": ["home", "eco"], "humidity": 50, "mode": "home", "min_humidity": 0, "max_humidity": 100},
    ),
    "input_button.ping": ("unknown", _INPUT),
    "input_datetime.moment": ("2025-01-01 12:00:00", {**_INPUT, "has_date": True, "has_time": True}),
    "input_datetime.wake_up": ("07:00:00", {**_INPUT, "has_date": False, "has_time": True, "second": 0}),
    "input_number.target": ("20.0", {**_INPUT, "initial": 20.0, "max": 35.0, "min": 5.0, "step": 0.5}),
    "input_select.mode": ("home", {**_INPUT, "options": ["home", "away", "night"]}),
    "input_text.note": ("", {**_INPUT, "min": 0, "max": 100, "pattern": None, "mode": "text"}),
    "lock.kitchen_door": ("unlocked", {"supported_features": 0}),
    "lock.openable_lock": ("locked", {"supported_features": 1}),
    "media_player.group": ("playing", {"supported_features": 643983, "volume_level": 1.0, "is_volume_muted": False}),
    "media_player.lounge_room": (
        "playing",
        {"source": "dvd", "source_list": ["dvd", "youtube"], "supported_features": 151483},
    ),
    "number.volume": ("42.0", {"min": 0.0, "max": 100.0, "step": 1.0, "mode": "slider"}),
    "select.speed": ("ridiculous_speed", {"options": ["light_speed", "ridiculous_speed", "ludicrous_speed"]}),
    "siren.siren_with_all_features": ("on", {"available_tones": ["fire", "alarm"], "supported_features": 31}),
    "switch.ac": ("off", {"device_class": "outlet"}),
    "text.text_with_1_to_5_characters": ("Hello", {"min": 1, "max": 5, "pattern": None, "mode": "text"}),
    "time.time": ("12:00:00", {}),
    "timer.long": ("idle", {**_INPUT, "duration": "0:05:00"}),
    "valve.front_garden": ("open", {"supported_features": 3}),
    "water_heater.demo_water_heater_celsius": (
        "eco",
        {
            "away_mode": "on",
            "max_temp": 60.0,
            "min_temp": 43.3,
            "operation_list": ["eco", "electric", "performance", "high_demand", "heat_pump", "gas", "off"],
            "operation_mode": "eco",
            "supported_features": 15,
            "temperature": 45,
        },
    ),
}
_VACUUM_STATE = (
    "docked",
    {"fan_speed": "medium", "fan_speed_list": ["min", "medium", "high", "max"], "supported_features": 32700},
)
_NEWER_ATTRIBUTES = {"timer.long": {"last_transition": None}, "valve.front_garden": {"is_closed": False}}


def add_demo_entities(home: SimulatedHome) -> None:
    """Add the entities of Home Assistant's demo and of the test configuration to a simulated home."""
    newer = home.core.since("2026")
    for entity_id, (state, attributes) in DEMO.items():
        extra = _NEWER_ATTRIBUTES.get(entity_id, {}) if newer else {}
        home.core.set(entity_id, state, {**attributes, **extra})
    home.core.set(vacuum_of(home.version), *_VACUUM_STATE)


def vacuum_of(version: str) -> str:
    """Return the entity id of the demo's vacuum cleaner, which differs between versions."""
    return "vacuum.demo_vacuum_0_ground_floor" if version.startswith("2026") else "vacuum.0_ground_floor"


def _each(entity_id: str, *calls: tuple[str, dict[str, Any]]) -> list[ServiceCall]:
    return [(service, entity_id, data) for service, data in calls]


SERVICE_CALLS: dict[str, list[ServiceCall]] = {
    "alarm_control_panel": _each(
        "alarm_control_panel.security",
        ("alarm_arm_home", {}),
        ("alarm_arm_home", {"bogus": 1}),
    ),
    "button": _each("button.push", ("press", {})),
    "climate": _each(
        "climate.hvac",
        ("set_fan_mode", {"fan_mode": "on_low"}),
        ("set_fan_mode", {"fan_mode": "bogus"}),
        ("set_swing_mode", {"swing_mode": "1"}),
        ("set_swing_mode", {"swing_mode": "bogus"}),
        ("set_humidity", {"humidity": 50}),
        ("set_humidity", {"humidity": 10}),
        ("set_preset_mode", {"preset_mode": "eco"}),
        ("set_hvac_mode", {"hvac_mode": "off"}),
        ("set_hvac_mode", {"hvac_mode": "heat_cool"}),
    ),
    "counter": _each(
        "counter.hits",
        ("reset", {}),
        ("increment", {}),
        ("set_value", {"value": 7}),
        ("decrement", {}),
        ("set_value", {"value": "x"}),
        ("set_value", {}),
        ("reset", {}),
    ),
    "date": _each("date.date", ("set_value", {"date": "2026-03-04"}), ("set_value", {"date": "soon"})),
    "fan": [
        *_each(
            "fan.living_room_fan",
            ("turn_on", {}),
            ("set_percentage", {"percentage": 40}),
            ("increase_speed", {}),
            ("decrease_speed", {}),
            ("decrease_speed", {"percentage_step": 50}),
            ("turn_on", {"percentage": 10}),
            ("set_preset_mode", {"preset_mode": "auto"}),
            ("set_preset_mode", {"preset_mode": "bogus"}),
            ("oscillate", {"oscillating": True}),
            ("oscillate", {"oscillating": "maybe"}),
            ("set_direction", {"direction": "reverse"}),
            ("set_direction", {"direction": "up"}),
            ("set_percentage", {"percentage": 0}),
            ("set_percentage", {"percentage": 101}),
            ("turn_on", {"preset_mode": "sleep"}),
            ("toggle", {}),
            ("toggle", {}),
            ("turn_off", {}),
        ),
        ("oscillate", "fan.ceiling_fan", {"oscillating": True}),
    ],
    "humidifier": _each(
        "humidifier.hygrostat",
        ("set_humidity", {"humidity": 60}),
        ("set_humidity", {"humidity": 101}),
        ("set_mode", {"mode": "eco"}),
        ("turn_off", {}),
        ("turn_off", {}),
        ("toggle", {}),
    ),
    "input_button": _each("input_button.ping", ("press", {})),
    "input_datetime": [
        *_each(
            "input_datetime.wake_up",
            ("set_datetime", {"time": "06:30"}),
            ("set_datetime", {"time": "06:30:15"}),
            ("set_datetime", {"date": "2026-01-01"}),
            ("set_datetime", {"datetime": "2026-01-01 05:00:00"}),
            ("set_datetime", {}),
        ),
        *_each(
            "input_datetime.moment",
            ("set_datetime", {"datetime": "2026-02-03 04:05:06"}),
            ("set_datetime", {"date": "2026-05-06"}),
            ("set_datetime", {"time": "01:02:03"}),
            ("set_datetime", {"time": "25:00"}),
            ("set_datetime", {"date": "2026-05-06", "timestamp": 1}),
        ),
    ],
    "input_number": _each(
        "input_number.target",
        ("set_value", {"value": 99}),
        ("set_value", {"value": 21.5}),
        ("set_value", {"value": "x"}),
        ("set_value", {"value": "22"}),
        ("increment", {}),
        ("decrement", {}),
        ("set_value", {"value": 35}),
        ("increment", {}),
        ("set_value", {"value": 20}),
    ),
    "input_select": _each(
        "input_select.mode",
        ("select_option", {"option": "bogus"}),
        ("select_option", {"option": "night"}),
        ("select_next", {}),
        ("select_previous", {"cycle": False}),
        ("select_previous", {}),
        ("select_next", {"cycle": False}),
        ("select_first", {}),
        ("select_last", {}),
        ("set_options", {"options": ["a", "b"]}),
        ("set_options", {"options": ["home", "away", "night"]}),
    ),
    "input_text": _each(
        "input_text.note", ("set_value", {"value": "x" * 101}), ("set_value", {"value": "hi"}), ("set_value", {})
    ),
    "lock": [
        ("open", "lock.kitchen_door", {}),
        ("open", "lock.openable_lock", {}),
        ("lock", "lock.kitchen_door", {"bogus": 1}),
    ],
    "media_player": [
        *_each(
            "media_player.group",
            ("media_pause", {}),
            ("media_play_pause", {}),
            ("media_play", {}),
            ("volume_set", {"volume_level": 0.35}),
            ("volume_set", {"volume_level": 2}),
            ("volume_mute", {"is_volume_muted": True}),
            ("volume_mute", {}),
            ("shuffle_set", {"shuffle": True}),
            ("select_source", {"source": "x"}),
        ),
        ("select_source", "media_player.lounge_room", {"source": "dvd"}),
        ("repeat_set", "media_player.lounge_room", {"repeat": "twice"}),
    ],
    "number": _each(
        "number.volume", ("set_value", {"value": 50}), ("set_value", {"value": 101}), ("set_value", {"value": "x"})
    ),
    "select": _each(
        "select.speed",
        ("select_option", {"option": "light_speed"}),
        ("select_option", {"option": "bogus"}),
        ("select_next", {}),
        ("select_first", {}),
        ("select_previous", {}),
    ),
    "siren": _each(
        "siren.siren_with_all_features",
        ("turn_off", {}),
        ("turn_on", {"tone": "fire", "volume_level": 0.5}),
        ("turn_on", {"volume_level": 2}),
        ("toggle", {}),
    ),
    "switch": _each("switch.ac", ("turn_on", {}), ("turn_on", {}), ("toggle", {}), ("turn_on", {"bogus": 1})),
    "text": _each(
        "text.text_with_1_to_5_characters",
        ("set_value", {"value": "abc"}),
        ("set_value", {"value": "toolong"}),
        ("set_value", {"value": ""}),
    ),
    "time": _each("time.time", ("set_value", {"time": "13:14:15"}), ("set_value", {"time": "late"})),
    "timer": _each(
        "timer.long",
        ("start", {}),
        ("pause", {}),
        ("start", {}),
        ("change", {"duration": "01:00:00"}),
        ("cancel", {}),
        ("cancel", {}),
        ("start", {"duration": 30}),
        ("finish", {}),
        ("change", {"duration": 5}),
        ("start", {"duration": "x"}),
    ),
    "vacuum": _each(
        VACUUM,
        ("start", {}),
        ("pause", {}),
        ("stop", {}),
        ("set_fan_speed", {"fan_speed": "max"}),
        ("set_fan_speed", {"fan_speed": "bogus"}),
        ("clean_spot", {}),
        ("return_to_base", {}),
    ),
    "valve": _each("valve.front_garden", ("set_valve_position", {"position": 10})),
    "water_heater": _each(
        "water_heater.demo_water_heater_celsius",
        ("set_temperature", {"temperature": 50}),
        ("set_temperature", {"temperature": 20}),
        ("set_operation_mode", {"operation_mode": "gas"}),
        ("set_operation_mode", {"operation_mode": "bogus"}),
        ("set_away_mode", {"away_mode": False}),
        ("turn_off", {}),
    ),
}
# Attributes that the demo computes from something that the simulated home does not have, such as a battery.
_COMPUTED = {
    *("battery_icon", "battery_level", "cleaned_area", "configured_duration", "entity_picture", "finishes_at"),
    *("hvac_action", "is_closed", "media_position", "media_position_updated_at", "remaining", "timestamp"),
}


async def call_services(client: HomeClient, home: Endpoint, calls: list[ServiceCall]) -> list[Any]:
    """Call services one after the other. Return the error code, the state and the changed attributes for each call."""
    answers: list[Any] = []
    connection = client.link.require_connection("call services")
    for service, entity_id, data in calls:
        if entity_id == VACUUM:
            entity_id = vacuum_of(home.version)
        await client.settle()
        before = client.states[entity_id]
        try:
            await connection.command(
                "call",
                "call_service",
                domain=entity_id.partition(".")[0],
                service=service,
                target={"entity_id": entity_id},
                service_data=data,
            )
            outcome = "done"
        except CallFailedError as error:
            outcome = str(error.code)
        await client.settle()
        after = client.states[entity_id]
        changes = {
            name: value
            for name, value in sorted(after.attributes.items())
            if name not in _COMPUTED and (name not in before.attributes or before.attributes[name] != value)
        }
        shown = ", ".join(f"{name}={value}" for name, value in changes.items())
        state = "<time>" if after.state.startswith(str(datetime.now(UTC).year)) and "T" in after.state else after.state
        answers.append(f"{service} {data or ''}: {outcome}, {state}{', ' + shown if shown else ''}")
    return answers
