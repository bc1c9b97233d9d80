"""Moments: the next time and the time of a day, in every time zone, across clock changes and near the poles."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.events import State
from hassette_core.moments import Moment, Place, SunTime, parse_moment
from hassette_core.moments.moment import SunEvent
from support.places import BERLIN, TROMSO, ZONES, state_of, utc

pytestmark = pytest.mark.heavy

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
places = st.builds(lambda name: Place(zone=ZoneInfo(name), latitude=40.0, longitude=10.0), st.sampled_from(ZONES))
instants = st.integers(0, 19 * 365 * 86_400).map(lambda s: datetime(2011, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
bases = st.sampled_from(["sunrise", "sunset", "dawn", "dusk", "noon", "midnight", "02:30", "00:15:30", "23:59"])
offsets = st.sampled_from([0, -30, 10, -165, 23 * 60, -30 * 60]).map(lambda minutes: timedelta(minutes=minutes))
moments = st.builds(lambda base, offset: replace(parse_moment(base), offset=offset), bases, offsets)  # type: ignore[type-var]


@given(moments, instants, places)
def test_next_time_is_later_and_there_is_none_in_between(moment: Moment, instant: datetime, place: Place) -> None:
    found = moment.next_after(instant, place, {})
    assert found is not None
    assert found > instant
    assert found.tzinfo is UTC
    assert moment.next_after(instant + (found - instant) / 2, place, {}) == found
    assert moment.next_after(found - timedelta(microseconds=1), place, {}) == found


@given(moments, instants, places)
def test_next_times_are_the_times_of_the_days_in_order(moment: Moment, instant: datetime, place: Place) -> None:
    day = place.day_of(instant)
    of_days = {moment.on_day(day + number * DAY, place, {}) for number in range(-4, 9)}
    found = sorted(at for at in of_days if at is not None and instant < at < instant + 5 * DAY)
    following: list[datetime] = []
    at = moment.next_after(instant, place, {})
    while at is not None and at < instant + 5 * DAY:
        following.append(at)
        at = moment.next_after(at, place, {})
    assert following == found


@pytest.mark.parametrize(
    ("zone", "day", "text", "at"),
    [
        ("Europe/Vienna", date(2026, 3, 29), "02:30", "2026-03-29 01:00"),  # the clock changes from 02:00 to 03:00
        ("Europe/Vienna", date(2026, 10, 25), "02:30", "2026-10-25 00:30"),  # the first of the two
        ("Europe/Vienna", date(2026, 3, 29), "noon - 10:00", "2026-03-29 00:00"),  # an offset is elapsed time
        ("Europe/Vienna", date(2026, 3, 29), "midnight + 03:00", "2026-03-29 02:00"),
        ("America/New_York", date(2026, 3, 8), "02:30", "2026-03-08 07:00"),
        ("America/New_York", date(2026, 11, 1), "01:30", "2026-11-01 05:30"),
        ("Australia/Lord_Howe", date(2026, 10, 4), "02:15", "2026-10-03 15:30"),  # half an hour
        ("Australia/Lord_Howe", date(2026, 4, 5), "01:45", "2026-04-04 14:45"),
        ("America/Havana", date(2026, 3, 8), "midnight", "2026-03-08 05:00"),  # the clock changes at midnight
        ("Africa/Cairo", date(2026, 4, 24), "00:30", "2026-04-23 22:00"),
    ],
)
def test_skipped_time_of_day_is_moved_and_a_repeated_one_is_the_first(zone: str, day: date, text: str, at: str) -> None:
    assert parse_moment(text).on_day(day, Place(zone=ZoneInfo(zone)), {}) == utc(at)


@pytest.mark.parametrize("event", ["sunrise", "sunset", "dawn", "dusk"])
def test_sun_is_unknown_without_a_location(event: str) -> None:
    moment, place = parse_moment(event), Place(zone=UTC)
    assert moment.next_after(utc("2026-06-21 12:00"), place, {}) is None
    assert moment.on_day(date(2026, 6, 21), place, {}) is None
    assert moment.unknown_reason(place, {}) == "Home Assistant has not reported the location of the home yet"
    assert moment.unknown_reason(BERLIN, {}) is None


def test_dawn_and_dusk_are_those_of_civil_twilight() -> None:
    # timeanddate.com gives 04:43, 21:33 and civil twilight from 03:54 to 22:22 for Berlin.
    day = date(2026, 6, 21)
    for event, at in [("dawn", "01:54"), ("sunrise", "02:43"), ("sunset", "19:33"), ("dusk", "20:22")]:
        found = parse_moment(event).on_day(day, BERLIN, {})
        assert found is not None
        assert abs(found - utc(f"2026-06-21 {at}")) < timedelta(minutes=2)


@pytest.mark.parametrize("event", ["dawn", "sunrise", "sunset", "dusk"])
def test_times_of_solar_days_change_gradually_where_polar_night_and_polar_day_begin(event: SunEvent) -> None:
    start = date(2026, 1, 1)
    times = [SunTime(event).of_solar_day(start + number * DAY, TROMSO) for number in range(365)]
    hours = [(at - utc("2026-01-01 00:00")) / HOUR - 24 * number for number, at in enumerate(times) if at]
    assert len(hours) == 365
    # At the start of the polar night or day, the sunrise moves by more than an hour from one day to the next.
    assert max(abs(after - before) for before, after in pairwise(hours)) < 2


@given(instants, st.floats(-60, 60), st.floats(-180, 180), st.sampled_from(["sunrise", "sunset"]))
def test_times_of_solar_days_are_the_events_of_the_sun(
    instant: datetime, latitude: float, longitude: float, event: SunEvent
) -> None:
    place = Place(zone=UTC, latitude=latitude, longitude=longitude)
    found = SunTime(event).of_solar_day(instant.date(), place)
    assert found is not None
    following = SunTime(event).next_after(found - timedelta(minutes=1), place, {})
    assert following is not None
    assert abs(following - found) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("value", "next_one"),
    [
        ("07:00:00", "2026-06-02 05:00"),
        ("7:00", "2026-06-02 05:00"),
        ("23:15:30", "2026-06-01 21:15:30"),
        ("2026-06-03", "2026-06-02 22:00"),
        ("2026-06-03 07:30:00", "2026-06-03 05:30"),
        ("2026-06-03T05:30:00+00:00", "2026-06-03 05:30"),
        ("2026-06-03T07:30:00+02:00", "2026-06-03 05:30"),
        ("2026-05-03 07:30:00", None),
        ("unavailable", None),
        ("unknown", None),
        ("", None),
        ("25:00:00", None),
        ("24:00:00", None),
        ("2026-06-01 24:00:00", None),
        ("2026-02-30", None),
        ("21.5", None),
        ("0001-01-01 00:00:00", None),
        ("9999-12-31 23:59:59", None),
    ],
)
def test_entity_with_a_time_or_a_date_has_a_next_time(value: str, next_one: str | None) -> None:
    entity_id = "input_datetime.wake_up"
    found = parse_moment(entity_id).next_after(utc("2026-06-01 10:00"), BERLIN, state_of(entity_id, value))
    assert found == (None if next_one is None else utc(next_one))


@pytest.mark.parametrize(
    ("states", "reason"),
    [
        ({}, "Home Assistant has no entity 'sensor.alarm'"),
        (state_of("sensor.alarm", "unavailable"), "the state of sensor.alarm is 'unavailable'"),
        (state_of("sensor.alarm", "21.5"), "the state of sensor.alarm is '21.5'"),
        (state_of("sensor.alarm", "07:00"), None),
    ],
)
def test_unknown_time_of_an_entity_has_a_reason(states: dict[str, State], reason: str | None) -> None:
    assert parse_moment("sensor.alarm - 00:15").unknown_reason(BERLIN, states) == reason


def test_moment_of_an_entity_has_the_offset_and_names_the_entity() -> None:
    moment = parse_moment("sensor.alarm - 00:15")
    assert moment.entities() == ("sensor.alarm",)
    assert moment.describe() == "15 min before sensor.alarm"
    states = state_of("sensor.alarm", "2026-06-03T05:30:00+00:00")
    assert moment.on_day(date(2026, 6, 1), BERLIN, states) == utc("2026-06-03 05:15")
    assert moment.next_after(utc("2026-06-03 05:20"), BERLIN, states) is None


@given(times=st.times(), instant=instants, place=places)
def test_next_time_of_day_is_within_a_day_and_a_clock_change(times: time, instant: datetime, place: Place) -> None:
    found = parse_moment(times.replace(tzinfo=None)).next_after(instant, place, {})
    assert found is not None
    # Samoa skipped 30 December 2011.
    assert found - instant <= (2 * DAY if place.zone == ZoneInfo("Pacific/Apia") else DAY + timedelta(hours=1))
