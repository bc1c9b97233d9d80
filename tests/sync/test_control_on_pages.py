"""Buttons on the pages: shown with control only, for the right job, app and error."""

import asyncio
import html
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import httpx
import pytest

from hassette_sync import DataSyncService, MemoryFeed
from hassette_sync.cli import main
from hassette_sync.control import MemoryControl, Verb
from hassette_sync.formatting import event_label
from hassette_sync.live import MemorySnapshot
from hassette_sync.settings import WebSettings
from hassette_sync.web.changes import HOW_TO_ALLOW
from support.history import History
from support.web_clients import app_client, without_breaks

pytest.importorskip("fastapi")

# A job, a handler, an app and an error group of the plausible history.
JOB, HANDLER, APP, ERROR = "/registrations/8", "/registrations/4", "/apps/backup", "/errors/1"


def buttons(page: str) -> list[tuple[str, str]]:
    """Return the action and the target of each button that changes something."""
    return [
        (action, html.unescape(target))
        for action, target in re.findall(
            r'name="action" value="(\w+)"><input type="hidden" name="target" value="([^"]*)"', page
        )
    ]


@pytest.fixture
async def controlled(plausible: Path) -> AsyncIterator[tuple[httpx.AsyncClient, MemoryControl]]:
    control = MemoryControl({"backup": ["nightly_backup"], "climate_guard": ["check_windows"]})
    data = DataSyncService(plausible, MemoryFeed(), control)
    data.live.state = MemorySnapshot(ready=True, connection="connected")
    async with data, app_client(data, WebSettings(control_without_token=True)) as client:
        yield client, control


async def test_without_control_no_page_has_a_button(plausible: Path) -> None:
    async with DataSyncService(plausible) as data, app_client(data) as client:
        for path in ("/", "/jobs", JOB, HANDLER, APP, ERROR):
            assert buttons((await client.get(path)).text) == [], path


async def test_without_the_right_to_control_each_page_shows_the_reason_in_place_of_its_buttons(plausible: Path) -> None:
    control = MemoryControl({"backup": ["nightly_backup"], "climate_guard": ["check_windows"]})
    async with DataSyncService(plausible, MemoryFeed(), control) as data, app_client(data) as client:
        for path in (JOB, APP, ERROR):
            page = (await client.get(path)).text
            assert buttons(page) == [], path
            assert html.escape(HOW_TO_ALLOW) in page, path
        assert HOW_TO_ALLOW not in (await client.get(HANDLER)).text
    async with DataSyncService(plausible) as data, app_client(data) as client:
        assert HOW_TO_ALLOW not in (await client.get(JOB)).text, "this process has no framework to control"


@pytest.mark.parametrize(
    ("came_from", "link"),
    [
        ("/apps/backup?since=7d&notice=old", "./apps/backup?since=7d"),
        ("//evil.example", "./"),
        ("https://evil.example/", "./"),
        ("", "./"),
    ],
)
async def test_refused_action_leads_back_to_its_page(plausible: Path, came_from: str, link: str) -> None:
    control = MemoryControl({"backup": []})
    async with DataSyncService(plausible, MemoryFeed(), control) as data, app_client(data) as client:
        answer = await client.post("/control", data={"action": "disable_app", "target": "backup", "next": came_from})
    assert answer.status_code == 403
    assert "<h1>Not allowed</h1>" in answer.text
    assert html.escape(HOW_TO_ALLOW) in without_breaks(answer.text)
    assert f'<a href="{link}">Back to the ' in answer.text
    assert control.actions == []


async def test_job_can_be_run_and_paused_on_its_page_and_a_handler_cannot(
    controlled: tuple[httpx.AsyncClient, MemoryControl],
) -> None:
    client, _ = controlled
    assert [action for action, _ in buttons((await client.get(JOB)).text)] == ["run_job", "pause_job"]
    assert buttons((await client.get(HANDLER)).text) == []


async def test_app_can_be_reloaded_and_disabled_on_its_page(
    controlled: tuple[httpx.AsyncClient, MemoryControl],
) -> None:
    client, _ = controlled
    assert buttons((await client.get(APP)).text) == [
        ("reload_app", "backup"),
        ("rehearse_app", "backup"),
        ("disable_app", "backup"),
    ]


async def test_error_can_be_silenced_on_its_page(controlled: tuple[httpx.AsyncClient, MemoryControl]) -> None:
    client, _ = controlled
    assert buttons((await client.get(ERROR)).text) == [("silence_error", "1")]


async def test_page_of_a_job_shows_its_next_run(plausible: Path) -> None:
    due_us = int(time.time() * 1_000_000) + 3_600_000_000

    class Feed(MemoryFeed):
        """A feed with one planned job."""

        def next_run_us(self, app: str, instance: str, name: str) -> int | None:
            return due_us if name == "check_windows" else None

    async with DataSyncService(plausible, Feed()) as data, app_client(data) as client:
        assert "Next run in 59 min" in re.sub(r"\s+", " ", (await client.get(JOB)).text)
        assert "No next run is planned" in (await client.get("/registrations/9")).text
        assert "Next run" not in (await client.get(HANDLER)).text
    async with DataSyncService(plausible) as data, app_client(data) as client:
        assert "The next run is known only while Hassette runs" in (await client.get(JOB)).text


async def test_actions_have_plain_words_in_the_list_of_events(
    plausible: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with History(plausible) as history:
        ((session, now_us),) = history.db.execute("SELECT id, heartbeat_us FROM sessions WHERE ended_us IS NULL")
        history.lifecycle(session, now_us - 1_000_000, "control_run_job", "backup.backup.nightly_backup", "It began.")
        history.lifecycle(session, now_us, "control_disable_app", "backup.one", "It ended.")
    async with DataSyncService(plausible) as data, app_client(data) as client:
        for path in ("/events", "/sessions"):
            cells = re.sub(r"<[^>]+>", " ", without_breaks((await client.get(path)).text))
            assert re.search(r"job started by hand +backup\.nightly_backup +It began", cells), path
            assert re.search(r"app disabled +backup\.one +It ended", cells), path
        assert "job started by hand: backup.nightly_backup" in without_breaks((await client.get("/")).text)
    assert await asyncio.to_thread(main, ["events", "--db", str(plausible)]) == 0
    assert re.search(r"action +job started by hand +backup\.nightly_backup", capsys.readouterr().out)


@pytest.mark.parametrize("verb", get_args(Verb))
def test_each_action_has_words(verb: str) -> None:
    assert "control" not in event_label(f"control_{verb}")
