"""The house: what stands in it when it wakes up."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from hassette_core.simulation.home.core import HomeCore

ROOMS = ("hall", "living_room", "kitchen", "bedroom", "bathroom")
HEATED = ("living_room", "bedroom")
DOORS = ("front_door", "back_door")
WINDOWS = ("living_room_window", "kitchen_window", "bedroom_window")

# Of light.…, climate.…, cover.…: what Home Assistant's `supported_features` says of such devices.
_CLIMATE_FEATURES = 1 | 128 | 256  # target temperature, turn off, turn on
_COVER_FEATURES = 1 | 2 | 4 | 8  # open, close, set position, stop

FORECAST = (("rainy", 9.0), ("cloudy", 11.0), ("sunny", 14.0))


class Furnishing(NamedTuple):
    """An entity as it is at first."""

    entity_id: str
    state: str
    attributes: dict[str, Any]


def furnish(core: HomeCore) -> None:
    """Put every entity into its place."""
    for thing in furnishings():
        core.set(thing.entity_id, thing.state, thing.attributes)


def area_of(entity_id: str) -> str | None:
    """Return the room in which an entity stands, by its name."""
    name = entity_id.partition(".")[2]
    return next((room for room in ROOMS if name == room or name.startswith(f"{room}_")), None)


def furnishings() -> Iterator[Furnishing]:
    """List the house's entities."""
    for room in ROOMS:
        yield _thing("binary_sensor", f"{room}_motion", "off", device_class="motion")
        yield _thing("light", room, "off", **DARK, supported_color_modes=["brightness"], supported_features=0)
    for name in DOORS:
        yield _thing("binary_sensor", name, "off", device_class="door")
    for name in WINDOWS:
        yield _thing("binary_sensor", name, "off", device_class="window")
    for place, celsius in {
        "living_room": 20.5,
        "kitchen": 20.0,
        "bedroom": 18.5,
        "bathroom": 21.5,
        "outdoor": 8.0,
    }.items():
        yield _thing("sensor", f"{place}_temperature", str(celsius), **_measuring("temperature", "°C"))
    yield _thing("sensor", "bathroom_humidity", "52", **_measuring("humidity", "%"))
    yield _thing("sensor", "power", "140", **_measuring("power", "W"))
    for room, celsius in {"living_room": 20.5, "bedroom": 18.5}.items():
        yield _thing(
            "climate",
            room,
            "heat",
            hvac_modes=["off", "heat"],
            min_temp=7,
            max_temp=30,
            target_temp_step=0.5,
            current_temperature=celsius,
            temperature=21.0 if room == "living_room" else 18.0,
            hvac_action="idle",
            supported_features=_CLIMATE_FEATURES,
        )
        yield _thing("cover", f"{room}_blinds", "open", current_position=100, supported_features=_COVER_FEATURES)
    yield _thing("switch", "coffee_machine", "off", device_class="outlet")
    yield _thing("switch", "guest_wifi", "off", device_class="switch")
    yield _thing("input_boolean", "guests", "off", editable=False)
    yield _thing("input_boolean", "vacation", "off", editable=False)
    yield _thing("automation", "guest_wifi", "on", id="guest_wifi", last_triggered=None, mode="single", current=0)
    yield _thing("person", "alex", "home", editable=False, id="alex", source="device_tracker.alex_phone")
    yield _thing("sun", "sun", "above_horizon", elevation=21.0, rising=True)
    yield _thing("weather", "home", "cloudy", temperature=8.0, temperature_unit="°C", humidity=81)
    yield _thing(
        "zone", "home", "1", latitude=52.37, longitude=4.89, radius=100, passive=False, persons=["person.alex"]
    )


DARK: dict[str, Any] = {"brightness": None, "color_mode": None}
"""The attributes of a light that is off."""


def _measuring(device_class: str, unit: str) -> dict[str, Any]:
    return {"state_class": "measurement", "unit_of_measurement": unit, "device_class": device_class}


def _thing(domain: str, name: str, state: str, **attributes: Any) -> Furnishing:
    friendly_name = name.replace("_", " ").capitalize()
    return Furnishing(f"{domain}.{name}", state, {**attributes, "friendly_name": friendly_name})
