"""Jobs after a blocked event loop, a suspend, and a wall clock that was set or drifts."""

from datetime import time, timedelta

import pytest

from hassette_core.clock import ManualClock
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_executor import CommandExecutor, MemorySink
from support.home import NOON, Home, due_after_noon
from support.records import nothing

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
