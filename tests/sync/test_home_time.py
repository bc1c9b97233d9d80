"""The terminal and the pages show times in the home's time zone and name it. They also read times in this time zone."""

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import pytest

from hassette_sync import BadQuestionError, DataSyncService, HomeTime, TimeRange
from hassette_sync.cli import main
from hassette_sync.home_time import ShownTimes
from hassette_sync.settings import WebSettings
from hassette_sync.time_range import parse_moment
from support.history import BOOM, DAY, HOUR, MINUTE, SECOND, History, NewHistory, facts

BERLIN = HomeTime.named("Europe/Berlin")


def at(text: str, zone: str = "Europe/Berlin") -> int:
    """Return a local time in microseconds since the epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/St_Johns"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run this process in another time zone than the home. A container without TZ is in UTC."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def morning(new_history: NewHistory) -> tuple[Path, int]:
    """A history of a home in Berlin with a job that ran at 07:00 on 20 January 2026."""
    seven = at("2026-01-20T07:00")
    with new_history() as history:
        _run_job_at(history, seven, "Europe/Berlin")
    return history.path, seven


def _run_job_at(history: History, moment: int, zone: str) -> int:
    history.session(moment - DAY, facts=facts(time_zone=zone))
    job = history.job("heating", "wake_up", "daily at 07:00")
    return history.run(job, moment + SECOND, duration_us=SECOND, waited_us=0, job=True, status="error", error=BOOM)


class Terminal(Protocol):
    """Function that runs the command with a given time zone of the machine, and returns the output."""

    def __call__(self, *arguments: str, path: Path, zone: str = "UTC") -> str: ...


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    def run(*arguments: str, path: Path, zone: str = "UTC") -> str:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        code = main([*arguments, "--db", str(path)])
        output = capsys.readouterr()
        assert (code, output.err) == (0, "")
        return output.out

    yield run
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", ""])
def test_job_at_seven_is_shown_at_seven_in_the_terminal_of_any_machine(
    morning: tuple[Path, int], terminal: Terminal, zone: str
) -> None:
    path, _ = morning
    for command in ("runs", "errors", "sessions", "status"):
        output = terminal(command, "--since", "2026-01-20", "--until", "2026-01-21", path=path, zone=zone)
        assert re.search(r"Time zone:? +Europe/Berlin$", output, re.MULTILINE), command
        if command != "sessions":
            assert "2026" not in output or "20 Jan 2026 0" in output
    listed = terminal("runs", "--since", "2026-01-20", path=path, zone=zone)
    assert "20 Jan 2026 07:00:01" in listed or "20 Jan 07:00:01" in listed
    assert "due 20 Jan" in listed
    assert "07:00:00" in listed
    (run,) = json.loads(terminal("runs", "--json", "--since", "2026-01-20", path=path, zone=zone))["runs"]
    shown = terminal("show", run["id"], path=path, zone=zone)
    assert "07:00:00" in shown
    assert "Time zone  Europe/Berlin" in shown
    status = json.loads(terminal("status", "--json", path=path, zone=zone))["status"]
    assert (status["time_zone"]["name"], status["time_zone"]["source"]) == ("Europe/Berlin", "home")


async def test_times_among_the_facts_of_a_session_are_those_of_the_home(new_history: NewHistory, machine: str) -> None:
    web_clients = pytest.importorskip("support.web_clients")
    pytest.importorskip("fastapi")
    facts = {
        "time_zone": "Europe/Berlin",
        "connected": "2026-01-20T06:00:02.128+00:00",
        "sqlite": "3.40.1",
        "word": "To",
    }
    with new_history() as history:
        history.session(1_768_888_800_000_000, 1_768_892_400_000_000, "clean", facts=json.dumps(facts))
    async with DataSyncService(history.path) as data, web_clients.app_client(data) as client:
        page = (await client.get("/sessions", params={"since": "2026-01-20"})).text
    assert re.search(r"<dt>connected</dt><dd><time [^>]*>20 Jan(?: 2026)? 07:00:02</time></dd>", page)
    assert "<dt>word</dt><dd>To</dd>" in page


async def test_page_that_does_not_exist_shows_the_time_of_the_home(morning: tuple[Path, int], machine: str) -> None:
    web_clients = pytest.importorskip("support.web_clients")
    pytest.importorskip("fastapi")
    async with DataSyncService(morning[0]) as data, web_clients.app_client(data) as client:
        answer = await client.get("/nothing")
    assert answer.status_code == 404
    assert "times in Europe/Berlin" in answer.text


@pytest.mark.parametrize(
    ("since", "count"), [("2026-01-20T06:59", 1), ("2026-01-20 07:00", 1), ("2026-01-20T07:01", 0)]
)
def test_since_is_read_in_the_time_zone_of_the_home(
    morning: tuple[Path, int], terminal: Terminal, since: str, count: int
) -> None:
    path, _ = morning
    found = json.loads(terminal("runs", "--json", "--since", since, "--until", "2026-01-20T08:00", path=path))
    assert len(found["runs"]) == count


async def test_pages_show_and_read_times_of_the_home(morning: tuple[Path, int], machine: str) -> None:
    httpx = pytest.importorskip("httpx")
    application = pytest.importorskip("hassette_sync.web.application", exc_type=ImportError)
    path, _ = morning
    asked = "since=2026-01-20T06:30&until=2026-01-20T07:30"
    async with DataSyncService(path) as data:
        transport = httpx.ASGITransport(app=application.create_app(data, WebSettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
            run_id = (await client.get(f"/api/v1/runs?{asked}")).json()["runs"][0]["id"]
            pages = {
                name: (await client.get(name)).text
                for name in (
                    f"/?{asked}",
                    f"/runs?{asked}",
                    f"/errors?{asked}",
                    f"/jobs?{asked}",
                    f"/registrations/1?{asked}",
                    f"/runs/{run_id}",
                    "/errors/1",
                    "/sessions",
                )
            }
            overview = (await client.get(f"/api/v1/overview?{asked}")).json()
            status = (await client.get("/api/v1/status")).json()
    for name, page in pages.items():
        assert "times in Europe/Berlin" in page, name
        assert "T07:00:0" in page or name.startswith(("/jobs", "/sessions")), name
    assert re.search(r"<text [^>]*>06:00</text>", pages[f"/?{asked}"]), "the axis has local hours"
    assert "2026-01-20T07:00:00.000+01:00" in pages[f"/runs/{run_id}"]
    assert overview["counts"]["error"] == 1
    assert status["time_zone"] == {
        "name": "Europe/Berlin",
        "source": "home",
        "utc_offset_us": BERLIN.utc_offset_us(status["at_us"]),
    }


@pytest.mark.parametrize(
    ("zone", "hour"), [("Asia/Kolkata", "06:30"), ("Asia/Kathmandu", "06:45"), ("America/St_Johns", "06:30")]
)
async def test_hours_of_a_zone_with_half_hours_have_their_local_times(
    new_history: NewHistory, zone: str, hour: str
) -> None:
    httpx = pytest.importorskip("httpx")
    application = pytest.importorskip("hassette_sync.web.application", exc_type=ImportError)
    seven = at("2026-01-20T07:00", zone)
    with new_history() as history:
        _run_job_at(history, seven, zone)
    async with DataSyncService(history.path) as data:
        transport = httpx.ASGITransport(app=application.create_app(data, WebSettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
            page = (await client.get("/?since=2026-01-20T07:00&until=2026-01-20T16:00")).text
    until = f"07:{hour[3:]}"
    assert re.search(rf'data-title="20 Jan( 2026)? {hour}–{until}" data-text="1 run', page)
    assert re.search(rf"<text [^>]*>{hour}</text>", page)


def test_newest_known_time_zone_is_that_of_the_home(new_history: NewHistory, now_us: int, terminal: Terminal) -> None:
    with new_history() as history:
        history.session(now_us - 3 * DAY, now_us - 2 * DAY, "clean", facts=facts(time_zone="Europe/Berlin"))
        history.session(now_us - 2 * DAY, now_us - DAY, "clean", facts=facts(time_zone="Asia/Tokyo"))
        history.session(now_us - DAY, now_us - HOUR, "crashed", facts="{damaged")
        history.session(now_us - HOUR)
    assert "Time zone  Asia/Tokyo" in terminal("status", path=history.path)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "Europe", "x" * 5_000, "a\0b"])
def test_unknown_time_zone_is_named_and_that_of_the_machine_is_used(
    new_history: NewHistory, now_us: int, terminal: Terminal, name: str
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR, facts=facts(time_zone=name))
    output = terminal("status", path=history.path, zone="Asia/Tokyo")
    assert "Time zone  JST, the time zone of this machine" in output
    assert "This machine does not know the home's time zone" in output


def test_history_without_a_time_zone_names_that_of_the_machine(
    new_history: NewHistory, now_us: int, terminal: Terminal
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
    assert "Time zone  UTC, the time zone of this machine" in terminal("status", path=history.path)
    assert "Time zone  UTC-03:00, the time zone" in terminal("status", path=history.path, zone="America/Sao_Paulo")


async def test_range_today_begins_at_midnight_of_the_home(new_history: NewHistory, now_us: int) -> None:
    httpx = pytest.importorskip("httpx")
    application = pytest.importorskip("hassette_sync.web.application", exc_type=ImportError)
    # In one of these zones, midnight was at most 13 hours ago, and in the other at least 11 hours ago.
    for zone in ("Pacific/Auckland", "America/Los_Angeles"):
        home = HomeTime.named(zone)
        midnight = parse_moment("today", at_us=now_us, home=home)
        with new_history(f"{zone.replace('/', '-')}.db") as history:
            history.session(midnight - DAY, facts=facts(time_zone=zone))
            handler = history.listener("app", "on_x", "t")
            before = history.run(handler, midnight - SECOND)
            after = history.run(handler, midnight)
        async with DataSyncService(history.path) as data:
            transport = httpx.ASGITransport(app=application.create_app(data, WebSettings()))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
                page = (await client.get("/runs?since=today")).text
        assert f'data-id="{after}"' in page
        assert f'data-id="{before}"' not in page
        assert '<a href="?since=today" aria-current="true">Today</a>' in page


NOON = at("2026-06-15T12:00")


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("07:00", "2026-06-15T07:00"),
        ("7:05", "2026-06-15T07:05"),
        ("07:00:30", "2026-06-15T07:00:30"),
        ("12:00", "2026-06-15T12:00"),
        ("12:01", "2026-06-14T12:01"),
        ("now", "2026-06-15T12:00"),
        ("today", "2026-06-15T00:00"),
        ("Yesterday", "2026-06-14T00:00"),
        ("yesterday 22:30", "2026-06-14T22:30"),
        ("today 22:30", "2026-06-15T22:30"),
        ("2026-01-31", "2026-01-31T00:00"),
        ("2026-01-31 18:00", "2026-01-31T18:00"),
        ("2026-01-31T17:00Z", "2026-01-31T18:00"),
        ("2026-01-31T18:00+01:00", "2026-01-31T18:00"),
        # The clocks go forward from 02:00 to 03:00, and back from 03:00 to 02:00.
        ("2026-03-29T02:30", "2026-03-29T03:30"),
        ("2026-10-25T02:30", "2026-10-25T02:30"),
    ],
)
def test_local_times_are_read(machine: str, text: str, local: str) -> None:
    assert parse_moment(text, at_us=NOON, home=BERLIN) == at(local)


@pytest.mark.parametrize(
    "text", ["25:00", "07:60", "7", "tomorrow", "yesterday 25:00", "12:00 today", "", ":", "today today"]
)
def test_invalid_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(BadQuestionError, match="time must be"):
        parse_moment(text, at_us=NOON, home=BERLIN)


def test_range_of_two_times_of_day_is_within_one_day() -> None:
    now = at("2026-06-15T08:00")
    asked = TimeRange.parse("07:00", "09:00", at_us=now, home=BERLIN)
    assert (asked.since_us, asked.until_us) == (at("2026-06-15T07:00"), at("2026-06-15T09:00"))
    night = TimeRange.parse("22:00", "06:00", at_us=now, home=BERLIN)
    assert (night.since_us, night.until_us) == (at("2026-06-14T22:00"), at("2026-06-15T06:00"))


def test_time_of_day_is_in_the_past_where_the_clocks_are_set_forward_at_midnight() -> None:
    now = at("2026-03-29T00:41", "America/Nuuk")  # 23:59 did not occur on the day before
    moment = parse_moment("23:59", at_us=now, home=HomeTime.named("America/Nuuk"))
    assert moment == at("2026-03-27T23:59", "America/Nuuk")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_day_has_23_to_25_hours_when_the_clocks_change(zone: str) -> None:
    home = HomeTime.named(zone)
    lengths = set()
    for days in range(365):
        moment = at("2026-01-01T12:00", zone) + days * DAY
        day = home.local(moment).date().isoformat()
        begin = parse_moment(day, at_us=moment, home=home)
        assert parse_moment("today", at_us=moment, home=home) == begin
        assert home.local(begin).isoformat().startswith(f"{day}T00:00:00")
        tomorrow = parse_moment(home.local(begin + 30 * HOUR).date().isoformat(), at_us=moment, home=home)
        lengths.add((tomorrow - begin) // MINUTE)
    change = {"Asia/Kolkata": 0, "Australia/Lord_Howe": 30}.get(zone, 60)
    assert lengths == {24 * 60 - change, 24 * 60, 24 * 60 + change}


def test_time_that_occurs_twice_has_the_short_name_of_the_zone() -> None:
    first = at("2026-10-25T02:30")
    shown = ShownTimes(BERLIN, first + 12 * HOUR)
    assert [shown(first), shown(first + HOUR)] == ["02:30:00 CEST", "02:30:00 CET"]
    assert shown(first + 2 * HOUR) == "03:30:00"


def test_end_of_a_time_range_has_its_date_if_the_start_has_another_one() -> None:
    shown = ShownTimes(BERLIN, NOON)
    assert shown.span(NOON - 2 * HOUR, NOON) == f"{shown.clock(NOON - 2 * HOUR)} to {shown.clock(NOON)}"
    yesterday = NOON - 24 * HOUR
    assert shown.span(yesterday, NOON) == f"{shown(yesterday, seconds=False)} to today {shown.clock(NOON)}"
    assert shown.span(yesterday - HOUR, yesterday).count(shown.day(yesterday)) == 2


def test_time_of_a_damaged_row_is_shown_as_a_number() -> None:
    shown = ShownTimes(BERLIN, NOON)
    for us in (2**63 - 1, -(2**63)):
        assert shown(us) == shown.iso(us) == shown.day(us) == shown.clock(us) == f"{us} µs"
    assert shown(NOON - 5 * MINUTE) == "11:55:00"


@pytest.mark.parametrize(
    ("start", "hours", "text"),
    [
        ("2026-01-20T07:00", 1, "20 Jan 07:00–08:00"),
        ("2026-01-20T00:00", 24, "20 Jan"),
        ("2026-01-20T01:00", 24, "20 Jan 01:00 to 21 Jan 01:00"),
        ("2026-01-20T00:00", 72, "20 Jan 00:00 to 23 Jan 00:00"),
    ],
)
def test_period_of_a_chart_shows_both_ends_unless_it_is_a_local_day(start: str, hours: int, text: str) -> None:
    shown = ShownTimes(BERLIN, at("2026-02-01T12:00"))
    assert shown.period(at(start), at(start) + hours * HOUR) == text
