"""Jobs run when they are due: once, again and again, late, by hand, and whatever the clocks do."""

import asyncio
import functools
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hassette_core.clock import ManualClock
from hassette_core.errors import RegistrationError
from hassette_core.scheduler import SchedulerService, UpcomingJob
from hassette_executor import ErrorContext, Status

NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)  # the house's clock begins here; 12:00 in Berlin
HOUR = 3600
FIRST_DAY = datetime.fromisoformat("0001-01-01")
LAST_DAY = datetime.fromisoformat("9999-12-31")


async def noop() -> None:
    pass


def after(record: Any) -> timedelta:
    """When a run was due, counted from noon."""
    return timedelta(microseconds=record.trigger.due_us) - (NOON - datetime(1970, 1, 1, tzinfo=UTC))


async def test_run_in_runs_once_and_is_gone(house: Any) -> None:
    job = house.scheduler.run_in(noop, 5)
    assert job.next_run == NOON + timedelta(seconds=5)
    await house.pass_time(4)
    await house.records(0)
    await house.pass_time(60)
    (record,) = await house.records(1)
    assert after(record) == timedelta(seconds=5)
    assert not record.trigger.manual
    assert record.registration.key == ("app", "one", "noop")
    assert record.registration.schedule == "once, after 5 s"
    assert not job.active
    assert job.next_run is None
    assert await house.retired() == ["noop"]
    assert house.clock.waiting == 0


async def test_durations_are_seconds_or_timedeltas(house: Any) -> None:
    assert house.scheduler.run_in(noop, timedelta(minutes=1)).next_run == NOON + timedelta(minutes=1)


async def test_run_once_takes_a_moment_a_local_one_or_a_time_of_day(house: Any) -> None:
    aware = house.scheduler.run_once(noop, NOON + timedelta(hours=1), name="aware")
    naive = house.scheduler.run_once(noop, datetime.fromisoformat("2026-06-01 14:00"), name="naive")
    today = house.scheduler.run_once(noop, time(15, 0), name="today")
    tomorrow = house.scheduler.run_once(noop, time(11, 0), name="tomorrow")
    assert [job.next_run - NOON for job in (aware, naive, today, tomorrow)] == [
        timedelta(hours=hours) for hours in (1, 2, 3, 23)
    ]
    await house.pass_time(24 * HOUR, step=HOUR)
    assert [r.registration.name for r in await house.records(4)] == ["aware", "naive", "today", "tomorrow"]
    assert not aware.active


async def test_run_every_counts_from_due_time_to_due_time_whatever_the_runs_take(house: Any) -> None:
    release = asyncio.Event()
    house.scheduler.run_every(release.wait, 10, name="slow", mode="parallel")
    await house.pass_time(35)
    release.set()
    assert [after(r).total_seconds() for r in await house.records(3)] == [10, 20, 30]


@pytest.mark.parametrize(
    ("start", "first_s"),
    [(None, 100), (0, 0), (7, 7), (timedelta(seconds=9), 9), (time(12, 1), 60), (NOON + timedelta(seconds=30), 30)],
)
async def test_run_every_starts_when_told(house: Any, start: Any, first_s: float) -> None:
    job = house.scheduler.run_every(noop, 100, start)
    assert job.next_run == NOON + timedelta(seconds=first_s)
    await house.pass_time(first_s + 100)
    assert [after(r).total_seconds() for r in await house.records(2)] == [first_s, first_s + 100]


async def test_run_daily_cron_and_sun_follow_the_house(house: Any) -> None:
    house.planner.set_place(latitude=52.5, longitude=13.4)
    house.scheduler.run_daily(noop, "07:30", name="daily")
    house.scheduler.run_cron(noop, "15 8 * * *", name="cron")
    house.scheduler.run_at_sunset(noop, name="sunset")
    house.scheduler.run_at_sunrise(noop, offset=-600, name="sunrise")
    await house.pass_time(24 * HOUR, step=60)
    records = await house.records(4)
    assert [r.registration.name for r in records] == ["sunset", "sunrise", "daily", "cron"]
    assert after(records[2]) == timedelta(hours=19, minutes=30)
    assert after(records[3]) == timedelta(hours=20, minutes=15)


async def test_a_sun_job_waits_until_the_place_is_known(house: Any) -> None:
    job = house.scheduler.run_at_sunset(noop)
    assert job.next_run is None
    assert house.planner.upcoming() == []
    house.planner.set_place(latitude=52.5, longitude=13.4)
    assert job.next_run is not None
    await house.pass_time(24 * HOUR, step=600)
    await house.records(1)


