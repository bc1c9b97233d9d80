"""The retention works in small steps, keeps the file below its limit, and waits for other users of the file."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hassette_store import DatabaseService
from hassette_store.retention.retention import RetentionSchedule
from support.retention import AT_ONCE, DAY_S, fill, retention_of, used_bytes, whole_pass
from support.rows import (
    Effects,
    Failure,
    Listener,
    LogLine,
    invocation,
    run_id,
)
from support.stores import Clock, MakeStore, Reader
from support.waiting import eventually

pytestmark = pytest.mark.heavy


async def test_size_limit_deletes_the_oldest_successes_before_failures(
    make_store: MakeStore, path: Path, read: Reader, clock: Clock
) -> None:
    store = make_store()
    await store.start()
    listener = Listener()
    effects = Effects((LogLine(message="x" * 900),))
    await fill(
        store,
        [invocation(n, listener, "error" if n % 4 == 0 else "success", effects=effects) for n in range(4_000)],
    )
    await whole_pass(store, clock, max_size_mb=2)
    assert used_bytes(read) <= 2_000_000
    left = {row["status"]: row["n"] for row in read.rows("SELECT status, count(*) AS n FROM named_runs GROUP BY 1")}
    assert left["error"] == 1_000
    assert left["success"] < 1_000
    assert read.value("SELECT min(id) FROM runs WHERE status_id = 0") > run_id(2_000_000)
    await whole_pass(store, clock, max_size_mb=1)
    failing = read.rows("SELECT id FROM named_runs WHERE status = 'error'")
    assert 20 <= len(failing) < 1_000
    assert read.value("SELECT success + error FROM statistics_daily") == 4_000


async def test_error_groups_without_runs_are_deleted_in_small_steps(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    """If each error message of an app differs, for example by a token in an address, each failure makes a new group."""
    store = make_store()
    await store.start()
    listener = Listener()
    runs = [invocation(n, listener, "error", failure=Failure(type=f"E{n}", message="x" * 900)) for n in range(2_000)]
    await fill(store, runs)
    assert read.value("SELECT count(*) FROM error_groups") == 2_000
    walked: list[int] = []

    def notice(sql: str) -> None:
        if sql.startswith("DELETE FROM error_groups"):
            walked.append(1)

    await whole_pass(store, clock, schedule=RetentionSchedule(max_rows=64), trace=notice)
    assert read.value("SELECT count(*) FROM error_groups") == 2_000
    assert len(walked) >= 2_000 / 80
    await whole_pass(store, clock, max_size_mb=1)
    assert used_bytes(read) <= 1_000_000
    groups = read.value("SELECT count(*) FROM error_groups")
    assert 20 <= groups < 1_000, "groups of the newest runs stay"
    assert read.value("SELECT count(*) FROM failures JOIN error_groups ON error_groups.id = error_group_id") == 20


async def test_free_pages_return_to_the_file_system(
    store: DatabaseService, path: Path, read: Reader, clock: Clock
) -> None:
    effects = Effects((LogLine(message="x" * 900),))
    await fill(store, [invocation(n, Listener(), effects=effects) for n in range(6_000)])
    before = read.value("SELECT page_count FROM pragma_page_count")
    clock.advance(100 * DAY_S)
    await whole_pass(store, clock)
    after = read.row("SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count")
    assert after["page_count"] < before / 2
    assert after["freelist_count"] <= 256


async def test_retention_runs_checkpoints_between_its_steps(store: DatabaseService, path: Path, clock: Clock) -> None:
    effects = Effects((LogLine(message="x" * 900),))
    await fill(store, [invocation(n, Listener(), effects=effects) for n in range(8_000)])
    clock.advance(100 * DAY_S)
    steps = checkpoints = 0

    def count(sql: str) -> None:
        nonlocal checkpoints
        checkpoints += "wal_checkpoint" in sql

    async with retention_of(store, clock, trace=count, keep_newest=0) as (retention, db):
        async for _ in retention.whole_pass():
            steps += 1
        assert await db.rows("PRAGMA wal_autocheckpoint") == [(1_000,)]
    assert steps > 40
    assert steps // 20 <= checkpoints <= steps // 10


async def test_retention_step_waits_for_its_scheduled_time(store: DatabaseService, read: Reader, clock: Clock) -> None:
    await fill(store, [invocation(n, Listener()) for n in range(300)])
    schedule = RetentionSchedule()
    async with retention_of(store, clock, keep_newest=0) as (retention, _):
        assert await retention.step() == schedule.first_pass_s
        clock.advance(100 * DAY_S)
        pauses_s = [await retention.step()]
        while pauses_s[-1] < schedule.interval_s:
            pauses_s.append(await retention.step())
        assert len(pauses_s) > 10
        assert read.value("SELECT count(*) FROM runs") == 0
        assert await retention.step() == schedule.interval_s


async def test_locked_file_postpones_the_retention_pass(store: DatabaseService, read: Reader, clock: Clock) -> None:
    await fill(store, [invocation(n, Listener()) for n in range(3)])
    clock.advance(100 * DAY_S)
    schedule = RetentionSchedule()
    async with retention_of(store, clock, keep_newest=0) as (retention, _):
        clock.advance(schedule.first_pass_s)
        with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            while await retention.step() < schedule.interval_s:
                pass
        assert read.value("SELECT count(*) FROM runs") == 3
        clock.advance(schedule.interval_s)
        while await retention.step() < schedule.interval_s:
            pass
    assert read.value("SELECT count(*) FROM runs") == 0


async def test_service_runs_the_retention(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    store = make_store(keep_newest=0, retention_schedule=AT_ONCE)
    await store.start()
    await fill(store, [invocation(n, Listener()) for n in range(30)])
    clock.advance(100 * DAY_S)
    serving = asyncio.create_task(store.serve())
    await eventually(lambda: not read.value("SELECT count(*) FROM runs"))
    serving.cancel()
