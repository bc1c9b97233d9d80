"""Heat a room by a schedule, not while a window is open, and less while all persons are away."""

from itertools import pairwise

from home_functions import AWAKE_MODES, HOME_MODE, open_windows
from pydantic import BaseModel

from hassette_core import App, AppConfig


class Period(BaseModel):
    """A part of the day. It lasts until the next period starts."""

    start: str
    temperature: float


class ThermostatConfig(AppConfig):
    """One room."""

    climate: str
    windows: list[str]
    away_temperature: float
    schedule: list[Period]


class Thermostat(App[ThermostatConfig]):
    """Controls the thermostat of one room."""

    async def on_initialize(self) -> None:
        room = self.config
        for period in room.schedule:
            self.scheduler.run_daily(self.heat, period.start, name=f"heat from {period.start}")
        self.bus.on_state_change(self.pause, room.windows, changed_to="on", duration=60, immediate=True)
        self.bus.on_state_change(self.heat, room.windows, changed_to="off", name="window closed")
        self.bus.on_state_change(self.heat, HOME_MODE, name="mode changed")
        await self.heat()

    async def pause(self) -> None:
        await self.api.call_service("climate.set_hvac_mode", target=self.config.climate, hvac_mode="off")

    async def heat(self) -> None:
        room = self.config
        if not open_windows(self.states, room.windows):
            await self.api.call_service(
                "climate.set_temperature", target=room.climate, hvac_mode="heat", temperature=self.target()
            )

    def target(self) -> float:
        room = self.config
        if self.states[HOME_MODE].state not in AWAKE_MODES:
            return room.away_temperature
        for period, following in pairwise([*room.schedule, room.schedule[0]]):
            if self.time.is_between(period.start, following.start):
                return period.temperature
        return room.schedule[0].temperature
