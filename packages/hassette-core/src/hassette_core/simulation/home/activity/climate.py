"""`Climate`: temperatures, humidity, heating and power of the simulated home."""

from collections.abc import Iterator
from random import Random

from hassette_core.simulation.home.core import HomeCore
from hassette_core.simulation.home.entities import HEATED

MINUTE_S = 60.0
LOSS_PER_MINUTE = 0.003
"""Each minute, a room with closed windows loses this share of its difference to the outdoor temperature."""
OPEN_WINDOW = 10.0
"""While a window is open, the loss is multiplied by this factor."""
HEATING_PER_MINUTE = 0.2
"""Degrees that heating adds per minute."""
TOLERANCE = 0.2
"""Heating starts this many degrees below the target temperature, and stops this many degrees above it."""
WATTS = {"light": 9.0, "switch.coffee_machine": 950.0}


class Climate:
    """Updates the sensors for temperature, humidity and power, and the heating.

    Args:
        core: The states and events of the home.
        random: Source of the noise.
    """

    def __init__(self, core: HomeCore, random: Random) -> None:
        self._core = core
        self._random = random
        self._celsius = {
            entity_id.removeprefix("sensor.").removesuffix("_temperature"): float(entity.state)
            for entity_id, entity in core.entities.items()
            if entity_id.startswith("sensor.") and entity_id.endswith("_temperature")
        }

    def steps(self) -> Iterator[float]:
        """Advance by one minute of simulated time per step."""
        while True:
            yield MINUTE_S
            outside = self._celsius["outdoor"]
            for place in self._celsius:
                self._celsius[place] += self._random.gauss(0, 0.02)
                if place != "outdoor":
                    self._celsius[place] += self._exchange(place, outside) + self._heating(place)
                self._show(f"sensor.{place}_temperature", f"{self._celsius[place]:.1f}")
            self._show("sensor.bathroom_humidity", f"{52 + self._random.gauss(0, 0.6):.0f}")
            self._show("sensor.power", f"{self._watts():.0f}")

    def _exchange(self, place: str, outside: float) -> float:
        window = self._core.entities.get(f"binary_sensor.{place}_window")
        is_open = window is not None and window.state == "on"
        return (outside - self._celsius[place]) * LOSS_PER_MINUTE * (OPEN_WINDOW if is_open else 1.0)

    def _heating(self, place: str) -> float:
        entity_id = f"climate.{place}"
        entity = self._core.entities.get(entity_id)
        if place not in HEATED or entity is None:
            # The other rooms have a thermostat that is not an entity.
            return 0.036 if self._celsius[place] < 20.5 else 0.0
        action = entity.attributes.get("hvac_action", "idle")
        difference = entity.number("temperature", self._celsius[place]) - self._celsius[place]
        if entity.state == "off":
            action = "off"
        elif difference > TOLERANCE:
            action = "heating"
        elif difference < -TOLERANCE or action == "off":
            action = "idle"
        current = round(self._celsius[place], 1)
        self._core.change(entity_id, current_temperature=current, hvac_action=action)
        return HEATING_PER_MINUTE if action == "heating" else 0.0

    def _watts(self) -> float:
        watts = self._random.gauss(140, 4)
        for entity_id, entity in self._core.entities.items():
            if entity.state == "on":
                watts += WATTS.get(entity_id, WATTS.get(entity_id.partition(".")[0], 0.0))
        return watts

    def _show(self, entity_id: str, state: str) -> None:
        if entity_id in self._core.entities:
            self._core.change(entity_id, state)
