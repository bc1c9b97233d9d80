"""Fade the light in on working days, from the time that is set on the dashboard."""

from hassette_core import App, AppConfig, state_is


class AlarmClockConfig(AppConfig):
    """The alarm clock on the dashboard, and the light."""

    time: str
    switch: str
    light: str
    days: str = "mon-fri"


class AlarmClock(App[AlarmClockConfig]):
    """The job follows the time on the dashboard."""

    async def on_initialize(self) -> None:
        clock = self.config
        self.scheduler.run_daily(
            self.ring, clock.time, days=clock.days, where=state_is(clock.switch, "on"), timeout=15 * 60
        )

    async def ring(self) -> None:
        for percent in range(10, 101, 10):
            await self.api.turn_on(self.config.light, brightness_pct=percent)
            await self.time.sleep(60)
