"""A file that replaces a removed or damaged one gets what the framework recorded once: facts, names and deploys."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hassette_store import CorruptDatabaseError, DatabaseService, HistoryService, ReplacedFileError, check
from hassette_store.file.creation import create
from support.rows import Batch, Deploy, HomeName, run_id
from support.stores import Clock, MakeStore, Reader
from support.unusable_files import make_newer

pytestmark = pytest.mark.heavy


def remove(path: Path) -> None:
    path.unlink()


def remove_with_log(path: Path) -> None:
    for file in path.parent.glob("hassette.db*"):
        file.unlink()


def replace(path: Path) -> None:
    create(path.with_name("other.db"))
    path.with_name("other.db").rename(path)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def empty_with_log(path: Path) -> None:
    for file in (path, path.with_name("hassette.db-wal")):
        os.truncate(file, 0)


RESCUED = (remove, empty)
"""The write-ahead log still has the session."""


async def _start_a_session_with_circumstances(store: DatabaseService) -> None:
    await store.start()
    names = (HomeName(), HomeName("user", "u1", "Al\udcffex", None))
    facts = (("time_zone", "Europe/Amsterdam"), ("user", "u0"))
    await store.write(Batch(1, home_names=names, deploys=(Deploy(run_id(5_000)),), session_facts=facts))
    newer = (HomeName(name="Hall lamp"),)
    deploys = (Deploy(run_id(10_000), version="b2", at_start=False), Deploy(run_id(11_000), app="porch"))
    await store.write(Batch(2, home_names=newer, deploys=deploys, session_facts=(("home_assistant", "2026.1"),)))


@pytest.mark.parametrize(
    "operation", [*RESCUED, remove_with_log, replace, empty_with_log], ids=lambda one: one.__name__
)
async def test_new_file_has_the_circumstances_and_the_start_of_the_session(
    make_store: MakeStore, path: Path, read: Reader, clock: Clock, operation: Callable[[Path], None]
) -> None:
    store = make_store()
    await _start_a_session_with_circumstances(store)
    started_us = clock.now_us()
    clock.advance(600)
    operation(path)
    with pytest.raises((ReplacedFileError, CorruptDatabaseError)):
        await store.write(Batch(3))
    for _ in range(2):  # a later restart changes nothing
        await store.stop()
        await store.start()
    (session,) = read.rows("SELECT id, started_us, heartbeat_us, facts FROM sessions")
    assert (session["started_us"], session["heartbeat_us"]) == (started_us, clock.now_us())
    facts = json.loads(session["facts"])
    since = None if operation in RESCUED else datetime.fromtimestamp(clock.now_us() / 1e6, UTC).isoformat()
    assert facts.get("history_since") == since
    assert (facts["time_zone"], facts["user"], facts["home_assistant"]) == ("Europe/Amsterdam", "u0", "2026.1")
    assert read.rows("SELECT kind, key, name, area FROM home_names ORDER BY kind") == [
        {"kind": "entity", "key": "light.hall", "name": "Hall lamp", "area": "Hall"},
        {"kind": "user", "key": "u1", "name": "Al?ex", "area": None},
    ]
    assert read.rows("SELECT id, session_id, app, version, at_start FROM deploys ORDER BY id")[-2:] == [
        {"id": run_id(10_000), "session_id": session["id"], "app": "hall", "version": "b2", "at_start": 0},
        {"id": run_id(11_000), "session_id": session["id"], "app": "porch", "version": "a1b2c3d4", "at_start": 1},
    ]
    assert read.value("SELECT count(*) FROM deploys") == (3 if operation in RESCUED else 2)
    assert check(path) == []


async def test_session_in_a_new_file_begins_after_the_sessions_of_that_file(
    make_store: MakeStore, path: Path, read: Reader, clock: Clock, tmp_path: Path
) -> None:
    other = make_store(tmp_path / "apart" / "other.db")
    store = make_store()
    await store.start()
    clock.advance(100)
    await other.start()
    clock.advance(100)
    await other.stop()
    clock.advance(100)
    shutil.copyfile(other.path, path.with_name("other.db"))
    path.with_name("other.db").rename(path)
    with pytest.raises(ReplacedFileError):
        await store.write(Batch(1))
    await store.stop()
    await store.start()
    earlier, own = read.rows("SELECT started_us, ended_us FROM sessions ORDER BY id")
    assert own == {"started_us": earlier["ended_us"], "ended_us": None}


async def test_second_file_has_the_circumstances_of_the_session(path: Path) -> None:
    newer = shutil.copyfile(path, path.with_name("newer.db"))
    make_newer(newer)
    store = HistoryService(path)
    await _start_a_session_with_circumstances(store)
    newer.replace(path)
    with pytest.raises(ReplacedFileError):
        await store.write(Batch(3))
    await store.stop()
    await store.start()
    assert store.degraded is not None
    second = Reader(store.recording_path)
    assert second.value("SELECT json_extract(facts, '$.time_zone') FROM sessions") == "Europe/Amsterdam"
    assert second.value("SELECT count(*) FROM home_names") == 2
    assert second.value("SELECT count(*) FROM deploys") == 2
    await store.stop()
