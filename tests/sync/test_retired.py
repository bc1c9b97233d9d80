"""A registration retires when its app removes it, not when the whole framework stops."""

from pathlib import Path

import pytest

from hassette_sync import DataSyncService
from hassette_sync.cli import main
from hassette_sync.settings import WebSettings
from support.history import HOUR, SECOND, History, NewHistory


def _write_stopped_session(history: History, now_us: int) -> None:
    """Write a session of an older framework: its clean stop retired each handler within a few seconds."""
    history.session(now_us - 3 * HOUR, now_us - HOUR, "clean")
    registered = {"last_registered_us": now_us - 3 * HOUR + SECOND}
    history.listener("app", "on_light", "t", **registered, retired_us=now_us - HOUR - 4 * SECOND)
    history.job("app", "nightly", "cron 0 3 * * *", **registered, retired_us=now_us - HOUR - 3 * SECOND)
    history.listener("app", "once", "t", **registered, retired_us=now_us - 2 * HOUR)


async def _retired(path: Path) -> dict[str, bool]:
    async with DataSyncService(path) as data:
        found = (await data.registrations()).registrations
        details = [await data.registration(one.id) for one in found]
        apps = await data.apps()
    assert [one.registration.retired_us for one in details] == [one.retired_us for one in found]
    current = [one for one in found if one.retired_us is None]
    assert sum(app.handlers + app.jobs for app in apps) == len(current)
    return {one.name: one.retired_us is not None for one in found}


async def test_stop_of_the_framework_retires_nothing(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        _write_stopped_session(history, now_us)
    assert await _retired(history.path) == {"on_light": False, "nightly": False, "once": True}


def test_terminal_marks_retired_handlers(
    new_history: NewHistory, now_us: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_history() as history:
        _write_stopped_session(history, now_us)
    assert main(["handlers", "--db", str(history.path)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert ["(retired)" in next(row for row in rows if name in row) for name in ("on_light", "once")] == [False, True]


async def test_start_without_apps_yet_retires_nothing(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        _write_stopped_session(history, now_us)
        history.session(now_us - 30 * SECOND)
    assert await _retired(history.path) == {"on_light": False, "nightly": False, "once": True}


async def test_registration_missing_after_the_next_start_is_retired(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        _write_stopped_session(history, now_us)
        history.session(now_us - 30 * SECOND)
        history.db.execute(
            "UPDATE listeners SET last_registered_us = ?, retired_us = NULL WHERE name = 'on_light'",
            (now_us - 20 * SECOND,),
        )
    assert await _retired(history.path) == {"on_light": False, "nightly": True, "once": True}


async def test_crash_retires_nothing(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 3 * HOUR, now_us - HOUR, "crashed")
        history.listener("app", "on_light", "t", last_registered_us=now_us - 2 * HOUR, retired_us=now_us - HOUR)
    assert await _retired(history.path) == {"on_light": False}


async def test_page_counts_retired_jobs_that_it_does_not_list(new_history: NewHistory, now_us: int) -> None:
    httpx = pytest.importorskip("httpx")
    application = pytest.importorskip("hassette_sync.web.application", exc_type=ImportError)
    with new_history() as history:
        history.session(now_us - HOUR)
        history.job("app", "nightly", "cron 0 3 * * *", last_registered_us=now_us - HOUR, retired_us=now_us - SECOND)
    async with DataSyncService(history.path) as data:
        app = application.create_app(data, WebSettings())
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
            page = (await client.get("/jobs")).text
    assert "No active jobs" in page
    assert "Not shown: 1 retired job without runs in this time range." in page
    assert "No jobs yet" not in page
