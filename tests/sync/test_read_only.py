"""A history where nothing may be written is read, and what is written to it later is seen."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from hassette_sync import DataSyncService

SECOND = 1_000_000
HOUR = 3_600 * SECOND


@pytest.fixture(params=[sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY_DIRECTORY], ids=["no index", "no writing"])
def read_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first statement fail as SQLite does in WAL mode in a directory where it may not write.

    Not by the directory's rights: tests run as root, too, whom no rights stop.
    """

    class Refusing(sqlite3.Connection):
        def execute(self, *_: object) -> sqlite3.Cursor:
            error = sqlite3.OperationalError("refused")
            error.sqlite_errorcode = request.param
            raise error

    def connect(path: Path, **_: object) -> sqlite3.Connection:
        return sqlite3.connect(path, check_same_thread=False, factory=Refusing)

    monkeypatch.setattr("hassette_store.file.connections.connect_read_only", connect)


@pytest.mark.usefixtures("read_only")
async def test_each_question_sees_what_was_written_before_it(new_history: Callable[..., Any], now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_x", "t")
        history.run(handler, now_us - 3 * SECOND)
    async with DataSyncService(history.path) as data:
        assert len((await data.runs()).runs) == 1
        with type(history)(history.path) as again:
            again._counter = 1
            again._names = {"state_changed": 1}
            again.run(handler, now_us - 2 * SECOND)
        assert len((await data.runs()).runs) == 2


@pytest.mark.usefixtures("read_only")
async def test_a_follower_hears_what_is_written_later(new_history: Callable[..., Any], now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_x", "t")
        first = history.run(handler, now_us - 3 * SECOND)
    async with DataSyncService(history.path) as data, aclosing(data.follow(first)) as batches:
        hearing = asyncio.ensure_future(anext(batches))
        await asyncio.wait([hearing], timeout=0.05)  # it may have looked by then, or not: both must do
        with type(history)(history.path) as again:
            again._counter = 1
            again._names = {"state_changed": 1}
            second = again.run(handler, now_us - 2 * SECOND)
        heard = await asyncio.wait_for(hearing, 10)
    assert [run.id for run in heard] == [second]
