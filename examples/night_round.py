"""Walk through the home each night: turn forgotten lights off, report open doors, and lower the heating."""

from hassette_core import App, AppConfig


class NightRoundConfig(AppConfig):
    """The time of the round, and the entities that it checks."""

    at: str = "02:30"
    lights: list[str]
    doors: list[str]
    climate: str
    night_temperature: float = 16


class NightRound(App[NightRoundConfig]):
    """Runs one job each night."""

    async def on_initialize(self) -> None:
        self.scheduler.run_daily(self.check, self.config.at)

    async def check(self) -> None:
        self.logger.info("Checking %d lights and %d doors", len(self.config.lights), len(self.config.doors))
        for light in self.config.lights:
            if self.states[light].state == "on":
                self.logger.warning("%s was forgotten, turning it off", light)
                await self.api.call_service("light.turn_off", target=light)
        for door in self.config.doors:
            if self.states[door].state == "on":
                self.logger.warning("%s is open", door)
                await self.api.call_service("notify.notify", message=f"{door} is open")
        await self.api.call_service(
            "climate.set_temperature", target=self.config.climate, temperature=self.config.night_temperature
        )
