"""Wake up with a light that becomes brighter until the time of an alarm clock on the dashboard."""

from hassette_core import App, AppConfig, state_is


class AlarmClockConfig(AppConfig):
    """The alarm clock on the dashboard, the light, and the fade."""

    wake_up: str = "input_datetime.wake_up"
    enabled: str = "input_boolean.alarm_clock"
    days: str = "mon-fri"
    light: str
    fade_minutes: int = 20


class AlarmClock(App[AlarmClockConfig]):
    """Fades a light in, so that it is fully on at the time of the alarm. It stops if the light is turned off."""

    async def on_initialize(self) -> None:
        clock = self.config
        self.scheduler.run_daily(
            self.fade_in,
            f"{clock.wake_up} - {clock.fade_minutes} min",
            days=clock.days,
            where=state_is(clock.enabled, "on"),
            timeout=clock.fade_minutes * 60 + 60,
        )

    async def fade_in(self) -> None:
        minutes = self.config.fade_minutes
        for minute in range(minutes + 1):
            if minute > 0 and self.states[self.config.light].state == "off":
                return
            percent = max(1, 100 * minute // minutes)
            await self.api.turn_on(self.config.light, brightness_pct=percent)
            if minute < minutes:
                await self.time.sleep(60)
