# ruff: noqa: ASYNC240  nothing else runs on these loops
"""What a recovery does with what it does not expect: a crash between its steps, a row that the schema refuses."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hassette_store import check, recovery
from hassette_store.schema import HEAD


async def a_run(make_store: Any, v: Any) -> None:
    store = make_store()
    await store.start()
    await store.write(v.Batch(1, invocations=(v.an_invocation(1, v.Listener()),)))
    await store.stop()


@pytest.mark.parametrize("moves", range(4))
async def test_a_crash_after_any_move_of_a_recovery_loses_neither_the_file_nor_its_log(
    make_store: Any, path: Path, read: Any, v: Any, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    await a_run(make_store, v)
    log = b"a log with what the file does not have yet"
    path.with_name("hassette.db-wal").write_bytes(log)
    damaged = path.read_bytes()
    done = 0
    really_replace = Path.replace

    def crash(file: Path, target: Path) -> Path:
        nonlocal done
        if done == moves:
            raise KeyboardInterrupt
        done += 1
        return really_replace(file, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crash)
        with contextlib.suppress(KeyboardInterrupt):
            recovery.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    assert done == min(moves, 3)
    recovery.finish_interrupted(path, "20260101T000001Z")
    if moves == 0:
        file = path
    else:
        (file,) = (one for one in path.parent.glob("*.damaged-*") if not one.name.endswith(("-wal", "-shm")))
        assert check(path) == []
        assert read.value("SELECT count(*) FROM runs") == 1
        assert not path.with_name("hassette.db-wal").exists() or not path.with_name("hassette.db-wal").read_bytes()
    assert file.read_bytes() == damaged
    assert file.with_name(file.name + "-wal").read_bytes() == log


async def test_a_row_of_the_wrong_type_is_left_behind_and_named(make_store: Any, path: Path, read: Any, v: Any) -> None:
    await a_run(make_store, v)
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, ') STRICT', ')') WHERE name = 'names'")
        db.commit()
        db.close()
        db = sqlite3.connect(path)
        before = db.execute("SELECT count(*) FROM names").fetchone()[0]
        db.execute("INSERT INTO names (id, name) VALUES (10001, x'00ff')")
        db.execute("INSERT INTO names (id, name) VALUES (10002, 'after it')")
        db.commit()
    finally:
        db.close()
    said = recovery.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    assert "could not be read whole: names" in said
    assert read.value("SELECT count(*) FROM names") == before + 1
    assert read.value("SELECT count(*) FROM runs") == 1
    assert read.value("SELECT version_num FROM alembic_version") == HEAD
