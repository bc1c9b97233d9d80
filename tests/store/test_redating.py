"""Rows that a wrong clock has dated are moved once, completely, and in small steps."""

from pathlib import Path

import pytest

import hassette_store
from hassette_store import DatabaseService
from hassette_store.clock.check import ClockCheck
from hassette_store.derived.search_index import SEARCHABLE_FROM
from hassette_store.ids import COUNTER_BITS
from hassette_store.retention.retention import Retention, RetentionSchedule
from support.retention import AT_ONCE, fill, retention_of, whole_pass
from support.rows import (
    T0_US,
    Batch,
    Due,
    Effects,
    FrameworkLogLine,
    Job,
    Listener,
    LogLine,
    Run,
    ServiceCall,
    StateRead,
    invocation,
    run_id,
)
from support.stores import Clock, MakeStore, Reader, RunScript

pytestmark = pytest.mark.heavy

HOUR_S = 3_600
RUNS = 400


async def fill_minutes(store: DatabaseService) -> None:
    effects = Effects((LogLine(),), (ServiceCall(),), 1, 1, (StateRead(),))
    runs = [invocation(n * 500, Listener(), "error" if n % 3 == 0 else "success", effects=effects) for n in range(RUNS)]
    await fill(store, runs)
    jobs = tuple(Run(run_id(n * 1_000_000, 7), Job(), Due(), T0_US, 1, 1, "success") for n in range(RUNS))
    await store.write(Batch(store.last_sequence + 1, executions=jobs))


async def steps(retention: Retention, count: int) -> None:
    for _ in range(count):
        await retention.step()


def ids(read: Reader) -> list[int]:
    return [row["id"] for row in read.rows("SELECT id FROM runs ORDER BY id")]


@pytest.mark.parametrize("step_s", [10 * HOUR_S, 60, -60, -10 * HOUR_S, 20 * 8766 * HOUR_S])
@pytest.mark.parametrize("interrupted_after", [1, 3, 10, 40, 10_000])
async def test_interrupted_redating_moves_each_row_once(
    store: DatabaseService, read: Reader, clock: Clock, step_s: int, interrupted_after: int
) -> None:
    await fill_minutes(store)
    before = ids(read)
    check = ClockCheck(clock.now_us, clock.monotonic)
    clock.advance(RUNS)
    check.read()
    clock.step(step_s)
    session_id = read.value("SELECT id FROM sessions")
    schedule = RetentionSchedule(first_pass_s=1e9, max_rows=64)
    async with retention_of(store, clock, check=check, session_id=session_id, schedule=schedule) as (retention, _):
        await steps(retention, min(interrupted_after, 400))
    # The process ended. The next process finishes the redating.
    async with retention_of(store, clock, session_id=session_id, schedule=schedule) as (retention, _):
        await steps(retention, 400)
    assert read.rows("SELECT name FROM store_state WHERE name LIKE 'redating%'") == []
    shift = step_s * 1000 << COUNTER_BITS
    assert [id_ >> COUNTER_BITS for id_ in ids(read)] == [id_ + shift >> COUNTER_BITS for id_ in before]
    for table in ("failures", "log_lines", "service_calls", "state_reads", "dropped_effects"):
        assert read.value(f"SELECT count(*) FROM {table} WHERE run_id NOT IN (SELECT id FROM runs)") == 0
    assert read.value("SELECT min(at_us) FROM log_lines") == read.value("SELECT max(at_us) FROM log_lines")
    assert read.value("SELECT max(at_us) FROM log_lines") == T0_US + step_s * 1_000_000
    counted = {
        row["hour"]: row["n"]
        for row in read.rows("SELECT hour, sum(success + error) AS n FROM statistics_hourly GROUP BY 1")
    }
    assert counted == {
        row["hour"]: row["n"]
        for row in read.rows("SELECT (id >> 21) / 3600000 AS hour, count(*) AS n FROM runs GROUP BY 1")
    }
    assert sum(counts.total() for counts in read.latency().values()) == 2 * RUNS
    assert read.value("SELECT started_us FROM sessions") == T0_US + step_s * 1_000_000
    assert read.value("SELECT count(*) FROM lifecycle_events WHERE kind = 'clock_corrected'") == 1
    group = read.row("SELECT first_seen_us, last_seen_us, first_run_id, last_run_id FROM error_groups")
    assert group["first_run_id"] == read.value("SELECT min(run_id) FROM failures")
    assert group["first_seen_us"] == T0_US + step_s * 1_000_000
    assert group["last_run_id"] == read.value("SELECT max(run_id) FROM failures")


@pytest.mark.parametrize("step_s", [10 * HOUR_S, -10 * HOUR_S])
async def test_failure_and_registration_just_after_a_correction_do_not_keep_the_wrong_first_time(
    store: DatabaseService, read: Reader, clock: Clock, step_s: int
) -> None:
    await fill_minutes(store)
    check = ClockCheck(clock.now_us, clock.monotonic)
    clock.advance(RUNS)
    check.read()
    clock.step(step_s)
    # The store writes another batch before it finds the step.
    failed = invocation(RUNS * 1000 + step_s * 1000, Listener(), "error")
    await store.write(Batch(store.last_sequence + 1, registered=(Listener(),), invocations=(failed,)))
    schedule = RetentionSchedule(first_pass_s=1e9)
    async with retention_of(store, clock, check=check, session_id=1, schedule=schedule) as (retention, _):
        await steps(retention, 400)
    began_us = T0_US + step_s * 1_000_000
    group = read.row("SELECT first_seen_us, last_seen_us FROM error_groups")
    assert group == {"first_seen_us": began_us, "last_seen_us": began_us + RUNS * 1_000_000}
    registered = read.row("SELECT first_registered_us, last_registered_us FROM listeners")
    assert registered == {"first_registered_us": began_us, "last_registered_us": began_us + RUNS * 1_000_000}


