"""Jobs at moments: the sun, entities and dates, planned again when the place, the entity or the date changes."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hassette_core.clock import ManualClock
from hassette_core.moments import Place, TimeOfDay, parse_moment
from hassette_core.roster import CommandRunner, RunLane
from hassette_core.scheduler.options import Jitter
from hassette_core.scheduler.planned_job import PlannedJob
from hassette_core.scheduler.schedules import AtMoment
from hassette_executor import CommandExecutor, JobRegistration
from support.home import NOON, Home
from support.places import ZONES, state_of
from support.records import nothing

pytestmark = pytest.mark.heavy

HOUR = 3600
DAY = timedelta(days=1)
WAKE_UP = "input_datetime.wake_up"


def local(record: Any) -> str:
    """Return the local due time of a run."""
    moment = datetime.fromtimestamp(record.trigger.due_us / 1e6, ZoneInfo("Europe/Berlin"))
    return f"{moment:%d %H:%M}"


async def due_times(home: Home) -> list[str]:
    """Return the local due times of all runs."""
    return [local(record) for record in await home.records()]


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-06-{text}").replace(tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("13:30", ["01 13:30", "02 13:30"]),
        ("1:30 pm", ["01 13:30", "02 13:30"]),
        ("noon + 00:30", ["01 12:30", "02 12:30"]),
        ("sunset - 00:30", ["01 20:49", "02 20:50"]),
        ("sunrise + 00:10:00", ["02 04:59", "03 04:58"]),
        ("midnight", ["02 00:00", "03 00:00"]),
    ],
)
async def test_daily_job_runs_each_time_that_its_moment_comes(home: Home, moment: str, expected: list[str]) -> None:
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    home.scheduler.run_daily(nothing, moment)
    await home.pass_time(42 * HOUR, step=HOUR / 2)
    assert await due_times(home) == expected


async def test_daily_job_runs_only_on_its_days(home: Home) -> None:
    home.scheduler.run_daily(nothing, "13:00", days="tue,thu-fri")  # the first of June is a Monday
    await home.pass_time(8 * 24 * HOUR, step=4 * HOUR)
    assert await due_times(home) == ["02 13:00", "04 13:00", "05 13:00"]


async def test_day_of_a_job_is_the_day_of_its_run(home: Home) -> None:
    job = home.scheduler.run_daily(nothing, "midnight - 00:30", days="wed")
    assert job.next_run == at("03 23:30")
    assert home.scheduler.run_at_sunset(nothing, days="mon", name="sunset").next_run is None
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    sunset = home.scheduler.run_at_sunset(nothing, days="sun", name="on sunday")
    assert sunset.next_run is not None
    assert sunset.next_run.astimezone(ZoneInfo("Europe/Berlin")).strftime("%a %d %H:%M") == "Sun 07 21:25"


async def test_hourly_and_minutely_jobs_follow_the_clock(home: Home) -> None:
    await home.pass_time(100)
    home.scheduler.run_hourly(nothing, minute=15, name="hourly")
    home.scheduler.run_minutely(nothing, second=30, name="minutely")
    hourly, minutely = home.scheduler.jobs()
    assert (hourly.next_run, minutely.next_run) == (at("01 12:15"), at("01 12:02:30"))
    await home.pass_time(2 * HOUR, step=30)
    names = [record.registration.name for record in await home.records()]
    assert (names.count("hourly"), names.count("minutely")) == (2, 120)
    assert home.scheduler.run_hourly(nothing, 0, 5, "sat").next_run == at("06 00:00:05")


@pytest.mark.parametrize(
    ("method", "arguments", "text"),
    [
        ("run_daily", ("07:00",), "daily at 07:00"),
        ("run_daily", ("07:00", "mon-fri"), "at 07:00 on mon-fri"),
        ("run_daily", ("sunset - 00:30",), "30 min before sunset"),
        ("run_daily", (WAKE_UP,), "at input_datetime.wake_up"),
        ("run_daily", ("sensor.alarm - 00:15", "weekend"), "15 min before sensor.alarm on sat,sun"),
        ("run_once", ("22:30",), "once, at 22:30"),
        ("run_once", ("2026-12-24 18:00",), "once, at 2026-12-24 18:00:00 CET"),
        ("run_every", (600, "sunset"), "every 10 min, first at sunset"),
        ("run_hourly", (15,), "hourly at :15"),
        ("run_hourly", (5, 30, "sat"), "hourly at :05:30 on sat"),
        ("run_minutely", (), "every minute at second 0"),
    ],
)
async def test_schedule_is_described_as_text(home: Home, method: str, arguments: Any, text: str) -> None:
    assert getattr(home.scheduler, method)(nothing, *arguments).registration.schedule == text


async def test_job_follows_the_entity_that_holds_its_time(home: Home) -> None:
    home.change(WAKE_UP, "13:00:00")
    job = home.scheduler.run_daily(nothing, WAKE_UP)
    assert job.next_run == at("01 13:00")
    home.change(WAKE_UP, "13:30:00")
    assert job.next_run == at("01 13:30")
    await home.pass_time(2 * HOUR, step=600)
    assert await due_times(home) == ["01 13:30"]
    home.change(WAKE_UP, "11:00:00")  # this time has passed today
    assert job.next_run == at("02 11:00")
    home.change(WAKE_UP, "15:00:00")  # later today
    assert job.next_run == at("01 15:00")
    await home.pass_time(24 * HOUR, step=600)
    assert await due_times(home) == ["01 13:30", "01 15:00"]
    assert await home.skipped() == {}


@pytest.mark.parametrize("gone", ["unavailable", "unknown", "", None])
async def test_no_run_is_planned_while_the_entity_has_no_time(home: Home, gone: str | None) -> None:
    home.change(WAKE_UP, "13:00:00")
    job = home.scheduler.run_daily(nothing, WAKE_UP)
    home.change(WAKE_UP, gone)
    assert job.next_run is None
    assert job.active
    await home.pass_time(2 * HOUR, step=600)
    assert await due_times(home) == []
    home.change(WAKE_UP, "15:00:00")
    assert job.next_run == at("01 15:00")


async def test_job_waits_for_an_entity_that_does_not_exist_yet(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    once = home.scheduler.run_once(nothing, f"{WAKE_UP} + 00:05", name="once")
    daily = home.scheduler.run_daily(nothing, WAKE_UP, name="daily")
    every = home.scheduler.run_every(nothing, 60, start=WAKE_UP, name="every")
    assert (once.next_run, daily.next_run, every.next_run) == (None, None, None)
    assert "Job waits for an entity that Home Assistant does not have" in caplog.text
    home.change(WAKE_UP, "13:00:00")
    await home.pass_time(HOUR + 6 * 60, step=60)
    names = [record.registration.name for record in await home.records()]
    assert (names.count("once"), names.count("daily"), names.count("every")) == (1, 1, 7)
    assert not once.active


async def test_timestamp_sensor_leads_to_one_run_at_each_of_its_times(home: Home) -> None:
    """A phone shows its next alarm. When the alarm rings, the sensor changes to the alarm after it."""
    home.change("sensor.alarm", "2026-06-02T05:00:00+00:00")
    job = home.scheduler.run_daily(nothing, "sensor.alarm - 00:15")
    assert job.next_run == at("02 06:45")
    await home.pass_time(19 * HOUR, step=600)
    home.change("sensor.alarm", "2026-06-02T05:00:00+00:00", icon="mdi:alarm")
    assert job.next_run is None
    home.change("sensor.alarm", "2026-06-03T06:00:00+00:00")
    await home.pass_time(48 * HOUR, step=600)
    assert await due_times(home) == ["02 06:45", "03 07:45"]


async def test_entity_with_a_date_leads_to_one_run(home: Home) -> None:
    home.change("input_datetime.trip", "2026-06-03 08:00:00")
    home.change("input_datetime.day", "2026-06-03")
    home.scheduler.run_daily(nothing, "input_datetime.trip", name="trip")
    home.scheduler.run_daily(nothing, "input_datetime.day", name="day")
    home.scheduler.run_daily(nothing, "input_datetime.trip", days="sat", name="never")
    await home.pass_time(5 * 24 * HOUR, step=HOUR)
    assert await due_times(home) == ["03 00:00", "03 08:00"]


async def test_attribute_of_the_entity_changes_neither_the_plan_nor_the_random_time(home: Home) -> None:
    home.change(WAKE_UP, "13:00:00")
    job = home.scheduler.run_daily(nothing, WAKE_UP, jitter=HOUR)
    planned = job.next_run
    home.change(WAKE_UP, "13:00:00", icon="mdi:alarm")
    assert job.next_run == planned
    await home.pass_time(HOUR + 1)  # the run waits only for its random time
    home.change(WAKE_UP, "13:00:00", icon="mdi:clock")
    assert job.next_run == planned
    await home.pass_time(HOUR, step=60)
    assert len(await due_times(home)) == 1


async def test_job_that_waits_for_its_random_time_runs_although_the_entity_changes(home: Home) -> None:
    home.change("sensor.alarm", "2026-06-01T11:00:00+00:00")
    home.scheduler.run_daily(nothing, "sensor.alarm", jitter=(60, HOUR))
    await home.pass_time(HOUR + 30)
    home.change("sensor.alarm", "2026-06-02T11:00:00+00:00")
    await home.pass_time(2 * HOUR, step=60)
    assert len(await due_times(home)) == 1


async def test_entity_is_no_longer_watched_after_the_last_job_has_ended(home: Home) -> None:
    home.change(WAKE_UP, "13:00:00")
    daily = home.scheduler.run_daily(nothing, WAKE_UP, name="daily")
    once = home.scheduler.run_once(nothing, WAKE_UP, name="once")
    every = home.scheduler.run_every(nothing, 60, start=WAKE_UP, name="every")
    home.change(WAKE_UP, "14:00:00")
    assert {job.next_run for job in (daily, once, every)} == {at("01 14:00")}
    await home.pass_time(2 * HOUR + 1, step=60)
    home.change(WAKE_UP, "15:00:00")
    assert (daily.next_run, every.next_run) == (at("01 15:00"), at("01 14:01"))
    daily.cancel()
    home.change(WAKE_UP, "16:00:00")
    assert daily.next_run is None


async def test_entity_that_changes_while_the_scheduler_is_stopped_is_read_at_its_start(home: Home) -> None:
    home.change(WAKE_UP, "13:00:00")
    job = home.scheduler.run_daily(nothing, WAKE_UP)
    await home.scheduler_service.stop()
    home.set_state(WAKE_UP, "14:00:00")
    await home.scheduler_service.start()
    assert job.next_run == at("01 14:00")


async def test_interval_starts_at_a_moment_and_then_ignores_the_clock(home: Home) -> None:
    home.scheduler.run_every(nothing, 600, start="12:30")
    home.clock.step(10 * 60)  # before the start, the clock counts
    await home.pass_time(20 * 60, step=10)
    assert await due_times(home) == ["01 12:30"]
    home.clock.step(-2 * HOUR)
    await home.pass_time(20 * 60, step=10)
    assert len(await due_times(home)) == 3


@pytest.mark.parametrize("start", [time(12, 30), "12:30", NOON + timedelta(minutes=30), "2026-06-01 12:30"])
async def test_interval_takes_every_form_of_a_start(home: Home, start: Any) -> None:
    assert home.scheduler.run_every(nothing, 600, start=start).next_run == at("01 12:30")


async def test_one_shot_jobs_at_moments_share_one_registration(home: Home) -> None:
    async def off(light: str) -> None: ...

    home.change(WAKE_UP, "13:00:00")
    for moment in ("13:30", "sunset", WAKE_UP, "2026-06-01 14:00"):
        home.scheduler.run_once(off, moment, kwargs={"light": moment})
    for delay in (10, 20):
        home.scheduler.run_in(off, delay, kwargs={"light": delay})
    assert len({job.registration.key for job in home.scheduler.jobs()}) == 1
    await home.pass_time(3 * HOUR, step=600)
    assert len(await home.records()) == 5
    assert [job.registration.schedule for job in home.scheduler.jobs()] == ["once, at sunset"]


async def test_job_is_planned_again_when_the_home_moves(home: Home) -> None:
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    job = home.scheduler.run_once(nothing, "sunset")
    daily = home.scheduler.run_daily(nothing, "13:00", name="daily")
    berlin = job.next_run
    home.scheduler_service.set_place(time_zone=ZoneInfo("Asia/Tokyo"), latitude=35.7, longitude=139.7)
    assert job.next_run is not None
    assert berlin is not None
    assert job.next_run < berlin + timedelta(hours=17)
    assert daily.next_run == NOON + timedelta(hours=18)


class DrivenJob:
    """A job that is planned and run by hand.

    Attributes:
        runs: The times at which the job ran.
    """

    def __init__(self, value: str, jitter: Jitter, zone: str = "UTC", start: datetime = NOON) -> None:
        self.clock = ManualClock(start)
        self.states = state_of(WAKE_UP, value)
        self.place = Place(zone=ZoneInfo(zone))
        self.runs: list[datetime] = []
        registration = JobRegistration(app="app", instance="one", name="job", schedule="", handler="nothing")
        lane = RunLane(registration, "single", CommandRunner(CommandExecutor()))
        schedule = AtMoment(parse_moment(WAKE_UP))
        self.job = PlannedJob(
            registration, lane, nothing, nothing, {}, schedule, self.clock, self.states, jitter=jitter
        )
        self.job.plan_first(self.place)

    def change(self, value: str) -> None:
        self.states.update(state_of(WAKE_UP, value))
        self.job.replan(self.place, self.clock.now(), timedelta())

    def pass_minutes(self, minutes: int) -> None:
        until_ns = self.clock.monotonic_ns() + minutes * 60 * 10**9
        while self.job.plan is not None and self.job.plan.due_ns <= until_ns:
            self.clock.advance(max(0, self.job.plan.due_ns - self.clock.monotonic_ns()) / 1e9)
            self.runs.append(self.clock.now())
            self.job.plan_next(self.place)
        self.clock.advance((until_ns - self.clock.monotonic_ns()) / 1e9)


times = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}:00")
values = times | st.sampled_from(["unavailable", "2026-06-02 08:00:00", "2026-05-31 07:00:00"])
changes = st.lists(st.tuples(st.integers(1, 8 * 60), values), max_size=8)


@settings(max_examples=50)
@given(value=values, changes=changes)
def test_changes_of_the_entity_never_double_and_never_skip_a_run(value: str, changes: list[tuple[int, str]]) -> None:
    driven = DrivenJob(value, Jitter())
    expected: list[datetime] = []
    for minutes, following in [*changes, (26 * 60, value)]:
        since = driven.clock.now()
        driven.pass_minutes(minutes)
        # The job must run at each minute that shows the time which the entity holds.
        passed = [since + timedelta(minutes=number) for number in range(1, minutes + 1)]
        expected += [at for at in passed if f"{at:%H:%M:%S}" == value or f"{at:%Y-%m-%d %H:%M:%S}" == value]
        driven.change(following)
        value = following
    assert driven.runs == expected


@given(
    touches=st.lists(st.integers(1, 12 * 60), max_size=12),
    minute=st.integers(0, 24 * 60 - 1),
    low=st.integers(-300, 300),
    width=st.integers(0, 300),
    zone=st.sampled_from(ZONES),
)
def test_job_with_a_random_time_runs_once_a_day_however_often_it_is_planned_again(
    touches: list[int], minute: int, low: int, width: int, zone: str
) -> None:
    value = f"{minute // 60:02}:{minute % 60:02}:00"
    driven = DrivenJob(value, Jitter(low * 60.0, (low + width) * 60.0), zone)
    for minutes in touches:
        driven.pass_minutes(minutes)
        driven.change(value)
    driven.pass_minutes(36 * 60)
    bases = [
        TimeOfDay(time(minute // 60, minute % 60)).on_day(NOON.date() + DAY * n, driven.place) for n in range(-1, 9)
    ]
    earliest, latest = timedelta(minutes=low), timedelta(minutes=low + width, seconds=31)
    bases = [base for base in bases if base > NOON]
    surely = [base for base in bases if base + latest <= driven.clock.now()]
    assert len(surely) <= len(driven.runs) <= len(surely) + 1
    for base, run in zip(bases, driven.runs, strict=False):
        assert base + earliest <= run <= max(base + latest, NOON)
