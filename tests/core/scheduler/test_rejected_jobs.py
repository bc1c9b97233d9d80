"""Invalid options of a job are rejected with an explanation."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hassette_core.errors import RegistrationError
from support.home import NOON, Home
from support.records import nothing

HOUR = 3600
FIRST_DAY = datetime.fromisoformat("0001-01-01")
LAST_DAY = datetime.fromisoformat("9999-12-31")


async def needs_argument(what: str) -> None: ...


@pytest.mark.parametrize(
    ("method", "arguments", "options", "text"),
    [
        ("run_in", (-1,), {}, "delay must be 0 or more seconds, got -1"),
        ("run_every", (0,), {}, "interval must be more than 0 seconds, got 0"),
        ("run_every", (1e-6,), {}, "interval must be 0.001 seconds or more, got 1e-06"),
        ("run_every", (10,), {"jitter": 10}, r"jitter must be less than the time between two runs \(10 s\), got 10"),
        ("run_cron", ("* * * * *",), {"jitter": 300}, r"the time between two runs \(1 min\)"),
        ("run_cron", ("0,50 7 * * MON",), {"jitter": timedelta(hours=1)}, r"\(50 min\)"),
        ("run_daily", ("07:00",), {"jitter": timedelta(days=1)}, r"\(1 d\)"),
        ("run_at_sunset", (), {"jitter": timedelta(days=2)}, r"\(1 d\)"),
        ("run_every", (10, NOON - timedelta(1)), {}, "must be in the future"),
        ("run_once", (NOON - timedelta(1),), {}, "must be in the future"),
        ("run_in", (1e15,), {}, "delay must be at most"),
        ("run_in", (1,), {"jitter": 1e15}, "jitter must be at most"),
        ("run_every", (1e18,), {}, "interval must be at most"),
        ("run_at_sunset", (1e15,), {}, "offset must be at most"),
        ("run_at_sunrise", (timedelta.min,), {}, "offset must be at most"),
        ("run_once", (FIRST_DAY,), {}, r"at must be in the future, got datetime"),
        ("run_once", (LAST_DAY,), {}, "at must be within"),
        ("run_once", (datetime.max.replace(tzinfo=UTC),), {}, "at must be within"),
        (
            "run_once",
            (datetime.max.replace(tzinfo=ZoneInfo("America/New_York")),),
            {},
            "at must be within",
        ),
        ("run_once", (datetime.min.replace(tzinfo=UTC),), {}, "must be in the future"),
        ("run_every", (10, datetime.max.replace(tzinfo=UTC)), {}, "start must be within the next 100 years"),
        ("run_once", ("tomorrow",), {}, "at must be a moment, such as '07:00', 'sunset - 00:30' or"),
        ("run_once", ("2026-05-31 12:00",), {}, "at must be in the future, got '2026-05-31 12:00'"),
        ("run_daily", ("7 oclock",), {}, "at must be a moment"),
        ("run_daily", (7,), {}, "at must be a moment"),
        ("run_daily", (NOON,), {}, "at must be a time of day, .* which comes only once; use run_once"),
        ("run_daily", ("2026-12-24 18:00",), {}, "which comes only once; use run_once"),
        ("run_daily", ("07:00",), {"days": "someday"}, "days must be days of the week, such as 'mon-fri'"),
        ("run_daily", ("light.hall",), {}, "at must name an entity that holds a time"),
        ("run_daily", ("sensor.celsius",), {}, r"at must name an entity whose state is a time, .*is '21\.5'"),
        ("run_every", (60, "sunst"), {}, "start must be a moment.*did you mean 'sunset'"),
        ("run_every", (60, "2026-05-31 12:00"), {}, "start must be in the future.*leave it out to start after one"),
        ("run_hourly", (60,), {}, "minute must be a whole number from 0 to 59, got 60"),
        ("run_hourly", (0, -1), {}, "second must be a whole number from 0 to 59, got -1"),
        ("run_minutely", ("00:30",), {}, "second must be a whole number"),
        ("run_minutely", (), {"jitter": 60}, r"the time between two runs \(1 min\)"),
        ("run_daily", ("07:00",), {"jitter": (1, 2, 3)}, r"the least and the most of them, such as \(-1800, 1800\)"),
        ("run_daily", ("07:00",), {"jitter": (1800, -1800)}, "jitter must have the smaller value first"),
        ("run_daily", ("07:00",), {"jitter": (-50_000, 50_000)}, r"jitter must be less than .*\(1 d\)"),
        ("run_daily", ("07:00",), {"jitter": -5}, "jitter must be 0 or more seconds, got -5"),
        ("run_daily", ("07:00",), {"misfire": "late"}, "misfire must be one of once, run_late, skip, got 'late'"),
        ("run_daily", ("07:00",), {"misfire_limit": 5}, 'misfire_limit must come with misfire="run_late"'),
        ("run_daily", ("07:00",), {"where": "on"}, "where must be a condition such as"),
        ("run_daily", ("07:00",), {"where": lambda event: event}, "because a job has no event"),
        ("run_daily", ("07:00",), {"group": " "}, "group must be a non-blank string"),
        ("run_daily", ("07:00",), {"persist": True}, "persist must be left out for a recurring job"),
        ("run_in", (5,), {"persist": True}, "handler must be a method of the app for persist, such as self.turn_off"),
        ("run_daily", (time(7, tzinfo=UTC),), {}, "at must be a local time without a time zone"),
        ("run_once", (time(7, tzinfo=UTC),), {}, "at must be a local time without a time zone"),
        ("run_every", (10, time(7, tzinfo=UTC)), {}, "start must be a local time without a time zone"),
        ("run_cron", ("61 * * * *",), {}, "cron expression"),
        ("run_in", (1,), {"mode": "twice"}, "mode must be one of single, restart, queued, parallel, got 'twice'"),
        ("run_in", (1,), {"once": True}, "run_in has no option 'once'"),
        ("run_in", (1,), {"timeout": -1}, "timeout must be 0 or more seconds, got -1"),
        ("run_in", (1,), {"on_error": "log"}, "on_error must be callable, got 'log'"),
        ("run_in", (1,), {"name": ""}, "name must be a non-blank string"),
    ],
)
async def test_option_that_can_never_work_is_rejected_by_name(
    home: Home, method: str, arguments: Any, options: Any, text: str
) -> None:
    home.set_state("sensor.celsius", "21.5")
    with pytest.raises(RegistrationError, match=text):
        getattr(home.scheduler, method)(nothing, *arguments, **options)
    assert home.scheduler_service.upcoming() == []


@pytest.mark.parametrize(
    ("method", "arguments", "advice"),
    [
        ("run_once", (), "at.astimezone()); use run_in for a delay, or run_daily for every day"),
        ("run_every", (10,), "start.astimezone()); leave it out to start after one interval"),
    ],
)
async def test_error_for_a_naive_datetime_in_the_past_contains_the_time_zone(
    home: Home, method: str, arguments: Any, advice: str
) -> None:
    # The machine uses UTC, and the home uses the time of Berlin. `soon` is ten minutes from now in UTC. As a time of
    # Berlin, it is in the past.
    soon = (home.clock.now() + timedelta(minutes=10)).replace(tzinfo=None)
    with pytest.raises(RegistrationError) as refused:
        getattr(home.scheduler, method)(nothing, *arguments, soon)
    assert str(refused.value).endswith(
        " (2026-06-01 08:10:00 UTC, read as local time of Europe/Berlin; now it is 2026-06-01 10:00:00 UTC;"
        f" if you meant the machine's time, pass an aware datetime: {advice}"
    )
    with pytest.raises(RegistrationError) as refused:
        getattr(home.scheduler, method)(nothing, *arguments, NOON - timedelta(1))
    assert "local time" not in str(refused.value)


async def test_job_with_a_parameter_is_rejected(home: Home) -> None:
    with pytest.raises(RegistrationError, match=r'pass it in kwargs=\{"what"'):
        home.scheduler.run_in(needs_argument, 1)


async def test_duplicate_name_is_rejected_with_a_free_one(home: Home) -> None:
    home.scheduler.run_every(nothing, 1)
    for register in (home.scheduler.run_in, home.scheduler.run_every):
        with pytest.raises(RegistrationError, match='name="nothing_2"'):
            register(nothing, 1)
