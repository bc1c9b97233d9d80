"""The entities of the simulated home, with their initial states."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from hassette_core.simulation.home.core import HomeCore
from hassette_core.simulation.home.model.registries import Registries

ROOMS = ("hall", "living_room", "kitchen", "bedroom", "bathroom")
HEATED = ("living_room", "bedroom")
DOORS = ("front_door", "back_door")
WINDOWS = ("living_room_window", "kitchen_window", "bedroom_window")

# Values of Home Assistant's `supported_features` attribute.
_CLIMATE_FEATURES = 1 | 128 | 256  # target temperature, turn off, turn on
_COVER_FEATURES = 1 | 2 | 4 | 8  # open, close, set position, stop

FORECAST = (("rainy", 9.0), ("cloudy", 11.0), ("sunny", 14.0))


class InitialEntity(NamedTuple):
    """An entity with its initial state and attributes."""

    entity_id: str
    state: str
    attributes: dict[str, Any]


def add_entities(core: HomeCore) -> None:
    """Add all entities to a home."""
    for entity in initial_entities():
        core.set(entity.entity_id, entity.state, entity.attributes)


def add_rooms(registries: Registries) -> None:
    """Add an area for each room, and register the entities."""
    for room in ROOMS:
        registries.add_area(room.replace("_", " ").capitalize())
    for entity in initial_entities():
        registries.register_entity(entity.entity_id, area=area_of(entity.entity_id))


def area_of(entity_id: str) -> str | None:
    """Return the name of the initial area of an entity, which its entity id shows; None if it has no area."""
    name = entity_id.partition(".")[2]
    return next((room for room in ROOMS if name == room or name.startswith(f"{room}_")), None)


def initial_entities() -> Iterator[InitialEntity]:
    """Return all entities of the home."""
    for room in ROOMS:
        yield _entity("binary_sensor", f"{room}_motion", "off", device_class="motion")
        yield _entity("light", room, "off", **LIGHT_OFF, supported_color_modes=["brightness"], supported_features=0)
    for name in DOORS:
        yield _entity("binary_sensor", name, "off", device_class="door")
    for name in WINDOWS:
        yield _entity("binary_sensor", name, "off", device_class="window")
    for place, celsius in {
        "living_room": 20.5,
        "kitchen": 20.0,
        "bedroom": 18.5,
        "bathroom": 21.5,
        "outdoor": 8.0,
    }.items():
        yield _entity("sensor", f"{place}_temperature", str(celsius), **_measuring("temperature", "°C"))
    yield _entity("sensor", "bathroom_humidity", "52", **_measuring("humidity", "%"))
    yield _entity("sensor", "power", "140", **_measuring("power", "W"))
    for room, celsius in {"living_room": 20.5, "bedroom": 18.5}.items():
        yield _entity(
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
        yield _entity("cover", f"{room}_blinds", "open", current_position=100, supported_features=_COVER_FEATURES)
    yield _entity("switch", "coffee_machine", "off", device_class="outlet")
    yield _entity("switch", "guest_wifi", "off", device_class="switch")
    yield _entity("input_boolean", "guests", "off", editable=False)
    yield _entity("input_boolean", "vacation", "off", editable=False)
    yield _entity("automation", "guest_wifi", "on", id="guest_wifi", last_triggered=None, mode="single", current=0)
    yield _entity("person", "alex", "home", editable=False, id="alex", source="device_tracker.alex_phone")
    yield _entity("sun", "sun", "above_horizon", elevation=21.0, rising=True)
    yield _entity("weather", "home", "cloudy", temperature=8.0, temperature_unit="°C", humidity=81)
    yield _entity(
        "zone", "home", "1", latitude=52.37, longitude=4.89, radius=100, passive=False, persons=["person.alex"]
    )


LIGHT_OFF: dict[str, Any] = {"brightness": None, "color_mode": None}
"""Attributes of a light that is off."""


def _measuring(device_class: str, unit: str) -> dict[str, Any]:
    return {"state_class": "measurement", "unit_of_measurement": unit, "device_class": device_class}


def _entity(domain: str, name: str, state: str, **attributes: Any) -> InitialEntity:
    friendly_name = name.replace("_", " ").capitalize()
    return InitialEntity(f"{domain}.{name}", state, {**attributes, "friendly_name": friendly_name})
