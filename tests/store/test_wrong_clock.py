"""A wrong wall clock deletes nothing: the retention waits until the clock is confirmed."""

import asyncio

import pytest

from hassette_store import DatabaseService
from hassette_store.clock.check import ClockCheck
from hassette_store.clock.machine import running_s, wall_clock_us
from hassette_store.retention.retention import Retention
from support.retention import AT_ONCE, DAY_MS, DAY_S, due_pass, fill, retention_of, used_bytes, whole_pass
from support.rows import (
    T0_US,
    Batch,
    Effects,
    Failure,
    LifecycleEvent,
    Listener,
    LogLine,
    Loss,
    Skip,
    invocation,
    run_id,
)
from support.stores import Clock, MakeStore, Reader
from support.waiting import eventually

pytestmark = pytest.mark.heavy

HOUR_S = 3_600
YEAR_S = 365 * DAY_S
TABLES = ("runs", "failures", "error_groups", "statistics_hourly", "statistics_daily", "skips_daily")
TABLES = (*TABLES, "registrations", "sessions", "losses", "lifecycle_events", "log_lines")


def counts(read: Reader) -> dict[str, int]:
    return {table: read.value(f"SELECT count(*) FROM {table}") for table in TABLES}


async def fill_a_month(store: DatabaseService, clock: Clock) -> None:
    """Store runs of 30 days up to now, and rows in all other tables."""
    listener = Listener()
    day0 = (clock.us - T0_US) // 1000 - 30 * DAY_MS
    effects = Effects((LogLine(),))
    runs = [
        invocation(day0 + day * DAY_MS + n, listener, status, effects=effects)
        for day in range(24, 30)
        for n, status in enumerate(("success",) * 5)
    ]
    runs += [
        invocation(day0 + day * DAY_MS + 100 + n, listener, "error", failure=Failure(type=f"E{n}"))
        for day in range(1, 30)
        for n in range(2)
    ]
    await fill(store, sorted(runs, key=lambda run: run.id))
    at_us = clock.us
    await store.write(
        Batch(
            store.last_sequence + 1,
            retired=(listener,),
            lifecycle=(LifecycleEvent(run_id(at_us - T0_US, 9), at_us, "app_started", "x", ""),),
            losses=(Loss("late_effect", "log_lines", 1, at_us, at_us),),
            skipped=(Skip(listener, at_us, "overlap", 3),),
        )
    )


async def run_for_a_month(make_store: MakeStore, clock: Clock) -> None:
    """Run a session that stores the rows of a month and ends."""
    store = make_store()
    await store.start()
    await fill_a_month(store, clock)
    await store.stop()


async def settle(retention: Retention, clock: Clock, hours: float) -> None:
    """Let time pass without a step of the clock. Run one pass every ten minutes."""
    for _ in range(round(hours * 6)):
        await due_pass(retention, clock)


@pytest.mark.parametrize("ahead_s", [2 * DAY_S, 31 * DAY_S, 500 * DAY_S, 20 * YEAR_S])
async def test_clock_that_starts_ahead_deletes_nothing(
    make_store: MakeStore, read: Reader, clock: Clock, caplog: pytest.LogCaptureFixture, ahead_s: float
) -> None:
    await run_for_a_month(make_store, clock)
    before = counts(read)
    clock.step(ahead_s)
    store = make_store(keep_newest=0, retention_schedule=AT_ONCE)
    await store.start()
    serving = asyncio.create_task(store.serve())
    await eventually(lambda: "Wall clock is not confirmed; the retention deletes no rows by age" in caplog.messages)
    # The clock is corrected before the process ends, and the next session starts with the right time.
    clock.step(-ahead_s)
    clock.advance(700)
    serving.cancel()
    await store.stop()
    assert counts(read) == before | {"sessions": 2}
    store = make_store(keep_newest=0)
    await store.start()
    await whole_pass(store, clock, keep_newest=0)
    assert counts(read)["runs"] == before["runs"]


