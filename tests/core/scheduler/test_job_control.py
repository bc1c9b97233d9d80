"""Conditions, pauses, groups and late runs of jobs."""

from datetime import timedelta
from typing import Any

import pytest

from hassette_core import between, state_is
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_executor import CommandExecutor, MemorySink
from support.home import NOON, Home
from support.records import nothing

HOUR = 3600


async def names(home: Home) -> list[str]:
    """Return the names of the jobs that have run, in order."""
    return [record.registration.name for record in await home.records()]


@pytest.mark.parametrize(
    ("where", "runs"),
    [
        (state_is("input_boolean.away", "on"), 1),
        (~state_is("input_boolean.away", "on"), 2),
        ([state_is("input_boolean.away", "off"), between("12:00", "12:15")], 1),
        (between("12:15", "12:25"), 1),
        (lambda: True, 3),
        (lambda: False, 0),
        ((condition for condition in (lambda: True, between("12:00", "13:00"))), 3),
    ],
)
async def test_due_run_starts_only_if_its_condition_holds(home: Home, where: Any, runs: int) -> None:
    home.set_state("input_boolean.away", "off")
    home.scheduler.run_every(nothing, 600, where=where)
    await home.pass_time(1_300, step=100)
    home.set_state("input_boolean.away", "on")
    await home.pass_time(510, step=100)
    assert len(await names(home)) == runs
    assert await home.skipped() == ({} if runs == 3 else {"condition": 3 - runs})


async def test_condition_that_raises_skips_the_run_and_the_job_stays(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bool:
        raise SystemExit

    job = home.scheduler.run_every(nothing, 600, where=broken)
    once = home.scheduler.run_in(nothing, 600, where=broken, name="once")
    await home.pass_time(610, step=100)
    assert await names(home) == []
    assert await home.skipped() == {"predicate_failed": 2}
    assert (job.active, once.active) == (True, False)
    assert "Condition of a job failed" in caplog.text


async def test_manual_run_ignores_the_condition_and_the_pause(home: Home) -> None:
    job = home.scheduler.run_daily(nothing, "13:00", where=lambda: False)
    job.pause()
    job.run_now()
    assert await names(home) == ["nothing"]


async def test_condition_is_in_the_settings(home: Home) -> None:
    job = home.scheduler.run_daily(
        nothing, "sunset", where=state_is("sun.sun", "up"), jitter=(-1800, 600), misfire="run_late", group="holiday"
    )
    settings = dict(job.registration.settings)
    assert settings["jitter"] == "-30 min to 10 min"
    assert (settings["misfire"], settings["group"]) == ("run_late", "holiday")
    assert settings["where"] == "sun.sun is up"


async def test_paused_job_runs_again_in_its_rhythm_after_it_is_resumed(home: Home) -> None:
    job = home.scheduler.run_every(nothing, 600)
    job.pause()
    assert job.paused
    assert job.next_run is None
    assert home.scheduler_service.upcoming() == []
    assert "paused" in repr(job)
    await home.pass_time(1_300, step=100)
    assert await names(home) == []
    assert await home.skipped() == {"disabled": 2}
    job.resume()
    assert job.next_run == NOON + timedelta(seconds=1_800)
    await home.pass_time(1_000, step=100)
    assert await names(home) == ["nothing"]


async def test_timer_that_is_due_during_a_pause_ends_without_a_run(home: Home) -> None:
    job = home.scheduler.run_in(nothing, 60)
    job.pause()
    await home.pass_time(61)
    job.resume()
    assert not job.active
    assert await names(home) == []
    assert await home.skipped() == {"disabled": 1}


async def test_group_pauses_resumes_and_cancels_its_jobs(home: Home) -> None:
    group = home.scheduler.group("holiday")
    first = home.scheduler.run_every(nothing, 600, group="holiday", name="first")
    home.scheduler.run_every(nothing, 600, name="other")
    group.pause()
    later = home.scheduler.run_every(nothing, 600, group="holiday", name="later")
    assert [job.name for job in group.jobs()] == ["first", "later"]
    assert (first.paused, later.paused, first.group) == (True, True, "holiday")
    later.pause()
    await home.pass_time(610, step=100)
    assert await names(home) == ["other"]
    group.resume()
    assert (first.paused, later.paused) == (False, True)  # this job is also paused by itself
    await home.pass_time(600, step=100)
    assert sorted(await names(home)) == ["first", "other", "other"]
    group.cancel()
    assert [job.name for job in home.scheduler.jobs()] == ["other"]
    assert group.jobs() == ()


async def test_group_belongs_to_one_app_instance(home: Home) -> None:
    job = home.scheduler.run_every(nothing, 600, group="holiday")
    other = AppScheduler(home.scheduler_service, "app", "two")
    other.group("holiday").pause()
    assert not job.paused
    other.group("holiday").cancel()
    assert job.active


async def test_service_finds_a_job_by_its_name(home: Home) -> None:
    home.scheduler.run_daily(nothing, "13:00", name="open blinds")
    (job,) = home.scheduler_service.jobs("app", "one", name="open blinds")
    home.scheduler_service.run_now(job)
    assert await names(home) == ["open blinds"]
    home.scheduler_service.set_paused("app", "one", "job", "open blinds", True)
    assert job.paused
    assert home.scheduler_service.jobs("app", "two") == []


@pytest.mark.parametrize(
    ("options", "late_s", "runs", "misfires"),
    [
        ({}, 50_000, 1, 13),
        ({"misfire": "once"}, 50_000, 1, 13),
        ({"misfire": "skip"}, 30, 1, 0),
        ({"misfire": "skip"}, 90, 0, 1),
        ({"misfire": "skip"}, 2 * HOUR + 30, 1, 2),  # the newest of the missed runs is only 30 s late
        ({"misfire": "skip"}, 2 * HOUR + 90, 0, 3),
        ({"misfire": "run_late"}, HOUR - 60, 1, 0),
        ({"misfire": "run_late", "misfire_limit": 600}, 590, 1, 0),
        ({"misfire": "run_late", "misfire_limit": timedelta(minutes=10)}, 610, 0, 1),
        ({"misfire": "run_late", "misfire_limit": 600}, 5 * HOUR + 300, 1, 5),
    ],
)
@pytest.mark.parametrize("kind", ["interval", "calendar"])
async def test_late_recurring_job_runs_or_is_skipped_by_its_misfire_rule(
    home: Home, options: Any, late_s: float, runs: int, misfires: int, kind: str
) -> None:
    if kind == "interval":
        home.scheduler.run_every(nothing, HOUR, **options)
    else:
        home.scheduler.run_hourly(nothing, **options)
    home.clock.stall(HOUR + late_s)
    home.clock.advance(0)
    assert len(await names(home)) == runs
    assert (await home.skipped()).get("misfire", 0) == misfires
    (job,) = home.scheduler.jobs()
    assert job.next_run is not None
    assert timedelta() < job.next_run - home.clock.now() <= timedelta(hours=1)


@pytest.mark.parametrize(("misfire", "runs"), [("once", 1), ("run_late", 0), ("skip", 0)])
async def test_late_timer_runs_or_is_skipped_by_its_misfire_rule(home: Home, misfire: Any, runs: int) -> None:
    job = home.scheduler.run_in(nothing, 60, misfire=misfire)
    once = home.scheduler.run_once(nothing, "13:00", misfire=misfire, name="at a moment")
    home.clock.stall(5 * HOUR)
    home.clock.advance(0)
    assert len(await names(home)) == 2 * runs
    assert (await home.skipped()).get("misfire", 0) == 2 - 2 * runs
    assert not job.active
    assert not once.active


async def test_jitter_with_two_limits_stays_between_them_and_not_before_now(home: Home) -> None:
    for number in range(40):
        job = home.scheduler.run_daily(nothing, "13:00", jitter=(-1800, 600), name=f"wide {number}")
        assert NOON + timedelta(minutes=30) <= job.next_run <= NOON + timedelta(minutes=70)  # type: ignore[operator]
        early = home.scheduler.run_daily(nothing, "12:10", jitter=(-1800, -300), name=f"early {number}")
        assert NOON <= early.next_run <= NOON + timedelta(minutes=5)  # type: ignore[operator]
        every = home.scheduler.run_every(nothing, 600, jitter=(-300, 200), name=f"every {number}")
        assert NOON + timedelta(minutes=5) <= every.next_run <= NOON + timedelta(minutes=14)  # type: ignore[operator]
    spread = {job.next_run for job in home.scheduler.jobs()}
    assert len(spread) > 100


async def test_job_that_ran_before_its_scheduled_time_runs_once_a_day(home: Home) -> None:
    home.scheduler.run_daily(nothing, "13:00", jitter=(-1800, -900))
    await home.pass_time(50 * 60, step=60)
    assert len(await names(home)) == 1
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)  # all jobs are planned again before 13:00
    await home.pass_time(5 * HOUR, step=60)
    assert len(await names(home)) == 1


