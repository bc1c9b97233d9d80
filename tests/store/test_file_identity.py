# ruff: noqa: ASYNC240  nothing else runs on these loops
"""The store finds that its open file was removed, moved, replaced or overwritten, and counts the lost runs.

The tests use real operations on the files: rm, mv, cp, truncate, or a program that opens the history.
"""

import asyncio
import errno
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hassette_store import (
    CorruptDatabaseError,
    DatabaseAccessError,
    DatabaseService,
    ReplacedFileError,
    StoreSettings,
    backup,
    check,
)
from hassette_store.file.creation import create
from hassette_store.startup.preparation import prepare
from support.rows import T0_US, Batch, Listener, invocation
from support.stores import Clock, MakeStore, Reader
from support.waiting import patience

pytestmark = pytest.mark.heavy

LISTENER = Listener("on_motion")
RUNS_A_BATCH = 7


class Deliveries:
    """Writes batches to a store and restarts it after an error, as the write queue and the supervisor do."""

    def __init__(self, store: DatabaseService) -> None:
        self.store = store
        self.sequence = 0
        self.restarts = 0
        self.ids: set[int] = set()

    async def write(self, batches: int = 1) -> None:
        for _ in range(batches):
            self.sequence += 1
            runs = tuple(invocation(RUNS_A_BATCH * self.sequence + n, LISTENER) for n in range(RUNS_A_BATCH))
            await self._deliver(Batch(self.sequence, registered=(LISTENER,), invocations=runs))
            self.ids |= {run.id for run in runs}

    async def _deliver(self, batch: Batch) -> None:
        for _ in range(5):
            try:
                await self.store.write(batch)
            except (ReplacedFileError, CorruptDatabaseError):
                self.restarts += 1
                await self.store.stop()
                await self.store.start()
            else:
                return
        raise AssertionError("the batch could not be stored")


def ids_in(path: Path) -> set[int]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute("SELECT id FROM runs")}


def side(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def another_history(path: Path) -> Path:
    other = path.parent.parent / "other" / "other.db"
    if not other.exists():
        other.parent.mkdir()
        create(other)
    return other


def log_of_another_history(path: Path) -> Path:
    """Return a valid write-ahead log that belongs to another file."""
    other = another_history(path)
    db = sqlite3.connect(other)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("INSERT INTO names (name) VALUES ('another')")
    db.commit()
    log = shutil.copyfile(side(other, "-wal"), other.with_name("log"))
    db.close()
    return Path(log)


def shell(path: Path, sql: str) -> None:
    """Run a statement in another process, as the shell `sqlite3` does."""
    program = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]).fetchall(); db.commit()"
    subprocess.run([sys.executable, "-c", program, str(path), sql], check=True, timeout=patience(30))


def remove(path: Path) -> None:
    path.unlink()


