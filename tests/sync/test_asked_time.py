"""The time of a question: a moment, a day, or a part of a day, in the home's time zone."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hassette_sync import AskedTime, BadQuestionError
from hassette_sync.asked_time import ASKED_PATTERN
from hassette_sync.home_time import HomeTime
from hassette_sync.time_range import MINUTE_US, SECOND_US, TimeRange

BERLIN = HomeTime.named("Europe/Berlin")


def us(text: str) -> int:
    """Return a time of Berlin in microseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * SECOND_US


ASKED_TIME_EXAMPLES = (
    *(
        "last night",
        "tonight",
        "this morning",
        "sunday night",
        "this week",
        "last weekend",
        "last month",
        "noon",
        "midnight",
    ),
    *("last 1s", "last 9999w", "1 days ago", "99 days ago", "1 jan", "28 feb", "00:00 to 00:00", "23:59 to 00:00"),
)
NOW_US = us("2026-03-30T15:45:20")  # a Monday, the day after the clocks were set forward


def asked(text: str, now: str = "") -> AskedTime:
    return AskedTime.parse(text, now_us=us(now) if now else NOW_US, home=BERLIN)


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("today", "2026-03-30T00:00", "2026-03-31T00:00"),
        ("Yesterday", "2026-03-29T00:00", "2026-03-30T00:00"),  # 23 hours
        ("2026-01-31", "2026-01-31T00:00", "2026-02-01T00:00"),
        ("monday", "2026-03-30T00:00", "2026-03-31T00:00"),
        ("Tuesday", "2026-03-24T00:00", "2026-03-25T00:00"),
        ("sunday", "2026-03-29T00:00", "2026-03-30T00:00"),
        ("last night", "2026-03-29T22:00", "2026-03-30T06:00"),
        ("sunday night", "2026-03-29T22:00", "2026-03-30T06:00"),
        ("this night", "2026-03-30T22:00", "2026-03-31T06:00"),
        ("friday evening", "2026-03-27T18:00", "2026-03-28T00:00"),
        ("this morning", "2026-03-30T05:00", "2026-03-30T12:00"),
        ("monday morning", "2026-03-30T05:00", "2026-03-30T12:00"),
        ("monday afternoon", "2026-03-30T12:00", "2026-03-30T18:00"),
        ("monday evening", "2026-03-23T18:00", "2026-03-24T00:00"),  # today's has not begun
        ("monday night", "2026-03-23T22:00", "2026-03-24T06:00"),
        ("this  Evening", "2026-03-30T18:00", "2026-03-31T00:00"),
        ("yesterday afternoon", "2026-03-29T12:00", "2026-03-29T18:00"),
        ("tonight", "2026-03-30T22:00", "2026-03-31T06:00"),
        ("this week", "2026-03-30T00:00", "2026-04-06T00:00"),
        ("last week", "2026-03-23T00:00", "2026-03-30T00:00"),
        ("this weekend", "2026-04-04T00:00", "2026-04-06T00:00"),
        ("last weekend", "2026-03-28T00:00", "2026-03-30T00:00"),
        ("this month", "2026-03-01T00:00", "2026-04-01T00:00"),
        ("last month", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("sunday to friday", "2026-03-22T00:00", "2026-03-28T00:00"),  # of the week before
        ("friday to sunday", "2026-03-27T00:00", "2026-03-30T00:00"),
        ("yesterday 22:00 to today 07:00", "2026-03-29T22:00", "2026-03-30T07:00"),
        ("3 days ago", "2026-03-27T00:00", "2026-03-28T00:00"),
        ("1 week ago", "2026-03-23T00:00", "2026-03-24T00:00"),
        ("28 mar", "2026-03-28T00:00", "2026-03-29T00:00"),
        ("Nov 28", "2025-11-28T00:00", "2025-11-29T00:00"),  # this year's is in the future
        ("28th of November", "2025-11-28T00:00", "2025-11-29T00:00"),
        ("28.11.", "2025-11-28T00:00", "2025-11-29T00:00"),
        ("28.11.2024", "2024-11-28T00:00", "2024-11-29T00:00"),
        ("1.2.26", "2026-02-01T00:00", "2026-02-02T00:00"),
        ("february 29", "2024-02-29T00:00", "2024-03-01T00:00"),
        ("30 Mar", "2026-03-30T00:00", "2026-03-31T00:00"),
        ("March 29, 2026", "2026-03-29T00:00", "2026-03-30T00:00"),  # 23 hours
        ("03:00 to 04:30", "2026-03-30T03:00", "2026-03-30T04:30"),
        ("23:00 to 01:00", "2026-03-29T23:00", "2026-03-30T01:00"),
        ("16:00 to 17:00", "2026-03-29T16:00", "2026-03-29T17:00"),  # the most recent one
        ("sunday 3pm to 4pm", "2026-03-29T15:00", "2026-03-29T16:00"),
        ("28 nov 03:00 to 03:30", "2025-11-28T03:00", "2025-11-28T03:30"),
        ("2026-03-01 midnight to noon", "2026-03-01T00:00", "2026-03-01T12:00"),
    ],
)
def test_day_or_a_part_of_it_is_asked_about_as_a_whole(text: str, since: str, until: str) -> None:
    found = asked(text)

    assert found.is_span
    assert found.around(10 * MINUTE_US) == TimeRange(us(since), us(until))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("03:12", "2026-03-30T03:12"),
        ("3:12am", "2026-03-30T03:12"),
        ("3:12 PM", "2026-03-30T15:12"),
        ("4pm", "2026-03-29T16:00"),  # the most recent one
        ("12am", "2026-03-30T00:00"),
        ("12:30 pm", "2026-03-30T12:30"),
        ("yesterday 7am", "2026-03-29T07:00"),
        ("monday 07:00", "2026-03-30T07:00"),
        ("Monday 16:00", "2026-03-23T16:00"),  # today's 16:00 is in the future
        ("friday 23:59", "2026-03-27T23:59"),
        ("noon", "2026-03-30T12:00"),
        ("Midnight", "2026-03-30T00:00"),
        ("yesterday noon", "2026-03-29T12:00"),
        ("28 nov 7am", "2025-11-28T07:00"),
        ("28.11. 03:12", "2025-11-28T03:12"),
        ("3 days ago 07:00", "2026-03-27T07:00"),
    ],
)
def test_time_of_day_is_a_moment_of_a_minute(text: str, moment: str) -> None:
    found = asked(text)

    assert (found.at_us, found.length_us, found.is_span) == (us(moment), MINUTE_US, False)
    assert found.around(MINUTE_US) == TimeRange(us(moment) - MINUTE_US, us(moment) + 2 * MINUTE_US)


