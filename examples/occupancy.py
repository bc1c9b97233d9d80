"""Let the home look lived in while the family is on holiday: lights go on around sunset, at another time each day."""

import random
from typing import Annotated

from pydantic import Field

from hassette_core import App, AppConfig, state_is


class OccupancyConfig(AppConfig):
    """The lights, and the switch that is on while the family is away."""

    holiday: str
    lights: Annotated[list[str], Field(min_length=1)]
    at: str = "sunset"
    random_min: float = 40
    shortest_min: float = 30
    longest_min: float = 120


class Occupancy(App[OccupancyConfig]):
    """Turns each light on once an evening, for a random time."""

    async def on_initialize(self) -> None:
        jitter_s = self.config.random_min * 60
        away = state_is(self.config.holiday, "on")
        for light in self.config.lights:
            self.scheduler.run_daily(
                self.light_on,
                self.config.at,
                name=f"light_on:{light}",
                jitter=(-jitter_s, jitter_s),
                where=away,
                kwargs={"light": light},
            )
        self.bus.on_state_change(self.family_is_back, self.config.holiday, changed_to="off")

    async def light_on(self, light: str) -> None:
        minutes = random.uniform(self.config.shortest_min, self.config.longest_min)  # noqa: S311  not for security
        await self.api.turn_on(light)
        self.scheduler.run_in(self.light_off, minutes * 60, kwargs={"light": light}, group="evening", persist=True)

    async def light_off(self, light: str) -> None:
        await self.api.turn_off(light)

    async def family_is_back(self) -> None:
        self.scheduler.group("evening").cancel()
