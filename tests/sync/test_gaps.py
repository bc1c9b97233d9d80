"""Times without a running framework: crashes and stops in answers, events and pages."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.cli import main
from hassette_sync.questions.events import FrameworkEventFilter
from support.history import HOUR, SECOND, NewHistory
from support.patient_data import patient_data
from support.web_clients import app_client

MINUTE = 60 * SECOND
REASON = "the process ended without closing the history"


@pytest.fixture
def crashed(new_history: NewHistory, now_us: int) -> Path:
    """A history with a crash 2 hours ago, half an hour before the next start, and a run since then."""
    with new_history() as history:
        history.session(now_us - 5 * HOUR, now_us - 2 * HOUR, "crashed", reason=REASON)
        second = history.session(now_us - 90 * MINUTE)
        history.run(history.listener("app", "on_light", "t"), now_us - HOUR, session_id=second)
    return history.path


@pytest.fixture
async def data(crashed: Path) -> AsyncIterator[DataSyncService]:
    async with patient_data(crashed) as data:
        yield data


CRASH = rf"crashed at [\d:]+ \({REASON}\) and started at [\d:]+\."


@pytest.mark.parametrize(
    "words",
    ["did it crash", "has it crashed?", "when was the last crash", "why did hassette crash", "is hassette running"],
)
async def test_present_and_the_last_crash_are_named(data: DataSyncService, words: str) -> None:
    sentence = (await data.ask(words)).sentence
    assert re.match(rf"Hassette has been running since [\d:]+\. It last {CRASH}", sentence), sentence


async def test_stopped_framework_is_not_running(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 5 * HOUR, now_us - 2 * HOUR, "clean", reason="SIGTERM")
    async with patient_data(history.path) as data:
        sentence = (await data.ask("is hassette running")).sentence
    assert re.match(
        r"Hassette is not running\. It was stopped at [\d:]+ \(SIGTERM\) and has not started since\. "
        r"No crash of Hassette is recorded\.",
        re.sub(r"\d+ \w{3} ", "", sentence),
    ), sentence


async def test_killed_framework_is_not_running(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 5 * HOUR, heartbeat_us=now_us - HOUR)
    async with patient_data(history.path) as data:
        sentence = (await data.ask("is hassette running")).sentence
    assert sentence.startswith("Hassette is not running. It wrote its last heartbeat at "), sentence


async def test_moment_in_a_gap_is_answered_with_its_two_ends(data: DataSyncService) -> None:
    asked = await data.ask("was hassette running 105 minutes ago")
    assert re.match(rf"No\. Hassette was not running at [\d:]+\. It {CRASH}", asked.sentence), asked.sentence


async def test_crash_comes_first_in_an_answer_about_its_time(data: DataSyncService) -> None:
    for words in ("what failed in the last 3 hours", "what failed 105 minutes ago", "what failed"):
        asked = await data.ask(words)
        assert re.match(rf"Hassette {CRASH} ", asked.sentence), asked.sentence
    later = await data.ask("what failed in the last 1 hour")
    assert "crash" not in later.sentence


async def test_crash_is_an_event(data: DataSyncService, crashed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for event_filter in (FrameworkEventFilter(), FrameworkEventFilter(routine=False, text="crash", group="lifecycle")):
        (event,) = (await data.events(event_filter)).events
        assert (event.kind, event.detail, event.session_id) == ("hassette_crashed", REASON, 1)
        assert abs(event.id - (event.at_us // 1000 << 21)) < 1 << 21
    assert (await data.events(FrameworkEventFilter(app="app"))).events == ()
    assert await asyncio.to_thread(main, ["events", "--text", "crash", "--db", str(crashed)]) == 0
    assert "hassette crashed" in capsys.readouterr().out


async def test_page_of_a_gap_shows_the_sessions_before_and_after_it(data: DataSyncService, now_us: int) -> None:
    time_range = TimeRange(now_us - 110 * MINUTE, now_us - 100 * MINUTE)
    assert (await data.sessions(time_range)).sessions == ()
    assert [one.id for one in (await data.sessions(time_range, neighbours=True)).sessions] == [2, 1]
    async with app_client(data) as client:
        given = {"since": time_range.since_us, "until": time_range.until_us}
        text = (await client.get("/sessions", params=given)).text
        whole = (await client.get("/sessions", params={"since": "1d"})).text
    assert 'id="session-1"' in text
    assert 'id="session-2"' in text
    assert "These are the sessions before and after it." in text
    assert "These are the sessions before and after it." not in whole
    assert '<td>hassette crashed</td><td class="text"></td>' in whole, "the label names the subject"
