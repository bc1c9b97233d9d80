# ruff: noqa: ASYNC240  nothing else runs on these loops
"""While the database file cannot be used, records go to a second file, which a later start adds to the history."""

import asyncio
import logging
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hassette_store import (
    DatabaseAccessError,
    DatabaseService,
    HistoryService,
    ReplacedFileError,
    StoreSettings,
    UnusableFileError,
    check,
)
from hassette_store.startup.preparation import prepare
from support.rows import T0_US, Batch, Event, Failure, Job, Listener, Running, Skip, invocation
from support.stores import Clock, Reader
from support.unusable_files import (
    make_directory,
    make_foreign,
    make_foreign_and_cut,
    make_foreign_with_a_newer_revision,
    make_foreign_with_a_newer_syntax,
    make_foreign_with_an_older_revision,
    make_foreign_with_an_unfinished_transaction,
    make_foreign_with_the_same_revision,
    make_foreign_without_tables,
    make_newer,
    make_newer_with_a_newer_syntax,
    make_text,
    make_upgrade_fail,
    make_usable,
)
from support.waiting import patience

pytestmark = pytest.mark.heavy

FIRST, SECOND = Listener("on_motion"), Listener("on_door")


UNUSABLE = [
    make_newer,
    make_newer_with_a_newer_syntax,
    make_foreign,
    make_foreign_with_the_same_revision,
    make_foreign_with_an_older_revision,
    make_foreign_with_a_newer_revision,
    make_foreign_and_cut,
    make_foreign_with_a_newer_syntax,
    make_foreign_without_tables,
    make_foreign_with_an_unfinished_transaction,
    make_text,
    make_directory,
    make_upgrade_fail,
]


def second_file_in(directory: Path) -> Path:
    (file,) = directory.glob("hassette-degraded-*.db")
    return file


def content(path: Path) -> Any:
    if path.is_dir():
        return sorted(path.iterdir())
    journal = path.with_name("hassette.db-journal")
    return path.read_bytes(), journal.read_bytes() if journal.exists() else None


async def write(store: HistoryService | DatabaseService, sequence: int, *runs: Any, **more: Any) -> None:
    listeners = tuple({run.registration.name: run.registration for run in runs}.values())
    await store.write(Batch(sequence, registered=listeners, invocations=runs, **more))


