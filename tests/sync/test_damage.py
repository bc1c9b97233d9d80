"""A file that cannot be read is one sentence, whatever is asked, and no thread or connection is left behind."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hassette_sync import DatabaseUnreadableError, DataSyncService, NotADatabaseError
from support.history import BOOM, HOUR, SECOND, NewHistory


def _a_letter(path: Path) -> None:
    path.write_text("This is a letter, and no database at all. " * 100)


def _spoil_schema(path: Path) -> None:
    """Set one byte of the schema's text to one that is not UTF-8, so that SQLite's complaint is not either."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    content = bytearray(path.read_bytes())
    content[content.index(b"CREATE TABLE losses") + 2] = 0xE9
    path.write_bytes(content)


def _left_of(before: set[threading.Thread]) -> list[threading.Thread]:
    """Return the new threads that do not end; one that is just ending may take its moment."""
    new = set(threading.enumerate()) - before
    for thread in new:
        thread.join(5)
    return [thread for thread in new if thread.is_alive()]


def test_no_thread_outlives_the_loop_of_a_failed_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # aiosqlite does not wait for the thread of a connection that could not be made; that thread then speaks to a loop
    # that is closed, and Python prints a traceback.
    path = tmp_path / "hassette.db"
    _a_letter(path)
    complaints: list[object] = []
    monkeypatch.setattr(threading, "excepthook", complaints.append)
    before = set(threading.enumerate())

    async def ask() -> None:
        async with DataSyncService(path) as data:
            with pytest.raises(NotADatabaseError, match="not an SQLite file"):
                await data.status()

    for _ in range(20):
        asyncio.run(ask())
    assert _left_of(before) == []
    assert complaints == []


@pytest.mark.parametrize("spoil", [_a_letter, _spoil_schema, None])
async def test_an_asker_cancelled_while_the_file_opens_leaves_nothing_behind(
    plausible: Path, spoil: Callable[[Path], None] | None
) -> None:
    if spoil is not None:
        spoil(plausible)
    before = set(threading.enumerate())
    async with DataSyncService(plausible) as data:
        for steps in range(12):
            asking = asyncio.create_task(data.newest_id())
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
    assert _left_of(before) == []


@pytest.mark.parametrize("command", ["status", "runs", "sessions"])
@pytest.mark.parametrize("spoil", [_a_letter, _spoil_schema])
def test_the_terminal_says_one_sentence(plausible: Path, spoil: Callable[[Path], None], command: str) -> None:
    spoil(plausible)
    ran = subprocess.run(
        [sys.executable, "-m", "hassette_sync", command, "--db", str(plausible)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("hassette telemetry: ")


async def test_a_wrong_byte_in_the_schema_is_damage(plausible: Path) -> None:
    _spoil_schema(plausible)
    async with DataSyncService(plausible) as data:
        with pytest.raises(DatabaseUnreadableError, match="it is damaged: its schema is not valid text"):
            await data.status()


async def test_a_wrong_byte_in_a_text_costs_that_text_alone(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_x", "t")
        history.run(handler, now_us - 2 * SECOND, status="error", error=BOOM, entity_id="light.hall")
        history.db.execute("UPDATE listeners SET name = CAST(x'6f6eff78' AS TEXT)")
        history.db.execute("UPDATE names SET name = CAST(x'6c69ff6768' AS TEXT) WHERE name = 'light.hall'")
        history.db.execute("UPDATE error_groups SET traceback = CAST(x'61ff62' AS TEXT)")
        history.db.execute("UPDATE failures SET message = CAST(x'62ff6f6d' AS TEXT)")
    async with DataSyncService(history.path) as data:
        (group,) = (await data.overview()).errors
        (run,) = (await data.runs()).runs
        assert (await data.error_group(group.id)).traceback == "a\ufffdb"
    assert run.registration.name == "on\ufffdx"
    assert run.failure is not None
    assert run.failure.message == "b\ufffdom"
    assert getattr(run.trigger, "entity_id", None) == "li\ufffdgh"