async def test_a_new_time_zone_plans_calendar_jobs_anew_and_leaves_the_others(house: Any) -> None:
    daily = house.scheduler.run_daily(noop, time(12, 30), name="daily")
    hourly = house.scheduler.run_every(noop, HOUR, name="hourly")
    house.planner.set_place(time_zone=ZoneInfo("America/New_York"))
    assert daily.next_run == NOON + timedelta(hours=6, minutes=30)
    assert hourly.next_run == NOON + timedelta(hours=1)
    await house.pass_time(7 * HOUR, step=60)
    assert [r.registration.name for r in await house.records(8)].count("daily") == 1


async def test_the_next_run_is_planned_before_the_run_so_that_cancelling_one_does_not_end_the_series(
    house: Any,
) -> None:
    planned: list[datetime | None] = []

    async def cancelled() -> None:
        planned.append(job.next_run)
        raise asyncio.CancelledError

    job = house.scheduler.run_every(cancelled, 10)
    await house.pass_time(30)
    records = await house.records(3)
    assert {record.status for record in records} == {Status.CANCELLED}
    assert planned == [NOON + timedelta(seconds=s) for s in (20, 30, 40)]


async def test_a_failing_job_goes_on_and_its_hook_hears_of_it(house: Any, calls: list[Any]) -> None:
    async def broken() -> None:
        raise ValueError("no water")

    async def hook(context: ErrorContext) -> None:
        calls.append(str(context.exception))

    house.scheduler.run_every(broken, 10, on_error=hook)
    await house.pass_time(20)
    await house.records(2)
    await house.until(lambda: len(calls) == 2)


async def test_a_job_still_running_is_left_out_by_default_and_counted(house: Any) -> None:
    release = asyncio.Event()
    house.scheduler.run_every(release.wait, 10, name="slow")
    await house.pass_time(30)
    release.set()
    await house.records(1)
    assert await house.skipped() == {"overlap": 2}


async def test_a_cancelled_job_runs_no_more_and_arms_nothing(house: Any) -> None:
    job = house.scheduler.run_every(noop, 10)
    job.cancel()
    job.cancel()
    job.run_now()
    assert house.clock.waiting == 0
    await house.pass_time(60)
    await house.records(0)
    assert await house.retired() == ["noop"]
    house.scheduler.run_every(noop, 10)


async def test_a_job_may_cancel_itself(house: Any) -> None:
    async def last() -> None:
        job.cancel()

    job = house.scheduler.run_every(last, 10)
    await house.pass_time(60)
    (record,) = await house.records(1)
    assert record.status is Status.SUCCESS


async def test_a_one_shot_may_plan_itself_again(house: Any) -> None:
    async def again() -> None:
        house.scheduler.run_in(again, 10)

    house.scheduler.run_in(again, 10)
    await house.pass_time(35)
    await house.records(3)


async def test_run_now_runs_beside_the_schedule_and_leaves_it_as_it_is(house: Any) -> None:
    job = house.scheduler.run_in(noop, 100)
    job.run_now()
    (record,) = await house.records(1)
    assert record.trigger.manual
    assert job.next_run == NOON + timedelta(seconds=100)
    await house.pass_time(100)
    await house.records(2)


async def test_jitter_puts_each_run_off_by_less_than_it_says_and_does_not_add_up(house: Any) -> None:
    house.scheduler.run_every(noop, 100, jitter=50)
    await house.pass_time(1_100)
    due_s = [after(r).total_seconds() for r in await house.records()]
    assert 10 <= len(due_s) <= 11
    offsets = [due - 100 * number for number, due in enumerate(due_s, start=1)]
    assert all(0 <= offset < 50 for offset in offsets)
    assert len(set(offsets)) > 1


async def test_jitter_leaves_out_no_run_of_a_cron_job(house: Any) -> None:
    house.scheduler.run_cron(noop, "* * * * *", jitter=50)
    await house.pass_time(HOUR + 50)
    due_s = [after(r).total_seconds() for r in await house.records(60)]
    assert all(0 <= due - 60 * number < 50 for number, due in enumerate(due_s, start=1))
    assert await house.skipped() == {}


async def test_jitter_of_a_run_that_comes_once_may_be_as_long_as_one_likes(house: Any) -> None:
    assert house.scheduler.run_in(noop, 1, jitter=HOUR, name="soon").active
    assert house.scheduler.run_once(noop, NOON + timedelta(hours=1), jitter=100 * HOUR, name="once").active
    assert house.scheduler.run_cron(noop, "0 0 29 2 *", jitter=100 * HOUR, name="leap day").active


