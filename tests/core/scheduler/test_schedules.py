"""Schedules: the next run, in every time zone and across clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.errors import RegistrationError
from hassette_core.moments import DateTime, Place, SunEvent, SunTime, TimeOfDay
from hassette_core.scheduler.schedules import AtMoment, Calendar, Cron, Interval, Once
from support.places import BERLIN, ZONES, utc

places = st.builds(lambda name: Place(zone=ZoneInfo(name), latitude=40.0, longitude=10.0), st.sampled_from(ZONES))
moments = st.integers(0, 19 * 365 * 86_400).map(lambda s: datetime(2011, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
times = st.times().map(lambda t: t.replace(microsecond=0, tzinfo=None))
crons = st.sampled_from(
    [
        "*/10 * * * *",
        "30 2 * * *",
        "0 0 * * *",
        "15 1-3 * * *",
        "0 7 * * MON-FRI",
        "*/5 * * * * *",
        "0 30 2 * * *",
        "0-59/20 15 1-3 * * *",
        "15 */30 2 * * *",
    ]
)


def daily(at: time) -> AtMoment:
    return AtMoment(TimeOfDay(at))


def sun(event: SunEvent, offset: timedelta = timedelta()) -> AtMoment:
    return AtMoment(SunTime(event, offset))


calendars: st.SearchStrategy[Calendar] = st.one_of(
    st.builds(daily, times),
    st.builds(Cron, crons),
    st.builds(sun, st.sampled_from(["sunrise", "sunset"])),
)


@given(calendars, moments, places)
def test_next_run_is_always_later_and_there_is_no_run_in_between(
    schedule: Calendar, moment: datetime, place: Place
) -> None:
    found = schedule.next_after(moment, place)
    assert found is not None
    assert found > moment
    assert found.tzinfo is UTC
    # There is no run between `moment` and `found`, so every moment between them has the same next run.
    between = moment + (found - moment) / 2
    assert schedule.next_after(between, place) == found


@given(times, moments, places)
def test_daily_job_always_runs_exactly_once_on_every_local_day(at: time, moment: datetime, place: Place) -> None:
    schedule = daily(at)
    days: list[date] = []
    for _ in range(20):
        moment = schedule.next_after(moment, place)  # type: ignore[assignment]
        days.append(moment.astimezone(place.zone).date())
    # Samoa crossed the date line and skipped 30 December 2011. The run of this day is in the first minute of the 31st.
    skipped = date(2011, 12, 30) if place.zone == ZoneInfo("Pacific/Apia") else None
    expected = [days[0] + timedelta(days=number) for number in range(20)]
    assert days == [day if day != skipped else day + timedelta(days=1) for day in expected]


@pytest.mark.parametrize("schedule", [daily(time(2, 30)), Cron("30 2 * * *"), Cron("0 30 2 * * *")])
def test_skipped_local_time_runs_right_after_the_gap(schedule: Calendar) -> None:
    # In Berlin, the clock changes from 02:00 to 03:00 on 29 March 2026.
    found = schedule.next_after(utc("2026-03-28 12:00"), BERLIN)
    assert found == utc("2026-03-29 01:00")
    assert found.astimezone(BERLIN.zone).time() == time(3, 0)
    assert schedule.next_after(found, BERLIN) == utc("2026-03-30 00:30")


@pytest.mark.parametrize("schedule", [daily(time(2, 30)), Cron("30 2 * * *"), Cron("0 30 2 * * *")])
def test_repeated_local_time_runs_once_the_first_time(schedule: Calendar) -> None:
    # In Berlin, the hour from 02:00 to 03:00 occurs twice on 25 October 2026.
    first = schedule.next_after(utc("2026-10-24 12:00"), BERLIN)
    assert first == utc("2026-10-25 00:30")
    assert schedule.next_after(first, BERLIN) == utc("2026-10-26 01:30")
    # A job that is planned between the first and the second 02:30 does not run at the second 02:30.
    assert schedule.next_after(utc("2026-10-25 01:15"), BERLIN) == utc("2026-10-26 01:30")


def runs(expression: str, since: str, until: str) -> list[datetime]:
    """Return the runs of a cron job in Berlin between two moments."""
    found: list[datetime] = []
    moment = Cron(expression).next_after(utc(since), BERLIN)
    while moment is not None and moment < utc(until):
        found.append(moment)
        moment = Cron(expression).next_after(moment, BERLIN)
    return found


@pytest.mark.parametrize("expression", ["*/10 * * * *", "0 */10 * * * *"])
def test_cron_job_with_a_star_follows_the_clock_in_a_repeated_hour(expression: str) -> None:
    # The 11 runs are at 02:10 to 02:50, and in the repeated hour at 02:00 to 02:50.
    assert len(runs(expression, "2026-10-25 00:00", "2026-10-25 02:00")) == 11


@pytest.mark.parametrize("expression", ["*/30 2 * * *", "0 */30 2 * * *"])
def test_cron_job_with_a_step_runs_twice_in_a_repeated_hour_and_not_in_a_skipped_one(expression: str) -> None:
    assert len(runs(expression, "2026-10-24 12:00", "2026-10-25 12:00")) == 4
    assert runs(expression, "2026-03-28 12:00", "2026-03-29 12:00") == []


def test_several_skipped_times_of_one_cron_job_are_one_run_after_the_gap() -> None:
    assert runs("15,45 0,30 2 * * *", "2026-03-28 12:00", "2026-03-29 12:00") == [utc("2026-03-29 01:00")]
    assert len(runs("15,45 0,30 2 * * *", "2026-10-24 12:00", "2026-10-25 12:00")) == 4


def test_cron_expression_of_six_fields_has_seconds() -> None:
    assert Cron("30 0 7 * * *").next_after(utc("2026-06-01 00:00"), BERLIN) == utc("2026-06-01 05:00:30")


@pytest.mark.parametrize("expression", ["", "7 * *", "61 * * * *", "0 0 30 2 *", "every day", 7])
def test_cron_expression_that_never_matches_is_rejected(expression: str) -> None:
    with pytest.raises(RegistrationError, match=r"expression must be a cron expression that matches some time"):
        Cron(expression).check()


@pytest.mark.parametrize(
    ("schedule", "gap_s"),
    [
        (Interval(0, 90), 90),
        (Interval(5), None),
        (Once(DateTime(utc("2026-01-01 07:00"))), None),
        (daily(time(7)), 86_400),
        (sun("sunset"), 86_400),
        (Cron("* * * * *"), 60),
        (Cron("* * * * * *"), 1),
        (Cron("*/7 * * * *"), 240),  # from minute 56 to the full hour
        (Cron("55 23,0 * * *"), 3_600),
        (Cron("0 7 * * MON-FRI"), 86_400),
        (Cron("0 0 1 * *"), 29 * 86_400),
        (Cron("0 0 29 2 *"), None),
    ],
)
def test_shortest_gap_is_the_least_time_between_runs(schedule: Interval | Calendar, gap_s: float | None) -> None:
    assert schedule.shortest_gap_s() == gap_s


def test_sunset_depends_on_the_location() -> None:
    found = sun("sunset").next_after(utc("2026-06-21 12:00"), BERLIN)
    assert found is not None
    assert abs(found - utc("2026-06-21 19:33")) < timedelta(minutes=2)  # timeanddate.com gives 21:33 local time
    sunrise = sun("sunrise", timedelta(minutes=-30)).next_after(utc("2026-06-21 12:00"), BERLIN)
    assert sunrise is not None
    assert abs(sunrise - utc("2026-06-22 02:13")) < timedelta(minutes=2)  # sunrise is at 04:43 local time


@pytest.mark.parametrize("longitude", [-170.0, -120.0, 0.0, 120.0, 175.0])
def test_there_is_one_sunset_a_day_at_every_longitude(longitude: float) -> None:
    place = Place(zone=UTC, latitude=35.0, longitude=longitude)
    moment = utc("2026-03-01 00:00")
    gaps: list[float] = []
    for _ in range(60):
        found = sun("sunset").next_after(moment, place)
        assert found is not None
        gaps.append((found - moment).total_seconds() / 3600)
        moment = found
    assert all(23.9 < gap < 24.1 for gap in gaps[1:])


def test_beyond_the_polar_circle_the_next_sunset_may_be_months_away() -> None:
    tromso = Place(zone=ZoneInfo("Europe/Oslo"), latitude=69.65, longitude=18.96)
    found = sun("sunrise").next_after(utc("2026-12-01 12:00"), tromso)
    assert found is not None
    assert date(2027, 1, 10) < found.date() < date(2027, 1, 20)


def test_sunset_is_unknown_while_the_location_is_unknown() -> None:
    assert sun("sunset").next_after(utc("2026-06-21 12:00"), Place(zone=UTC)) is None


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (Interval(5), "once, after 5 s"),
        (Interval(0, 90), "every 1 min 30 s"),
        (Once(DateTime(datetime(2026, 1, 1, 7, tzinfo=ZoneInfo("Europe/Berlin")))), "once, at 2026-01-01 07:00:00 CET"),
        (daily(time(7)), "daily at 07:00"),
        (daily(time(7, 0, 5)), "daily at 07:00:05"),
        (Cron("0 7 * * *"), "cron 0 7 * * *"),
        (sun("sunset"), "at sunset"),
        (sun("sunrise", timedelta(minutes=-30)), "30 min before sunrise"),
        (sun("sunset", timedelta(hours=1)), "1 h after sunset"),
    ],
)
def test_schedules_are_described_as_text(schedule: Interval | Calendar, text: str) -> None:
    assert schedule.describe() == text
