"""All questions about an unreadable file raise an error of one sentence, and leave no thread and no connection open."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hassette_sync import DatabaseUnreadableError, DataSyncService, NotADatabaseError
from hassette_sync.cli import main
from hassette_sync.history_file import unavailable
from support.history import BOOM, HOUR, SECOND, NewHistory
from support.waiting import patience
from support.web_clients import app_client

pytestmark = pytest.mark.heavy


def _write_text(path: Path) -> None:
    path.write_text("This file is a text and not a database. " * 100)


def _damage_schema(path: Path) -> None:
    """Make the text of the schema invalid UTF-8, so that error messages of SQLite are invalid, too."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    content = bytearray(path.read_bytes())
    content[content.index(b"CREATE TABLE losses") + 2] = 0xE9
    path.write_bytes(content)


def _threads_left(before: set[threading.Thread]) -> list[threading.Thread]:
    """Wait for the new threads to end, and return those that do not."""
    new = set(threading.enumerate()) - before
    for thread in new:
        thread.join(patience(5))
    return [thread for thread in new if thread.is_alive()]


def test_failed_opening_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # aiosqlite does not wait for the thread of a failed connection. That thread would then use a closed event loop, and
    # Python would print a traceback.
    path = tmp_path / "hassette.db"
    _write_text(path)
    exceptions: list[object] = []
    monkeypatch.setattr(threading, "excepthook", exceptions.append)
    before = set(threading.enumerate())

    async def ask() -> None:
        async with DataSyncService(path) as data:
            with pytest.raises(NotADatabaseError, match="not an SQLite file"):
                await data.status()

    for _ in range(20):
        asyncio.run(ask())
    assert _threads_left(before) == []
    assert exceptions == []


@pytest.mark.parametrize("damage", [_write_text, _damage_schema, None])
async def test_question_cancelled_while_the_file_opens_leaves_no_thread(
    plausible: Path, damage: Callable[[Path], None] | None
) -> None:
    if damage is not None:
        damage(plausible)
    before = set(threading.enumerate())
    async with DataSyncService(plausible) as data:
        for steps in range(12):
            asking = asyncio.create_task(data.newest_id())
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
    assert _threads_left(before) == []


@pytest.mark.parametrize("command", ["status", "runs", "sessions"])
@pytest.mark.parametrize("damage", [_write_text, _damage_schema])
def test_terminal_prints_one_sentence_for_a_damaged_file(
    plausible: Path, damage: Callable[[Path], None], command: str
) -> None:
    damage(plausible)
    ran = subprocess.run(
        [sys.executable, "-m", "hassette_sync", command, "--db", str(plausible)],
        capture_output=True,
        text=True,
        check=False,
        timeout=patience(60),
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("hassette telemetry: ")


async def test_page_of_a_damaged_file_shows_the_next_step_and_is_not_ready(plausible: Path) -> None:
    with sqlite3.connect(plausible) as db:
        db.execute("DROP TABLE counted_hourly")  # the status can still be read
    db.close()
    async with DataSyncService(plausible) as data, app_client(data) as client:
        page, ready = await client.get("/"), await client.get("/health/ready")
        status = await client.get("/api/v1/status")
    assert (page.status_code, ready.status_code, status.status_code) == (503, 503, 200)
    assert "hassette telemetry check" in page.text
    assert "hassette telemetry restore" in page.text
    assert "State of the framework" not in page.text


def _truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(40_000)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_write_text, _truncate, _empty])
def test_check_names_the_damaged_file_and_the_next_step(
    plausible: Path, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(plausible) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    damage(plausible)
    assert main(["check", "--db", str(plausible)]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"{plausible}: damage found."
    assert len(shown) > 2
    assert "hassette telemetry restore PATH" in shown[-1]


def test_missing_permission_is_named(plausible: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may read everything
    error = unavailable(plausible, sqlite3.OperationalError("unable to open database file"))
    assert str(error) == f"The history at {plausible} cannot be read: this user has no permission to read it."


async def test_invalid_byte_in_the_schema_is_damage(plausible: Path) -> None:
    _damage_schema(plausible)
    async with DataSyncService(plausible) as data:
        with pytest.raises(DatabaseUnreadableError, match="it is damaged: its schema is not valid text"):
            await data.status()


async def test_invalid_byte_in_a_text_affects_only_that_text(new_history: NewHistory, now_us: int) -> None:
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
        assert (await data.error_group(group.id)).sample_traceback == "a\ufffdb"
    assert run.registration.name == "on\ufffdx"
    assert run.failure is not None
    assert run.failure.message == "b\ufffdom"
    assert getattr(run.trigger, "entity_id", None) == "li\ufffdgh"
