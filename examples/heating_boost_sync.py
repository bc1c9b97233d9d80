"""The recipe of `heating_boost.py` without async: the same app as a `SyncApp`."""

from datetime import timedelta

from heating_boost import HeatingBoostConfig, is_available

from hassette_core import SyncApp


class HeatingBoostSync(SyncApp[HeatingBoostConfig]):
    """Boosts the heating of one room. A second press starts the time again. A restart does not end the boost."""

    def on_initialize(self) -> None:
        self.bus.on_state_change(self.begin, self.config.button, changed_from=is_available, changed_to=is_available)

    def begin(self) -> None:
        if "temperature" not in self.storage:
            self.storage["temperature"] = self.states[self.config.climate].attributes["temperature"]
        self.scheduler.group("boost").cancel()
        self.scheduler.run_in(self.end, timedelta(minutes=self.config.boost_minutes), group="boost", persist=True)
        self.set_temperature(self.config.boost_temperature)

    def end(self) -> None:
        self.set_temperature(self.storage["temperature"])
        del self.storage["temperature"]

    def set_temperature(self, temperature: float) -> None:
        self.api.call_service("climate.set_temperature", target=self.config.climate, temperature=temperature)
