"""Jobs run when they are due: once, repeatedly, late and manually."""

import asyncio
import functools
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hassette_core.clock import ManualClock
from hassette_core.errors import RegistrationError
from hassette_core.moments import NO_STATES, Place, StateMap
from hassette_core.roster import CommandRunner, RunLane
from hassette_core.scheduler import AppScheduler, SchedulerService, UpcomingJob
from hassette_core.scheduler.agenda import Agenda
from hassette_core.scheduler.planned_job import PlannedJob
from hassette_core.scheduler.schedules import Interval
from hassette_executor import CommandExecutor, ErrorContext, JobRegistration, Status
from support.home import NOON, Home, due_after_noon
from support.records import nothing

HOUR = 3600


async def test_run_in_runs_once_and_ends(home: Home) -> None:
    job = home.scheduler.run_in(nothing, 5)
    assert job.next_run == NOON + timedelta(seconds=5)
    await home.pass_time(4)
    await home.records(0)
    await home.pass_time(60)
    (record,) = await home.records(1)
    assert due_after_noon(record) == timedelta(seconds=5)
    assert not record.trigger.manual
    assert record.registration.key == ("app", "one", "nothing")
    assert record.registration.schedule == "once, after 5 s"
    assert not job.active
    assert job.next_run is None
    assert await home.retired() == ["nothing"]
    assert home.clock.waiting == 0


async def test_durations_are_seconds_or_timedeltas(home: Home) -> None:
    assert home.scheduler.run_in(nothing, timedelta(minutes=1)).next_run == NOON + timedelta(minutes=1)


async def test_run_once_takes_an_aware_or_naive_datetime_or_a_time_of_day(home: Home) -> None:
    aware = home.scheduler.run_once(nothing, NOON + timedelta(hours=1), name="aware")
    naive = home.scheduler.run_once(nothing, datetime.fromisoformat("2026-06-01 14:00"), name="naive")
    today = home.scheduler.run_once(nothing, time(15, 0), name="today")
    tomorrow = home.scheduler.run_once(nothing, time(11, 0), name="tomorrow")
    assert [job.next_run - NOON for job in (aware, naive, today, tomorrow)] == [
        timedelta(hours=hours) for hours in (1, 2, 3, 23)
    ]
    await home.pass_time(24 * HOUR, step=HOUR)
    assert [r.registration.name for r in await home.records(4)] == ["aware", "naive", "today", "tomorrow"]
    assert not aware.active


async def test_run_every_counts_from_due_time_to_due_time(home: Home) -> None:
    release = asyncio.Event()
    home.scheduler.run_every(release.wait, 10, name="slow", mode="parallel")
    await home.pass_time(35)
    release.set()
    assert [due_after_noon(r).total_seconds() for r in await home.records(3)] == [10, 20, 30]


@pytest.mark.parametrize(
    ("start", "first_s"),
    [(None, 100), (0, 0), (7, 7), (timedelta(seconds=9), 9), (time(12, 1), 60), (NOON + timedelta(seconds=30), 30)],
)
async def test_run_every_starts_at_its_start(home: Home, start: Any, first_s: float) -> None:
    job = home.scheduler.run_every(nothing, 100, start)
    assert job.next_run == NOON + timedelta(seconds=first_s)
    await home.pass_time(first_s + 100)
    assert [due_after_noon(r).total_seconds() for r in await home.records(2)] == [first_s, first_s + 100]


async def test_run_daily_cron_and_sun_follow_the_place(home: Home) -> None:
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    home.scheduler.run_daily(nothing, "07:30", name="daily")
    home.scheduler.run_cron(nothing, "15 8 * * *", name="cron")
    home.scheduler.run_at_sunset(nothing, name="sunset")
    home.scheduler.run_at_sunrise(nothing, offset=-600, name="sunrise")
    await home.pass_time(24 * HOUR, step=60)
    records = await home.records(4)
    assert [r.registration.name for r in records] == ["sunset", "sunrise", "daily", "cron"]
    assert due_after_noon(records[2]) == timedelta(hours=19, minutes=30)
    assert due_after_noon(records[3]) == timedelta(hours=20, minutes=15)


