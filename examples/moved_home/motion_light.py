"""Light a room with motion in the dark, unless all persons are away."""

from home_functions import AWAKE_MODES, HOME_MODE

from hassette_core import App, AppConfig, above, between, state_is


class MotionLightConfig(AppConfig):
    """The devices of one room."""

    sensors: list[str]
    light: str
    lux: str
    max_lux: float = 50
    brightness_pct: int = 80
    night_brightness_pct: int = 10
    off_after_s: float = 180


class MotionLight(App[MotionLightConfig]):
    """Controls the light of one room."""

    async def on_initialize(self) -> None:
        room = self.config
        dark = between("sunset - 00:30", "sunrise + 00:30") & ~above(room.lux, room.max_lux)
        allowed = state_is(HOME_MODE, AWAKE_MODES) & (dark | state_is(room.light, "on"))
        self.bus.on_state_change(self.motion, room.sensors, changed_to="on", where=allowed, mode="queued")

    async def motion(self) -> None:
        room = self.config
        is_night = self.states[HOME_MODE].state == "Night"
        percent = room.night_brightness_pct if is_night else room.brightness_pct
        await self.api.turn_on(room.light, brightness_pct=percent)
        self.scheduler.run_in(self.light_off, room.off_after_s, persist=True, replace=True)

    async def light_off(self) -> None:
        await self.api.turn_off(self.config.light)