def test_exact_time_is_a_moment_of_a_second() -> None:
    assert asked("03:12:05") == AskedTime(us("2026-03-30T03:12:05"), SECOND_US)


@pytest.mark.parametrize(("now", "night"), [("02:30", "2026-03-29T22:00"), ("23:30", "2026-03-29T22:00")])
def test_last_night_is_the_night_before_this_day(now: str, night: str) -> None:
    assert asked("last night", f"2026-03-30T{now}").at_us == us(night)


@pytest.mark.parametrize(
    ("now", "since"),
    [
        ("18:05", "2026-03-30T18:00"),
        ("20:24", "2026-03-30T18:00"),
        ("23:30", "2026-03-30T18:00"),
        ("00:10", "2026-03-29T22:00"),
        ("05:59", "2026-03-29T22:00"),
    ],
)
def test_tonight_is_the_evening_or_the_night_so_far(now: str, since: str) -> None:
    found = asked("Tonight", f"2026-03-30T{now}")

    assert found.is_span
    assert found.around(0) == TimeRange(us(since), us(f"2026-03-30T{now}"))


def test_tonight_is_a_time_as_soon_as_the_evening_begins() -> None:
    found = asked("tonight", "2026-03-30T18:00")

    assert (found.at_us, found.is_span) == (us("2026-03-30T18:00"), True)


@pytest.mark.parametrize(("now", "day"), [("00:10", 29), ("05:59", 29), ("06:00", 30), ("23:30", 30)])
def test_this_night_is_the_night_in_progress_or_the_next_one(now: str, day: int) -> None:
    assert asked("this night", f"2026-03-30T{now}").at_us == us(f"2026-03-{day}T22:00")