async def test_sun_job_waits_until_the_place_is_known(home: Home) -> None:
    job = home.scheduler.run_at_sunset(nothing)
    assert job.next_run is None
    assert home.scheduler_service.upcoming() == []
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    assert job.next_run is not None
    await home.pass_time(24 * HOUR, step=600)
    await home.records(1)


async def test_new_time_zone_moves_calendar_jobs_and_no_others(home: Home) -> None:
    daily = home.scheduler.run_daily(nothing, time(12, 30), name="daily")
    hourly = home.scheduler.run_every(nothing, HOUR, name="hourly")
    home.scheduler_service.set_place(time_zone=ZoneInfo("America/New_York"))
    assert daily.next_run == NOON + timedelta(hours=6, minutes=30)
    assert hourly.next_run == NOON + timedelta(hours=1)
    await home.pass_time(7 * HOUR, step=60)
    assert [r.registration.name for r in await home.records(8)].count("daily") == 1


async def test_cancelled_run_does_not_end_the_series(
    home: Home,
) -> None:
    planned: list[datetime | None] = []

    async def cancelled() -> None:
        planned.append(job.next_run)
        raise asyncio.CancelledError

    job = home.scheduler.run_every(cancelled, 10)
    await home.pass_time(30)
    records = await home.records(3)
    assert {record.status for record in records} == {Status.CANCELLED}
    assert planned == [NOON + timedelta(seconds=s) for s in (20, 30, 40)]


async def test_failing_job_continues_and_its_hook_is_called(home: Home, calls: list[Any]) -> None:
    async def broken() -> None:
        raise ValueError("no water")

    async def hook(context: ErrorContext) -> None:
        calls.append(str(context.exception))

    home.scheduler.run_every(broken, 10, on_error=hook)
    await home.pass_time(20)
    await home.records(2)
    await home.until(lambda: len(calls) == 2)


async def test_run_that_is_due_while_the_job_runs_is_skipped_by_default(home: Home) -> None:
    release = asyncio.Event()
    home.scheduler.run_every(release.wait, 10, name="slow")
    await home.pass_time(30)
    release.set()
    await home.records(1)
    assert await home.skipped() == {"overlap": 2}


async def test_cancelled_job_does_not_run_and_sets_no_timer(home: Home) -> None:
    job = home.scheduler.run_every(nothing, 10)
    job.cancel()
    job.cancel()
    job.run_now()
    assert home.clock.waiting == 0
    await home.pass_time(60)
    await home.records(0)
    assert await home.retired() == ["nothing"]
    home.scheduler.run_every(nothing, 10)


async def test_job_may_cancel_itself(home: Home) -> None:
    async def last() -> None:
        job.cancel()

    job = home.scheduler.run_every(last, 10)
    await home.pass_time(60)
    (record,) = await home.records(1)
    assert record.status is Status.SUCCESS


async def test_one_time_job_may_register_itself_again(home: Home) -> None:
    async def again() -> None:
        home.scheduler.run_in(again, 10)

    home.scheduler.run_in(again, 10)
    await home.pass_time(35)
    await home.records(3)


async def test_run_now_does_not_change_the_schedule(home: Home) -> None:
    job = home.scheduler.run_in(nothing, 100)
    job.run_now()
    (record,) = await home.records(1)
    assert record.trigger.manual
    assert job.next_run == NOON + timedelta(seconds=100)
    await home.pass_time(100)
    await home.records(2)


