"""`SERVICES`: the services of the simulated home, by domain and name."""

from hassette_core.simulation.home.services.agendas import CALENDAR, TODO, WEATHER
from hassette_core.simulation.home.services.climates import CLIMATE, WATER_HEATER
from hassette_core.simulation.home.services.inputs import (
    BUTTON,
    COUNTER,
    DATE_ENTITY,
    DATETIME_ENTITY,
    INPUT_DATETIME,
    INPUT_NUMBER,
    INPUT_SELECT,
    INPUT_TEXT,
    NUMBER_ENTITY,
    SELECT,
    TEXT_ENTITY,
    TIME_ENTITY,
)
from hassette_core.simulation.home.services.lights import LIGHT
from hassette_core.simulation.home.services.media import LAWN_MOWER, MEDIA_PLAYER, VACUUM
from hassette_core.simulation.home.services.messages import (
    LOGBOOK,
    MQTT,
    NOTIFY,
    PERSISTENT_NOTIFICATION,
    SYSTEM_LOG,
    TTS,
)
from hassette_core.simulation.home.services.openings import ALARM_CONTROL_PANEL, COVER, LOCK, VALVE
from hassette_core.simulation.home.services.registry import SimulatedService
from hassette_core.simulation.home.services.scripts import AUTOMATION, SCENE, SCRIPT
from hassette_core.simulation.home.services.switches import CAMERA, FAN, HUMIDIFIER, SIREN, SWITCHED, unchanged
from hassette_core.simulation.home.services.timers import TIMER
from hassette_core.simulation.home.services.whole_home import DEVICE_TRACKER, GROUP, HOMEASSISTANT, REMOTE, UPDATE

_RELOAD = {"reload": SimulatedService(unchanged, targeted=False)}

SERVICES: dict[str, dict[str, SimulatedService]] = {
    "alarm_control_panel": ALARM_CONTROL_PANEL,
    "automation": AUTOMATION,
    "button": BUTTON,
    "calendar": CALENDAR,
    "camera": CAMERA,
    "climate": CLIMATE,
    "counter": COUNTER,
    "cover": COVER,
    "date": DATE_ENTITY,
    "datetime": DATETIME_ENTITY,
    "device_tracker": DEVICE_TRACKER,
    "fan": FAN,
    "group": GROUP,
    "homeassistant": HOMEASSISTANT,
    "humidifier": HUMIDIFIER,
    "input_boolean": {**SWITCHED, **_RELOAD},
    "input_button": {**BUTTON, **_RELOAD},
    "input_datetime": {**INPUT_DATETIME, **_RELOAD},
    "input_number": {**INPUT_NUMBER, **_RELOAD},
    "input_select": {**INPUT_SELECT, **_RELOAD},
    "input_text": {**INPUT_TEXT, **_RELOAD},
    "lawn_mower": LAWN_MOWER,
    "light": LIGHT,
    "lock": LOCK,
    "logbook": LOGBOOK,
    "media_player": MEDIA_PLAYER,
    "mqtt": MQTT,
    "notify": NOTIFY,
    "number": NUMBER_ENTITY,
    "persistent_notification": PERSISTENT_NOTIFICATION,
    "remote": REMOTE,
    "scene": SCENE,
    "script": SCRIPT,
    "select": SELECT,
    "siren": SIREN,
    "switch": SWITCHED,
    "system_log": SYSTEM_LOG,
    "text": TEXT_ENTITY,
    "time": TIME_ENTITY,
    "timer": {**TIMER, **_RELOAD},
    "todo": TODO,
    "tts": TTS,
    "update": UPDATE,
    "vacuum": VACUUM,
    "valve": VALVE,
    "water_heater": WATER_HEATER,
    "weather": WEATHER,
}