async def test_next_runs_of_very_many_jobs_are_found_among_paused_and_cancelled_ones(home: Home) -> None:
    jobs = [home.scheduler.run_in(nothing, 10 + number, name=f"job_{number}") for number in range(2_000)]
    for job in jobs[:1_500:2]:
        job.cancel()
    for number in range(1, 1_200, 2):
        jobs[number].pause()
    upcoming = home.scheduler_service.upcoming(limit=3)
    assert [job.name for job in upcoming] == ["job_1201", "job_1203", "job_1205"]
    assert [job.name for job in home.scheduler_service.upcoming(limit=0)] == []
    assert len(home.scheduler_service.upcoming()) == 50
    assert len(home.scheduler_service.upcoming(limit=5_000)) == 2_000 - 750 - 600


async def test_next_run_of_one_job_is_found_by_its_name(home: Home) -> None:
    scheduler, service = home.scheduler, home.scheduler_service
    for delay in (900, 300):
        scheduler.run_in(nothing, delay, name="shared")
    later = scheduler.run_in(nothing, 60, name="alone")
    own = (later.registration.app, later.registration.instance)
    assert service.next_run_us(*own, "shared") == (NOON + timedelta(seconds=300)).timestamp() * 1e6
    assert service.next_run_us(*own, "alone") == (NOON + timedelta(seconds=60)).timestamp() * 1e6
    later.pause()
    assert service.next_run_us(*own, "alone") is None
    assert service.next_run_us(*own, "unknown") is None


async def test_upcoming_jobs_are_sorted_and_follow_their_plans(home: Home) -> None:
    home.scheduler.run_daily(nothing, "14:00", name="later")
    first = home.scheduler.run_every(nothing, 600, name="first")
    assert [job.name for job in home.scheduler_service.upcoming()] == ["first", "later"]
    await home.pass_time(601, step=100)
    upcoming = home.scheduler_service.upcoming()
    assert upcoming[0].due_us == (NOON + timedelta(seconds=1_200)).timestamp() * 1e6
    first.cancel()
    assert [job.name for job in home.scheduler_service.upcoming()] == ["later"]


async def test_scheduler_without_conditions_runs_jobs_with_functions() -> None:
    executor = CommandExecutor(MemorySink())
    async with executor, SchedulerService(executor, grace_s=0) as service:
        assert AppScheduler(service, "app", "one").run_daily(nothing, "13:00", where=lambda: True).active
