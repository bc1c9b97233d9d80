"""What is taken from the file, what never is, and how gently."""

import asyncio
import sqlite3
from typing import Any

import pytest

from hassette_store import StoreSettings
from hassette_store.retention.retention import FIRST_PASS_S, PASS_INTERVAL_S, Retention

DAY_S = 86_400
DAY_MS = DAY_S * 1000


async def whole_pass(store: Any, clock: Any, **settings: Any) -> Retention:
    retention = Retention(store._db, StoreSettings(**settings), clock.now_us, clock.monotonic)
    async for _ in retention.whole_pass():
        pass
    return retention


async def fill(store: Any, v: Any, runs: list[Any]) -> None:
    for start in range(0, len(runs), 500):
        await store.write(v.Batch(store._last_sequence + 1, invocations=tuple(runs[start : start + 500])))


async def test_successes_go_after_a_week_and_failures_after_a_month(store: Any, read: Any, clock: Any, v: Any) -> None:
    listener = v.Listener()
    effects = v.Effects((v.LogLine(),), (v.Call(),), 1, 1)
    runs = [
        v.an_invocation(day * DAY_MS + n, listener, status, effects=effects)
        for day in range(40)
        for n, status in enumerate(("success", "error", "timed_out"))
    ]
    await fill(store, v, runs)
    clock.pass_(40 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    ages = {
        status: {40 - ((row["id"] >> 21) - v.T0_US // 1000) // DAY_MS for row in rows}
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


async def test_the_newest_runs_of_each_registration_stay_whatever_their_age(
    store: Any, read: Any, clock: Any, v: Any
) -> None:
    rare, busy, job = v.Listener("rare"), v.Listener("busy"), v.Job()
    await fill(store, v, [v.an_invocation(n, rare) for n in range(5)])
    await fill(store, v, [v.an_invocation(100 + n, busy) for n in range(60)])
    due = tuple(v.Run(v.run_id(900_000, n), job, v.Due(), v.T0_US, 1, 1, "success") for n in range(30))
    await store.write(v.Batch(99, executions=due))
    clock.pass_(100 * DAY_S)
    await whole_pass(store, clock)
    counts = read.rows(
        "SELECT name, count(*) AS n FROM runs JOIN registrations ON registrations.id = registration_id GROUP BY 1"
    )
    assert {row["name"]: row["n"] for row in counts} == {"rare": 5, "busy": 20, "tidy": 20}
    newest = read.value(
        "SELECT min(runs.id) FROM runs JOIN listeners ON listeners.id = registration_id WHERE name = 'busy'"
    )
    assert newest == v.run_id((100 + 40) * 1000)


async def test_what_was_kept_as_newest_goes_when_it_is_not_any_more(store: Any, read: Any, clock: Any, v: Any) -> None:
    listener = v.Listener()
    await fill(store, v, [v.an_invocation(n, listener) for n in range(20)])
    clock.pass_(100 * DAY_S)
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM runs") == 20
    await fill(store, v, [v.an_invocation(100 * DAY_MS + n, listener) for n in range(12)])
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM runs") == 20
    assert read.value("SELECT min(id) FROM runs") == v.run_id(12_000)


async def test_a_second_pass_does_not_walk_what_the_first_has_walked(store: Any, clock: Any, v: Any) -> None:
    await fill(store, v, [v.an_invocation(n, v.Listener()) for n in range(600)])
    clock.pass_(100 * DAY_S)
    first = await whole_pass(store, clock)
    again = await whole_pass(store, clock)
    assert first.rows >= 580
    # What remains is the note of the newest runs.
    assert again.rows <= 10


@pytest.mark.parametrize("ahead_s", [400 * DAY_S, 30 * DAY_S + 90])
async def test_a_pass_under_a_clock_that_is_ahead_takes_nothing_of_what_comes_after_it(
    store: Any, read: Any, clock: Any, v: Any, ahead_s: float
) -> None:
    listener = v.Listener()
    await fill(store, v, [v.an_invocation(n, listener) for n in range(10)])
    clock.pass_(ahead_s)
    await whole_pass(store, clock, keep_newest=0)
    clock.pass_(-ahead_s)
    # Also when the newest of them is later than anything that pass has looked at.
    later = [60_000 + 1_000 * n for n in range(50)]
    await fill(store, v, [v.an_invocation(n, listener, "error" if n % 2_000 else "success") for n in later])
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs") == 50
    # What came under the right clock goes at its right time.
    clock.pass_(10 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs WHERE status_id <> 0") == read.value("SELECT count(*) FROM runs") == 25


async def test_the_marks_of_a_clock_that_was_ahead_are_forgotten(store: Any, read: Any, clock: Any, v: Any) -> None:
    await store._db.rows(
        "INSERT INTO store_state VALUES ('successes_below', ?), ('failures_below', ?)",
        (v.run_id(400 * DAY_MS * 1000),) * 2,
    )
    listener = v.Listener()
    await fill(store, v, [v.an_invocation(n, listener) for n in range(50)])
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs") == 50
    clock.pass_(10 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs") == 0


async def test_a_group_that_comes_back_after_it_aged_out_has_its_traceback(
    make_store: Any, read: Any, clock: Any, v: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hassette_store.retention.retention.FIRST_PASS_S", 0.0)
    store, listener = make_store(keep_newest=0), v.Listener()
    await store.start()
    await fill(store, v, [v.an_invocation(1, listener, "error")])
    traceback = read.value("SELECT traceback FROM error_groups")
    clock.pass_(500 * DAY_S)
    serving = asyncio.create_task(store.serve())
    async with asyncio.timeout(20):
        while read.value("SELECT count(*) FROM error_groups"):  # noqa: ASYNC110  as below
            await asyncio.sleep(0.02)
    serving.cancel()
    await fill(store, v, [v.an_invocation(500 * DAY_MS, listener, "error")])
    assert read.value("SELECT traceback FROM error_groups") == traceback != ""


async def test_a_number_is_given_again_only_when_no_statistics_carry_it(
    make_store: Any, read: Any, clock: Any, v: Any
) -> None:
    kept = {"keep_newest": 0, "keep_daily_days": 2, "keep_hourly_days": 2}
    store, stays, goes, job = make_store(), v.Listener("stays"), v.Listener("goes"), v.Job("gone")
    await store.start()
    ran = v.Run(v.run_id(3_000_000), job, v.Due(), v.T0_US, 1, 1, "success")
    runs = (v.an_invocation(1, goes), v.an_invocation(2, goes))
    await store.write(v.Batch(1, registered=(stays, goes, job), invocations=runs, executions=(ran,)))
    clock.pass_(60)
    # They end on the next day, after the retirement.
    await store.write(v.Batch(2, retired=(goes, job)))
    await store.write(v.Batch(3, invocations=(v.an_invocation(10 * DAY_MS // 24, goes),)))
    numbers = {row["id"] for row in read.rows("SELECT id FROM registrations")}
    for _ in range(6 * 24):
        clock.pass_(DAY_S / 24)
        await whole_pass(store, clock, keep_successes_days=1, keep_failures_days=1, **kept)
        known = {row["id"] for row in read.rows("SELECT id FROM registrations")}
        counted = {row["id"] for row in read.rows("SELECT registration_id AS id FROM statistics_daily")}
        assert counted <= known
    assert known == numbers & {row["id"] for row in read.rows("SELECT id FROM listeners WHERE name = 'stays'")}


async def test_statistics_outlive_the_rows_and_go_by_an_age_of_their_own(
    store: Any, read: Any, clock: Any, v: Any
) -> None:
    listener = v.Listener()
    hour_us = 3_600_000_000
    await fill(store, v, [v.an_invocation(0, listener), v.an_invocation(50 * DAY_MS, listener)])
    skip = v.Skip(listener, v.T0_US // hour_us * hour_us, "overlap", 3)
    await store.write(v.Batch(50, skipped=(skip,)))
    clock.pass_(70 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs") == 0
    for table, left in (
        ("statistics_hourly", 1),
        ("latency_hourly", 1),
        ("skips_hourly", 0),
        ("statistics_daily", 2),
        ("latency_daily", 2),
        ("skips_daily", 1),
    ):
        assert read.value(f"SELECT count(*) FROM {table}") == left, table
    clock.pass_(360 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM statistics_daily") == 1
    assert read.value("SELECT count(*) FROM skips_daily") == 0


async def test_a_session_stays_as_long_as_an_event_of_it(make_store: Any, read: Any, clock: Any) -> None:
    for _ in range(2):
        store = make_store()
        await store.start()
        await store.stop()
    clock.pass_(500 * DAY_S)
    store = make_store()
    await store.start()
    await store._db.rows(
        "INSERT INTO lifecycle_events VALUES (?, 1, ?, 'app_started', 'x', '')", (clock.us // 1000 << 21, clock.us)
    )
    await whole_pass(store, clock)
    assert [row["id"] for row in read.rows("SELECT id FROM sessions")] == [1, 3]


async def test_sessions_registrations_and_error_groups_go_last_and_only_when_nothing_refers_to_them(
    make_store: Any, read: Any, clock: Any, v: Any
) -> None:
    for sequence, name in enumerate(("kept", "gone"), 1):
        store = make_store()
        await store.start()
        keep, lifecycle = (
            v.Listener(name),
            v.Lifecycle(v.run_id(900_000_000 * sequence), clock.us, "app_started", "x", ""),
        )
        await store.write(
            v.Batch(
                1, registered=(keep,), lifecycle=(lifecycle,), losses=(v.Loss("late_effect", "log_lines", 1, 0, 0),)
            )
        )
        failure = v.Failure(type=name)
        await store.write(
            v.Batch(2, invocations=(v.an_invocation(sequence * 1_000_000, keep, "error", failure=failure),))
        )
        await store.stop()
        clock.pass_(3_600)
    store = make_store()
    await store.start()
    with sqlite3.connect(store.path) as db:
        db.execute("DELETE FROM handler_invocations WHERE id > ?", (v.run_id(1_500_000_000),))
        db.execute("DELETE FROM failures WHERE run_id > ?", (v.run_id(1_500_000_000),))
    db.close()
    clock.pass_(500 * DAY_S)
    await whole_pass(store, clock)
    assert [row["id"] for row in read.rows("SELECT id FROM sessions")] == [1, 3]
    assert [row["name"] for row in read.rows("SELECT name FROM listeners")] == ["kept"]
    assert [row["type"] for row in read.rows("SELECT type FROM error_groups")] == ["kept"]
    assert read.value("SELECT (SELECT count(*) FROM lifecycle_events) + (SELECT count(*) FROM losses)") == 0


async def test_the_size_is_kept_by_taking_the_oldest_successes_first_and_failures_last(
    make_store: Any, path: Any, read: Any, clock: Any, v: Any
) -> None:
    store = make_store()
    await store.start()
    listener = v.Listener()
    told = v.Effects((v.LogLine(message="x" * 900),))
    await fill(
        store,
        v,
        [v.an_invocation(n, listener, "error" if n % 4 == 0 else "success", effects=told) for n in range(4_000)],
    )
    await whole_pass(store, clock, max_size_mb=2)
    pages = read.row("SELECT * FROM pragma_page_count, pragma_freelist_count")
    assert (pages["page_count"] - pages["freelist_count"]) * 4096 <= 2_000_000
    left = {row["status"]: row["n"] for row in read.rows("SELECT status, count(*) AS n FROM named_runs GROUP BY 1")}
    assert left["error"] == 1_000
    assert left["success"] < 1_000
    assert read.value("SELECT min(id) FROM runs WHERE status_id = 0") > v.run_id(2_000_000)
    await whole_pass(store, clock, max_size_mb=1)
    failing = read.rows("SELECT id FROM named_runs WHERE status = 'error'")
    assert 20 <= len(failing) < 1_000
    assert read.value("SELECT success + error FROM statistics_daily") == 4_000


async def test_error_groups_without_a_run_do_not_outgrow_the_size_and_are_walked_in_small_bites(
    make_store: Any, read: Any, clock: Any, v: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app whose every message is another one, such as an address with a token in it, makes a group a failure."""
    store = make_store()
    await store.start()
    listener = v.Listener()
    runs = [
        v.an_invocation(n, listener, "error", failure=v.Failure(type=f"E{n}", message="x" * 900)) for n in range(2_000)
    ]
    await fill(store, v, runs)
    assert read.value("SELECT count(*) FROM error_groups") == 2_000
    monkeypatch.setattr("hassette_store.retention.retention._MOST_ROWS", 64)
    walked: list[int] = []

    def notice(sql: str) -> None:
        if sql.startswith("DELETE FROM error_groups"):
            walked.append(1)

    await store._db.run(lambda db: db.set_trace_callback(notice))
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM error_groups") == 2_000
    assert len(walked) >= 2_000 / 80
    await whole_pass(store, clock, max_size_mb=1)
    pages = read.row("SELECT * FROM pragma_page_count, pragma_freelist_count")
    assert (pages["page_count"] - pages["freelist_count"]) * 4096 <= 1_000_000
    groups = read.value("SELECT count(*) FROM error_groups")
    assert 20 <= groups < 1_000, "those of the newest runs are left"
    assert read.value("SELECT count(*) FROM failures JOIN error_groups ON error_groups.id = error_group_id") == 20


async def test_free_pages_are_given_back(store: Any, path: Any, read: Any, clock: Any, v: Any) -> None:
    told = v.Effects((v.LogLine(message="x" * 900),))
    await fill(store, v, [v.an_invocation(n, v.Listener(), effects=told) for n in range(6_000)])
    before = read.value("SELECT page_count FROM pragma_page_count")
    clock.pass_(100 * DAY_S)
    await whole_pass(store, clock)
    after = read.row("SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count")
    assert after["page_count"] < before / 2
    assert after["freelist_count"] <= 256


async def test_a_pass_brings_the_log_home_by_itself_again_and_again(store: Any, path: Any, clock: Any, v: Any) -> None:
    told = v.Effects((v.LogLine(message="x" * 900),))
    await fill(store, v, [v.an_invocation(n, v.Listener(), effects=told) for n in range(8_000)])
    clock.pass_(100 * DAY_S)
    bites = checkpoints = 0

    def count(sql: str) -> None:
        nonlocal checkpoints
        checkpoints += "wal_checkpoint" in sql

    await store._db.run(lambda db: db.set_trace_callback(count))
    retention = Retention(store._db, StoreSettings(keep_newest=0), clock.now_us, clock.monotonic)
    async for _ in retention.whole_pass():
        bites += 1
    assert bites > 40
    assert bites // 20 <= checkpoints <= bites // 10
    assert await store._db.rows("PRAGMA wal_autocheckpoint") == [(1_000,)]


async def test_a_bite_is_taken_between_writes_and_only_when_its_time_has_come(
    store: Any, read: Any, clock: Any, v: Any
) -> None:
    await fill(store, v, [v.an_invocation(n, v.Listener()) for n in range(300)])
    clock.pass_(0)
    retention = Retention(store._db, StoreSettings(keep_newest=0), clock.now_us, clock.monotonic)
    assert await retention.bite() == FIRST_PASS_S
    clock.pass_(100 * DAY_S)
    pauses = [await retention.bite()]
    while pauses[-1] < PASS_INTERVAL_S:
        pauses.append(await retention.bite())
    assert len(pauses) > 10
    assert read.value("SELECT count(*) FROM runs") == 0
    assert await retention.bite() == PASS_INTERVAL_S


async def test_a_locked_file_puts_the_pass_off_and_ends_nothing(store: Any, read: Any, clock: Any, v: Any) -> None:
    await fill(store, v, [v.an_invocation(n, v.Listener()) for n in range(3)])
    clock.pass_(100 * DAY_S)
    retention = Retention(store._db, StoreSettings(keep_newest=0), clock.now_us, clock.monotonic)
    clock.pass_(FIRST_PASS_S)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        while await retention.bite() < PASS_INTERVAL_S:
            pass
    finally:
        other.close()
    assert read.value("SELECT count(*) FROM runs") == 3
    clock.pass_(PASS_INTERVAL_S)
    while await retention.bite() < PASS_INTERVAL_S:
        pass
    assert read.value("SELECT count(*) FROM runs") == 0


async def test_the_service_takes_bites_by_itself(
    make_store: Any, read: Any, clock: Any, v: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(keep_newest=0)
    await store.start()
    await fill(store, v, [v.an_invocation(n, v.Listener()) for n in range(30)])
    monkeypatch.setattr("hassette_store.retention.retention.FIRST_PASS_S", 0.0)
    clock.pass_(100 * DAY_S)
    serving = asyncio.create_task(store.serve())
    async with asyncio.timeout(20):
        while read.value("SELECT count(*) FROM runs"):  # noqa: ASYNC110  another connection has no event to wait for
            await asyncio.sleep(0.02)
    serving.cancel()
