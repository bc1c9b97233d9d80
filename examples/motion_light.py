"""Turn a light on when there is motion, and off when the room has been empty for a while."""

from hassette_core import App, AppConfig


class MotionLightConfig(AppConfig):
    """Settings of one room, in ``hassette.toml``."""

    motion: str
    light: str
    off_after_s: float = 120
    only_after_dark: bool = True


class MotionLight(App[MotionLightConfig]):
    """Controls the light of one room."""

    async def on_initialize(self) -> None:
        room = self.config
        self.bus.on_state_change(self.turn_on, room.motion, changed_to="on", where=self.is_dark_enough)
        # With `duration`, the handler runs only if the room stays empty for that long.
        self.bus.on_state_change(self.turn_off, room.motion, changed_to="off", duration=room.off_after_s)

    def is_dark_enough(self, _event: object) -> bool:
        return not self.config.only_after_dark or self.states["sun.sun"].state == "below_horizon"

    async def turn_on(self) -> None:
        await self.api.call_service("light", "turn_on", target=self.config.light)

    async def turn_off(self) -> None:
        await self.api.call_service("light", "turn_off", target=self.config.light)
