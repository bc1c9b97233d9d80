"""The grammar of moments: the accepted and the rejected texts, and the advice in the errors."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.conditions import between
from hassette_core.errors import RegistrationError
from hassette_core.moments import DateTime, EntityTime, Moment, SunTime, TimeOfDay, parse_days, parse_moment

pytestmark = pytest.mark.heavy

HALF_HOUR = timedelta(minutes=30)
CHRISTMAS_EVE = datetime.fromisoformat("2026-12-24T18:00")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("07:00", TimeOfDay(time(7))),
        ("7:00", TimeOfDay(time(7))),
        (" 07:00:30 ", TimeOfDay(time(7, 0, 30))),
        ("12:30:00", TimeOfDay(time(12, 30))),
        ("23:59:59.5", TimeOfDay(time(23, 59, 59, 500_000))),
        ("00:00", TimeOfDay(time())),
        ("7 am", TimeOfDay(time(7))),
        ("07:30:00 PM", TimeOfDay(time(19, 30))),
        ("12:15am", TimeOfDay(time(0, 15))),
        ("12 pm", TimeOfDay(time(12))),
        ("noon", TimeOfDay(time(12))),
        ("Midnight", TimeOfDay(time())),
        ("midnight - 00:30", TimeOfDay(time(), -HALF_HOUR)),
        ("sunrise", SunTime("sunrise")),
        ("SUNSET", SunTime("sunset")),
        ("dawn", SunTime("dawn")),
        ("dusk + 0:30", SunTime("dusk", HALF_HOUR)),
        ("sunset - 00:30", SunTime("sunset", -HALF_HOUR)),
        ("sunset - 00:30:00", SunTime("sunset", -HALF_HOUR)),
        ("sunset-00:30", SunTime("sunset", -HALF_HOUR)),
        ("  sunset  -  00:30  ", SunTime("sunset", -HALF_HOUR)),
        ("sunset − 00:30", SunTime("sunset", -HALF_HOUR)),
        ("sunset – 00:30", SunTime("sunset", -HALF_HOUR)),
        ("sunrise + 01:00:00", SunTime("sunrise", timedelta(hours=1))),
        ("sunrise + 00:00:10.5", SunTime("sunrise", timedelta(seconds=10.5))),
        ("sunset - 30 min", SunTime("sunset", -HALF_HOUR)),
        ("sunset - 45 minutes", SunTime("sunset", -timedelta(minutes=45))),
        ("sunset + 1h30m", SunTime("sunset", timedelta(minutes=90))),
        ("sunset + 1.5 hours", SunTime("sunset", timedelta(minutes=90))),
        ("sunset + 90 s", SunTime("sunset", timedelta(seconds=90))),
        ("input_datetime.wake_up", EntityTime("input_datetime.wake_up")),
        ("Sensor.Phone_Next_Alarm - 00:15", EntityTime("sensor.phone_next_alarm", -timedelta(minutes=15))),
        ("time.heating", EntityTime("time.heating")),
        ("2026-12-24 18:00", DateTime(CHRISTMAS_EVE)),
        ("2026-12-24T18:00:30", DateTime(CHRISTMAS_EVE.replace(second=30))),
        ("2026-12-24T18:00Z", DateTime(datetime(2026, 12, 24, 18, tzinfo=UTC))),
        ("2026-12-24 18:00-08:00", DateTime(CHRISTMAS_EVE.replace(tzinfo=timezone(timedelta(hours=-8))))),
        ("noon + 00:30", TimeOfDay(time(12), HALF_HOUR)),
        ("sunset - 11:59", SunTime("sunset", -timedelta(hours=11, minutes=59))),
        ("sunset + 23:00", SunTime("sunset", timedelta(hours=23))),
        ("sunset - 30:00", SunTime("sunset", -timedelta(hours=30))),
        ("sunset - 23 h", SunTime("sunset", -timedelta(hours=23))),
        ("sunset\u00a0-\u00a000:30", SunTime("sunset", -HALF_HOUR)),
        ("sunset\u201100:30", SunTime("sunset", -HALF_HOUR)),
        ("07:00:00.5\n", TimeOfDay(time(7, 0, 0, 500_000))),
        ("input_datetime.x+00:10", EntityTime("input_datetime.x", timedelta(minutes=10))),
        (time(7, 0, 5), TimeOfDay(time(7, 0, 5))),
        (datetime(2026, 1, 1, 7, tzinfo=UTC), DateTime(datetime(2026, 1, 1, 7, tzinfo=UTC))),
    ],
)
def test_moment_is_read(text: object, moment: Moment) -> None:
    assert parse_moment(text) == moment


GENERAL = r"start must be a moment, such as '07:00', 'sunset - 00:30' or 'input_datetime.wake_up'"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", f"{GENERAL}, got ''"),
        ("tomorrow", f"{GENERAL}, got 'tomorrow'"),
        ("sunst", f"{GENERAL}, got 'sunst'; did you mean 'sunset'\\?"),
        ("sun set", GENERAL),
        ("25:00", f"{GENERAL}, got '25:00' \\(hour must be in 0\\.\\.23"),
        ("24:00", "for the end of the day, write 'midnight'"),
        ("2026-06-01 24:00", "hour must be in 0\\.\\.23"),
        ("12:60", "minute must be in"),
        ("13 pm", "the hour before pm must be 1 to 12"),
        ("7", GENERAL),
        ("7:0", GENERAL),
        ("07.30", GENERAL),
        ("now + 5", "for a time from now, use run_in"),
        ("2026-12-24", "a date needs a time, such as '2026-12-24 07:00'"),
        ("2026-02-30 07:00", r"day (is out of range|30 must be in range)"),
        ("sunset 00:30", GENERAL),
        ("sunset - 30", r"start must have an offset such as '00:30' \(hours and minutes\).*, got 'sunset - 30'"),
        ("sunset - 00:90", "must have an offset"),
        ("sunset - ", "must have an offset"),
        ("sunset - 1 day", "must have an offset"),
        ("sunset + 101 h", "of at most 100 hours"),
        ("sunset+-00:30", "must have an offset"),
        ("sunset - 1.5", "must have an offset"),
        ("07:00 + 00:10", r"must be a time without an offset, such as '06:30', got '07:00 \+ 00:10'"),
        ("07:00 - 30 min", "only a named time or an entity has an offset"),
        ("+00:30", GENERAL),
        ("\u0667:\u0660\u0660", GENERAL),  # digits of another alphabet
        ("\uff10\uff17:\uff10\uff10", GENERAL),
        ("07:00 \ud800", GENERAL),
        ("07:00:00.1234567", GENERAL),
        ("23:59:60", "second must be in"),
        ("2026-12-24T18:00+15:00", r"the time zone must be from -12:00 to \+14:00"),
        (timedelta(hours=1), "for a time from now, use run_in"),
        (("07:00", "08:00"), r"for a time window, use where=between\(…, …\)"),
        ("light.hall", "start must name an entity that holds a time, such as .* got 'light.hall'"),
        ("sun.sun", "for sun.sun, write sunrise or sunset"),
        (7, f"{GENERAL}, a time or a datetime, got 7"),
        (None, "got None"),
        (date(2026, 1, 1), "a date needs a time"),
        (time(7, tzinfo=UTC), "start must be a local time without a time zone"),
    ],
)
def test_value_that_is_no_moment_is_rejected_with_advice(value: object, text: str) -> None:
    with pytest.raises(RegistrationError, match=text):
        parse_moment(value, option="start")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("07:00-08:00", "07:00", "08:00"),
        ("07:00 - 08:00", "07:00", "08:00"),
        ("07:00 – 08:00:30", "07:00", "08:00:30"),
        ("23:00-01:00", "23:00", "01:00"),
        ("7 AM - 8 PM", "7 am", "8 pm"),
        ("7-8", "7:00", "8:00"),
        ("00:00-24:00", "00:00", "midnight"),
        ("07:00 to 08:00", "07:00", "08:00"),
        ("22:00..sunrise", "22:00", "sunrise"),
        ("sunset and sunrise", "sunset", "sunrise"),
        ("sunset/23:00", "sunset", "23:00"),
        ("sunset-23:00", "sunset", "23:00"),
        ("noon - 13:00", "noon", "13:00"),
        ("sunset - 00:30 until 23:00", "sunset - 00:30", "23:00"),
        ("input_datetime.a - input_datetime.b", "input_datetime.a", "input_datetime.b"),
        ("sensor.a - 12:00", "sensor.a", "12:00"),
        ("2026-12-24 18:00-20:00", "2026-12-24 18:00", "20:00"),
        ("2026-12-24 18:00 - 2026-12-25 02:00", "2026-12-24 18:00", "2026-12-25 02:00"),
    ],
)
def test_window_in_place_of_a_moment_is_rejected_and_the_error_names_between(text: str, start: str, end: str) -> None:
    with pytest.raises(RegistrationError) as raised:
        parse_moment(text)
    assert f"at must be one moment, got the window {text!r}" in str(raised.value)
    assert f"where=between({start!r}, {end!r})" in str(raised.value)
    if start != "00:00":  # a window from midnight to midnight is empty
        assert between(start, end).describe()


def test_window_that_may_be_a_long_offset_is_rejected_with_both_advices() -> None:
    with pytest.raises(RegistrationError, match=r"for an offset, write a unit, such as 'sunset - 23 h'"):
        parse_moment("sunset - 23:00")


times = st.times().map(lambda at: at.replace(tzinfo=None, fold=0))
offsets = st.integers(-99 * 3600, 99 * 3600).map(lambda offset_s: timedelta(seconds=offset_s))


def written(offset: timedelta) -> str:
    """Return an offset in the form of the grammar."""
    whole_s = int(abs(offset).total_seconds())
    if -24 * 3600 <= offset.total_seconds() <= -12 * 3600:
        return f"- {whole_s // 60} min {whole_s % 60} s"
    return f"{'-' if offset < timedelta() else '+'} {whole_s // 3600:02}:{whole_s // 60 % 60:02}:{whole_s % 60:02}"


@given(st.sampled_from(["sunset", "midnight", "sensor.alarm"]), offsets)
def test_every_offset_of_a_named_time_or_an_entity_is_read(base: str, offset: timedelta) -> None:
    assert parse_moment(f"{base} {written(offset)}").offset == offset


@given(times, times, st.sampled_from(["-", " - ", "–", " to ", ".."]))
def test_every_window_of_two_times_is_rejected(start: time, end: time, sign: str) -> None:
    with pytest.raises(RegistrationError, match="use where=between"):
        parse_moment(f"{start.isoformat()}{sign}{end.isoformat()}")


@given(times)
def test_every_time_of_day_is_read(at: time) -> None:
    assert parse_moment(at.isoformat()) == TimeOfDay(at)


@given(st.text(max_size=30) | st.from_regex(r"(sunset|0?7:\d\d|sensor\.x|2026-\d\d-\d\d \d\d:\d\d) ?[-+]? ?[\d:hms ]*"))
def test_every_text_is_a_moment_or_a_registration_error(text: str) -> None:
    try:
        described = parse_moment(text).describe()
    except RegistrationError as error:
        described = str(error)
    assert described


@pytest.mark.parametrize(
    ("days", "text"),
    [
        ("mon-fri", "mon-fri"),
        ("Sat, Sun", "sat,sun"),
        ("weekend", "sat,sun"),
        ("weekdays", "mon-fri"),
        ("fri-mon", "mon,fri-sun"),
        (["mon", "Wednesday"], "mon,wed"),
        (("mon-tue", "sun"), "mon,tue,sun"),
        ("mon – wed", "mon-wed"),
        ("mon tues", "mon,tue"),
    ],
)
def test_days_of_the_week_are_read(days: object, text: str) -> None:
    found = parse_days(days)
    assert found is not None
    assert found.describe() == text
    assert parse_days(text) == found


def test_no_days_and_all_days_are_every_day() -> None:
    assert parse_days(None) is None
    assert parse_days("mon-sun") is None


@pytest.mark.parametrize("days", ["", [], "someday", 5, [1], "mon-", "mon,,tue", "m", {"mon": None, 1: None}])
def test_days_that_cannot_be_read_are_rejected(days: Any) -> None:
    with pytest.raises(RegistrationError, match=r"days must be days of the week, such as 'mon-fri' or 'sat,sun', got"):
        parse_days(days)


def test_date_with_an_offset_from_utc_keeps_it() -> None:
    moment = parse_moment("2026-12-24T18:00+01:00")
    assert moment.describe() == "2026-12-24 18:00:00 UTC+01:00"
    assert isinstance(moment, DateTime)
    assert moment.at == datetime(2026, 12, 24, 18, tzinfo=ZoneInfo("Europe/Berlin"))
