"""Heat a room for a while after a press of a button, and then return to the previous temperature."""

from datetime import timedelta

from hassette_core import App, AppConfig


class HeatingBoostConfig(AppConfig):
    """The button, the thermostat, and the boost."""

    button: str
    climate: str
    boost_temperature: float = 24
    boost_minutes: float = 90


class HeatingBoost(App[HeatingBoostConfig]):
    """Boosts the heating of one room. A second press starts the time again. A restart does not end the boost."""

    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.begin, self.config.button, changed_from=is_available, changed_to=is_available)

    async def begin(self) -> None:
        if "temperature" not in self.storage:
            self.storage["temperature"] = self.states[self.config.climate].attributes["temperature"]
        self.scheduler.group("boost").cancel()
        self.scheduler.run_in(self.end, timedelta(minutes=self.config.boost_minutes), group="boost", persist=True)
        await self.set_temperature(self.config.boost_temperature)

    async def end(self) -> None:
        await self.set_temperature(self.storage["temperature"])
        del self.storage["temperature"]

    async def set_temperature(self, temperature: float) -> None:
        await self.api.call_service("climate.set_temperature", target=self.config.climate, temperature=temperature)


def is_available(state: str) -> bool:
    # When Home Assistant starts, a button becomes available again. This is not a press.
    return state != "unavailable"
