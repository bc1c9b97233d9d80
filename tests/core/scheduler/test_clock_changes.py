"""Jobs after a blocked event loop, a suspend, and a wall clock that was set or drifts."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hassette_core.clock import ManualClock
from hassette_core.moments import Place
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_core.scheduler.schedules import Cron
from hassette_executor import CommandExecutor, MemorySink
from support.home import NOON, Home, due_after_noon
from support.records import nothing

pytestmark = pytest.mark.heavy

HOUR = 3600


async def test_runs_missed_by_a_blocked_loop_become_one_run_and_misfires(home: Home) -> None:
    home.scheduler.run_every(nothing, 10)
    home.clock.stall(95)
    home.clock.advance(0)
    (record,) = await home.records(1)
    assert due_after_noon(record).total_seconds() == 10
    assert await home.skipped() == {"misfire": 8}
    await home.pass_time(5)
    assert [due_after_noon(r).total_seconds() for r in await home.records(2)] == [10, 100]


class SlowMachine(ManualClock):
    """A clock whose reading takes two milliseconds while `slow` is set."""

    slow = False

    def monotonic_ns(self) -> int:
        if self.slow:
            self.stall(0.002)
        return super().monotonic_ns()


async def test_job_that_is_due_again_while_it_starts_does_not_block_the_loop() -> None:
    clock, executor = SlowMachine(), CommandExecutor(MemorySink())
    async with executor, SchedulerService(executor, clock=clock, grace_s=0) as planner:
        AppScheduler(planner, "app", "one").run_every(nothing, 0.001, mode="parallel")
        clock.slow = True
        clock.stall(0.001)
        clock.advance(0)  # if this never returned, the test would exceed its time limit
        clock.slow = False
        assert clock.waiting == 1


async def test_after_a_suspend_a_calendar_job_runs_once_late_and_counts_missed_runs(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """The monotonic clock stops while a machine is suspended, and the wall clock jumps when it resumes."""
    job = home.scheduler.run_cron(nothing, "0 * * * *")
    home.clock.step(5 * HOUR + 120)
    await home.pass_time(61)
    (record,) = await home.records(1)
    assert due_after_noon(record) == timedelta(hours=1)
    assert await home.skipped() == {"misfire": 4}
    assert job.next_run == NOON + timedelta(hours=6)
    assert "Job runs late" in caplog.text


async def test_clock_set_forward_does_not_move_an_interval(home: Home) -> None:
    home.scheduler.run_every(nothing, 100)
    home.clock.step(5 * HOUR)
    await home.pass_time(99)
    await home.records(0)
    await home.pass_time(1)
    await home.records(1)
    assert await home.skipped() == {}


async def test_clock_set_back_a_little_does_not_repeat_runs(home: Home) -> None:
    job = home.scheduler.run_daily(nothing, time(12, 30))
    await home.pass_time(31 * 60, step=10)
    await home.records(1)
    home.clock.step(-HOUR)
    await home.pass_time(2 * HOUR, step=10)
    await home.records(1)
    assert job.next_run == NOON + timedelta(days=1, minutes=30)


async def test_clock_set_back_delays_a_job_until_its_time_comes(home: Home) -> None:
    home.scheduler.run_daily(nothing, time(12, 30))
    home.clock.step(-HOUR)
    await home.pass_time(89 * 60, step=10)
    await home.records(0)
    await home.pass_time(60)
    await home.records(1)


async def test_jobs_are_planned_again_after_a_clock_was_years_ahead(home: Home) -> None:
    """A computer without a battery for its clock may start with a date in 2040, and get the real date later."""
    home.clock.step(14 * 365 * 24 * HOUR)
    job = home.scheduler.run_daily(nothing, time(12, 30))
    home.clock.step(-14 * 365 * 24 * HOUR)
    await home.pass_time(61)
    assert job.next_run == NOON + timedelta(minutes=30)


async def test_clock_set_forward_by_decades_counts_a_bounded_number_of_misfires(home: Home) -> None:
    job = home.scheduler.run_cron(nothing, "* * * * *")
    home.clock.step(56 * 365 * 24 * HOUR)
    await home.pass_time(61)
    await home.records()
    assert 1_000 <= (await home.skipped())["misfire"] <= 1_001
    assert job.next_run - home.clock.now() <= timedelta(minutes=1)


async def test_drifting_clock_starts_no_run_early(home: Home) -> None:
    home.scheduler.run_once(nothing, NOON + timedelta(seconds=30))
    home.clock.step(-0.5)  # such a small step does not count as setting the clock
    await home.pass_time(30)
    await home.records(0)
    await home.pass_time(0.5)
    await home.records(1)


# Each row: a schedule, a step of the clock at 12:30:02 local time, the seconds that pass afterwards, and the due times
# of the runs after the step (local time, seconds if there are any).
EVERY_QUARTER = ["10:45", "11:00", "11:15", "11:30", "11:45", "12:00", "12:15", "12:30"]


@pytest.mark.parametrize(
    ("expression", "step_s", "hours", "due"),
    [
        # A job with shorter pauses than the step continues by the new clock.
        ("*/15 * * * *", -2 * HOUR, 2, EVERY_QUARTER),
        ("0,15,30,45 * * * *", -2 * HOUR, 2, EVERY_QUARTER),
        ("0 */15 * * * *", -2 * HOUR, 2, EVERY_QUARTER),
        ("*/15 * * * *", -16 * 60, 0.5, ["12:15", "12:30"]),
        ("*/15 * * * *", -31 * 60, 1, ["12:00", "12:15", "12:30", "12:45"]),
        ("0 * * * *", -2 * HOUR, 3, ["11:00", "12:00", "13:00"]),
        ("0 * * * *", -HOUR, 2, ["12:00", "13:00"]),
        ("0 * * * *", -HOUR + 0.01, 2, ["12:00", "13:00"]),  # the measurement of a real step is not exact
        ("0 */2 * * *", -2 * HOUR + 0.01, 4, ["12:00", "14:00"]),
        ("0 */2 * * *", -2 * HOUR, 4, ["12:00", "14:00"]),
        ("*/30 7-12 * * *", -2 * HOUR, 3, ["11:00", "11:30", "12:00", "12:30"]),
        # The same applies to a range or a list with several times within the step.
        ("0 7-22 * * *", -2 * HOUR, 3, ["11:00", "12:00", "13:00"]),
        ("0 10-12 * * *", -2 * HOUR, 3, ["11:00", "12:00"]),
        ("0,15,30,45 7-22 * * *", -2 * HOUR, 2, EVERY_QUARTER),
        ("15-59/15 7-12 * * *", -2 * HOUR, 2, [due for due in EVERY_QUARTER if not due.endswith("00")]),
        ("0,30 11,12 * * *", -2 * HOUR, 4, ["11:00", "11:30", "12:00", "12:30"]),
        # A fixed time does not occur again. The same applies to a job with longer pauses than the step.
        ("0 12 * * *", -2 * HOUR, 4, []),
        ("0 12-12 * * *", -2 * HOUR, 4, []),
        ("0 7,12,17 * * *", -2 * HOUR, 7, ["17:00"]),
        ("0 7-12 * * *", -HOUR, 3, []),
        ("30 12,13 * * *", -2 * HOUR, 4, ["13:30"]),
        ("0 */6 * * *", -2 * HOUR, 8, ["18:00"]),
        ("*/15 * * * *", -20, 0.51, ["12:45", "13:00"]),
        ("* * * * *", -20, 0.05, ["12:31", "12:32"]),
        # Before a large step, the clock was wrong. So after the step, every time counts again.
        ("0 12 * * *", -4 * HOUR, 5, ["12:00"]),
        ("0 12 * * *", -3 * 24 * HOUR, 24, ["12:00"]),
        ("*/15 * * * *", -3 * 24 * HOUR - 45 * 60, 1, ["12:00", "12:15", "12:30", "12:45"]),
        # After a step forward, one late run stands for all missed runs.
        ("*/15 * * * *", 5, 0.5, ["12:45", "13:00"]),
        ("*/15 * * * *", 2 * HOUR, 0.5, ["12:45", "14:45", "15:00"]),
        ("0 12 * * *", 3 * 24 * HOUR, 1, ["12:00"]),
    ],
)
@pytest.mark.parametrize("options", [{}, {"jitter": 0.9}])
async def test_cron_job_runs_at_its_times_after_the_clock_was_set(
    home: Home, expression: str, step_s: float, hours: float, due: list[str], options: dict[str, float]
) -> None:
    home.clock.step(-60)  # so that the job also runs at noon
    home.scheduler.run_cron(nothing, expression, **options)
    await home.pass_time(31 * 60 + 2, step=30)
    before = len(await home.records())
    home.clock.step(step_s)
    await home.pass_time(hours * HOUR, step=30)
    assert [local_time(record) for record in (await home.records())[before:]] == due


def local_time(record: Any) -> str:
    moment = datetime.fromtimestamp(record.trigger.due_us / 1e6, ZoneInfo("Europe/Berlin"))
    return f"{moment:%H:%M}"


async def test_cron_job_of_every_second_goes_on_after_the_clock_was_set_back(home: Home) -> None:
    home.scheduler.run_cron(nothing, "*/5 * * * * *")
    await home.pass_time(10)
    assert len(await home.records()) == 2
    home.clock.step(-2 * HOUR)
    await home.pass_time(60)
    assert len(await home.records()) == 2 + 12


async def test_cron_job_of_every_minute_runs_130_times_in_130_minutes_after_the_clock_was_set_back(home: Home) -> None:
    home.scheduler.run_cron(nothing, "* * * * *")
    await home.pass_time(HOUR / 2, step=10)
    home.clock.step(-2 * HOUR)
    await home.pass_time(130 * 60, step=10)
    assert len(await home.records()) == 30 + 130


async def test_several_steps_back_do_not_stop_a_cron_job(home: Home) -> None:
    home.scheduler.run_cron(nothing, "*/10 * * * *")
    for _ in range(5):
        await home.pass_time(HOUR, step=10)
        home.clock.step(-HOUR)
    assert len(await home.records()) == 5 * 6


@pytest.mark.parametrize("next_change", ["place", "small step forward", "small step back", "new job"])
async def test_fixed_time_does_not_occur_again_when_jobs_are_planned_again_after_a_step_back(
    home: Home, next_change: str
) -> None:
    job = home.scheduler.run_daily(nothing, time(12, 15))
    await home.pass_time(HOUR / 2, step=10)
    await home.records(1)
    home.clock.step(-2 * HOUR)
    await home.pass_time(120, step=10)
    if next_change == "place":
        home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    elif next_change == "new job":
        home.scheduler.run_daily(nothing, time(20), name="later")
    else:
        home.clock.step(5 if next_change == "small step forward" else -5)
    await home.pass_time(3 * HOUR, step=10)
    await home.records(1)
    assert job.next_run == NOON + timedelta(days=1, minutes=15)


@pytest.mark.parametrize(("step_s", "runs"), [(-2 * HOUR, 4), (-10, 4), (2 * HOUR, 5)])
async def test_clock_that_is_set_while_the_scheduler_is_stopped_does_not_stop_a_cron_job(
    home: Home, step_s: float, runs: int
) -> None:
    home.scheduler.run_cron(nothing, "*/15 * * * *")
    await home.pass_time(HOUR / 2 + 20, step=10)
    before = len(await home.records(2))
    await home.scheduler_service.stop()
    home.clock.step(step_s)
    await home.scheduler_service.start()
    await home.pass_time(HOUR, step=10)
    assert len(await home.records()) == before + runs


@pytest.mark.parametrize("step_s", [-2 * HOUR, -10, 10, 2 * HOUR, -5 * 24 * HOUR])
async def test_interval_ignores_the_wall_clock(home: Home, step_s: float) -> None:
    home.scheduler.run_every(nothing, 600)
    await home.pass_time(HOUR / 2, step=60)
    home.clock.step(step_s)
    await home.pass_time(HOUR, step=60)
    assert len(await home.records()) == 3 + 6


@pytest.mark.parametrize("step_s", [-2 * HOUR, 5 * 24 * HOUR])
async def test_runs_of_an_interval_are_dated_by_the_clock_that_was_set(home: Home, step_s: float) -> None:
    every = home.scheduler.run_every(nothing, 600, name="every")
    once = home.scheduler.run_in(nothing, 1_000, name="once")
    home.clock.step(step_s)
    home.scheduler.run_in(nothing, 1)  # a new job makes the scheduler check the clock
    assert every.next_run == home.clock.now() + timedelta(seconds=600)
    assert once.next_run == home.clock.now() + timedelta(seconds=1_000)
    await home.pass_time(600, step=10)
    assert due_after_noon((await home.records(2))[1]) == timedelta(seconds=600 + step_s)


async def test_time_that_no_run_has_used_occurs_after_the_clock_was_set_back(home: Home) -> None:
    """A job that was registered at noon did not exist at half past eleven, so it has not run yet."""
    home.scheduler.run_daily(nothing, time(11, 30))
    home.clock.step(-HOUR)
    await home.pass_time(HOUR, step=10)
    assert [local_time(record) for record in await home.records(1)] == ["11:30"]


async def test_run_that_waits_for_its_jitter_is_not_lost_when_the_clock_is_set_back(home: Home) -> None:
    job = home.scheduler.run_daily(nothing, time(12, 30), jitter=HOUR)
    planned = job.next_run
    due = NOON + timedelta(minutes=30)
    await home.pass_time((due - NOON + (planned - due) / 2).total_seconds(), step=10)
    await home.records(0)
    home.clock.step(-2 * HOUR)
    await home.pass_time(4 * HOUR, step=60)
    await home.records(1)


@pytest.mark.parametrize("event", ["sunrise", "sunset"])
async def test_sun_job_does_not_run_twice_when_the_clock_is_set_back(home: Home, event: str) -> None:
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    job = getattr(home.scheduler, f"run_at_{event}")(nothing)
    first = job.next_run
    await home.pass_time((first - NOON).total_seconds() + 600, step=60)
    await home.records(1)
    home.clock.step(-2 * HOUR)
    await home.pass_time(4 * HOUR, step=60)
    await home.records(1)
    assert timedelta(hours=23, minutes=50) < job.next_run - first < timedelta(hours=24, minutes=10)


@pytest.mark.parametrize(
    ("zone", "expression", "after", "expected"),
    [
        # On Lord Howe Island, clocks go back from 02:00 to 01:30 in April, and forward from 02:00 to 02:30 in October.
        ("Australia/Lord_Howe", "4 */6 * * *", "2026-04-05T00:04+11:00", "2026-04-05T06:04+10:30"),
        ("Australia/Lord_Howe", "45 */1 * * *", "2026-04-05T01:45+11:00", "2026-04-05T01:45+10:30"),
        ("Australia/Lord_Howe", "30 * * * *", "2026-04-05T01:30+11:00", "2026-04-05T01:30+10:30"),
        ("Australia/Lord_Howe", "10 * * * *", "2026-10-04T01:10+10:30", "2026-10-04T03:10+11:00"),
        ("Europe/Vienna", "0 * * * *", "2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"),
        ("Europe/Vienna", "30 * * * *", "2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00"),
    ],
)
def test_cron_job_with_any_hour_follows_the_clock_on_the_wall(
    zone: str, expression: str, after: str, expected: str
) -> None:
    found = Cron(expression).next_after(datetime.fromisoformat(after), Place(zone=ZoneInfo(zone)))
    assert found == datetime.fromisoformat(expected)
