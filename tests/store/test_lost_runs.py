"""The number of lost runs is right after a recovery, also if ids have changed or runs have been deleted."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hassette_store import CorruptDatabaseError, DatabaseService, ReplacedFileError
from support.retention import AT_ONCE, DAY_MS, DAY_S
from support.rows import Batch, Listener, Run, invocation
from support.stores import Clock, MakeStore, Reader
from support.waiting import eventually, patience

pytestmark = pytest.mark.heavy

LISTENER = Listener()
INDEX = "handler_invocations_by_listener"
WRITE = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("INSERT INTO store_state VALUES ('note', 1)")
db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
"""


def runs(number: int, first: int = 0) -> tuple[Run, ...]:
    return tuple(invocation(first + n, LISTENER) for n in range(number))


async def serve_until(store: DatabaseService, condition: Callable[[], bool]) -> None:
    serving = asyncio.create_task(store.serve())
    await eventually(condition)
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def write_and_recover(store: DatabaseService, batch: Batch) -> None:
    """Damage a page that contains no row of a table, and write a batch. The store finds the damage and recovers."""
    # The store reads its pages again, because another process has written to the file.
    command = [sys.executable, "-c", WRITE, str(store.path)]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=patience(30))
    with closing(sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (INDEX,)).fetchone()
    with store.path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"x" * 4096)
    with pytest.raises(CorruptDatabaseError):
        await store.write(batch)
    await store.stop()
    await store.start()
    await store.write(batch)


@pytest.mark.parametrize("step_s", [36_000, -36_000])
async def test_recovery_after_a_step_of_the_clock_claims_no_lost_runs(
    make_store: MakeStore, read: Reader, clock: Clock, step_s: int
) -> None:
    store = make_store()
    await store.start()
    await store.write(Batch(1, registered=(LISTENER,), invocations=runs(50)))
    clock.advance(60)
    corrected = "SELECT count(*) FROM lifecycle_events WHERE kind = 'clock_corrected'"
    clock.step(step_s)
    await store.write(Batch(2, invocations=runs(50, 60_000 + step_s * 1000)))
    await serve_until(store, lambda: read.value(corrected) == 1)
    await write_and_recover(store, Batch(3, invocations=runs(1, 61_000 + step_s * 1000)))
    assert read.value("SELECT count(*) FROM lifecycle_events WHERE kind = 'database_recovered'") == 1
    assert read.value("SELECT count(*) FROM runs") == 101
    assert store.lost_runs == 0
    assert read.rows("SELECT * FROM losses") == []


async def store_after_a_deletion(make_store: MakeStore, read: Reader, clock: Clock) -> DatabaseService:
    """Return a store that has stored 70 runs in its session, and deleted the oldest 50 of them."""
    store = make_store(keep_newest=0, retention_schedule=AT_ONCE)
    await store.start()
    await store.write(Batch(1, registered=(LISTENER,), invocations=runs(50)))
    clock.advance(10 * DAY_S)
    await store.write(Batch(2, invocations=runs(20, 10 * DAY_MS)))
    await serve_until(store, lambda: read.value("SELECT count(*) FROM runs") == 20)
    return store


async def test_runs_that_the_retention_deleted_are_not_lost_in_a_recovery(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    store = await store_after_a_deletion(make_store, read, clock)
    await write_and_recover(store, Batch(3, invocations=runs(1, 10 * DAY_MS + 100)))
    assert read.value("SELECT count(*) FROM runs") == 21
    assert store.lost_runs == 0
    assert read.rows("SELECT * FROM losses") == []


async def test_runs_that_the_retention_deleted_are_not_lost_with_the_file(
    make_store: MakeStore, path: Path, read: Reader, clock: Clock
) -> None:
    store = await store_after_a_deletion(make_store, read, clock)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    with pytest.raises(ReplacedFileError):
        await store.write(Batch(3, invocations=runs(1, 10 * DAY_MS + 100)))
    assert store.lost_runs == 20
    await store.stop()
    await store.start()
    assert store.lost_runs == 20
    assert read.value("SELECT count FROM losses") == 20