@pytest.mark.parametrize("spoil", UNUSABLE, ids=lambda spoil: spoil.__name__)
async def test_records_go_to_a_second_file_while_the_database_file_cannot_be_used(
    path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    spoil(path)
    before = content(path)
    store = HistoryService(path)
    await store.start()
    assert store.degraded is not None
    assert str(path) in store.degraded
    second = second_file_in(path.parent)
    assert f"new runs are recorded in {second.name}" in store.degraded
    assert store.recording_path == second
    assert any(record.levelno == logging.ERROR and "second file" in record.message for record in caplog.records)
    await write(store, 1, *(invocation(n, FIRST) for n in range(287)))
    await store.stop()
    if spoil is not make_upgrade_fail:  # the failed upgrade changes a counter in the header
        assert content(path) == before
    assert Reader(second).value("SELECT count(*) FROM runs") == 287
    assert second.stat().st_mode & 0o777 == 0o600
    again = HistoryService(path)
    await again.start()
    assert again.recording_path == second, "a restart uses the same second file"
    await write(again, 1, invocation(1_000, FIRST))
    await again.stop()
    assert Reader(second).value("SELECT count(*) FROM runs") == 288


async def test_second_file_is_added_to_the_history_by_the_start_that_can_use_it(path: Path, read: Reader) -> None:
    failed = Failure(message="no such lamp")
    first = DatabaseService(path)
    await first.start()
    await write(first, 1, *(invocation(n, FIRST) for n in range(10)), invocation(10, FIRST, "error", failure=failed))
    await first.stop()
    make_newer(path)
    degraded = HistoryService(path)
    await degraded.start()
    runs = [invocation(n, SECOND if n % 2 else FIRST, trigger=Event(entity_id=f"light.{n}")) for n in range(20, 40)]
    errors = [
        invocation(40, FIRST, "error", failure=failed),
        invocation(41, SECOND, "error", failure=Failure(message="another", type="KeyError")),
    ]
    await write(degraded, 1, *runs, *errors, skipped=(Skip(SECOND, T0_US, "overlap", 3),))
    second = second_file_in(path.parent)
    assert check(second) == []
    expected = {
        run["id"]: run
        for file in (read, Reader(second))
        for run in file.rows(
            "SELECT named_runs.id, named_runs.kind, status, entity, old_state, new_state, app, instance, name, message "
            "FROM named_runs JOIN registrations ON registrations.id = registration_id "
            "LEFT JOIN run_failures ON run_id = named_runs.id"
        )
    }
    assert len(expected) == 33
    # The process is killed: its session stays open.
    copies = {file.name: file.read_bytes() for file in path.parent.iterdir() if file.name.startswith(second.name)}
    await degraded.stop()
    for name, data in copies.items():
        path.with_name(name).write_bytes(data)
    make_usable(path)
    for _ in range(2):
        later = HistoryService(path)
        await later.start()
        assert later.degraded is None
        assert later.recording_path == path
        await later.stop()
        merged = {
            run["id"]: run
            for run in read.rows(
                "SELECT named_runs.id, named_runs.kind, status, entity, old_state, new_state, app, instance, name, "
                "message FROM named_runs JOIN registrations ON registrations.id = registration_id "
                "LEFT JOIN run_failures ON run_id = named_runs.id"
            )
        }
        assert merged == expected
        assert read.value("SELECT sum(success + error) FROM statistics_hourly") == 33
        assert read.value("SELECT sum(success + error) FROM statistics_daily") == 33
        assert sum(counts.total() for counts in read.latency().values()) == 33
        assert read.value("SELECT sum(count) FROM skips_daily") == 3
        assert [row["count"] for row in read.rows("SELECT count FROM error_groups ORDER BY message")] == [1, 2]
        assert check(path) == []
        assert list(path.parent.glob("hassette-degraded-*.db")) == []
        assert Reader(second.with_name(second.name + ".merged")).value("SELECT count(*) FROM runs") == 22
    outcomes = [row["outcome"] for row in read.rows("SELECT outcome FROM sessions ORDER BY id")]
    assert outcomes == ["clean", "crashed", "clean", "clean"]
    details = [row["detail"] for row in read.rows("SELECT detail FROM lifecycle_events WHERE kind = 'database_merged'")]
    assert details == [f"22 runs of {second.name} were added to hassette.db; {second.name}.merged is the merged file."]


async def test_crash_between_the_merge_and_the_renaming_adds_no_run_twice(
    path: Path, read: Reader, crash_after: Any
) -> None:
    make_newer(path)
    degraded = HistoryService(path)
    await degraded.start()
    await write(degraded, 1, *(invocation(n, FIRST) for n in range(5)))
    await degraded.stop()
    make_usable(path)
    with crash_after(0), pytest.raises(KeyboardInterrupt):
        prepare(path, StoreSettings(), lambda: 0)
    assert read.value("SELECT count(*) FROM runs") == 5
    store = HistoryService(path)
    await store.start()
    await store.stop()
    assert read.value("SELECT count(*) FROM runs") == 5
    assert read.value("SELECT sum(success) FROM statistics_daily") == 5
    assert list(path.parent.glob("hassette-degraded-*.db")) == []


async def test_damaged_second_file_does_not_prevent_the_start(path: Path, read: Reader) -> None:
    path.with_name("hassette-degraded-20260101T000000Z.db").write_text("not a database")
    store = HistoryService(path)
    await store.start()
    assert store.degraded is None
    await store.stop()
    assert path.with_name("hassette-degraded-20260101T000000Z.db").read_text() == "not a database"


async def test_file_that_becomes_usable_ends_the_second_file_without_a_restart_of_the_process(
    path: Path, read: Reader
) -> None:
    make_newer(path)
    store = HistoryService(path, retry_s=0.05)
    await store.start()
    await write(store, 1, invocation(1, FIRST))
    serving = asyncio.create_task(store.serve())
    path.rename(path.with_name("newer.db"))
    async with asyncio.timeout(patience(20)):
        with pytest.raises(DatabaseAccessError, match="it has changed since"):
            await serving
    await store.stop()
    await store.start()
    assert store.degraded is None
    await write(store, 2, invocation(2, FIRST))
    await store.stop()
    assert read.value("SELECT count(*) FROM runs") == 2


async def test_listeners_and_running_runs_continue_when_the_file_becomes_usable(path: Path, read: Reader) -> None:
    make_newer(path)
    store = HistoryService(path, retry_s=0.05)
    await store.start()
    job = Job()
    await store.write(Batch(1, registered=(FIRST, SECOND, job), running=(Running(1, FIRST, Event(), T0_US),)))
    serving = asyncio.create_task(store.serve())
    path.rename(path.with_name("newer.db"))
    async with asyncio.timeout(patience(20)):
        with pytest.raises(DatabaseAccessError, match="it has changed since"):
            await serving
    await store.stop()
    await store.start()
    await write(store, 2, invocation(2, FIRST))
    assert read.rows("SELECT name FROM registrations WHERE retired_us IS NULL ORDER BY name") == [
        {"name": "on_door"},
        {"name": "on_motion"},
        {"name": "tidy"},
    ]
    assert read.value("SELECT count(*) FROM runs") == 1, "the run in progress is not interrupted"
    await store.stop()


async def test_listeners_are_known_in_the_second_file_when_a_newer_file_replaces_the_open_one(path: Path) -> None:
    newer = path.with_name("newer.db")
    shutil.copyfile(path, newer)
    make_newer(newer)
    store = HistoryService(path)
    await store.start()
    await store.write(Batch(1, registered=(FIRST, SECOND, Job())))
    newer.replace(path)
    with pytest.raises(ReplacedFileError):
        await store.write(Batch(2, invocations=(invocation(2, FIRST),)))
    await store.stop()
    await store.start()
    assert store.degraded is not None
    await store.write(Batch(2, invocations=(invocation(2, FIRST),)))
    second = Reader(store.recording_path)
    assert second.value("SELECT count(*) FROM registrations WHERE retired_us IS NULL") == 3
    await store.stop()


async def test_usable_file_that_is_copied_over_the_unusable_one_is_noticed(path: Path) -> None:
    usable = path.read_bytes()
    make_text(path)
    store = HistoryService(path, retry_s=0.05)
    await store.start()
    serving = asyncio.create_task(store.serve())
    path.write_text("another diary")
    path.write_bytes(usable)
    async with asyncio.timeout(patience(20)):
        with pytest.raises(DatabaseAccessError, match="it has changed since"):
            await serving
    await store.stop()


async def test_unusable_file_in_use_by_a_newer_version_does_not_restart_the_service(path: Path) -> None:
    make_newer(path)
    store = HistoryService(path, retry_s=0.01)
    await store.start()
    serving = asyncio.create_task(store.serve())
    for n in range(20):
        with closing(sqlite3.connect(path)) as db:
            db.execute("INSERT INTO names (name) VALUES (?)", (str(n),))
            db.commit()
        await asyncio.sleep(0.02)
    assert not serving.done()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await store.stop()


async def test_marker_of_an_earlier_second_file_does_not_hide_a_later_one_with_the_same_name(
    path: Path, read: Reader, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(2):
        make_newer(path)
        degraded = HistoryService(path, now_us=clock.now_us)
        await degraded.start()
        await write(degraded, 1, invocation(n, FIRST))
        await degraded.stop()
        make_usable(path)
        with monkeypatch.context() as patch:
            # A crash after the second file was renamed, and before its marker was removed.
            patch.setattr("hassette_store.startup.merging._forget", lambda *_: sys.exit("killed"))
            with pytest.raises(SystemExit):
                prepare(path, StoreSettings(), clock.now_us)
        clock.advance(0.001)
    assert len(list(path.parent.glob("hassette-degraded-*.merged*"))) == 2
    assert read.value("SELECT count(*) FROM runs") == 2


async def test_table_of_another_program_in_the_second_file_does_not_prevent_the_merge(path: Path, read: Reader) -> None:
    make_newer(path)
    degraded = HistoryService(path)
    await degraded.start()
    await write(degraded, 1, invocation(1, FIRST))
    await degraded.stop()
    with closing(sqlite3.connect(second_file_in(path.parent))) as db:
        db.execute("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
        db.commit()
    make_usable(path)
    later = HistoryService(path)
    await later.start()
    await later.stop()
    assert read.value("SELECT count(*) FROM runs") == 1


async def test_upgrade_without_space_for_the_copy_records_into_a_second_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_upgrade_fail(path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000))
    store = HistoryService(path)
    await store.start()
    assert store.degraded is not None
    assert "has only 0 MB free" in store.degraded
    await store.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow every byte in a path")
async def test_path_that_is_not_utf8_does_not_prevent_a_recovery(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"da\xffta") / "hassette.db"
    store = HistoryService(path)
    await store.start()
    await write(store, 1, *(invocation(n, FIRST) for n in range(50)))
    await store.stop()
    with path.open("r+b") as file:
        file.write(b"damaged!" * 12)
    await store.start()
    await store.stop()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (50,)
        events = db.execute("SELECT subject FROM lifecycle_events WHERE kind = 'database_recovered'").fetchall()
    assert events == [(str(path).replace("\udcff", "?"),)]


async def test_directory_that_cannot_be_used_is_reported_with_the_first_cause(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnusableFileError, match="cannot be created"):
        await HistoryService(tmp_path / "file" / "hassette.db").start()


async def test_second_file_of_a_running_framework_is_not_touched(path: Path) -> None:
    make_newer(path)
    older = HistoryService(path)
    await older.start()
    await write(older, 1, invocation(1, FIRST))
    make_usable(path)
    newer = HistoryService(path)
    await newer.start()
    assert newer.degraded is None
    second = second_file_in(path.parent)
    await write(older, 2, invocation(2, FIRST))
    await older.stop()
    await newer.stop()
    assert Reader(second).value("SELECT count(*) FROM runs") == 2