async def test_a_run_that_waits_out_its_jitter_is_not_lost_to_a_new_place(house: Any) -> None:
    job = house.scheduler.run_cron(noop, "10 * * * *", jitter=600)
    due, planned = NOON + timedelta(minutes=10), job.next_run
    await house.pass_time((due - NOON + (planned - due) / 2).total_seconds())
    house.planner.set_place(latitude=52.5, longitude=13.4)
    assert abs(job.next_run - planned) < timedelta(milliseconds=1)
    await house.pass_time(600)
    assert len(await house.records(1)) == 1


async def test_runs_missed_by_a_blocked_loop_become_one_and_are_counted_as_misfires(house: Any) -> None:
    house.scheduler.run_every(noop, 10)
    house.clock._move_to(house.clock.monotonic_ns() + 95 * 10**9)  # nothing was called for 95 s
    house.clock.advance(0)
    (record,) = await house.records(1)
    assert after(record).total_seconds() == 10
    assert await house.skipped() == {"misfire": 8}
    await house.pass_time(5)
    assert [after(r).total_seconds() for r in await house.records(2)] == [10, 100]


async def test_a_job_that_is_due_again_before_it_has_begun_comes_due_once_per_wake_and_leaves_the_loop_to_others(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.scheduler.run_every(noop, 0.001, mode="parallel")
    came_due: list[object] = []
    come_due = house.planner._come_due

    def slow_machine(job: object) -> None:
        come_due(job)
        came_due.append(job)
        assert len(came_due) < 10, "the timer does not return"
        house.clock._move_to(house.clock.monotonic_ns() + 2_000_000)

    monkeypatch.setattr(house.planner, "_come_due", slow_machine)
    house.clock._move_to(house.clock.monotonic_ns() + 1_000_000)
    house.clock.advance(0)
    assert len(came_due) == 1
    assert house.clock.waiting == 1
    house.clock.advance(0)
    assert len(came_due) == 2


async def test_after_a_suspend_a_calendar_job_runs_once_late_and_the_missed_are_counted(
    house: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """While a machine sleeps the monotonic clock stands still, and the wall clock jumps when it wakes."""
    job = house.scheduler.run_cron(noop, "0 * * * *")
    house.clock.step(5 * HOUR + 120)
    await house.pass_time(61)
    (record,) = await house.records(1)
    assert after(record) == timedelta(hours=1)
    assert await house.skipped() == {"misfire": 4}
    assert job.next_run == NOON + timedelta(hours=6)
    assert "A job runs late" in caplog.text


async def test_a_clock_set_forward_does_not_move_an_interval(house: Any) -> None:
    house.scheduler.run_every(noop, 100)
    house.clock.step(5 * HOUR)
    await house.pass_time(99)
    await house.records(0)
    await house.pass_time(1)
    await house.records(1)
    assert await house.skipped() == {}


async def test_a_clock_set_back_a_little_does_not_repeat_what_has_run(house: Any) -> None:
    job = house.scheduler.run_daily(noop, time(12, 30))
    await house.pass_time(31 * 60, step=10)
    await house.records(1)
    house.clock.step(-HOUR)
    await house.pass_time(2 * HOUR, step=10)
    await house.records(1)
    assert job.next_run == NOON + timedelta(days=1, minutes=30)


async def test_a_clock_set_back_delays_a_job_until_its_time_comes(house: Any) -> None:
    house.scheduler.run_daily(noop, time(12, 30))
    house.clock.step(-HOUR)
    await house.pass_time(89 * 60, step=10)
    await house.records(0)
    await house.pass_time(60)
    await house.records(1)


async def test_a_clock_that_was_years_ahead_is_planned_from_now(house: Any) -> None:
    """A Raspberry Pi without a battery may start in 2040 and learn the date from the network."""
    house.clock.step(14 * 365 * 24 * HOUR)
    job = house.scheduler.run_daily(noop, time(12, 30))
    house.clock.step(-14 * 365 * 24 * HOUR)
    await house.pass_time(61)
    assert job.next_run == NOON + timedelta(minutes=30)


async def test_a_clock_set_forward_by_decades_counts_a_bounded_number_of_misfires(house: Any) -> None:
    job = house.scheduler.run_cron(noop, "* * * * *")
    house.clock.step(56 * 365 * 24 * HOUR)
    await house.pass_time(61)
    await house.records()
    assert 1_000 <= (await house.skipped())["misfire"] <= 1_001
    assert job.next_run - house.clock.now() <= timedelta(minutes=1)


async def test_a_drifting_clock_does_not_ring_before_the_time(house: Any) -> None:
    house.scheduler.run_once(noop, NOON + timedelta(seconds=30))
    house.clock.step(-0.5)  # too little to count as set
    await house.pass_time(30)
    await house.records(0)
    await house.pass_time(0.5)
    await house.records(1)


async def test_one_timer_is_armed_and_none_when_nothing_is_planned(house: Any) -> None:
    assert house.clock.waiting == 0
    jobs = [house.scheduler.run_in(noop, 100 + n, name=f"job {n}") for n in range(50)]
    jobs += [house.scheduler.run_daily(noop, time(7), name="daily")]
    assert house.clock.waiting == 1
    for job in jobs:
        job.cancel()
    assert house.clock.waiting == 0


async def test_the_heap_does_not_grow_with_jobs_that_come_and_go(house: Any) -> None:
    keeper = house.scheduler.run_in(noop, 1)
    for _ in range(1_000):
        house.scheduler.run_in(noop, 100, name="passing").cancel()
    assert len(house.planner._agenda) < 100
    assert keeper.active


async def test_upcoming_says_what_comes_in_order(house: Any) -> None:
    house.scheduler.run_in(noop, 20, name="later")
    house.scheduler.run_every(noop, 10, name="sooner")
    noon_us = int(NOON.timestamp() * 1e6)
    assert house.planner.upcoming() == [
        UpcomingJob("app", "one", "sooner", noon_us + 10_000_000),
        UpcomingJob("app", "one", "later", noon_us + 20_000_000),
    ]


async def test_partials_bind_arguments_and_sync_jobs_run_in_threads(house: Any, calls: list[Any]) -> None:
    def job(what: str) -> None:
        calls.append(what)

    house.scheduler.run_in(functools.partial(job, "water"), 1)
    await house.pass_time(1)
    (record,) = await house.records(1)
    assert calls == ["water"]
    assert record.registration.runs_in == "sync"
    assert record.registration.name == "job"


async def test_settings_say_what_was_asked_for(house: Any) -> None:
    job = house.scheduler.run_every(noop, 60, mode="queued", timeout=5, jitter=2)
    assert job.registration.settings == (("mode", "queued"), ("timeout", "5 s"), ("jitter", "2 s"))
    assert job.registration.timeout_s == 5


async def test_stopping_cancels_what_exceeds_the_grace_and_starting_again_goes_on(house: Any) -> None:
    started = asyncio.Event()

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    house.scheduler.run_in(endless, 1)
    house.scheduler.run_every(noop, 10)
    await house.pass_time(1)
    await started.wait()
    await house.planner.stop()
    await house.planner.stop()
    assert house.clock.waiting == 0
    assert [r.status for r in await house.records(1)] == [Status.CANCELLED]
    await house.planner.start()
    await house.pass_time(9)
    await house.records(2)


async def test_a_scheduler_that_stops_begins_none_of_the_runs_that_wait(house: Any) -> None:
    go = asyncio.Event()
    house.scheduler.run_every(go.wait, 1, name="slow", mode="queued")
    await house.pass_time(3)
    stopping = asyncio.create_task(house.planner.stop())
    await house.settle()
    go.set()
    await stopping
    await house.records(1)
    assert await house.skipped() == {"back_pressure": 2}


async def test_a_defect_in_a_schedule_is_raised_by_serve(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    serving = asyncio.create_task(house.planner.serve())
    job = house.scheduler.run_every(noop, 10)
    monkeypatch.setattr(job._job, "plan_next", lambda place: 1 / 0)
    house.clock.advance(10)
    with pytest.raises(ZeroDivisionError):
        await serving
    monkeypatch.undo()
    await house.planner.stop()
    await house.planner.start()
    await house.pass_time(20)
    assert len(await house.records()) >= 1


async def test_it_works_with_the_machines_own_clock(house: Any) -> None:
    ran = asyncio.Event()
    async with SchedulerService(house.executor) as planner:
        from hassette_core.scheduler import AppScheduler

        async def handler() -> None:
            ran.set()

        AppScheduler(planner, "app", "real").run_in(handler, 0.01)
        await asyncio.wait_for(ran.wait(), 5)


async def needs_argument(what: str) -> None: ...


@pytest.mark.parametrize(
    ("method", "arguments", "options", "says"),
    [
        ("run_in", (-1,), {}, "delay=-1 cannot work"),
        ("run_every", (0,), {}, "interval=0 cannot work"),
        ("run_every", (1e-6,), {}, "interval=1e-06 is too short: give 0.001 seconds or more"),
        ("run_every", (10,), {"jitter": 10}, "must be less than the time from run to run, here 10 s"),
        ("run_cron", ("* * * * *",), {"jitter": 300}, "must be less than the time from run to run, here 1 min"),
        ("run_cron", ("0,50 7 * * MON",), {"jitter": timedelta(hours=1)}, "here 50 min"),
        ("run_daily", ("07:00",), {"jitter": timedelta(days=1)}, "here 1 d"),
        ("run_at_sunset", (), {"jitter": timedelta(days=2)}, "here 1 d"),
        ("run_every", (10, NOON - timedelta(1)), {}, "has passed"),
        ("run_once", (NOON - timedelta(1),), {}, "has passed"),
        ("run_in", (1e15,), {}, "delay=1000000000000000.0 is too long"),
        ("run_in", (1,), {"jitter": 1e15}, "jitter=1000000000000000.0 is too long"),
        ("run_every", (1e18,), {}, r"interval=1e\+18 is too long"),
        ("run_at_sunset", (1e15,), {}, "offset=1000000000000000.0 is too long"),
        ("run_at_sunrise", (timedelta.min,), {}, "is too long"),
        ("run_once", (FIRST_DAY,), {}, r"at=datetime.* is out of reach: give a moment within the next 100 years"),
        ("run_once", (LAST_DAY,), {}, "is out of reach"),
        ("run_once", (datetime.max.replace(tzinfo=UTC),), {}, "is out of reach"),
        ("run_once", (datetime.max.replace(tzinfo=ZoneInfo("America/New_York")),), {}, "is out of reach"),
        ("run_once", (datetime.min.replace(tzinfo=UTC),), {}, "has passed"),
        ("run_every", (10, datetime.max.replace(tzinfo=UTC)), {}, "start=.* is out of reach"),
        ("run_once", ("tomorrow",), {}, "is not a moment"),
        ("run_daily", ("7 am",), {}, "is not a time of day"),
        ("run_daily", (7,), {}, "is not a time of day"),
        ("run_daily", (time(7, tzinfo=UTC),), {}, "leave the zone out"),
        ("run_cron", ("61 * * * *",), {}, "cron expression"),
        ("run_in", (1,), {"mode": "twice"}, "mode='twice' is not known"),
        ("run_in", (1,), {"once": True}, "once: no such option of a job"),
        ("run_in", (1,), {"timeout": -1}, "timeout=-1 cannot work"),
        ("run_in", (1,), {"on_error": "log"}, "is not callable"),
        ("run_in", (1,), {"name": ""}, "must be a text"),
    ],
)
async def test_what_can_never_work_is_refused_by_name(
    house: Any, method: str, arguments: Any, options: Any, says: str
) -> None:
    with pytest.raises(RegistrationError, match=says):
        getattr(house.scheduler, method)(noop, *arguments, **options)
    assert house.planner.upcoming() == []


@pytest.mark.parametrize(
    ("method", "arguments", "instead"),
    [("run_once", (), "use run_in for soon"), ("run_every", (10,), "leave it out to start after one interval")],
)
async def test_a_naive_datetime_that_has_passed_is_told_with_the_zone_in_which_it_was_read(
    house: Any, method: str, arguments: Any, instead: str
) -> None:
    # A machine that keeps UTC, in a house in Berlin: ten minutes from now by the machine is long ago in the house.
    soon = (house.clock.now() + timedelta(minutes=10)).replace(tzinfo=None)
    with pytest.raises(RegistrationError) as refused:
        getattr(house.scheduler, method)(noop, *arguments, soon)
    assert str(refused.value).endswith(
        " has passed: it is 2026-06-01 08:10:00 UTC, read as local time of Europe/Berlin, and now is"
        f" 2026-06-01 10:00:00 UTC; for the machine's time write datetime.now().astimezone(); {instead}"
        + (", or run_daily for every day" if method == "run_once" else "")
    )
    with pytest.raises(RegistrationError) as refused:
        getattr(house.scheduler, method)(noop, *arguments, NOON - timedelta(1))
    assert "local time" not in str(refused.value)


async def test_a_job_with_a_parameter_is_refused(house: Any) -> None:
    with pytest.raises(RegistrationError, match=r"functools\.partial"):
        house.scheduler.run_in(needs_argument, 1)


async def test_a_duplicate_name_is_refused_with_a_free_one(house: Any) -> None:
    house.scheduler.run_in(noop, 1)
    with pytest.raises(RegistrationError, match='name="noop_2"'):
        house.scheduler.run_in(noop, 1)


def test_a_manual_clock_takes_no_naive_time_and_does_not_run_backward() -> None:
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime.fromisoformat("2026-01-01"))
    with pytest.raises(ValueError, match="backward"):
        ManualClock().advance(-1)
