"""Options of listeners and jobs in a whole home: timers that start again, and days of the week."""

from typing import Any

import pytest

from hassette_core import App, AppConfig, SyncApp, between, on_days
from hassette_core.errors import RegistrationError
from hassette_core.testing import HomeUnderTest


class Lights(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.moved, "binary_sensor.motion", changed_to="on")

    async def moved(self) -> None:
        self.scheduler.run_in(self.off, 300, replace=True)
        for room in ("hall", "bath"):
            self.scheduler.run_in(self.off_in, 300, kwargs={"room": room}, replace=room == "hall")

    async def off(self) -> None:
        self.scheduler.run_in(self.off, 1000, replace=True)  # its own name is free during the run

    async def off_in(self, room: str) -> None:
        self.logger.info("%s", room)


class SyncLights(SyncApp[AppConfig]):
    def on_initialize(self) -> None:
        self.bus.on_state_change(self.moved, "binary_sensor.motion", changed_to="on")

    def moved(self) -> None:
        self.scheduler.run_in(self.off, 300, replace=True, persist=True)

    def off(self) -> None: ...


def move(home: HomeUnderTest) -> None:
    home.set("binary_sensor.motion", "off")
    home.set("binary_sensor.motion", "on")


def test_timer_with_replace_starts_again(home: HomeUnderTest) -> None:
    home.add_app(Lights)
    home.add_app(SyncLights)
    move(home)
    home.advance(seconds=200)
    move(home)
    home.advance(seconds=200)
    assert [run.name for run in home.runs("off")] == []
    assert [run.logs for run in home.runs("off_in")] == [("bath",)]
    home.advance(seconds=100)
    assert sorted(run.name for run in home.runs("off")) == ["lights.off", "sync_lights.off"]
    assert sorted(run.logs for run in home.runs("off_in")) == [("bath",), ("bath",), ("hall",)]
    home.advance(seconds=1000)
    assert sorted(run.name for run in home.runs("off")) == ["lights.off", "lights.off", "sync_lights.off"]


def test_persistent_timer_that_was_replaced_runs_once_after_a_restart(home: HomeUnderTest) -> None:
    home.add_app(SyncLights)
    move(home)
    move(home)
    home.restart()
    home.advance(seconds=300)
    assert len(home.runs("off")) == 1


class Workdays(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.scheduler.run_daily(self.wake, "07:00", where=on_days("mon-fri"))
        self.scheduler.run_hourly(self.late, where=~on_days(["sat", "sunday"]) & between("22:30", "23:30"))
        self.bus.on_event(self.ring, "doorbell", where=on_days("weekend"))

    async def wake(self) -> None: ...

    async def late(self) -> None: ...

    async def ring(self) -> None: ...


def test_condition_on_days_follows_the_local_day(home: HomeUnderTest) -> None:
    home.at("2026-03-27 12:00", tz="America/New_York")  # a Friday
    home.add_app(Workdays)
    home.fire("doorbell")
    home.advance_to("2026-03-28 00:00")
    home.fire("doorbell")
    home.advance_to("2026-03-31 12:00")
    assert [f"{run.started:%a %H}" for run in home.runs("wake")] == ["Mon 07", "Tue 07"]
    assert [f"{run.started:%a %H}" for run in home.runs("late")] == ["Fri 23", "Mon 23"]
    assert [f"{run.started:%a %H}" for run in home.runs("ring")] == ["Sat 00"]
    (not_run,) = home.not_runs("ring")
    assert not_run.samples[0].detail == "it is sat,sun: it was Friday"


@pytest.mark.parametrize("days", ["", [], None, "someday", "fri-", 5])
def test_days_that_cannot_be_read_are_refused(days: Any) -> None:
    with pytest.raises(RegistrationError, match="days must be days of the week, such as 'mon-fri' or 'sat,sun', got"):
        on_days(days)


def test_every_day_is_a_condition_that_always_holds(home: HomeUnderTest) -> None:
    class Every(App[AppConfig]):
        async def on_initialize(self) -> None:
            self.bus.on_event(self.ring, "doorbell", where=on_days("mon-sun"))

        async def ring(self) -> None: ...

    home.add_app(Every)
    home.fire("doorbell")
    assert len(home.runs("ring")) == 1
