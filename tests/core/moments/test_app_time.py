"""`self.time`: the clock, the zone and the sun of the home, and questions about moments."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from hassette_core.clock import ManualClock
from hassette_core.errors import MomentUnknownError, RegistrationError
from hassette_core.events import State
from hassette_core.moments import AppTime, Place
from support.places import BERLIN, state_of

NOON = datetime(2026, 6, 1, 10, tzinfo=UTC)
"""Noon in Berlin."""


def home_time(place: Place = BERLIN, states: dict[str, State] | None = None, now: datetime = NOON) -> AppTime:
    return AppTime(ManualClock(now), lambda: place, states or {})


def test_now_and_today_are_in_the_zone_of_the_home() -> None:
    moment = home_time(now=datetime(2026, 6, 1, 22, 30, tzinfo=UTC))
    assert moment.now().isoformat() == "2026-06-02T00:30:00+02:00"
    assert moment.today() == date(2026, 6, 2)
    assert moment.zone == ZoneInfo("Europe/Berlin")


def test_time_follows_the_clock_of_the_framework_and_a_new_zone() -> None:
    clock, places = ManualClock(NOON), [BERLIN]
    home = AppTime(clock, lambda: places[-1], {})
    clock.advance(3600)
    assert home.now() == NOON + timedelta(hours=1)
    places.append(Place(zone=ZoneInfo("Asia/Tokyo")))
    assert home.now().isoformat() == "2026-06-01T20:00:00+09:00"


@pytest.mark.parametrize(
    ("moment", "today", "following"),
    [
        ("07:00", "2026-06-01T07:00:00+02:00", "2026-06-02T07:00:00+02:00"),
        ("23:00", "2026-06-01T23:00:00+02:00", "2026-06-01T23:00:00+02:00"),
        ("midnight - 00:30", "2026-05-31T23:30:00+02:00", "2026-06-01T23:30:00+02:00"),
        (time(12), "2026-06-01T12:00:00+02:00", "2026-06-02T12:00:00+02:00"),
        (datetime(2026, 6, 3, 5, tzinfo=UTC), "2026-06-03T07:00:00+02:00", "2026-06-03T07:00:00+02:00"),
        ("input_datetime.wake_up + 00:05", "2026-06-01T06:35:00+02:00", "2026-06-02T06:35:00+02:00"),
    ],
)
def test_moment_has_a_time_today_and_a_next_time(moment: str | time | datetime, today: str, following: str) -> None:
    home = home_time(states=state_of("input_datetime.wake_up", "06:30:00"))
    assert home.parse(moment).isoformat() == today
    assert home.next(moment).isoformat() == following


def test_sun_is_computed_for_the_place_of_the_home() -> None:
    home = home_time()
    assert home.sun.is_up
    assert abs(home.sun.next_sunset - datetime(2026, 6, 1, 19, 19, tzinfo=UTC)) < timedelta(minutes=1)
    assert home.sun.next_sunset == home.parse("sunset")
    assert home.sun.next_sunrise == home.next("sunrise")
    assert home.sun.next_sunrise.utcoffset() == timedelta(hours=2)
    # Stellarium gives 57.9 degrees and 145 degrees.
    assert 55 < home.sun.elevation < 60
    assert 140 < home.sun.azimuth < 165
    night = home_time(now=NOON + timedelta(hours=12))
    assert not night.sun.is_up
    assert night.sun.elevation < 0


def test_sun_goes_down_at_sunset() -> None:
    sunset = home_time().sun.next_sunset
    second = timedelta(seconds=1)
    assert home_time(now=sunset - second).sun.is_up
    assert not home_time(now=sunset + second).sun.is_up


def test_is_between_goes_over_midnight() -> None:
    assert not home_time().is_between("22:00", "sunrise")
    assert home_time(now=NOON + timedelta(hours=11)).is_between("22:00", "sunrise")


NOWHERE = Place(zone=ZoneInfo("Europe/Berlin"))


def test_without_a_location_the_sun_is_unknown_and_times_of_day_are_known() -> None:
    home = home_time(NOWHERE)
    assert home.parse("07:00").hour == 7
    assert home.is_between("08:00", "noon + 00:01")
    for question in (
        lambda: home.parse("sunset"),
        lambda: home.next("dawn + 00:10"),
        lambda: home.is_between("22:00", "sunrise"),
        lambda: home.sun.is_up,
        lambda: home.sun.next_sunrise,
        lambda: home.sun.next_sunset,
        lambda: home.sun.elevation,
        lambda: home.sun.azimuth,
    ):
        with pytest.raises(MomentUnknownError, match="has not reported the location of the home yet"):
            question()


def test_moment_that_does_not_come_is_unknown_with_a_reason() -> None:
    north = home_time(Place(zone=UTC, latitude=78.2, longitude=15.6))
    with pytest.raises(MomentUnknownError, match="time of sunset is unknown: the sun does not do this today"):
        north.parse("sunset")
    with pytest.raises(MomentUnknownError, match="is unknown: it has passed"):
        home_time().next(NOON)
    with pytest.raises(MomentUnknownError, match=r"Home Assistant has no entity 'sensor\.alarm'"):
        home_time().parse("sensor.alarm")
    with pytest.raises(RegistrationError, match="moment must be a moment, such as"):
        home_time().parse("later")