async def test_jitter_delays_each_run_by_less_than_its_value_and_does_not_accumulate(home: Home) -> None:
    home.scheduler.run_every(nothing, 100, jitter=50)
    await home.pass_time(1_100)
    due_s = [due_after_noon(r).total_seconds() for r in await home.records()]
    assert 10 <= len(due_s) <= 11
    offsets = [due - 100 * number for number, due in enumerate(due_s, start=1)]
    assert all(0 <= offset < 50 for offset in offsets)
    assert len(set(offsets)) > 1


async def test_jitter_skips_no_run_of_a_cron_job(home: Home) -> None:
    home.scheduler.run_cron(nothing, "* * * * *", jitter=50)
    await home.pass_time(HOUR + 50)
    due_s = [due_after_noon(r).total_seconds() for r in await home.records(60)]
    assert all(0 <= due - 60 * number < 50 for number, due in enumerate(due_s, start=1))
    assert await home.skipped() == {}


async def test_jitter_of_a_one_time_job_has_no_limit(home: Home) -> None:
    assert home.scheduler.run_in(nothing, 1, jitter=HOUR, name="soon").active
    assert home.scheduler.run_once(nothing, NOON + timedelta(hours=1), jitter=100 * HOUR, name="once").active
    assert home.scheduler.run_cron(nothing, "0 0 29 2 *", jitter=100 * HOUR, name="leap day").active


async def test_run_that_waits_for_its_jitter_survives_a_new_place(home: Home) -> None:
    job = home.scheduler.run_cron(nothing, "10 * * * *", jitter=600)
    due, planned = NOON + timedelta(minutes=10), job.next_run
    await home.pass_time((due - NOON + (planned - due) / 2).total_seconds())
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    assert abs(job.next_run - planned) < timedelta(milliseconds=1)
    await home.pass_time(600)
    assert len(await home.records(1)) == 1


async def test_all_jobs_share_one_timer_and_no_jobs_set_none(home: Home) -> None:
    assert home.clock.waiting == 0
    jobs = [home.scheduler.run_in(nothing, 100 + n, name=f"job {n}") for n in range(50)]
    jobs += [home.scheduler.run_daily(nothing, time(7), name="daily")]
    assert home.clock.waiting == 1
    for job in jobs:
        job.cancel()
    assert home.clock.waiting == 0


async def test_agenda_does_not_grow_with_jobs_that_come_and_go() -> None:
    clock, runner = ManualClock(), CommandRunner(CommandExecutor())
    agenda = Agenda()

    def planned(delay_s: float) -> PlannedJob:
        registration = JobRegistration(app="app", instance="one", name="job", schedule="once", handler="nothing")
        lane = RunLane(registration, "single", runner)
        job = PlannedJob(registration, lane, nothing, nothing, {}, Interval(delay_s), clock, {})
        job.plan_first(Place(zone=UTC))
        agenda.put(job)
        return job

    first = planned(1)
    for _ in range(1_000):
        planned(100).end()
    assert len(agenda) < 100
    assert agenda.first_ns() == first.plan.due_ns


async def test_upcoming_lists_the_next_runs_in_order(home: Home) -> None:
    home.scheduler.run_in(nothing, 20, name="later")
    home.scheduler.run_every(nothing, 10, name="sooner")
    noon_us = int(NOON.timestamp() * 1e6)
    assert home.scheduler_service.upcoming() == [
        UpcomingJob("app", "one", "sooner", noon_us + 10_000_000),
        UpcomingJob("app", "one", "later", noon_us + 20_000_000),
    ]


async def test_partials_bind_arguments_and_sync_jobs_run_in_threads(home: Home, calls: list[Any]) -> None:
    def job(what: str) -> None:
        calls.append(what)

    home.scheduler.run_in(functools.partial(job, "water"), 1)
    await home.pass_time(1)
    (record,) = await home.records(1)
    assert calls == ["water"]
    assert record.registration.runs_in == "sync"
    assert record.registration.name == "job"


