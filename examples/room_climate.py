"""Heat a room by a schedule, turn the heating off while a window is open, and save energy while no person is home."""

from pydantic import BaseModel

from hassette_core import App, AppConfig


class Period(BaseModel):
    """A part of the day. It lasts until the next one starts."""

    start: str
    temperature: float


class RoomClimateConfig(AppConfig):
    """The thermostat and the windows of one room, and its schedule."""

    climate: str
    windows: list[str]
    open_for_s: float = 60
    schedule: list[Period]
    persons: list[str]
    away_temperature: float = 16


class RoomClimate(App[RoomClimateConfig]):
    """Controls the thermostat of one room. A window sensor that is unavailable counts as closed."""

    async def on_initialize(self) -> None:
        room = self.config
        for number, period in enumerate(room.schedule):
            self.scheduler.run_daily(self.heat, period.start, name=f"period_{number}")
        self.bus.on_state_change(self.pause, room.windows, changed_to="on", duration=room.open_for_s, immediate=True)
        self.bus.on_state_change(self.heat, room.windows, changed_from="on", name="window_closed")
        self.bus.on_state_change(self.heat, room.persons, name="person_moved")
        await self.heat()

    async def pause(self) -> None:
        await self.api.call_service("climate.set_hvac_mode", target=self.config.climate, hvac_mode="off")

    async def heat(self) -> None:
        room = self.config
        if any(self.states[window].state == "on" for window in room.windows):
            return
        await self.api.call_service(
            "climate.set_temperature", target=room.climate, hvac_mode="heat", temperature=self.target()
        )

    def target(self) -> float:
        """Return the temperature for this time of day, or the lower one while all persons are away."""
        room = self.config
        if all(self.states[person].state == "not_home" for person in room.persons):
            return room.away_temperature
        following = room.schedule[1:] + room.schedule[:1]
        for period, then in zip(room.schedule, following, strict=True):
            if self.time.is_between(period.start, then.start):
                return period.temperature
        return room.schedule[0].temperature
