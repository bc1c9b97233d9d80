"""Heartbeats between batches: they are in the note of the owner, and the row of the session has some of them."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from hassette_store import DatabaseService, backup
from hassette_store.file.owner_note import Heartbeat, add_heartbeat_function, owner_note, read_heartbeat
from hassette_store.file.ownership import Ownership
from hassette_store.file.side_files import second_file_path, with_suffix
from support.rows import T0_US, Batch, Event, Listener, Running
from support.stores import Clock, MakeStore, Reader
from support.waiting import eventually, wait_until

SECOND_US = 1_000_000


def copy_of(path: Path, *, note: bool = True) -> Path:
    """Copy the files of a history while it is in use, as a crash would leave them."""
    copy = path.parent / "copy" / path.name
    shutil.rmtree(copy.parent, ignore_errors=True)
    copy.parent.mkdir()
    for suffix in ("", "-wal", ".owner") if note else ("", "-wal"):
        shutil.copyfile(with_suffix(path, suffix), with_suffix(copy, suffix))
    return copy


def latest_us(path: Path) -> int:
    """Return the last heartbeat of the newest session, as hassette-sync reads it."""
    with closing(sqlite3.connect(path)) as db:
        add_heartbeat_function(db, path)
        statement = (
            "SELECT latest_heartbeat(id, started_us, last_sequence, heartbeat_us) FROM sessions ORDER BY id DESC"
        )
        return db.execute(statement).fetchone()[0]


async def end_of_crashed(make_store: MakeStore, path: Path) -> int:
    """Start a store on the files of a crashed process; return the end of the crashed session."""
    await make_store(path).start()
    (end_us,) = Reader(path).row("SELECT ended_us FROM sessions WHERE outcome = 'crashed'").values()
    return end_us


@asynccontextmanager
async def served(store: DatabaseService) -> AsyncGenerator[DatabaseService]:
    await store.start()
    serving = asyncio.create_task(store.serve())
    try:
        yield store
    finally:
        serving.cancel()
        await asyncio.wait({serving})


async def beat_until(path: Path, at_us: int) -> None:
    """Wait for the heartbeat at the time of the clock that the test moves."""
    await eventually(lambda: latest_us(path) == at_us)


@pytest.fixture
async def quiet(make_store: MakeStore, clock: Clock) -> AsyncIterator[DatabaseService]:
    """A store that has written one batch, and then only heartbeats, for 40 s."""
    async with served(make_store(heartbeat_s=0.05)) as store:
        await store.write(Batch(1, running=(Running(7, Listener(), Event(), T0_US),)))
        clock.advance(40)
        await beat_until(store.path, T0_US + 40 * SECOND_US)
        yield store


async def test_heartbeat_of_a_quiet_home_writes_no_page(quiet: DatabaseService, read: Reader, clock: Clock) -> None:
    files = [quiet.path, with_suffix(quiet.path, "-wal")]
    before = [file.read_bytes() for file in files]
    for number in range(1, 6):
        clock.advance(60)
        await beat_until(quiet.path, T0_US + (40 + 60 * number) * SECOND_US)
    assert [file.read_bytes() for file in files] == before
    assert read.value("SELECT heartbeat_us FROM sessions") == T0_US


async def test_crashed_session_ends_at_the_heartbeat_in_the_note(quiet: DatabaseService, make_store: MakeStore) -> None:
    copy = copy_of(quiet.path)
    assert await end_of_crashed(make_store, copy) == T0_US + 40 * SECOND_US
    assert Reader(copy).row("SELECT started_us, duration_us FROM runs") == {
        "started_us": T0_US,
        "duration_us": 40 * SECOND_US,
    }


async def test_start_that_is_killed_keeps_the_heartbeat_for_the_next_start(
    quiet: DatabaseService, make_store: MakeStore
) -> None:
    copy = copy_of(quiet.path)
    Ownership.take(copy).release()
    assert await end_of_crashed(make_store, copy) == T0_US + 40 * SECOND_US


async def test_times_of_the_files_of_a_copy_do_not_matter(quiet: DatabaseService, make_store: MakeStore) -> None:
    copy = copy_of(quiet.path)
    os.utime(owner_note(copy), (2_000_000_000, 2_000_000_000))
    assert latest_us(copy) == T0_US + 40 * SECOND_US
    assert await end_of_crashed(make_store, copy) == T0_US + 40 * SECOND_US


async def test_copy_without_a_note_claims_only_the_heartbeat_in_the_row(
    quiet: DatabaseService, make_store: MakeStore
) -> None:
    copy = copy_of(quiet.path, note=False)
    assert latest_us(copy) == T0_US
    assert await end_of_crashed(make_store, copy) == T0_US


async def test_backup_contains_the_last_heartbeat(quiet: DatabaseService, make_store: MakeStore) -> None:
    to = quiet.path.with_name("backup.db")
    await asyncio.to_thread(backup, quiet.path, to)
    assert [file.name for file in to.parent.glob("backup.db*")] == ["backup.db"]
    assert latest_us(to) == T0_US + 40 * SECOND_US
    assert await end_of_crashed(make_store, to) == T0_US + 40 * SECOND_US


async def test_note_of_another_history_is_ignored(
    quiet: DatabaseService, make_store: MakeStore, tmp_path: Path, clock: Clock
) -> None:
    clock.advance(1)
    other = make_store(tmp_path / "other.db")
    await other.start()
    copy = copy_of(other.path, note=False)
    shutil.copyfile(owner_note(quiet.path), owner_note(copy))
    assert latest_us(copy) == T0_US + 41 * SECOND_US
    assert await end_of_crashed(make_store, copy) == T0_US + 41 * SECOND_US


async def test_later_batch_counts_instead_of_the_note_after_the_clock_was_set_back(
    quiet: DatabaseService, make_store: MakeStore, clock: Clock
) -> None:
    copy = copy_of(quiet.path)
    clock.step(-30)
    await quiet.write(Batch(2))
    note = owner_note(copy).read_bytes()
    copy = copy_of(quiet.path)
    owner_note(copy).write_bytes(note)
    assert latest_us(copy) == T0_US + 10 * SECOND_US
    assert await end_of_crashed(make_store, copy) == T0_US + 10 * SECOND_US


async def test_note_counts_if_a_power_cut_has_lost_the_last_batches(
    quiet: DatabaseService, make_store: MakeStore, clock: Clock
) -> None:
    copy = copy_of(quiet.path)
    clock.advance(100)
    await quiet.write(Batch(2))
    clock.advance(1)
    await beat_until(quiet.path, T0_US + 141 * SECOND_US)
    shutil.copyfile(owner_note(quiet.path), owner_note(copy))
    assert await end_of_crashed(make_store, copy) == T0_US + 141 * SECOND_US
    # The run was in progress in the last batch that is left. It may have ended in a lost batch.
    assert Reader(copy).row("SELECT status, duration_us FROM named_runs") == {"status": "interrupted", "duration_us": 0}


async def test_step_of_the_clock_reaches_the_row_at_once(quiet: DatabaseService, read: Reader, clock: Clock) -> None:
    clock.step(-3_600)
    clock.advance(4)
    await eventually(lambda: read.value("SELECT heartbeat_us FROM sessions") == T0_US - 3_556 * SECOND_US)
    assert latest_us(quiet.path) == T0_US - 3_556 * SECOND_US


async def test_row_gets_a_heartbeat_after_fifteen_minutes(quiet: DatabaseService, read: Reader, clock: Clock) -> None:
    clock.advance(900)
    await eventually(lambda: read.value("SELECT heartbeat_us FROM sessions") == T0_US + 940 * SECOND_US)


async def test_row_gets_the_heartbeats_if_a_user_has_removed_the_note(
    quiet: DatabaseService, read: Reader, clock: Clock
) -> None:
    owner_note(quiet.path).unlink()
    clock.advance(4)
    await eventually(lambda: read.value("SELECT heartbeat_us FROM sessions") == T0_US + 44 * SECOND_US)


async def test_row_gets_the_heartbeats_if_the_note_cannot_be_written(
    quiet: DatabaseService, read: Reader, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        clock.advance(4)
        await eventually(lambda: read.value("SELECT heartbeat_us FROM sessions") == T0_US + 44 * SECOND_US)
    assert latest_us(quiet.path) == T0_US + 44 * SECOND_US


async def test_resumed_session_is_not_dated_back_by_its_old_note(
    quiet: DatabaseService, make_store: MakeStore, clock: Clock
) -> None:
    await quiet.stop()
    clock.advance(5)
    await quiet.start()
    copy = copy_of(quiet.path)
    assert await end_of_crashed(make_store, copy) == T0_US + 45 * SECOND_US


async def test_merged_second_file_ends_its_crashed_session_at_the_heartbeat_in_its_note(
    make_store: MakeStore, path: Path, read: Reader, clock: Clock, tmp_path: Path
) -> None:
    async with served(make_store(tmp_path / "second.db", heartbeat_s=0.05)) as store:
        clock.advance(40)
        await beat_until(store.path, T0_US + 40 * SECOND_US)
        second = second_file_path(path, "20270101T000000Z")
        for suffix in ("", "-wal", ".owner"):
            shutil.copyfile(with_suffix(store.path, suffix), with_suffix(second, suffix))
    await make_store().start()
    assert read.value("SELECT ended_us FROM sessions WHERE outcome = 'crashed'") == T0_US + 40 * SECOND_US


@pytest.mark.parametrize("at", range(1, 80, 7))
def test_half_written_heartbeat_is_not_read(tmp_path: Path, at: int) -> None:
    path = tmp_path / "hassette.db"
    one, other = Heartbeat(1, 2, 3, 1_999_999_999_999_999).line(), Heartbeat(1, 2, 3, 2_000_000_000_000_000).line()
    owner_note(path).write_bytes(b"{}\n" + other)
    assert read_heartbeat(path) == Heartbeat(1, 2, 3, 2_000_000_000_000_000)
    torn = other[:at] + one[at:]
    owner_note(path).write_bytes(b"{}\n" + torn)
    assert read_heartbeat(path) in {None, Heartbeat.parse(one) if torn == one else None, Heartbeat.parse(torn)}
    assert (read_heartbeat(path) is None) == (torn not in (one, other))


@pytest.mark.parametrize("content", [b"", b"{}", b"{}\n", b"\xff\xfe\n\x00", b"{}\n1 2 3 4", b"{}\n 00000000"])
def test_note_without_a_readable_heartbeat_gives_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hassette.db"
    owner_note(path).write_bytes(content)
    assert read_heartbeat(path) is None


def test_note_is_found_through_a_symbolic_link(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    path.touch()
    owner_note(path).write_bytes(b"{}\n" + Heartbeat(1, 2, 3, 4).line())
    link = tmp_path / "link.db"
    link.symlink_to(path)
    assert read_heartbeat(link) == Heartbeat(1, 2, 3, 4)


KILLED = """
import asyncio, sys
from pathlib import Path
from hassette_store import DatabaseService, StoreSettings

async def main():
    async with DatabaseService(Path(sys.argv[1]), StoreSettings(heartbeat_s=0.05)) as store:
        await asyncio.Event().wait()

asyncio.run(main())
"""


def kill_after_two_heartbeats(path: Path) -> Heartbeat:
    """Return the last heartbeat of a killed process."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, path])
    try:
        first = wait_until(lambda: read_heartbeat(path), 60)
        wait_until(lambda: read_heartbeat(path) != first, 60)
    finally:
        process.kill()
        process.wait()
    last = read_heartbeat(path)
    assert last is not None
    return last


async def test_killed_process_leaves_the_time_of_its_last_heartbeat(path: Path, read: Reader) -> None:
    last = kill_after_two_heartbeats(path)
    assert read.value("SELECT heartbeat_us FROM sessions") < last.at_us
    async with DatabaseService(path):
        assert read.value("SELECT ended_us FROM sessions WHERE outcome = 'crashed'") == last.at_us