@pytest.mark.parametrize("text", ["0am", "13pm", "3:75am", "mondays", "last day", "monday tuesday", ""])
def test_other_words_are_refused_and_named(text: str) -> None:
    with pytest.raises(BadQuestionError, match=f"^at must be an age such as 24h .*, got {re.escape(repr(text))}"):
        asked(text)


@pytest.mark.parametrize(("text", "since"), [("last 2h", "2026-03-30T13:45:20"), ("since 07:00", "2026-03-30T07:00")])
def test_span_can_end_now(text: str, since: str) -> None:
    assert asked(text).around(MINUTE_US) == TimeRange(us(since), NOW_US)


@pytest.mark.parametrize(
    "text",
    [
        "31.2.",
        "0 nov",
        "30 feb 2026",
        "10.0.21",
        "28 nov 25:00",
        "28 nov 24:00",
        "monday 24:00",
        "2026-11-28T24:00",
        "24:00",
        "03:00 to 25:00",
        "last 0h",
        "wednesday to 28 nov",
        "1 to 2 to 3",
    ],
)
def test_dates_and_times_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(BadQuestionError, match=f"got {re.escape(repr(text))}"):
        asked(text)


@pytest.mark.parametrize("text", ["sunset", "yesterday sunrise"])
def test_sunset_is_refused_with_the_forms_that_are_understood(text: str) -> None:
    with pytest.raises(
        BadQuestionError, match=r"07:00, monday 7am.* Write the time of day in place of sunrise or sunset\.$"
    ):
        asked(text)


def test_every_text_of_the_described_form_is_a_time() -> None:
    for one in ASKED_TIME_EXAMPLES:
        assert re.fullmatch(ASKED_PATTERN, one), one
    numbers = [f"{number} {unit}" for number in ("1", "28") for unit in ("jan", "feb", "dec")]
    for one in (*ASKED_TIME_EXAMPLES, *numbers):
        assert asked(one).length_us > 0


def test_weekday_is_its_most_recent_day_on_each_day_of_a_week() -> None:
    for days in range(7):
        now = datetime.fromisoformat("2026-06-01T12:00") + timedelta(days=days)
        found = asked(f"{now:%A}", now.isoformat())
        assert found.at_us == us(f"{now:%Y-%m-%d}T00:00")
        before = asked(f"{now + timedelta(days=1):%A}", now.isoformat())
        assert before.at_us == us(f"{now - timedelta(days=6):%Y-%m-%d}T00:00")


@pytest.mark.parametrize(
    "text",
    [
        *("9999-12-31", "31 dec 9999", "december 9999", "december 0000", "0001-01-01", "1 jan 0001", "28.11.0025"),
        *(
            "31 dec 1969",
            "nov 1965",
            "2100-01-02",
            "january 2100",
            "1 jan 9999 7am",
            "before 9999-12-31",
        ),
        *("0000-01-01", "9999-12-31 to 9999-12-31", "since 2200-01-01"),
    ],
)
def test_year_outside_1970_to_2100_is_refused(text: str) -> None:
    with pytest.raises(BadQuestionError, match=r"^at must be"):
        asked(text)


@pytest.mark.parametrize("text", ["9999-12-31", "31 dec 9999", "december 0000", "0001-01-01", "1 jan 0001"])
def test_error_about_a_year_names_the_years(text: str) -> None:
    with pytest.raises(BadQuestionError, match=f"^at must be in the years 1970 to 2100, got '{text}'"):
        asked(text)


def test_today_is_a_time_while_a_clock_shows_1970() -> None:
    found = asked("today", "1970-01-01T12:00")

    assert (found.at_us, found.at_us + found.length_us) == (0, us("1970-01-02T00:00"))


@pytest.mark.parametrize(
    "text",
    ["12 noonish", "noon foo", "since noon foo", "an hour before Noon foo", "Midnight to 25:00", "after tonight"],
)
def test_error_quotes_the_text_as_it_is_written(text: str) -> None:
    with pytest.raises(BadQuestionError, match=f"got {re.escape(repr(text))}"):
        asked(text)


def test_time_that_has_not_ended_is_named() -> None:
    with pytest.raises(
        BadQuestionError, match=r"^at must be in the past, got 'after tonight'\. That time has not ended\.$"
    ):
        asked("after tonight")
