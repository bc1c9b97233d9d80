"""Keep the home below a limit of power: turn loads off, the least important one first, and on again later."""

from typing import Annotated

from pydantic import Field

from hassette_core import App, AppConfig, NotConfirmedError, above, below


class EnergyLimiterConfig(AppConfig):
    """The power sensor with its limits in its unit, and the loads, the least important one first."""

    power: str
    limit: float
    resume_below: float
    loads: Annotated[list[str], Field(min_length=1)]
    check_every_s: float = 30
    resume_every_s: float = 300


class EnergyLimiter(App[EnergyLimiterConfig]):
    """Turns one load off at each check, until the power is below the limit."""

    async def on_initialize(self) -> None:
        config = self.config
        self.scheduler.run_every(self.turn_one_off, config.check_every_s, where=above(config.power, config.limit))
        self.scheduler.run_every(
            self.turn_one_on, config.resume_every_s, where=below(config.power, config.resume_below)
        )

    async def turn_one_off(self) -> None:
        for load in self.config.loads:
            if load not in self.states or self.states[load].state != "on":
                continue
            try:
                await self.api.turn_off(load, expect="off", retries=1)
            except NotConfirmedError as error:
                self.logger.warning("Load does not turn off; trying the next one", extra={"error": str(error)})
                continue
            self.storage["off"] = [*(other for other in self.turned_off if other != load), load]
            return
        self.logger.warning("Power is above the limit, and no load is left to turn off")

    async def turn_one_on(self) -> None:
        if not self.turned_off:
            return
        *others, load = self.turned_off
        try:
            await self.api.turn_on(load, expect="on", retries=1)
        except NotConfirmedError:
            self.storage["off"] = [load, *others]  # the next turn is that of another load
            raise
        self.storage["off"] = others

    @property
    def turned_off(self) -> list[str]:
        return list(self.storage.get("off", []))