async def test_settings_list_the_options_that_differ_from_the_defaults(home: Home) -> None:
    job = home.scheduler.run_every(nothing, 60, mode="queued", timeout=5, jitter=2)
    assert job.registration.settings == (("mode", "queued"), ("jitter", "2 s"), ("timeout", "5 s"))
    assert job.registration.timeout_s == 5


async def test_stop_cancels_late_runs_and_a_restart_continues(home: Home) -> None:
    started = asyncio.Event()

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    home.scheduler.run_in(endless, 1)
    home.scheduler.run_every(nothing, 10)
    await home.pass_time(1)
    await started.wait()
    await home.scheduler_service.stop()
    await home.scheduler_service.stop()
    assert home.clock.waiting == 0
    assert [r.status for r in await home.records(1)] == [Status.CANCELLED]
    await home.scheduler_service.start()
    await home.pass_time(9)
    await home.records(2)


async def test_stopping_scheduler_starts_no_waiting_run(home: Home) -> None:
    go = asyncio.Event()
    home.scheduler.run_every(go.wait, 1, name="slow", mode="queued")
    await home.pass_time(3)
    stopping = asyncio.create_task(home.scheduler_service.stop())
    await home.settle()
    go.set()
    await stopping
    await home.records(1)
    assert await home.skipped() == {"back_pressure": 2}


class FailingSchedule:
    """A schedule whose second call of ``next_after`` fails."""

    recurring = True

    def __init__(self) -> None:
        self.calls = 0

    def describe(self) -> str:
        return "failing"

    def shortest_gap_s(self) -> float | None:
        return None

    def entities(self) -> tuple[str, ...]:
        return ()

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime:
        self.calls += 1
        if self.calls == 2:
            raise ZeroDivisionError
        return moment + timedelta(seconds=10)


async def test_defect_in_a_schedule_is_raised_by_serve_and_a_restart_continues(home: Home) -> None:
    scheduler = SchedulerService(home.executor, clock=home.clock)
    await scheduler.start()
    serving = asyncio.create_task(scheduler.serve())
    scheduler.add("app", "one", nothing, FailingSchedule(), {})
    home.clock.advance(10)
    with pytest.raises(ZeroDivisionError):
        await serving
    await scheduler.stop()
    await scheduler.start()
    await home.pass_time(20)
    await scheduler.stop()
    assert len(await home.records()) >= 1


async def test_defect_in_a_schedule_is_raised_at_the_end_of_the_with_block(home: Home) -> None:
    async def run_into_the_defect() -> None:
        async with SchedulerService(home.executor, clock=home.clock) as scheduler:
            scheduler.add("app", "one", nothing, FailingSchedule(), {})
            home.clock.advance(10)
            await home.settle()

    with pytest.raises(ZeroDivisionError):
        await run_into_the_defect()


async def test_jobs_run_with_the_system_clock(home: Home) -> None:
    ran = asyncio.Event()
    async with SchedulerService(home.executor) as planner:

        async def handler() -> None:
            ran.set()

        AppScheduler(planner, "app", "real").run_in(handler, 0.01)
        await home.until(ran.is_set)


