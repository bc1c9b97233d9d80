"""A history in a read-only directory can be read, and later writes are visible."""

import asyncio
import sqlite3
from contextlib import aclosing
from pathlib import Path

from hassette_store import ImmutableFileConnection
from hassette_sync import DataSyncService
from support.history import HOUR, SECOND, History, NewHistory
from support.waiting import patience


def open_unchanging(path: Path) -> sqlite3.Connection:
    """Open a file as `hassette_store.connect_to_read` does in a directory without the right to write.

    A directory without this right would not be enough, because tests may run as root, which may write everywhere.
    """
    return sqlite3.connect(
        f"{path.as_uri()}?mode=ro&immutable=1",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        factory=ImmutableFileConnection,
    )


async def test_each_question_sees_earlier_writes(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_x", "t")
        history.run(handler, now_us - 3 * SECOND)
    async with DataSyncService(history.path, open_file=open_unchanging) as data:
        assert len((await data.runs()).runs) == 1
        with History(history.path) as later:
            later.run(handler, now_us - 2 * SECOND)
        assert len((await data.runs()).runs) == 2


async def test_follower_receives_later_writes(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_x", "t")
        first = history.run(handler, now_us - 3 * SECOND)
    async with (
        DataSyncService(history.path, open_file=open_unchanging) as data,
        aclosing(data.follow(first)) as batches,
    ):
        next_batch = asyncio.ensure_future(anext(batches))
        # After this wait, the follower may have read the file or not. Both cases must work.
        await asyncio.wait([next_batch], timeout=0.05)
        with History(history.path) as later:
            second = later.run(handler, now_us - 2 * SECOND)
        batch = await asyncio.wait_for(next_batch, patience(10))
    assert [run.id for run in batch] == [second]
