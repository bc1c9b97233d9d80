"""Light a room while there is motion: brightness by time of day, only in the dark, and never off during a shower."""

from pydantic import BaseModel

from hassette_core import App, AppConfig, above, state_is, sun_is_down


class Daytime(BaseModel):
    """A part of the day. It lasts until the next one starts."""

    start: str
    brightness_pct: int
    off_after_s: float = 180


class RoomLightConfig(AppConfig):
    """The sensors and the light of one room. Without a sensor of lux, the sun decides."""

    motion: list[str]
    light: str
    daytimes: list[Daytime]
    lux: str = ""
    max_lux: float = 100
    humidity: str = ""
    max_humidity: float = 70
    night_mode: str = ""
    night_brightness_pct: int = 5


class RoomLight(App[RoomLightConfig]):
    """Controls the light of one room. A sensor that is unavailable does not leave the room in the dark."""

    async def on_initialize(self) -> None:
        room = self.config
        is_dark = ~above(room.lux, room.max_lux) if room.lux else sun_is_down()
        lit_or_dark = state_is(room.light, "on") | is_dark
        self.bus.on_state_change(self.turn_on, room.motion, changed_to="on", where=lit_or_dark)
        self.bus.on_state_change(self.turn_off_later, room.motion, mode="restart", immediate=True, timeout=0)

    def daytime(self) -> Daytime:
        """Return the current part of the day."""
        daytimes = self.config.daytimes
        following = daytimes[1:] + daytimes[:1]
        current = (
            now for now, then in zip(daytimes, following, strict=True) if self.time.is_between(now.start, then.start)
        )
        return next(current, daytimes[0])

    async def turn_on(self) -> None:
        room = self.config
        is_night = bool(room.night_mode) and self.states[room.night_mode].state == "on"
        percent = room.night_brightness_pct if is_night else self.daytime().brightness_pct
        if percent > 0:
            await self.api.turn_on(room.light, brightness_pct=percent)

    async def turn_off_later(self) -> None:
        room = self.config
        if any(self.states[sensor].state == "on" for sensor in room.motion):
            return
        await self.time.sleep(self.daytime().off_after_s)
        if room.humidity:
            await self.bus.wait_for(~above(room.humidity, room.max_humidity))
        await self.api.turn_off(room.light)
