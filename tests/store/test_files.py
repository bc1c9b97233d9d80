# ruff: noqa: ASYNC220, ASYNC221, ASYNC240  nothing else runs on these loops
"""Any file at the path is created, opened, recovered, moved aside or rejected, and never deleted."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from hassette_store import (
    CorruptDatabaseError,
    DatabaseAccessError,
    DatabaseInUseError,
    DatabaseService,
    UnusableFileError,
    check,
)
from hassette_store.file.connections import connect_to_write
from hassette_store.file.owner_note import owner_note
from support.rows import Batch, Listener, invocation
from support.stores import MakeStore, Reader
from support.waiting import patience

OTHER_USER = 65_534


async def start_and_stop(make_store: MakeStore, path: Path, **settings: Any) -> Any:
    store = make_store(path, **settings)
    await store.start()
    await store.stop()
    return store


def damage(path: Path, *, start: float, end: float) -> None:
    """Overwrite a part of the file in the middle, as a failing SD card does."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(int(size * start) // 4096 * 4096)
        file.write(os.urandom(int(size * (end - start)) // 4096 * 4096))


async def test_path_may_be_a_text(tmp_path: Path) -> None:
    async with DatabaseService(str(tmp_path / "hassette.db")) as store:
        assert store.path == tmp_path / "hassette.db"
    assert check(tmp_path / "hassette.db") == []


async def a_full_history(make_store: MakeStore, *, crash: bool = True, runs: int = 4_000) -> None:
    store = make_store()
    await store.start()
    listeners = [Listener(f"on_{n}") for n in range(20)]
    for start in range(0, runs, 500):
        batch = tuple(
            invocation(n, listeners[n % 20], "error" if n % 50 == 0 else "success") for n in range(start, start + 500)
        )
        await store.write(Batch(start // 500 + 1, registered=tuple(listeners), invocations=batch))
    await store.stop()
    if crash:
        with sqlite3.connect(store.path) as db:
            db.execute("UPDATE sessions SET outcome = 'open', ended_us = NULL")
        db.close()


def text_of(path: Path) -> bytes:
    return path.read_bytes()


def damaged_in(directory: Path) -> Path:
    (aside,) = [one for one in directory.glob("*.damaged-*") if not one.name.endswith(("-wal", "-shm"))]
    return aside


def names_in(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir())


async def test_damaged_file_is_moved_aside_and_its_readable_rows_are_copied(
    make_store: MakeStore, path: Path, read: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    await a_full_history(make_store)
    damage(path, start=0.5, end=0.7)
    before = text_of(path)
    store = make_store()
    await store.start()
    aside = damaged_in(path.parent)
    assert text_of(aside) == before
    assert check(path) == []
    kept = read.value("SELECT count(*) FROM handler_invocations")
    assert 1_000 < kept < 4_000
    assert read.value("SELECT sum(success + error) FROM statistics_daily") == 4_000
    assert read.value("SELECT count(*) FROM listeners") == 20
    assert [row["outcome"] for row in read.rows("SELECT outcome FROM sessions ORDER BY id")] == ["crashed", "open"]
    incident = read.row("SELECT kind, subject, detail FROM lifecycle_events")
    assert incident["kind"] == "database_recovered"
    assert aside.name in incident["detail"]
    assert "rows were copied" in incident["detail"]
    assert "damaged" in caplog.text
    await store.write(Batch(1, invocations=(invocation(9_000, Listener("on_1")),)))
    assert read.value("SELECT count(*) FROM listeners") == 20


async def test_truncated_file_is_found_after_a_clean_stop(make_store: MakeStore, path: Path, read: Reader) -> None:
    await a_full_history(make_store, crash=False)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size * 2 // 3)
    await start_and_stop(make_store, path)
    assert check(path) == []
    assert "bytes are missing" in read.value("SELECT detail FROM lifecycle_events")
    assert damaged_in(path.parent).stat().st_size == size * 2 // 3


async def test_file_without_header_is_recognised_by_its_owner_note(
    make_store: MakeStore, path: Path, read: Reader
) -> None:
    await a_full_history(make_store)
    with path.open("r+b") as file:
        file.write(b"\0" * 4096)
    before = text_of(path)
    await start_and_stop(make_store, path)
    aside = damaged_in(path.parent)
    assert text_of(aside) == before
    assert read.value("SELECT kind FROM lifecycle_events") == "database_recovered"


async def test_damage_found_in_use_ends_serve_and_the_next_start_recovers_the_file(
    make_store: MakeStore, path: Path, read: Reader
) -> None:
    await a_full_history(make_store, crash=False)
    store = make_store()
    await store.start()
    damage(path, start=0.1, end=0.95)

    async def write_until_it_shows() -> None:
        for sequence in range(1, 50):
            runs = tuple(invocation(10_000 * sequence + n, Listener(f"on_{n}")) for n in range(20))
            await store.write(Batch(sequence, invocations=runs))

    with pytest.raises(CorruptDatabaseError, match="will move the file aside"):
        await write_until_it_shows()
    with pytest.raises(CorruptDatabaseError):
        await store.serve()
    await store.stop()
    await store.start()
    assert check(path) == []
    await store.write(Batch(99, invocations=(invocation(1_000_000, Listener()),)))
    assert read.value("SELECT count(*) FROM sessions WHERE outcome = 'open'") == 1
    assert read.value("SELECT count(*) FROM lifecycle_events WHERE kind = 'database_recovered'") == 1


async def test_unreadable_file_is_kept_and_a_new_history_starts(
    make_store: MakeStore, path: Path, read: Reader
) -> None:
    await a_full_history(make_store)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(path.stat().st_size - 100))
    before = text_of(path)
    await start_and_stop(make_store, path)
    assert text_of(damaged_in(path.parent)) == before
    assert "0 rows were copied" in read.value("SELECT detail FROM lifecycle_events")


async def test_interrupted_recovery_is_repeated_or_finished(make_store: MakeStore, path: Path, read: Reader) -> None:
    await a_full_history(make_store)
    half_done = path.with_name("hassette.db.new")
    half_done.write_bytes(b"half of a file")
    await start_and_stop(make_store, path)
    assert not half_done.exists()
    assert read.value("SELECT count(*) FROM runs") == 4_000
    path.rename(half_done)
    await start_and_stop(make_store, path)
    assert read.value("SELECT count(*) FROM runs") == 4_000


async def test_check_after_a_crash_has_a_time_limit(
    make_store: MakeStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await a_full_history(make_store)
    await start_and_stop(make_store, path, check_limit_s=0)
    assert "did not finish within check_limit_s" in caplog.text


async def test_empty_file_becomes_a_history(make_store: MakeStore, tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    path.touch()
    await start_and_stop(make_store, path)
    assert check(path) == []


async def test_file_that_is_no_database_is_rejected_and_unchanged(make_store: MakeStore, tmp_path: Path) -> None:
    path = tmp_path / "mine" / "hassette.db"
    path.parent.mkdir()
    path.write_text("dear diary")
    for _ in range(2):
        with pytest.raises(UnusableFileError, match=r"not an SQLite database.*Move it away"):
            await start_and_stop(make_store, path)
    assert names_in(path.parent) == ["hassette.db"]
    assert text_of(path) == b"dear diary"


async def test_directory_in_place_of_the_file_is_rejected(make_store: MakeStore, tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    path.mkdir()
    with pytest.raises(UnusableFileError, match="it is a directory"):
        await start_and_stop(make_store, path)


async def test_dangling_symlink_is_rejected_with_its_target(make_store: MakeStore, tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    path.symlink_to(tmp_path / "card" / "hassette.db")
    with pytest.raises(UnusableFileError, match=r"symbolic link to .*card/hassette.db, which does not exist"):
        await start_and_stop(make_store, path)


async def test_symlink_to_a_history_is_followed(make_store: MakeStore, path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    await start_and_stop(make_store, link)
    assert link.is_symlink()


async def test_missing_directory_is_created_or_reported(make_store: MakeStore, tmp_path: Path) -> None:
    await start_and_stop(make_store, tmp_path / "a" / "b" / "hassette.db")
    (tmp_path / "file").touch()
    with pytest.raises(UnusableFileError, match=r"directory .*file/data cannot be created"):
        await start_and_stop(make_store, tmp_path / "file" / "data" / "hassette.db")


async def test_write_ahead_log_without_its_database_is_kept(make_store: MakeStore, path: Path, read: Reader) -> None:
    log = path.with_name("hassette.db-wal")
    shutil.move(path, log)
    before = text_of(log)
    await start_and_stop(make_store, path)
    (aside,) = path.parent.glob("hassette.db.damaged-*-wal")
    assert text_of(aside) == before
    assert aside.name in read.value("SELECT detail FROM lifecycle_events")


AS_OTHER_USER = """
import asyncio, os, sys
from pathlib import Path
from hassette_store import DatabaseService, StoreError

async def start(path):
    store = DatabaseService(Path(path))
    try:
        await store.start()
    except StoreError as error:
        print(f"{{type(error).__name__}}: {{error}}")
    await store.stop()

asyncio.run(start(sys.argv[2]))  # imports modules that the other user may not read
os.setgid({user}); os.setuid({user})
asyncio.run(start(sys.argv[1]))
"""


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize("what", ["file", "directory"])
async def test_file_or_directory_of_another_user_is_reported_with_its_owner(
    what: str, tmp_path: Path, empty_file: Path
) -> None:
    other = shutil.copyfile(empty_file, tmp_path / "other.db")
    # Use a directory outside pytest's own, because each run of pytest removes the access of other users to its own.
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        path = shutil.copyfile(empty_file, directory / "hassette.db")
        directory.chmod(0o777 if what == "file" else 0o755)
        path.chmod(0o644 if what == "file" else 0o666)
        done = subprocess.run(
            [sys.executable, "-c", AS_OTHER_USER.format(user=OTHER_USER), str(path), str(other)],
            capture_output=True,
            text=True,
            timeout=patience(30),
        )
    assert "UnusableFileError" in done.stdout, done.stderr
    assert "belongs to user 0" in done.stdout
    assert f"user {OTHER_USER} may not write" in done.stdout


async def test_read_only_file_raises_a_write_error(make_store: MakeStore, path: Path) -> None:
    with path.open("r+b") as file:
        # Byte 18 is the version that a program needs for writing. SQLite does not know this version, so it opens the
        # file only for reading.
        file.seek(18)
        file.write(b"\x77")
    with pytest.raises(DatabaseAccessError, match="readonly"):
        await start_and_stop(make_store, path)


HOLD = """
import asyncio, sys
from pathlib import Path
from hassette_store import DatabaseService

async def main():
    async with DatabaseService(Path(sys.argv[1])):
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def test_second_framework_gets_the_pid_and_host_of_the_first(
    make_store: MakeStore, path: Path, read: Reader
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(DatabaseInUseError, match=f"process {holder.pid} on {socket.gethostname()}") as caught:
            await start_and_stop(make_store, path)
        assert (caught.value.pid, caught.value.host) == (holder.pid, socket.gethostname())
        assert read.value("SELECT outcome FROM sessions") == "open"
    finally:
        holder.kill()
        holder.communicate()
    await start_and_stop(make_store, path)


async def test_two_processes_that_create_the_file_at_once_create_one(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [holder.communicate(timeout=patience(50)) for holder in holders]
    # The input of both processes is at its end, so the first process stops as soon as it has opened the file. The other
    # process is rejected, or it starts after the first one has stopped.
    assert sum(out == "open\n" for out, _ in outputs) >= 1
    for out, err in outputs:
        assert out == "open\n" or "DatabaseInUseError" in err
    assert check(path) == []


async def test_readers_can_read_while_the_store_is_open(store: DatabaseService, read: Reader) -> None:
    await store.write(Batch(1, invocations=(invocation(1, Listener()),)))
    assert read.value("SELECT count(*) FROM runs") == 1


async def test_owner_note_names_the_owning_process(store: DatabaseService, path: Path) -> None:
    assert str(os.getpid()) in text_of(owner_note(path)).decode()


def test_reader_cannot_write(path: Path) -> None:
    from hassette_store import connect_read_only

    connect_to_write(path).close()
    connection = connect_read_only(path)
    try:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM sessions")
    finally:
        connection.close()


def test_query_is_interrupted_after_its_deadline(path: Path) -> None:
    from hassette_store import connect_read_only, deadline

    connection = connect_read_only(path)
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    try:
        with deadline(connection, 0.05), pytest.raises(sqlite3.OperationalError, match="interrupted"):
            connection.execute(endless).fetchone()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        connection.close()
