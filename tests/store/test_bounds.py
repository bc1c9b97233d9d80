"""Age and size limit every table. The size limit deletes rows of the tables that caused the growth."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hassette_store import DatabaseService
from hassette_store.retention.shares import CONSTANT, GROUPS, SEARCH
from support.retention import AT_ONCE, DAY_MS, DAY_S, fill, retention_of, used_bytes, whole_pass
from support.rows import (
    T0_US,
    Batch,
    Due,
    Effects,
    Failure,
    Job,
    LifecycleEvent,
    Listener,
    LogLine,
    Run,
    execution,
    invocation,
    run_id,
)
from support.stores import Clock, MakeStore, Reader, RunScript
from support.waiting import eventually

pytestmark = pytest.mark.heavy

MB = 1_000_000


def test_every_table_has_a_place_in_the_size_limit(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    placed = {table for group, _ in GROUPS.values() for table in group}
    assert placed & set(CONSTANT) == set()
    assert {table for table in tables if not table.startswith("sqlite_")} == placed | set(CONSTANT)
    assert sum(share for _, share in GROUPS.values()) == pytest.approx(1)


async def one_shot_jobs(store: DatabaseService, count: int, *, first: int = 0, handler: str = "Lights.off") -> None:
    """Store jobs with different names, each of which ran once."""
    for start in range(first, first + count, 250):
        jobs = tuple(Job(f"off_{number}") for number in range(start, min(start + 250, first + count)))
        for job in jobs:
            job.handler = handler
        runs = tuple(
            Run(run_id((start + n) * 1_000), job, Due(), T0_US, 1_000, 1, "success") for n, job in enumerate(jobs)
        )
        await store.write(Batch(store.last_sequence + 1, registered=jobs, executions=runs, retired=jobs))


async def test_retired_one_shot_jobs_age_with_their_runs(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    store = make_store()
    await store.start()
    await one_shot_jobs(store, 1_000)
    current = Listener("current")
    await fill(store, [invocation(99 * DAY_MS + n, current) for n in range(30)])
    clock.advance(20 * DAY_S)
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM scheduled_jobs") == 1_000
    clock.advance(80 * DAY_S)
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM job_executions") == 0
    # One job stays. It has the statistics of all jobs.
    assert read.value("SELECT count(*) FROM scheduled_jobs") == 1
    totals = read.row("SELECT sum(success) AS runs, sum(total_us) AS us, max(max_us) AS longest FROM statistics_daily")
    assert totals == {"runs": 1_030, "us": 1_000 * 1_000 + 30 * 3_000, "longest": 3_000}
    assert sum(counts.total() for counts in read.latency().values()) == 1_030
    assert read.value("SELECT count(*) FROM statistics_daily") <= 3
    assert read.value("SELECT count(*) FROM handler_invocations") == 30
    # A job with the name of a deleted job is stored like any other job.
    again = Job("off_7")
    ran = execution(99 * DAY_MS + 900_000, again)
    await store.write(Batch(store.last_sequence + 1, registered=(again,), executions=(ran,)))
    assert (
        read.value(
            "SELECT registrations.name FROM runs JOIN registrations ON registrations.id = registration_id"
            " WHERE runs.id = ?",
            ran.id,
        )
        == "off_7"
    )


async def test_deleted_name_that_returns_in_the_same_session_gets_a_row(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:

    store = make_store(retention_schedule=AT_ONCE)
    await store.start()
    await one_shot_jobs(store, 50)
    await store.write(Batch(store.last_sequence + 1, registered=(Listener("current"),)))
    clock.advance(100 * DAY_S)
    serving = asyncio.create_task(store.serve())
    await eventually(lambda: read.value("SELECT count(*) FROM scheduled_jobs") == 1)
    serving.cancel()
    # The batch does not announce the registration of the run, as if an earlier batch, before the deletion, had done so.
    ran = execution(100 * DAY_MS, Job("off_7"))
    await store.write(Batch(store.last_sequence + 1, executions=(ran,)))
    assert read.value("SELECT count(*) FROM job_executions JOIN scheduled_jobs ON scheduled_jobs.id = job_id") == 1


async def test_removed_handler_without_a_successor_keeps_its_statistics(
    store: DatabaseService, read: Reader, clock: Clock
) -> None:
    removed, current = Listener("removed"), Listener("current")
    removed.handler = "Hall.removed"
    await fill(store, [invocation(n, removed) for n in range(30)])
    await store.write(Batch(store.last_sequence + 1, retired=(removed,), registered=(current,)))
    clock.advance(100 * DAY_S)
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM runs") == 0
    assert {row["name"] for row in read.rows("SELECT name FROM listeners")} == {"removed", "current"}
    clock.advance(400 * DAY_S)
    await whole_pass(store, clock)
    assert {row["name"] for row in read.rows("SELECT name FROM listeners")} == {"current"}


async def test_restart_does_not_remove_the_newest_runs(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    store = make_store()
    await store.start()
    await fill(store, [invocation(n, Listener()) for n in range(30)])
    await store.stop()
    clock.advance(100 * DAY_S)
    store = make_store()
    await store.start()
    # No app has registered anything yet, so all registrations are retired.
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM runs") == 20


async def history_of_an_app_that_does_not_load(make_store: MakeStore, read: Reader, clock: Clock) -> DatabaseService:
    """Return a store whose second session, 100 days later, has registrations of one of two app instances only."""
    store = make_store()
    await store.start()
    runs = [invocation(n, Listener(name, "attic")) for name in ("by_day", "by_night") for n in range(20)]
    await fill(store, [run._replace(id=run_id(n * 1_000)) for n, run in enumerate(runs)])
    await store.stop()
    clock.advance(100 * DAY_S)
    store = make_store()
    await store.start()
    # The instance "upstairs" of the same app loads, too.
    current = (Listener("current", "hall"), Listener("current", "attic", "upstairs"))
    await store.write(Batch(1, registered=current))
    assert read.value("SELECT count(*) FROM listeners WHERE retired_us IS NULL") == 2
    return store


async def test_newest_runs_of_an_app_that_does_not_load_stay(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    store = await history_of_an_app_that_does_not_load(make_store, read, clock)
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM runs") == 40
    # The app loads again, without one of its listeners.
    await store.write(Batch(2, registered=(Listener("by_day", "attic"),)))
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM runs") == 20


async def test_runs_of_an_app_that_is_gone_are_deleted_after_the_framework_has_run_without_it_for_a_month(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    store = await history_of_an_app_that_does_not_load(make_store, read, clock)
    clock.advance(29 * DAY_S)
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM runs") == 40
    clock.advance(2 * DAY_S)
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM runs") == 0


async def test_jobs_that_one_app_has_ended_age_while_only_other_apps_register(
    store: DatabaseService, read: Reader, clock: Clock
) -> None:
    await store.write(Batch(100, registered=(Listener("real", "attic"),)))
    await one_shot_jobs(store, 50)
    clock.advance(100 * DAY_S)
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM job_executions") == 0


async def test_size_limit_does_not_remove_listeners_of_an_app_that_does_not_load(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    store = await history_of_an_app_that_does_not_load(make_store, read, clock)
    async with retention_of(store, clock, max_size_mb=1, keep_failures_days=36_500) as (retention, db):
        # A large text in a registration lets the registrations exceed their share.
        await db.rows("UPDATE listeners SET source_snippet = printf('%01200000d', 1) WHERE app = 'hall'")
        async for _ in retention.whole_pass():
            pass
    assert {row["name"] for row in read.rows("SELECT name FROM listeners")} == {"by_day", "by_night", "current"}


@pytest.mark.long
async def test_size_limit_takes_made_up_names_before_the_runs_of_a_handler(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    store = make_store()
    await store.start()
    handler = Listener("real")
    await fill(store, [invocation(n, handler) for n in range(3_000)])
    await one_shot_jobs(store, 12_000, first=10_000)
    assert used_bytes(read) > 3 * MB
    await whole_pass(store, clock, max_size_mb=1.5)
    assert used_bytes(read) <= 1.5 * MB
    assert read.value("SELECT count(*) FROM handler_invocations") == 3_000
    assert read.value("SELECT sum(success) FROM statistics_daily") == 15_000
    assert read.value("SELECT value FROM store_state WHERE name = 'early:registrations'") > 5_000


async def test_size_limit_takes_lifecycle_events_before_runs(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    store = make_store()
    await store.start()
    await fill(store, [invocation(n, Listener()) for n in range(5_500)])
    for start in range(0, 60_000, 5_000):
        events = tuple(
            LifecycleEvent(run_id(10_000_000_000 + n * 1_000), T0_US + n, "app_failed", "hall.main", "x" * 40)
            for n in range(start, start + 5_000)
        )
        await store.write(Batch(store.last_sequence + 1, lifecycle=events))
    assert used_bytes(read) > 4 * MB
    await whole_pass(store, clock, max_size_mb=3)
    assert used_bytes(read) <= 3 * MB
    assert read.value("SELECT count(*) FROM runs") == 5_500
    left = read.row("SELECT count(*) AS n, max(at_us) AS newest FROM lifecycle_events")
    assert 1_000 < left["n"] < 60_000
    assert left["newest"] == T0_US + 59_999
    assert read.value("SELECT value FROM store_state WHERE name = 'early:lifecycle_events'") == 60_000 - left["n"]
    assert read.value("SELECT value FROM store_state WHERE name = 'early_us'") == clock.us


GROWTH = {
    "losses": "losses SELECT n, 1, printf('%0100d', n), 'runs', 1, n, n",
    "sessions": "sessions (started_us, heartbeat_us, ended_us, outcome, pid, host)"
    " SELECT n, n, n, 'crashed', 1, printf('%0100d', n)",
    "error_groups": "error_groups (id, fingerprint, kind, type, message, traceback, first_seen_us, last_seen_us,"
    " first_run_id, last_run_id, count, file, line, function, code) SELECT 1000000 + n, printf('f%d', n), 'exception',"
    " 'E', 'm', printf('%0100d', n), n, n, n, n, 1, '', 0, '', ''",
    "lifecycle_events": "lifecycle_events SELECT n, 1, n, 'app_failed', 'x', printf('%0100d', n)",
    "home_changes": "home_changes SELECT n, 1, 1, printf('%0100d', n), 'on', 'c', NULL, NULL",
    "home_causes": "home_causes (id, session_id, kind, detail, context_id)"
    " SELECT n, 1, 'automation', printf('%0100d', n), 'c'",
    "deploys": "deploys SELECT n, 1, 'hall', 'v', printf('%0100d', n), 's', NULL, 1",
    "framework_log": "framework_log SELECT n, 1, 30, 1, printf('%0100d', n), NULL",
    "statistics": "skips_daily SELECT n / 5000, 1000000000 + n, 1000000000 + n, 1000000000 + n",
}


@pytest.mark.parametrize("group", GROWTH)
async def test_group_that_grew_is_shrunk_and_the_others_stay(
    make_store: MakeStore, read: Reader, clock: Clock, spoil: RunScript, group: str
) -> None:
    store = make_store()
    await store.start()
    effects = Effects((LogLine(),))
    runs = [invocation(n, Listener(), "error" if n % 10 == 0 else "success", effects=effects) for n in range(1_000)]
    await fill(store, [run._replace(failure=run.failure and Failure(type=f"E{run.id}")) for run in runs])
    # The pass first adds the runs to the search index, and counts them. So compare what the statistics state, and not
    # which table states it.
    tables = [table for name, (tables, _) in GROUPS.items() if name not in (group, SEARCH) for table in tables]
    tables = [table.replace("counted", "statistics") for table in tables]
    before = {table: read.value(f"SELECT count(*) FROM {table}") for table in tables}
    numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 70000)"
    into, _, select = GROWTH[group].partition(" SELECT ")
    spoil(f"INSERT INTO {into} {numbers} SELECT {select} FROM numbers")
    assert used_bytes(read) > 1.8 * MB
    await whole_pass(
        store,
        clock,
        max_size_mb=1.9,
        keep_daily_days=36_500,
        keep_hourly_days=36_500,
        keep_successes_days=36_500,
        keep_failures_days=36_500,
    )
    assert used_bytes(read) <= 1.9 * MB
    assert {table: read.value(f"SELECT count(*) FROM {table}") for table in tables} == before
