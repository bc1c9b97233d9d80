"""Tags of pages: a live page that already shows everything is not made again."""

import contextlib
import html
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hassette_store import connect_to_read
from hassette_sync import DataSyncService, MemoryFeed
from hassette_sync.live import MemorySnapshot
from hassette_sync.settings import WebSettings
from hassette_sync.time_range import MINUTE_US, SECOND_US
from support.history import HOUR, History, NewHistory
from support.live_runs import Due, Job, Running, ServiceState, Upcoming
from support.waiting import patience

pytest.importorskip("fastapi")
from hassette_sync.web.application import create_app
from hassette_sync.web.page_tags import PageTags

PAGES = (
    *("/", "/apps", "/handlers", "/jobs", "/runs", "/errors", "/sessions", "/logs", "/events", "/compare", "/not-run"),
    "/home",
)
STATEMENTS_OF_A_TAG = 7


class Visit:
    """A visitor, and the statements that its newest request has executed."""

    def __init__(self, client: httpx.AsyncClient, statements: list[str]) -> None:
        self.client = client
        self.statements = statements

    async def get(self, path: str, tag: str = "", **headers: str) -> httpx.Response:
        self.statements.clear()
        return await self.client.get(path, headers={**({"if-none-match": tag} if tag else {}), **headers})

    async def is_unchanged(self, path: str, tag: str) -> bool:
        return (await self.get(path, tag)).status_code == 304


@contextlib.asynccontextmanager
async def visiting(
    path: Path, clock: Callable[[], int], live: MemoryFeed | None = None, **options: Any
) -> AsyncGenerator[Visit]:
    """Visit the pages of a history at the time of a clock."""
    statements: list[str] = []

    def open_traced(file: Path) -> sqlite3.Connection:
        db = connect_to_read(file)
        db.set_trace_callback(statements.append)
        return db

    async with DataSyncService(path, live, deadline_s=patience(5), open_file=open_traced) as data:
        app = create_app(data, WebSettings(**options), page_tags=PageTags(data, clock))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
            yield Visit(client, statements)


@pytest.fixture
def quiet(new_history: NewHistory, now_us: int) -> Path:
    """A history whose newest run is an hour old."""
    with new_history() as history:
        history.session(now_us - 3 * HOUR)
        history.run(history.listener("hall", "on_motion", "state_changed.binary_sensor.hall"), now_us - HOUR)
    return history.path


@pytest.mark.parametrize("path", PAGES)
async def test_page_that_the_visitor_has_costs_few_statements(quiet: Path, now_us: int, path: str) -> None:
    async with visiting(quiet, lambda: now_us) as visit:
        first = await visit.get(path)
        tag = first.headers["etag"]
        assert first.status_code == 200
        made = len(visit.statements)
        assert ("data-follow" in first.text) == (f'data-tag="{tag}"' in html.unescape(first.text))
        again = await visit.get(path, tag)
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == tag
        assert again.headers["content-security-policy"]
        assert len(visit.statements) <= STATEMENTS_OF_A_TAG < made


async def test_page_is_made_again_after_each_change_of_the_history(quiet: Path, now_us: int) -> None:
    async with visiting(quiet, lambda: now_us) as visit:
        tag = (await visit.get("/")).headers["etag"]
        with History(quiet) as history:
            history.lifecycle(1, now_us - HOUR, "link_lost", "link")
        changed = await visit.get("/", tag)
        assert changed.status_code == 200
        assert await visit.is_unchanged("/", changed.headers["etag"])


async def test_page_is_made_again_if_another_file_replaces_the_history(quiet: Path, now_us: int) -> None:
    async with visiting(quiet, lambda: now_us) as visit:
        tag = (await visit.get("/")).headers["etag"]
        shutil.copy(quiet, quiet.with_name("other.db")).replace(quiet)
        assert not await visit.is_unchanged("/", tag)