async def test_name_for_each_run_is_warned_about_once(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    def names_of_warnings() -> list[list[str]]:
        return [record.__dict__["names"] for record in caplog.records if "new name for each run" in record.getMessage()]

    for _ in range(3):  # an app that is reloaded registers the same names again
        for number in range(30):
            home.scheduler.run_every(nothing, 60, name=f"light_{number}")
        home.scheduler.cancel_all()
    assert names_of_warnings() == []
    for number in range(200):
        home.scheduler.run_in(nothing, 5, name=f"off_{number:03}").cancel()
    assert names_of_warnings() == [["light_0", "light_1", "light_10"]]


async def test_waiting_jobs_with_arguments_share_one_registration(home: Home) -> None:
    off: list[str] = []

    async def turn_off(light: str, *, slowly: bool = False) -> None:
        assert not slowly
        off.append(light)

    jobs = [home.scheduler.run_in(turn_off, 300 + n, kwargs={"light": f"light_{n}"}) for n in range(100)]
    assert len({job.registration.key for job in jobs}) == 1
    jobs[7].cancel()
    with pytest.raises(RegistrationError, match="already has a job named 'turn_off'"):
        home.scheduler.run_every(turn_off, 60, kwargs={"light": "x"})
    await home.pass_time(400)
    assert off == [f"light_{n}" for n in range(100) if n != 7]
    # All of them have ended, so the name is free.
    home.scheduler.run_every(turn_off, 60, kwargs={"light": "x"})


async def test_waiting_jobs_without_arguments_share_one_registration(home: Home) -> None:
    runs: list[int] = []

    async def turn_off() -> None:
        runs.append(1)

    jobs = [home.scheduler.run_in(turn_off, delay) for delay in (300, 300, 10, 400)]
    jobs.append(home.scheduler.run_once(turn_off, home.clock.now() + timedelta(seconds=20)))
    assert len({job.registration.key for job in jobs}) == 1
    jobs[3].cancel()
    for seconds, expected in ((9, 0), (1, 1), (10, 2), (279, 2), (1, 4), (200, 4)):
        await home.pass_time(seconds)
        assert len(runs) == expected
    home.scheduler.run_in(turn_off, 300)
    home.scheduler.run_in(turn_off, 300)
    home.scheduler.run_in(turn_off, 100, replace=True)
    await home.pass_time(300)
    assert len(runs) == 5
    home.scheduler.run_in(turn_off, 300)
    with pytest.raises(RegistrationError, match="already has a job named 'turn_off'"):
        home.scheduler.run_every(turn_off, 60)


@pytest.mark.parametrize("first", [{}, {"kwargs": {"light": 1}}])
@pytest.mark.parametrize("second", [{}, {"kwargs": {"light": 2}}])
@pytest.mark.parametrize("delays", [(300, 10), (10, 300)])
async def test_shared_registration_is_retired_after_its_last_job(
    home: Home, first: dict[str, Any], second: dict[str, Any], delays: tuple[int, int]
) -> None:
    async def turn_off(light: int = 0) -> None: ...

    home.scheduler.run_in(turn_off, delays[0], **first)
    home.scheduler.run_in(turn_off, delays[1], **second)
    await home.pass_time(20)
    await home.records(1)
    assert await home.retired() == []
    await home.pass_time(300)
    assert await home.retired() == ["turn_off"]


@pytest.mark.parametrize("kwargs", [["light"], {1: 2}, "light"])
async def test_wrong_arguments_of_a_job_are_refused(home: Home, kwargs: Any) -> None:
    with pytest.raises(RegistrationError, match="kwargs must be a mapping of names to values, got"):
        home.scheduler.run_in(nothing, 1, kwargs=kwargs)


async def test_argument_that_the_handler_does_not_have_is_refused(home: Home) -> None:
    with pytest.raises(RegistrationError):
        home.scheduler.run_in(nothing, 1, kwargs={"light": "x"})


async def test_jobs_that_are_due_at_one_moment_run_in_the_order_of_their_registration(home: Home) -> None:
    seen: list[str] = []

    async def note(name: str) -> None:
        seen.append(name)

    home.scheduler.run_daily(note, "12:10", name="daily", kwargs={"name": "daily"})
    home.scheduler.run_in(note, 600, name="in", kwargs={"name": "in"})
    home.scheduler.run_every(note, 300, name="every", kwargs={"name": "every"})
    home.scheduler.run_cron(note, "*/10 * * * *", name="cron", kwargs={"name": "cron"})
    home.scheduler.run_once(note, "12:10", name="once", kwargs={"name": "once"})
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)  # the calendar jobs are planned again
    await home.pass_time(600, step=300)
    assert seen == ["every", "daily", "in", "every", "cron", "once"]
