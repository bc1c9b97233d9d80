"""Retention deletes the right rows, keeps all others, and works in small steps."""

import asyncio
import sqlite3

import pytest

from hassette_store import DatabaseService
from hassette_store.ids import first_id_at, time_of
from hassette_store.periods import DAY_US
from support.retention import AT_ONCE, DAY_MS, DAY_S, fill, whole_pass
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
    Loss,
    Run,
    ServiceCall,
    Skip,
    invocation,
    run_id,
)
from support.stores import Clock, MakeStore, Reader, RunScript
from support.waiting import eventually

pytestmark = pytest.mark.heavy


async def test_successes_are_deleted_after_a_week_and_failures_after_a_month(
    store: DatabaseService, read: Reader, clock: Clock
) -> None:
    listener = Listener()
    effects = Effects((LogLine(),), (ServiceCall(),), 1, 1)
    runs = [
        invocation(day * DAY_MS + n, listener, status, effects=effects)
        for day in range(40)
        for n, status in enumerate(("success", "error", "timed_out"))
    ]
    await fill(store, runs)
    clock.advance(40 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    ages = {
        status: {40 - (time_of(row["id"]) - T0_US) // DAY_US for row in rows}
        for status in ("success", "error", "timed_out")
        if (rows := read.rows("SELECT id FROM named_runs WHERE status = ?", status))
    }
    assert max(ages["success"]) == 7
    assert max(ages["error"]) == max(ages["timed_out"]) == 30
    left = read.value("SELECT count(*) FROM runs")
    for table in ("log_lines", "service_calls", "dropped_effects"):
        assert read.value(f"SELECT count(*) FROM {table}") == left
    assert read.value("SELECT count(*) FROM failures") == len(
        read.rows("SELECT 1 FROM named_runs WHERE status = 'error'")
    )
    assert read.value("SELECT sum(success + error + timed_out) FROM statistics_daily") == 120


async def test_newest_runs_of_each_registration_are_kept_at_any_age(
    store: DatabaseService, read: Reader, clock: Clock
) -> None:
    rare, busy, job = Listener("rare"), Listener("busy"), Job()
    await fill(store, [invocation(n, rare) for n in range(5)])
    await fill(store, [invocation(100 + n, busy) for n in range(60)])
    due = tuple(Run(run_id(900_000, n), job, Due(), T0_US, 1, 1, "success") for n in range(30))
    await store.write(Batch(99, executions=due))
    clock.advance(100 * DAY_S)
    await whole_pass(store, clock)
    counts = read.rows(
        "SELECT name, count(*) AS n FROM runs JOIN registrations ON registrations.id = registration_id GROUP BY 1"
    )
    assert {row["name"]: row["n"] for row in counts} == {"rare": 5, "busy": 20, "tidy": 20}
    newest = read.value(
        "SELECT min(runs.id) FROM runs JOIN listeners ON listeners.id = registration_id WHERE name = 'busy'"
    )
    assert newest == run_id((100 + 40) * 1000)


async def test_run_is_deleted_once_it_is_not_among_the_newest(
    store: DatabaseService, read: Reader, clock: Clock
) -> None:
    listener = Listener()
    await fill(store, [invocation(n, listener) for n in range(20)])
    clock.advance(100 * DAY_S)
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM runs") == 20
    await fill(store, [invocation(100 * DAY_MS + n, listener) for n in range(12)])
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM runs") == 20
    assert read.value("SELECT min(id) FROM runs") == run_id(12_000)


async def test_second_retention_pass_skips_the_range_of_the_first(store: DatabaseService, clock: Clock) -> None:
    await fill(store, [invocation(n, Listener()) for n in range(600)])
    clock.advance(100 * DAY_S)
    first = await whole_pass(store, clock)
    again = await whole_pass(store, clock)
    assert first.changed_rows >= 580
    # The second pass changes only the few rows that hold the newest runs of each registration.
    assert again.changed_rows <= 10


@pytest.mark.parametrize("ahead_s", [400 * DAY_S, 30 * DAY_S + 90])
async def test_retention_with_a_clock_ahead_does_not_delete_later_runs(
    store: DatabaseService, read: Reader, clock: Clock, ahead_s: float
) -> None:
    listener = Listener()
    await fill(store, [invocation(n, listener) for n in range(10)])
    clock.advance(ahead_s)
    await whole_pass(store, clock, keep_newest=0)
    clock.advance(-ahead_s)
    # Later runs must stay, even if the newest of them is later than all runs that the pass considered.
    later = [60_000 + 1_000 * n for n in range(50)]
    await fill(store, [invocation(n, listener, "error" if n % 2_000 else "success") for n in later])
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs") == 50
    # Once the clock is right, runs are deleted at the right time.
    clock.advance(10 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs WHERE status_id <> 0") == read.value("SELECT count(*) FROM runs") == 25


async def test_progress_from_a_clock_ahead_is_dropped(
    store: DatabaseService, read: Reader, clock: Clock, spoil: RunScript
) -> None:
    mark = run_id(400 * DAY_US)
    spoil(f"INSERT INTO store_state VALUES ('successes_below', {mark}), ('all_runs_below', {mark})")
    listener = Listener()
    await fill(store, [invocation(n, listener) for n in range(50)])
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs") == 50
    clock.advance(10 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs") == 0


async def test_error_group_that_returns_after_deletion_has_a_traceback(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    store, listener = make_store(keep_newest=0, retention_schedule=AT_ONCE), Listener()
    await store.start()
    await fill(store, [invocation(1, listener, "error")])
    traceback = read.value("SELECT traceback FROM error_groups")
    clock.advance(500 * DAY_S)
    serving = asyncio.create_task(store.serve())
    await eventually(lambda: not read.value("SELECT count(*) FROM error_groups"))
    serving.cancel()
    await fill(store, [invocation(500 * DAY_MS, listener, "error")])
    assert read.value("SELECT traceback FROM error_groups") == traceback != ""


async def test_number_is_reused_only_without_statistics(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    kept = {"keep_newest": 0, "keep_daily_days": 2, "keep_hourly_days": 2}
    store, stays, goes, job = make_store(), Listener("stays"), Listener("goes"), Job("gone")
    await store.start()
    ran = Run(run_id(3_000_000), job, Due(), T0_US, 1, 1, "success")
    runs = (invocation(1, goes), invocation(2, goes))
    await store.write(Batch(1, registered=(stays, goes, job), invocations=runs, executions=(ran,)))
    clock.advance(60)
    # The runs end on the day after the retirement.
    await store.write(Batch(2, retired=(goes, job)))
    await store.write(Batch(3, invocations=(invocation(10 * DAY_MS // 24, goes),)))
    numbers = {row["id"] for row in read.rows("SELECT id FROM registrations")}
    for _ in range(6 * 24):
        clock.advance(DAY_S / 24)
        await whole_pass(store, clock, keep_successes_days=1, keep_failures_days=1, **kept)
        known = {row["id"] for row in read.rows("SELECT id FROM registrations")}
        counted = {row["id"] for row in read.rows("SELECT registration_id AS id FROM statistics_daily")}
        assert counted <= known
    assert known == numbers & {row["id"] for row in read.rows("SELECT id FROM listeners WHERE name = 'stays'")}


async def test_statistics_outlive_the_runs(store: DatabaseService, read: Reader, clock: Clock) -> None:
    listener = Listener()
    hour_us = 3_600_000_000
    await fill(store, [invocation(0, listener), invocation(50 * DAY_MS, listener)])
    skip = Skip(listener, T0_US // hour_us * hour_us, "overlap", 3)
    await store.write(Batch(50, skipped=(skip,)))
    clock.advance(70 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs") == 0
    for table, left in (
        ("statistics_hourly", 1),
        ("skips_hourly", 0),
        ("statistics_daily", 2),
        ("skips_daily", 1),
    ):
        assert read.value(f"SELECT count(*) FROM {table}") == left, table
    assert (len(read.latency("hour")), len(read.latency("day"))) == (1, 2)
    clock.advance(360 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM statistics_daily") == 1
    assert read.value("SELECT count(*) FROM skips_daily") == 0


async def test_session_is_kept_as_long_as_its_events(
    make_store: MakeStore, read: Reader, clock: Clock, spoil: RunScript
) -> None:
    for _ in range(2):
        store = make_store()
        await store.start()
        await store.stop()
    clock.advance(500 * DAY_S)
    store = make_store()
    await store.start()
    spoil(f"INSERT INTO lifecycle_events VALUES ({first_id_at(clock.us)}, 1, {clock.us}, 'app_started', 'x', '')")
    await whole_pass(store, clock)
    assert [row["id"] for row in read.rows("SELECT id FROM sessions ORDER BY id")] == [1, 3]


async def test_sessions_registrations_and_error_groups_are_kept_while_runs_refer_to_them(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    for sequence, name in enumerate(("kept", "gone"), 1):
        store = make_store()
        await store.start()
        keep, lifecycle = (
            Listener(name),
            LifecycleEvent(run_id(900_000_000 * sequence), clock.us, "app_started", "x", ""),
        )
        registered = (keep,) if name == "kept" else (keep, Listener("kept"))
        await store.write(
            Batch(1, registered=registered, lifecycle=(lifecycle,), losses=(Loss("late_effect", "log_lines", 1, 0, 0),))
        )
        failure = Failure(type=name)
        await store.write(Batch(2, invocations=(invocation(sequence * 1_000_000, keep, "error", failure=failure),)))
        await store.stop()
        clock.advance(3_600)
    store = make_store()
    await store.start()
    with sqlite3.connect(store.path) as db:
        db.execute("DELETE FROM handler_invocations WHERE id > ?", (run_id(1_500_000_000),))
        db.execute("DELETE FROM failures WHERE run_id > ?", (run_id(1_500_000_000),))
    db.close()
    await store.write(Batch(1, registered=(Listener("kept"),)))
    clock.advance(500 * DAY_S)
    await whole_pass(store, clock)
    assert [row["id"] for row in read.rows("SELECT id FROM sessions ORDER BY id")] == [1, 3]
    assert [row["name"] for row in read.rows("SELECT name FROM listeners")] == ["kept"]
    assert [row["type"] for row in read.rows("SELECT type FROM error_groups")] == ["kept"]
    assert read.value("SELECT (SELECT count(*) FROM lifecycle_events) + (SELECT count(*) FROM losses)") == 0