async def test_page_is_made_again_after_each_change_of_the_present_state(quiet: Path, now_us: int) -> None:
    feed = MemoryFeed()
    states = [
        MemorySnapshot(ready=True, connection="connected"),
        MemorySnapshot(ready=False, connection="connecting"),
        MemorySnapshot(ready=True, services=(ServiceState("link", "crashed"),)),
        MemorySnapshot(ready=True, upcoming=(Upcoming("energy", "report", now_us + HOUR),)),
        MemorySnapshot(ready=True, running=(Running(Job(), Due(), now_us - HOUR),)),
    ]
    async with visiting(quiet, lambda: now_us, feed) as visit:
        tags: list[str] = []
        for feed.state in states:
            assert not any([await visit.is_unchanged("/", tag) for tag in tags])
            tags.append((await visit.get("/")).headers["etag"])
            assert await visit.is_unchanged("/", tags[-1])


async def test_quiet_page_is_made_again_every_minute(quiet: Path, now_us: int) -> None:
    times = [now_us // MINUTE_US * MINUTE_US]
    async with visiting(quiet, lambda: times[-1]) as visit:
        tag = (await visit.get("/")).headers["etag"]
        times.append(times[0] + MINUTE_US - 1)
        assert await visit.is_unchanged("/", tag)
        times.append(times[0] + MINUTE_US)
        assert not await visit.is_unchanged("/", tag)


@pytest.mark.parametrize("shown", ["running", "due soon", "ended just now", "started just now", "stopped just now"])
async def test_page_that_shows_seconds_is_made_again_every_second(quiet: Path, now_us: int, shown: str) -> None:
    times = [now_us // MINUTE_US * MINUTE_US]
    feed = MemoryFeed()
    if shown == "running":
        feed.state = MemorySnapshot(running=(Running(Job(), Due(), now_us - HOUR),))
    elif shown == "due soon":
        feed.state = MemorySnapshot(upcoming=(Upcoming("energy", "report", now_us + MINUTE_US),))
    elif shown == "started just now":
        with History(quiet) as history:
            history.session(now_us - MINUTE_US)
    elif shown == "stopped just now":
        with History(quiet) as history:
            history.session(now_us - 2 * HOUR, now_us - MINUTE_US, "clean")
    else:
        with History(quiet) as history:
            history.run(history.job("energy", "report", "every 5 min"), now_us - MINUTE_US)
    async with visiting(quiet, lambda: times[-1], feed) as visit:
        tag = (await visit.get("/")).headers["etag"]
        times.append(times[0] + SECOND_US)
        assert not await visit.is_unchanged("/", tag)


async def test_tag_is_of_one_address_one_prefix_and_one_process(quiet: Path, now_us: int) -> None:
    async with visiting(quiet, lambda: now_us) as visit, visiting(quiet, lambda: now_us) as restarted:
        tag = (await visit.get("/runs")).headers["etag"]
        assert not await visit.is_unchanged("/runs?since=7d", tag)
        assert not await visit.is_unchanged("/", tag)
        assert (await visit.get("/runs", tag, **{"x-ingress-path": "/hassette"})).status_code == 200
        assert not await restarted.is_unchanged("/runs", tag)


async def test_visitor_without_the_token_learns_nothing_from_a_tag(quiet: Path, now_us: int) -> None:
    token = "a-secret-of-many-letters"
    async with visiting(quiet, lambda: now_us, token=token) as visit:
        tag = (await visit.get("/", authorization=f"Bearer {token}")).headers["etag"]
        assert (await visit.get("/", tag)).status_code == 401


async def test_error_has_no_tag(quiet: Path, now_us: int, tmp_path: Path) -> None:
    async with visiting(quiet, lambda: now_us) as visit, visiting(tmp_path / "missing.db", lambda: now_us) as missing:
        for answer in (await visit.get("/runs/1"), await missing.get("/")):
            assert answer.status_code in (404, 503)
            assert "etag" not in answer.headers
            assert "data-tag" not in answer.text
