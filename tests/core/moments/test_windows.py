"""Windows between two moments: over midnight, with the sun, with entities, and on days of the week."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.errors import MomentUnknownError, RegistrationError
from hassette_core.moments import Place, parse_window
from support.places import BERLIN, TROMSO, ZONES, state_of


def holds(start: str, end: str, at: str, place: Place = BERLIN, **options: str) -> bool:
    """Return whether a local time is in a window."""
    moment = datetime.fromisoformat(at).replace(tzinfo=place.zone)
    return parse_window(start, end, days=options.get("days")).contains(moment, place, {})


@pytest.mark.parametrize(
    ("start", "end", "inside", "outside"),
    [
        ("08:00", "20:00", ["08:00", "12:00", "19:59:59"], ["07:59:59", "20:00", "00:00"]),
        ("22:00", "06:00", ["22:00", "23:59", "00:00", "05:59"], ["06:00", "12:00", "21:59"]),
        ("22:00", "midnight", ["22:00", "23:59:59"], ["00:00", "21:59"]),
        ("midnight", "06:00", ["00:00", "05:59"], ["06:00", "23:59"]),
        ("22:00", "sunrise", ["22:00", "03:00"], ["06:00", "21:59"]),
        ("sunset", "sunrise", ["22:00", "03:00"], ["06:00", "20:00"]),
        ("sunrise", "sunset", ["06:00", "20:00"], ["22:00", "03:00"]),
        ("sunset - 00:45:00", "sunrise + 00:45:00", ["20:50", "05:10"], ["20:00", "06:00"]),
        ("sunset - 01:00", "sunset", ["21:00"], ["20:00", "21:30", "03:00"]),
        ("sunset - 01:00", "sunset + 01:00", ["20:30", "22:10"], ["20:00", "22:30"]),
        ("dusk", "dawn", ["22:30", "03:50"], ["22:00", "04:30"]),
        ("noon", "sunset", ["12:00", "21:00"], ["11:59", "22:00"]),
        ("sunset", "02:00", ["21:30", "01:59"], ["02:00", "21:00"]),
        # On the first of June, the sun sets at 21:19 and rises at 04:50.
        ("sunset", "21:00", [], ["20:59", "21:00", "21:30", "03:00", "12:00"]),
        ("05:00", "sunrise", [], ["04:59", "05:00", "12:00", "22:00"]),
    ],
)
def test_window_contains_exactly_the_times_between_its_moments(
    start: str, end: str, inside: list[str], outside: list[str]
) -> None:
    for at in inside:
        assert holds(start, end, f"2026-06-01 {at}"), at
    for at in outside:
        assert not holds(start, end, f"2026-06-01 {at}"), at


@pytest.mark.parametrize(("start", "end"), [("17:00", "sunset"), ("sunrise", "07:30")])
def test_window_is_empty_on_a_winter_day_on_which_it_would_end_before_it_begins(start: str, end: str) -> None:
    assert not any(holds(start, end, f"2026-12-21 {hour:02}:15") for hour in range(24))


def test_window_goes_over_midnight_by_the_usual_times_where_the_clock_is_far_from_the_sun() -> None:
    """In Kashgar, the clock shows the time of Beijing, and the sun sets at about 20:30 all year."""
    kashgar = Place(zone=ZoneInfo("Asia/Shanghai"), latitude=39.5, longitude=76.0)
    assert holds("20:00", "sunset", "2026-06-01 20:30", kashgar)
    assert not holds("20:00", "sunset", "2026-06-01 23:30", kashgar)
    apia = Place(zone=ZoneInfo("Pacific/Apia"), latitude=-13.83, longitude=-171.77)
    assert holds("17:00", "sunset", "2026-06-01 17:30", apia)
    assert not holds("17:00", "sunset", "2026-06-01 20:00", apia)


@pytest.mark.parametrize(("at", "dark"), [("2026-12-21", True), ("2026-06-21", False)])
def test_polar_night_is_dark_all_day_and_the_polar_day_is_never_dark(at: str, dark: bool) -> None:
    for hour in range(24):
        assert holds("sunset", "sunrise", f"{at} {hour:02}:30", TROMSO) is dark
        assert holds("sunrise", "sunset", f"{at} {hour:02}:30", TROMSO) is not dark
    assert holds("sunset", "23:00", f"{at} 21:00", TROMSO) is dark
    assert holds("22:00", "sunrise", f"{at} 11:00", TROMSO) is dark


@pytest.mark.parametrize(
    ("days", "at", "inside"),
    [
        ("fri", "2026-06-05 23:00", True),  # a Friday
        ("fri", "2026-06-06 03:00", True),
        ("fri", "2026-06-05 03:00", False),
        ("fri", "2026-06-06 23:00", False),
        ("weekend", "2026-06-08 03:00", True),
        ("mon-fri", "2026-06-08 03:00", False),
    ],
)
def test_hours_after_midnight_belong_to_the_day_before(days: str, at: str, inside: bool) -> None:
    assert holds("22:00", "06:00", at, days=days) is inside


def test_window_with_the_time_of_an_entity() -> None:
    window = parse_window("input_datetime.bed_time", "07:00")
    night = datetime(2026, 6, 1, 22, 30, tzinfo=BERLIN.zone)
    assert window.contains(night, BERLIN, state_of("input_datetime.bed_time", "22:00:00"))
    assert not window.contains(night, BERLIN, state_of("input_datetime.bed_time", "23:00:00"))
    assert not window.contains(night, BERLIN, state_of("input_datetime.bed_time", "07:00:00"))  # empty
    assert window.entities() == ("input_datetime.bed_time",)
    with pytest.raises(MomentUnknownError, match=r"time of input_datetime.bed_time is unknown: .* is 'unavailable'"):
        window.contains(night, BERLIN, state_of("input_datetime.bed_time", "unavailable"))


@pytest.mark.parametrize(
    ("start", "end", "inside", "outside"),
    [
        ("22:00", "sensor.alarm", ["06-02 22:30", "06-03 06:59", "05-31 22:30"], ["06-03 07:00", "06-03 23:00"]),
        (
            "sensor.alarm - 00:30",
            "09:00",
            ["06-03 06:30", "06-03 08:59"],
            ["06-03 06:29", "06-03 09:00", "06-04 07:00"],
        ),
        ("2026-06-01 12:00", "sensor.alarm", ["06-01 12:00", "06-02 03:00"], ["06-01 11:59", "06-03 07:00"]),
        ("2026-06-05 12:00", "sensor.alarm", [], ["06-01 12:00", "06-06 12:00"]),
    ],
)
def test_moment_with_a_date_bounds_the_window_once(start: str, end: str, inside: list[str], outside: list[str]) -> None:
    window = parse_window(start, end)
    states = state_of("sensor.alarm", "2026-06-03T05:00:00+00:00")  # 07:00 in Berlin
    for at, expected in [*((at, True) for at in inside), *((at, False) for at in outside)]:
        moment = datetime.fromisoformat(f"2026-{at}").replace(tzinfo=BERLIN.zone)
        assert window.contains(moment, BERLIN, states) is expected, at


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("7 oclock", "08:00"), "start must be a moment"),
        (("08:00", "sunst"), "end must be a moment"),
        (("08:00", "8:00"), "end must be another moment than start, got '8:00' for both"),
        (("08:00", "09:00", "never"), "days must be days of the week"),
    ],
)
def test_window_that_cannot_work_is_rejected(arguments: tuple[str, ...], text: str) -> None:
    start, end, *days = arguments
    with pytest.raises(RegistrationError, match=text):
        parse_window(start, end, days=days[0] if days else None)


def test_window_is_described_as_text() -> None:
    assert parse_window("22:00", "sunrise + 00:30", days="sun-thu").describe() == (
        "between 22:00 and 30 min after sunrise on mon-thu,sun"
    )


times = st.times().map(lambda at: at.replace(tzinfo=None, fold=0))
instants = st.integers(0, 19 * 365 * 86_400).map(lambda s: datetime(2011, 1, 1, tzinfo=UTC) + timedelta(seconds=s))


@given(times, times, instants, st.sampled_from(ZONES))
def test_window_of_two_times_of_day_agrees_with_the_local_clock(
    start: time, end: time, instant: datetime, zone: str
) -> None:
    place = Place(zone=ZoneInfo(zone))
    local = instant.astimezone(place.zone)
    day_before, day_after = (local + timedelta(days=number) for number in (-1.5, 1.5))
    if start == end or day_before.utcoffset() != day_after.utcoffset():
        return  # at a clock change, a time may occur twice or never
    expected = start <= local.time() < end if start < end else local.time() >= start or local.time() < end
    assert parse_window(start, end).contains(instant, place, {}) is expected


class CountingZone(tzinfo):
    """A time zone that counts its conversions."""

    def __init__(self) -> None:
        self.calls = 0

    def utcoffset(self, dt: datetime | None, /) -> timedelta:
        self.calls += 1
        return timedelta(hours=1)

    def dst(self, dt: datetime | None, /) -> timedelta:
        return timedelta()

    def tzname(self, dt: datetime | None, /) -> str:
        return "counting"


@pytest.mark.parametrize(
    ("start", "end"), [("sunset", "sunrise"), ("22:00", "dawn"), ("07:00", "09:00"), ("2026-05-01 07:00", "sunset")]
)
def test_further_check_of_the_same_window_computes_no_times_again(start: str, end: str) -> None:
    zone = CountingZone()
    place = Place(zone=zone, latitude=52.5, longitude=13.4)
    window = parse_window(start, end, days="mon-sat")
    moment = datetime(2026, 6, 1, 10, tzinfo=UTC)
    window.contains(moment, place, {})
    first, zone.calls = zone.calls, 0
    window.contains(moment + timedelta(minutes=1), place, {})
    assert zone.calls < 10
    assert first > zone.calls


@given(
    start=st.sampled_from(["sunset", "dawn", "22:00", "noon - 11:00", "2026-06-03 10:00"]),
    end=st.sampled_from(["sunrise", "dusk", "06:00", "sunset + 05:00", "2026-06-20 10:00"]),
    place=st.sampled_from([BERLIN, TROMSO]),
    days=st.sampled_from([None, "mon-fri", "sat"]),
    minutes=st.lists(st.integers(0, 40 * 24 * 60), min_size=2, max_size=4),
)
def test_result_does_not_depend_on_earlier_checks(
    start: str, end: str, place: Place, days: str | None, minutes: list[int]
) -> None:
    window = parse_window(start, end, days=days)
    for minute in minutes:
        moment = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=minute)
        # The caches do not know this place, whose horizon is the same within a nanometre.
        fresh = replace(place, elevation=place.elevation + 1e-9 * (1 + minute))
        assert window.contains(moment, place, {}) == window.contains(moment, fresh, {})
