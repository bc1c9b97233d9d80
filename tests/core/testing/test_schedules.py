"""Schedules and times of apps in a whole home: alarm clocks, simulated occupancy, and timers over a restart."""

from datetime import timedelta
from typing import Any

from hassette_core import App, AppConfig, SyncApp, between
from hassette_core.testing import HomeUnderTest


class AlarmClock(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.sun_was_up = self.time.sun.is_up  # the location is known
        self.scheduler.run_daily(self.ring, "input_datetime.wake_up", days="mon-fri")
        self.scheduler.run_daily(self.prepare, "sensor.phone_next_alarm - 00:15")

    async def ring(self) -> None:
        await self.api.call_service("light", "turn_on", target="light.bedroom")

    async def prepare(self) -> None: ...


def times(home: HomeUnderTest, handler: Any) -> list[str]:
    """Return the local start times of the runs of a handler."""
    return [f"{run.started:%d %H:%M}" for run in home.runs(handler)]


async def test_alarm_clock_follows_its_entities_over_a_clock_change(home: HomeUnderTest) -> None:
    await home.at("2026-03-27 12:00", tz="Europe/Vienna")  # a Friday; the clock changes on Sunday
    await home.set("input_datetime.wake_up", "07:00:00")
    await home.set("sensor.phone_next_alarm", "unknown")
    await home.set("light.bedroom", "off")
    await home.add_app(AlarmClock)
    await home.advance_to("2026-03-29 20:00")
    assert times(home, AlarmClock.ring) == []
    await home.set("sensor.phone_next_alarm", "2026-03-30T04:30:00+00:00")
    await home.set("input_datetime.wake_up", "06:40:00")
    await home.advance(days=1)
    assert times(home, AlarmClock.ring) == ["30 06:40"]
    assert times(home, AlarmClock.prepare) == ["30 06:15"]
    home.assert_called("light.turn_on", "light.bedroom")
    await home.set("input_datetime.wake_up", "unavailable")
    await home.advance(days=1)
    assert len(home.runs(AlarmClock.ring)) == 1


class Occupancy(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.scheduler.run_daily(self.lights_on, "sunset", jitter=(-1800, 1800), group="holiday")
        self.scheduler.run_hourly(self.check, where=between("sunset - 01:00", "23:00"))
        self.bus.on_event(self.end_holiday, "holiday_ended")

    async def lights_on(self) -> None:
        self.scheduler.run_in(self.lights_off, 3600, kwargs={"light": "light.hall"}, jitter=600)

    async def lights_off(self, light: str) -> None: ...

    async def end_holiday(self) -> None:
        self.scheduler.group("holiday").pause()

    async def check(self) -> None: ...


async def test_simulated_occupancy_has_one_random_evening_a_day(home: HomeUnderTest) -> None:
    await home.at("2026-10-20 12:00", tz="Europe/Vienna")  # the clock changes on the 25th
    await home.add_app(Occupancy)
    await home.advance(days=7)
    runs = home.runs(Occupancy.lights_on)
    assert [run.started.date().day for run in runs] == [*range(20, 27)]
    assert len({run.started.minute for run in runs}) > 2
    assert len(home.runs(Occupancy.lights_off)) == 7
    assert {run.started.hour for run in home.runs(Occupancy.check)} <= {*range(15, 23)}
    assert {not_run.reason for not_run in home.not_runs(Occupancy.check)} == {"condition"}
    await home.fire("holiday_ended")
    await home.restart()
    await home.advance(days=2)
    assert len(home.runs(Occupancy.lights_on)) == 7


class AutoOff(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.later, "switch.*", changed_to="on")

    async def later(self) -> None:
        self.scheduler.run_in(self.off, 600, kwargs={"entity": "switch.pump"}, persist=True)

    async def off(self, entity: str) -> None:
        await self.api.call_service("switch", "turn_off", target=entity)


async def test_persistent_timer_survives_a_restart_and_runs_once(home: HomeUnderTest) -> None:
    await home.set("switch.pump", "off")
    await home.add_app(AutoOff)
    await home.set("switch.pump", "on")
    await home.advance(minutes=4)
    await home.restart()
    await home.advance(minutes=5)
    home.assert_not_called("switch.turn_off")
    await home.advance(minutes=2)
    assert len(home.calls("switch.turn_off")) == 1
    await home.restart()
    await home.advance(hours=1)
    assert len(home.calls("switch.turn_off")) == 1


class Blinds(SyncApp[AppConfig]):
    def on_initialize(self) -> None:
        assert self.time.now().utcoffset() == timedelta(hours=2)
        self.job = self.scheduler.run_daily(self.close, "dusk + 00:10", group="blinds")
        self.scheduler.run_minutely(self.watch, second=30)

    def close(self) -> None: ...

    def watch(self) -> None:
        if self.time.is_between("12:02", "13:00"):
            self.scheduler.group("blinds").pause()
            assert all(job.paused == (job.group == "blinds") for job in self.scheduler.jobs())


def test_sync_app_uses_times_and_groups_in_its_threads(home: HomeUnderTest) -> None:
    home.at("2026-06-01 12:00", tz="Europe/Vienna")
    home.add_app(Blinds)
    home.advance(minutes=3)
    assert len(home.runs(Blinds.watch)) == 3
    home.advance(hours=30)
    assert home.runs(Blinds.close) == []
    assert [not_run.reason for not_run in home.not_runs(Blinds.close)] == ["disabled"]