@pytest.mark.parametrize("step_s", [31 * DAY_S, 500 * DAY_S, 20 * YEAR_S, -10 * YEAR_S, DAY_S])
async def test_step_of_the_clock_suspends_the_deletion(
    store: DatabaseService, read: Reader, clock: Clock, step_s: float
) -> None:
    await fill_a_month(store, clock)
    before = counts(read)
    async with retention_of(store, clock, keep_newest=0, keep_failures_days=20) as (retention, _):
        clock.step(step_s)
        await due_pass(retention, clock)
        assert counts(read) == before
        # A step back to the expected time confirms the clock at once.
        clock.step(-step_s)
        await due_pass(retention, clock)
        assert counts(read)["runs"] < before["runs"]


async def test_machine_that_was_off_for_forty_days_deletes_after_a_day(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    await run_for_a_month(make_store, clock)
    before = counts(read)
    clock.us += 40 * DAY_S * 1_000_000
    clock.s = 20.0
    store = make_store()
    await store.start()
    check = ClockCheck(clock.now_us, clock.monotonic)
    saved = {row["name"]: row["value"] for row in read.rows("SELECT name, value FROM store_state")}
    check.compare_with_file(saved, None)
    async with retention_of(store, clock, keep_newest=0, check=check) as (retention, _):
        await settle(retention, clock, 23.5)
        assert counts(read)["runs"] == before["runs"]
        await settle(retention, clock, 1)
        assert counts(read)["runs"] == 0
    assert read.rows("SELECT name FROM store_state WHERE name LIKE 'clock%'") == []


async def test_time_without_a_step_counts_over_restarts(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    await run_for_a_month(make_store, clock)
    clock.us += 40 * DAY_S * 1_000_000
    for session in range(5):
        clock.s = 7.0
        store = make_store(keep_newest=0, retention_schedule=AT_ONCE)
        await store.start()
        serving = asyncio.create_task(store.serve())
        clock.advance(6 * HOUR_S)
        if session == 4:
            await eventually(lambda: read.value("SELECT count(*) FROM runs") == 0)
        else:
            assert read.value("SELECT count(*) FROM runs") > 0
        serving.cancel()
        await store.stop()


async def test_killed_session_with_a_wrong_clock_does_not_confirm_that_clock(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    await run_for_a_month(make_store, clock)
    before = counts(read)["runs"]
    clock.step(20 * YEAR_S)
    for name in ("first", "second"):
        store = make_store()
        await store.start()
        await store.write(Batch(1, invocations=(invocation((clock.us - T0_US) // 1000, Listener(name)),)))
        clock.advance(40)
        # The process is killed: it neither closes its session nor saves anything.
        saved = {row["name"]: row["value"] for row in read.rows("SELECT name, value FROM store_state")}
        check = ClockCheck(clock.now_us, clock.monotonic)
        check.compare_with_file(saved, clock.us)
        assert not check.read().confirmed
        await store.stop()
    assert counts(read)["runs"] == before + 2


@pytest.mark.parametrize("wrong_by_s", [20 * YEAR_S, -56 * YEAR_S, 31 * DAY_S])
@pytest.mark.parametrize("hours", [30, 100])
def test_step_that_brings_a_long_wrong_clock_close_to_the_expected_time_is_a_correction(
    clock: Clock, wrong_by_s: float, hours: int
) -> None:
    """A board without a battery may wait for days until the network is back."""
    check = ClockCheck(clock.now_us, clock.monotonic)
    expected_us = clock.us
    clock.advance(HOUR_S)
    clock.step(wrong_by_s)
    check.compare_with_file({}, expected_us)
    for _ in range(hours):
        clock.advance(HOUR_S)
        check.read()
    clock.step(-wrong_by_s)
    reading = check.read()
    assert reading.wrong is not None
    assert reading.wrong.by_us == -wrong_by_s * 1_000_000
    assert reading.wrong.from_start
    clock.advance(700)
    assert check.read().confirmed


def test_small_step_of_a_clock_after_forty_days_off_is_not_a_correction_and_is_confirmed_soon(clock: Clock) -> None:
    check = ClockCheck(clock.now_us, clock.monotonic)
    expected_us = clock.us
    clock.advance(40 * DAY_S)
    check.compare_with_file({}, expected_us)
    for _ in range(30):
        clock.advance(HOUR_S)
        reading = check.read()
    assert reading.confirmed
    clock.step(-HOUR_S)
    assert check.read()[1:] == (False, -HOUR_S * 1_000_000, None)
    clock.advance(700)
    assert check.read().confirmed


def test_clock_near_the_expected_time_is_confirmed_after_ten_minutes(clock: Clock) -> None:
    check = ClockCheck(clock.now_us, clock.monotonic)
    clock.step(10 * HOUR_S)
    assert check.read()[:3] == (clock.us, False, 10 * HOUR_S * 1_000_000)
    clock.advance(590)
    assert not check.read().confirmed
    clock.advance(20)
    assert check.read()[:3] == (clock.us, True, 0)


def test_slow_correction_of_the_clock_is_not_a_step(clock: Clock) -> None:
    check = ClockCheck(clock.now_us, clock.monotonic)
    for _ in range(100):
        clock.advance(4)
        clock.step(0.3)
        assert check.read()[:3] == (clock.us, True, 0)


def test_suspended_machine_is_not_a_step() -> None:
    # CLOCK_BOOTTIME counts while the machine is suspended, so the wall clock and this clock move together.
    check = ClockCheck(wall_clock_us, running_s)
    assert check.read().confirmed
    assert running_s() >= 0


async def test_size_limit_holds_while_the_clock_is_not_confirmed(
    store: DatabaseService, read: Reader, clock: Clock
) -> None:
    effects = Effects((LogLine(message="x" * 900),))
    await fill(store, [invocation(n, Listener(), effects=effects) for n in range(3_000)])
    async with retention_of(store, clock, max_size_mb=1) as (retention, _):
        clock.step(20 * YEAR_S)
        await due_pass(retention, clock)
    assert used_bytes(read) <= 1_000_000


async def test_short_pass_with_an_unconfirmed_clock_leaves_the_checkpoint_to_sqlite(
    store: DatabaseService, clock: Clock
) -> None:
    await fill(store, [invocation(n, Listener()) for n in range(300)])
    statements: list[str] = []
    async with retention_of(store, clock, trace=statements.append) as (retention, db):
        clock.step(20 * YEAR_S)
        await due_pass(retention, clock)
        assert "PRAGMA wal_autocheckpoint = 0" in statements
        assert not any("wal_checkpoint" in sql for sql in statements)
        assert await db.rows("PRAGMA wal_autocheckpoint") == [(1_000,)]


async def test_long_pass_with_an_unconfirmed_clock_makes_checkpoints(store: DatabaseService, clock: Clock) -> None:
    effects = Effects((LogLine(message="x" * 900),))
    await fill(store, [invocation(n, Listener(), effects=effects) for n in range(3_000)])
    statements: list[str] = []
    async with retention_of(store, clock, trace=statements.append, max_size_mb=1) as (retention, _):
        clock.step(20 * YEAR_S)
        await due_pass(retention, clock)
    assert any("wal_checkpoint" in sql for sql in statements)


async def test_nothing_is_deleted_by_age_in_the_first_ten_minutes(
    store: DatabaseService, read: Reader, clock: Clock
) -> None:
    """NTP may correct the clock soon after the start. Until then, it can be a day ahead and yet be confirmed."""
    await fill_a_month(store, clock)
    before = counts(read)["runs"]
    async with retention_of(store, clock, keep_newest=0, keep_failures_days=20, schedule=AT_ONCE) as (retention, _):
        clock.advance(590)
        while await retention.step() < retention.schedule.interval_s:
            pass
        assert counts(read)["runs"] == before
        await due_pass(retention, clock)
        assert counts(read)["runs"] < before