@pytest.mark.parametrize("step_s", [10 * HOUR_S, -10 * HOUR_S])
async def test_moved_lines_outside_runs_get_free_ids_and_enter_the_search_index(
    store: DatabaseService, path: Path, read: Reader, clock: Clock, step_s: int
) -> None:
    await fill_minutes(store)
    id_, shift = run_id(5_000_000, 9), step_s * 1000 << COUNTER_BITS
    lines = tuple(FrameworkLogLine(id_ + n, message=f"line {n}") for n in range(3))
    await store.write(Batch(store.last_sequence + 1, framework_log=lines))
    check = ClockCheck(clock.now_us, clock.monotonic)
    clock.advance(RUNS)
    check.read()
    clock.step(step_s)
    # A run of the corrected time has the id that the middle line would get.
    taken = invocation()._replace(id=id_ + 1 + shift)
    await store.write(Batch(store.last_sequence + 1, invocations=(taken,)))
    schedule = RetentionSchedule(first_pass_s=1e9)
    async with retention_of(store, clock, check=check, session_id=1, schedule=schedule) as (retention, _):
        await steps(retention, 400)
    assert (
        read.value(
            "SELECT count(DISTINCT id) FROM framework_log WHERE id BETWEEN ? AND ?", id_ + shift, id_ + shift + 9
        )
        == 3
    )
    assert read.value("SELECT count(*) FROM runs WHERE id = ?", taken.id) == 1
    assert hassette_store.check(path) == []
    await whole_pass(store, clock)
    assert read.value(f"SELECT value FROM store_state WHERE name = '{SEARCHABLE_FROM}'") < id_ + shift
    assert hassette_store.check(path) == []


async def test_statistics_in_the_future_move_to_the_present_hour(
    store: DatabaseService, read: Reader, clock: Clock, spoil: RunScript
) -> None:
    """Evicted runs, and triggers that led to no run, have statistics but no rows that the store could move."""
    hour = T0_US // 3_600_000_000
    spoil(f"INSERT INTO counted_hourly (hour, registration_id, success) VALUES ({hour}, 1, 5), ({hour + 200000}, 1, 7)")
    spoil(f"INSERT INTO skips_daily VALUES ({hour // 24 + 9000}, 1, 1, 3)")
    check = ClockCheck(clock.now_us, clock.monotonic)
    clock.advance(601)
    check.read()
    async with retention_of(store, clock, check=check, session_id=1) as (retention, _):
        async for _ in retention.whole_pass():
            pass
    assert read.rows("SELECT hour, success FROM statistics_hourly") == [{"hour": hour, "success": 12}]
    assert read.rows("SELECT day, count FROM skips_daily") == [{"day": hour // 24, "count": 3}]


async def test_late_step_of_a_confirmed_clock_moves_nothing(store: DatabaseService, read: Reader, clock: Clock) -> None:
    await fill_minutes(store)
    before = ids(read)
    check = ClockCheck(clock.now_us, clock.monotonic)
    clock.advance(2 * HOUR_S)
    check.read()
    clock.step(10 * HOUR_S)
    async with retention_of(store, clock, check=check, session_id=1) as (retention, _):
        await steps(retention, 5)
    assert ids(read) == before


async def killed_session(make_store: MakeStore, clock: Clock, runs: int, *, offset_s: float = 0) -> DatabaseService:
    """Run a session with a run each second, and end it as a crash does, apart from the lock."""
    clock.step(offset_s)
    store = make_store()
    await store.start()
    start_ms = (clock.us - T0_US) // 1000
    for number in range(runs):
        clock.advance(1)
        run = invocation(start_ms + 1_000 * (number + 1), Listener(), duration_us=number)
        await store.write(Batch(number + 1, invocations=(run,)))
    await store.stop()
    clock.step(-offset_s)
    return store


async def test_session_whose_clock_was_years_behind_keeps_its_runs(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    """The clock was never corrected during the session. The runs would seem to be older than `keep_failures_days`."""
    await killed_session(make_store, clock, 50)
    await killed_session(make_store, clock, 60, offset_s=-20 * 8766 * HOUR_S)
    await killed_session(make_store, clock, 70, offset_s=-20 * 8766 * HOUR_S)
    store = await killed_session(make_store, clock, 1)
    true_us = clock.us
    await whole_pass(store, clock, keep_newest=0, session_id=4)
    assert read.value("SELECT count(*) FROM runs") == 181
    assert read.value("SELECT sum(success) FROM statistics_hourly") == 181
    assert abs(read.value("SELECT min(id) FROM runs") / 2**21 * 1000 - true_us) < HOUR_S * 1_000_000
    assert read.rows("SELECT id FROM sessions ORDER BY started_us") == [{"id": id_} for id_ in (1, 2, 3, 4)]
    # After that, the runs age like all others.
    clock.advance(8 * 24 * HOUR_S)
    await whole_pass(store, clock, keep_newest=0, session_id=4)
    assert read.value("SELECT count(*) FROM runs") == 0


async def test_clock_that_starts_an_hour_behind_moves_no_run(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    """The clock of a board without a battery continues from a time that was saved before the shutdown."""
    await killed_session(make_store, clock, 50)
    before = ids(read)
    clock.step(-HOUR_S)
    store = make_store()
    await store.start()
    check = ClockCheck(clock.now_us, clock.monotonic)
    async with retention_of(store, clock, schedule=AT_ONCE, check=check, session_id=2) as (retention, _):
        await steps(retention, 100)
        assert ids(read) == before
        # NTP corrects the clock.
        clock.step(HOUR_S)
        await steps(retention, 100)
    assert ids(read) == before
