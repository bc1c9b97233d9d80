# ruff: noqa: ASYNC240  nothing else runs on these loops
"""Recovery after a crash between its steps, with rows that the schema rejects, and with missing references."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hassette_store import backup, check, restore
from hassette_store.file.schema import LATEST_REVISION
from hassette_store.recovery import replacement
from support.rows import (
    T0_US,
    Batch,
    Due,
    Effects,
    Event,
    Job,
    Listener,
    LogLine,
    ServiceCall,
    Skip,
    invocation,
    run_id,
)
from support.stores import MakeStore, Reader, RunScript

pytestmark = pytest.mark.heavy


async def a_run(make_store: MakeStore) -> None:
    store = make_store()
    await store.start()
    await store.write(Batch(1, invocations=(invocation(1, Listener()),)))
    await store.stop()


@pytest.mark.parametrize("moves", range(5))
async def test_recovery_interrupted_after_any_move_keeps_the_file_and_its_log(
    make_store: MakeStore, path: Path, read: Reader, crash_after: Any, moves: int
) -> None:
    await a_run(make_store)
    log = b"a log with what the file does not have yet"
    path.with_name("hassette.db-wal").write_bytes(log)
    damaged = path.read_bytes()
    with contextlib.suppress(KeyboardInterrupt), crash_after(moves) as moved:
        replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    assert len(moved) == min(moves, 4)
    replacement.finish_interrupted(path, "20260101T000001Z")
    if moves <= 1:
        file = path
    else:
        (file,) = (one for one in path.parent.glob("*.damaged-*") if not one.name.endswith(("-wal", "-shm")))
        assert check(path) == []
        assert read.value("SELECT count(*) FROM runs") == 1
        assert not path.with_name("hassette.db-wal").exists() or not path.with_name("hassette.db-wal").read_bytes()
    assert file.read_bytes() == damaged
    assert file.with_name(file.name + "-wal").read_bytes() == log


async def test_row_of_the_wrong_type_is_skipped_and_its_table_is_reported(
    make_store: MakeStore, path: Path, read: Reader
) -> None:
    await a_run(make_store)
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
    sentence = replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    assert "tables that could not be read completely: names" in sentence
    assert read.value("SELECT count(*) FROM names") == before + 1
    assert read.value("SELECT count(*) FROM runs") == 1
    assert read.value("SELECT version_num FROM alembic_version") == LATEST_REVISION


async def test_two_recoveries_in_one_second_keep_both_damaged_files(make_store: MakeStore, path: Path) -> None:
    await a_run(make_store)
    damaged = [path.read_bytes()]
    replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    damaged.append(path.read_bytes())
    replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    kept = [path.with_name(f"hassette.db.damaged-20260101T000000Z{number}") for number in ("", "-2")]
    assert [one.read_bytes() for one in kept] == damaged


async def test_kept_log_is_not_overwritten_by_a_file_without_one(make_store: MakeStore, path: Path) -> None:
    await a_run(make_store)
    log = path.with_name("hassette.db.damaged-20260101T000000Z-wal")
    log.write_bytes(b"a log")
    replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    assert log.read_bytes() == b"a log"
    assert path.with_name("hassette.db.damaged-20260101T000000Z-2").exists()


LOST = {
    "names": "DELETE FROM names",
    "sessions": "DELETE FROM sessions",
    "listeners": "DELETE FROM listeners",
    "scheduled_jobs": "DELETE FROM scheduled_jobs",
    "error_groups": "DELETE FROM error_groups",
    "all of them": "DELETE FROM names; DELETE FROM sessions; DELETE FROM listeners; DELETE FROM scheduled_jobs; "
    "DELETE FROM error_groups",
}


async def a_history_of_all_kinds(make_store: MakeStore) -> None:
    store = make_store()
    await store.start()
    listener, job = Listener(), Job()
    effects = Effects((LogLine(),), (ServiceCall(),))
    invocations = tuple(invocation(n, listener, "error" if n % 4 == 0 else "success") for n in range(20))
    executions = (invocation(30, job, trigger=Due(), effects=effects),)
    skipped = (Skip(listener, T0_US, "overlap", 1),)
    await store.write(Batch(1, invocations=invocations, executions=executions, skipped=skipped))
    await store.stop()


@pytest.mark.parametrize("lost", LOST)
async def test_lost_rows_with_references_get_placeholders(
    make_store: MakeStore, path: Path, read: Reader, tmp_path: Path, lost: str
) -> None:
    await a_history_of_all_kinds(make_store)
    with sqlite3.connect(path) as db:
        # Delete the rows that a recovery would lose if a leaf page were overwritten with zeros.
        db.executescript(LOST[lost])
    db.close()
    assert check(path) != []
    replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    assert check(path) == []
    backup(path, tmp_path / "copy.db")
    restore(tmp_path / "other.db", tmp_path / "copy.db")
    assert read.value("SELECT count(*) FROM named_runs JOIN registrations ON registrations.id = registration_id") == 21
    assert read.value("SELECT count(*) FROM run_failures") == 5
    session = read.row("SELECT runs, failures, first_id, last_id FROM sessions")
    if lost != "names":
        assert session == {"runs": 21, "failures": 5, "first_id": run_id(0), "last_id": run_id(30_000)}
    store = make_store()
    await store.start()
    await store.write(Batch(1, invocations=(invocation(40, Listener("new", "new")),)))
    await store.stop()
    # The new registration must not inherit the history of a lost one.
    assert read.value("SELECT count(*) FROM runs JOIN listeners ON listeners.id = registration_id AND app = 'new'") == 1
    assert (
        read.value(
            "SELECT sum(success + error) FROM statistics_daily JOIN listeners ON listeners.id = registration_id "
            "AND app = 'new'"
        )
        == 1
    )


async def test_registration_with_only_statistics_keeps_its_number(
    make_store: MakeStore, path: Path, read: Reader, spoil: RunScript
) -> None:
    await a_history_of_all_kinds(make_store)
    spoil("DELETE FROM handler_invocations; DELETE FROM job_executions; " + LOST["all of them"])
    replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    assert read.value("SELECT count(*) FROM statistics_daily JOIN registrations ON id = registration_id") == 2


async def test_wrong_number_from_a_damaged_page_does_not_block_new_numbers(
    make_store: MakeStore, path: Path, read: Reader, spoil: RunScript
) -> None:
    await a_history_of_all_kinds(make_store)
    spoil("UPDATE handler_invocations SET entity_id = 9223372036854775807, user_id = -1 WHERE id % 2 = 0")
    replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    store = make_store()
    await store.start()
    await store.write(Batch(1, invocations=(invocation(40, Listener(), trigger=Event("new_type")),)))
    assert read.value("SELECT count(*) FROM named_runs WHERE event_type = 'new_type'") == 1


async def test_failed_recovery_leaves_no_incomplete_file(
    make_store: MakeStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_run(make_store)
    damaged = path.read_bytes()

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(replacement, "salvage", full)
    with pytest.raises(sqlite3.OperationalError):
        replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)
    assert [one.name for one in sorted(path.parent.iterdir())] == ["hassette.db", "hassette.db.owner"]
    assert path.read_bytes() == damaged