def remove_everything(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


def remove_directory(path: Path) -> None:
    shutil.rmtree(path.parent)


def move(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def move_with_log(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        side(path, suffix).rename(side(path.with_name("moved.db"), suffix))


def move_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def replace_by_another_history(path: Path) -> None:
    another_history(path).rename(path)


def replace_by_a_backup_of_itself(path: Path) -> None:
    backup(path, path.with_name("copy.db"))
    path.with_name("copy.db").rename(path)


def copy_another_history_over(path: Path) -> None:
    shutil.copyfile(another_history(path), path)


def copy_text_over(path: Path) -> None:
    path.write_text("x" * 100_000)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def remove_log(path: Path) -> None:
    side(path, "-wal").unlink()


def move_log(path: Path) -> None:
    side(path, "-wal").rename(path.with_name("log"))


def remove_log_and_index(path: Path) -> None:
    side(path, "-wal").unlink()
    side(path, "-shm").unlink()


def replace_log(path: Path) -> None:
    log_of_another_history(path).rename(side(path, "-wal"))


def copy_another_log_over(path: Path) -> None:
    shutil.copyfile(log_of_another_history(path), side(path, "-wal"))


def empty_log(path: Path) -> None:
    os.truncate(side(path, "-wal"), 0)


def cut_log(path: Path) -> None:
    log = side(path, "-wal")
    os.truncate(log, log.stat().st_size // 2)


LOSING = [
    remove,
    remove_everything,
    remove_directory,
    move,
    move_with_log,
    move_directory,
    replace_by_another_history,
    replace_by_a_backup_of_itself,
    copy_another_history_over,
    copy_text_over,
    empty,
    cut,
    copy_another_log_over,
    empty_log,
    cut_log,
]
DAMAGING = [copy_text_over, empty, cut]
RESCUED = [remove_log, move_log, remove_log_and_index, replace_log]


def named(operation: Callable[[Path], None]) -> str:
    return operation.__name__


@pytest.mark.parametrize("with_reader", [False, True], ids=["alone", "with a reader in the process"])
@pytest.mark.parametrize("operation", [*LOSING, *RESCUED], ids=named)
async def test_changed_file_is_noticed_and_only_stored_runs_are_claimed(
    make_store: MakeStore,
    path: Path,
    read: Reader,
    operation: Callable[[Path], None],
    with_reader: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = make_store()
    await store.start()
    deliveries = Deliveries(store)
    await deliveries.write(20)
    await store.stop()  # copies the log into the file
    await store.start()
    await deliveries.write(20)
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True) if with_reader else None
    try:
        if reader is not None:
            assert reader.execute("SELECT count(*) FROM runs").fetchone() == (40 * RUNS_A_BATCH,)
        operation(path)
        await deliveries.write(3)
    finally:
        if reader is not None:
            reader.close()
    assert deliveries.restarts == 1
    kept = ids_in(path)
    assert {invocation(RUNS_A_BATCH * n, LISTENER).id for n in (41, 42, 43)} <= kept, "the new runs are stored"
    assert kept <= deliveries.ids
    assert check(path) == []
    if operation in RESCUED:
        assert kept == deliveries.ids
    assert store.lost_runs == len(deliveries.ids) - len(kept)
    losses = read.rows("SELECT reason, what, count FROM losses")
    assert losses == ([{"reason": "file_lost", "what": "runs", "count": store.lost_runs}] if store.lost_runs else [])
    incidents = {row["kind"]: row for row in read.rows("SELECT kind, subject, detail FROM lifecycle_events")}
    assert all(row["subject"] == str(path) for row in incidents.values())
    if operation in DAMAGING:
        assert "hassette.db was damaged (" in incidents["database_recovered"]["detail"]
        return
    assert "hassette.db " in incidents["database_replaced"]["detail"]
    (error,) = [one for one in caplog.records if one.levelno == logging.ERROR and "is closed and" in one.message]
    assert vars(error)["path"] == str(path)
    assert vars(error)["cause"]
    assert read.value("SELECT count(*) FROM listeners WHERE name = 'on_motion'") == 1
    await store.stop()
    assert ids_in(path) == kept
    assert check(path) == []


def restore_in_a_shell(path: Path, backup_of_path: Path) -> None:
    """Replace all rows of the open file through SQLite, as the command `.restore` of the shell `sqlite3` does."""
    program = (
        "import sqlite3, sys; source = sqlite3.connect(sys.argv[2]); target = sqlite3.connect(sys.argv[1]);"
        "source.backup(target); target.close(); source.close()"
    )
    subprocess.run([sys.executable, "-c", program, str(path), str(backup_of_path)], check=True, timeout=patience(30))


@pytest.mark.parametrize("unknown_outcome", [False, True], ids=["written", "with an unknown outcome"])
async def test_restored_rows_are_noticed_and_the_newer_runs_count_as_lost(
    make_store: MakeStore, path: Path, read: Reader, unknown_outcome: bool
) -> None:
    store = make_store()
    await store.start()
    deliveries = Deliveries(store)
    await deliveries.write(10)
    older = path.with_name("older.db")
    backup(path, older)
    await deliveries.write(10)
    if unknown_outcome:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseAccessError, match="locked"):
                await deliveries.write()
        deliveries.sequence -= 1
    restore_in_a_shell(path, older)
    await deliveries.write(3)
    assert deliveries.restarts == 1
    assert len(ids_in(path)) == 13 * RUNS_A_BATCH
    assert store.lost_runs == 10 * RUNS_A_BATCH
    assert read.rows("SELECT reason, count FROM losses") == [{"reason": "file_lost", "count": 10 * RUNS_A_BATCH}]
    await store.stop()
    assert read.rows("SELECT outcome, runs FROM sessions") == [{"outcome": "clean", "runs": 13 * RUNS_A_BATCH}]
    assert check(path) == []


async def test_rows_of_another_history_are_noticed_and_keep_their_session(
    make_store: MakeStore, path: Path, read: Reader, clock: Clock
) -> None:
    other = another_history(path)
    of_other = make_store(other)
    await of_other.start()
    garage = Listener("on_car", app="garage")
    await of_other.write(Batch(1, registered=(garage,), invocations=(invocation(90_000, garage),)))
    await of_other.stop()
    clock.advance(60)
    store = make_store()
    await store.start()
    deliveries = Deliveries(store)
    await deliveries.write(5)
    restore_in_a_shell(path, other)
    await deliveries.write(5)
    assert deliveries.restarts == 1
    runs = read.rows(
        "SELECT app, count(*) AS runs FROM runs JOIN registrations ON registrations.id = registration_id GROUP BY app"
    )
    assert runs == [{"app": "garage", "runs": 1}, {"app": "hall", "runs": 5 * RUNS_A_BATCH}]
    assert [row["runs"] for row in read.rows("SELECT runs FROM sessions ORDER BY id")] == [1, 5 * RUNS_A_BATCH]
    assert store.lost_runs == 5 * RUNS_A_BATCH


async def test_idle_store_notices_restored_rows_with_its_heartbeat(path: Path) -> None:
    older = path.with_name("older.db")
    shutil.copyfile(path, older)
    store = DatabaseService(path, StoreSettings(heartbeat_s=0.05))
    await store.start()
    await Deliveries(store).write(2)
    serving = asyncio.create_task(store.serve())
    restore_in_a_shell(path, older)
    async with asyncio.timeout(patience(20)):
        with pytest.raises(ReplacedFileError, match=r"the SQLite command \.restore, while it was open"):
            await serving
    await store.stop()


def move_and_move_back(path: Path) -> None:
    move(path)
    path.with_name("moved.db").rename(path)


def link(path: Path) -> None:
    path.with_name("second-name.db").hardlink_to(path)


def touch(path: Path) -> None:
    path.touch()
    path.chmod(0o644)


def copy_in_this_process(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        shutil.copyfile(side(path, suffix), path.with_name("copied" + suffix))


def read_in_a_shell(path: Path) -> None:
    shell(path, "SELECT count(*) FROM runs")


def copy_and_read_in_a_shell(path: Path) -> None:
    copy_in_this_process(path)
    read_in_a_shell(path)


def checkpoint_in_a_shell(path: Path) -> None:
    shell(path, "PRAGMA wal_checkpoint(TRUNCATE)")


def write_in_a_shell(path: Path) -> None:
    shell(path, "INSERT INTO names (id, name) VALUES (4000, 'a note')")


def remove_index(path: Path) -> None:
    side(path, "-shm").unlink(missing_ok=True)


HARMLESS = [
    move_and_move_back,
    link,
    touch,
    copy_in_this_process,
    read_in_a_shell,
    copy_and_read_in_a_shell,
    checkpoint_in_a_shell,
    write_in_a_shell,
    remove_index,
]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove open files")
@pytest.mark.parametrize("operation", HARMLESS, ids=named)
async def test_harmless_operation_on_the_file_interrupts_nothing(
    make_store: MakeStore, path: Path, operation: Callable[[Path], None]
) -> None:
    store = make_store()
    await store.start()
    deliveries = Deliveries(store)
    for _ in range(3):
        await deliveries.write(20)
        operation(path)
        path.with_name("second-name.db").unlink(missing_ok=True)
        await deliveries.write(2)
        if operation is write_in_a_shell:
            break
    assert deliveries.restarts == 0
    assert ids_in(path) == deliveries.ids
    await store.stop()
    assert ids_in(path) == deliveries.ids
    assert check(path) == []


@pytest.mark.parametrize("operation", [remove, move, replace_by_another_history, copy_text_over], ids=named)
async def test_old_file_is_not_written_any_more(
    make_store: MakeStore, path: Path, tmp_path: Path, operation: Callable[[Path], None]
) -> None:
    store = make_store()
    await store.start()
    deliveries = Deliveries(store)
    await deliveries.write(10)
    second_name = tmp_path / "second-name.db"
    second_name.hardlink_to(path)
    operation(path)
    before = second_name.read_bytes()
    await deliveries.write(10)
    await store.stop()
    assert second_name.read_bytes() == before


async def test_idle_store_notices_a_removed_file_with_its_heartbeat(path: Path) -> None:
    store = DatabaseService(path, StoreSettings(heartbeat_s=0.05))
    await store.start()
    await Deliveries(store).write(2)
    serving = asyncio.create_task(store.serve())
    path.unlink()
    async with asyncio.timeout(patience(20)):
        with pytest.raises(ReplacedFileError, match=r"hassette\.db was removed or moved away while it was open"):
            await serving
    assert store.lost_runs == 2 * RUNS_A_BATCH
    await store.stop()
    await store.start()
    assert path.exists()
    await store.stop()


async def test_retargeted_link_is_noticed(make_store: MakeStore, path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    store = make_store(link)
    await store.start()
    deliveries = Deliveries(store)
    await deliveries.write(5)
    other = another_history(path)
    link.unlink()
    link.symlink_to(other)
    await deliveries.write(5)
    assert deliveries.restarts == 1
    assert len(ids_in(other)) == 5 * RUNS_A_BATCH
    assert store.lost_runs == 5 * RUNS_A_BATCH


async def test_file_that_cannot_be_examined_is_neither_claimed_nor_abandoned(
    make_store: MakeStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store()
    await store.start()
    deliveries = Deliveries(store)
    await deliveries.write(2)
    batch = Batch(3, invocations=(invocation(1000, LISTENER),))
    really_stat = os.stat

    def fail(file: Any, **options: Any) -> os.stat_result:
        if file == str(path):
            raise OSError(5, os.strerror(5), str(file))
        return really_stat(file, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fail)
        with pytest.raises(DatabaseAccessError, match=r"file cannot be examined: .*Input/output error"):
            await store.write(batch)
    await store.write(batch)
    assert len(ids_in(path)) == 2 * RUNS_A_BATCH + 1
    assert store.lost_runs == 0


COPYING = """
import asyncio, os, shutil, sys
from pathlib import Path
from hassette_store import DatabaseService
from support.rows import Batch, Listener, invocation

async def main(path):
    async with DatabaseService(path) as store:
        for n in range(1, 302):
            await store.write(Batch(n, registered=(Listener(),), invocations=(invocation(n, Listener()),)))
            if n == 100:
                for suffix in ("", "-wal", "-shm"):
                    shutil.copyfile(f"{path}{suffix}", f"{path}.copied")
                os.write(1, b"copied\\n")
                await asyncio.to_thread(sys.stdin.readline)
        os.write(1, b"written\\n")
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no locks of open files")
def test_copy_by_an_app_and_a_closing_shell_lose_no_run_of_a_killed_process(path: Path) -> None:
    """An app copies the files, which drops SQLite's locks. Then a shell opens and closes the history."""
    tests = str(Path(__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", COPYING, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": tests},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "copied\n"
        read_in_a_shell(path)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "written\n"
        read_in_a_shell(path)
        process.kill()
    assert len(ids_in(path)) == 301
    assert check(path) == []


FORKING = """
import asyncio, os, sys, time
from pathlib import Path
from hassette_store import DatabaseService

async def main(path):
    async with DatabaseService(path):
        if not (child := os.fork()):
            time.sleep(600)
        print(child, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_child_of_a_killed_framework_does_not_keep_the_locks(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            process.kill()
            process.wait()
            read_in_a_shell(path)  # the last connection deletes the log, if nothing else has a lock
            assert not side(path, "-wal").exists()
        finally:
            os.kill(child, 9)


async def test_clean_stop_still_removes_the_log(make_store: MakeStore, path: Path, clock: Clock) -> None:
    store = make_store()
    await store.start()
    await Deliveries(store).write(3)
    await store.stop()
    assert sorted(file.name for file in path.parent.iterdir()) == ["hassette.db", "hassette.db.owner"]


def locks_on(path: Path) -> int:
    """Return the number of locks that this process holds on a file."""
    inode = f":{path.stat().st_ino}"
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return sum(words[1] == "POSIX" and words[4] == str(os.getpid()) and words[5].endswith(inode) for words in locks)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_check_of_the_log_at_a_start_keeps_the_locks_of_other_readers(make_store: MakeStore, path: Path) -> None:
    store = make_store()
    await store.start()
    await Deliveries(store).write(5)
    copies = {file: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
    await store.stop()
    for file, data in copies.items():  # as a killed process leaves the files
        file.write_bytes(data)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        reader.execute("SELECT count(*) FROM runs").fetchone()
        assert locks_on(path) == 1
        prepare(path, StoreSettings(), lambda: T0_US).ownership.release()
        assert locks_on(path) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_starts_on_a_failing_disk_leave_no_descriptors_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DatabaseService(path)
    await store.start()
    await store.stop()
    before = len(list(Path("/proc/self/fd").iterdir()))
    really_read = os.pread
    calls = iter(range(1_000_000))

    def fail(file: int, size: int, at: int) -> bytes:
        if next(calls) % 3 == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really_read(file, size, at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", fail)
        for _ in range(10):
            with pytest.raises(DatabaseAccessError):
                await store.start()
    await store.start()
    await store.stop()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    assert not side(path, "-wal").exists(), "no lock keeps the last connection from deleting the log"
