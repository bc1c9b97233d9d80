"""Send a message when a washing machine is done, which its power shows, and remind until the door is opened."""

import math

from hassette_core import App, AppConfig, Job


class ApplianceConfig(AppConfig):
    """The sensor of the power in watts, the door, the notify service, and the limits."""

    power: str
    door: str
    notify: str
    name: str = "The washing machine"
    starts_above_w: float = 20
    rests_below_w: float = 5
    rests_for_s: float = 180
    remind_every_min: float = 30


class Appliance(App[ApplianceConfig]):
    """Watches one appliance."""

    async def on_initialize(self) -> None:
        self.reminder: Job | None = None
        power = self.config.power
        # With `immediate`, a cycle that starts or ends while Hassette does not run is also noticed.
        self.bus.on_state_change(
            self.started, power, changed_to=self.works, immediate=True, where=lambda: not self.is_running()
        )
        self.bus.on_state_change(
            self.done,
            power,
            changed_to=self.rests,
            duration=self.config.rests_for_s,
            immediate=True,
            where=self.is_running,
        )
        self.bus.on_state_change(self.emptied, self.config.door, changed_to="on")

    def is_running(self) -> bool:
        return "started" in self.storage

    def works(self, state: str) -> bool:
        return watts(state) > self.config.starts_above_w

    def rests(self, state: str) -> bool:
        return watts(state) < self.config.rests_below_w

    async def started(self) -> None:
        self.storage["started"] = self.time.now()

    async def done(self) -> None:
        minutes = (self.time.now() - self.storage.pop("started")).total_seconds() / 60
        self.storage["cycles"] = self.storage.get("cycles", 0) + 1
        await self.send(f"{self.config.name} is done after {minutes:.0f} min")
        if self.reminder is None:
            self.reminder = self.scheduler.run_every(self.remind, self.config.remind_every_min * 60)

    async def remind(self) -> None:
        await self.send(f"{self.config.name} is waiting to be emptied")

    async def emptied(self) -> None:
        if self.reminder is not None:
            self.reminder.cancel()
            self.reminder = None

    async def send(self, message: str) -> None:
        await self.api.notify(message, target=self.config.notify)


def watts(state: str) -> float:
    """Return the number. NaN, which meets no comparison, if the sensor has no value."""
    return math.nan if state in ("unavailable", "unknown") else float(state)
