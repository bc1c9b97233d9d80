"""Light where somebody is, and dark again a while after they have gone."""

from hassette_core import App, AppConfig


class MotionLightConfig(AppConfig):
    """What each room says about itself in ``hassette.toml``."""

    motion: str
    light: str
    off_after_s: float = 120
    only_after_dark: bool = True


class MotionLight(App[MotionLightConfig]):
    """One room's light."""

    async def on_initialize(self) -> None:
        room = self.config
        self.bus.on_state_change(self.light_up, room.motion, changed_to="on", where=self.is_wanted)
        # `duration` runs the handler only if the room stays empty: whoever comes back in time keeps the light.
        self.bus.on_state_change(self.go_dark, room.motion, changed_to="off", duration=room.off_after_s)

    def is_wanted(self, _event: object) -> bool:
        return not self.config.only_after_dark or self.states["sun.sun"].state == "below_horizon"

    async def light_up(self) -> None:
        await self.api.call_service("light", "turn_on", target=self.config.light)

    async def go_dark(self) -> None:
        await self.api.call_service("light", "turn_off", target=self.config.light)
