"""Statistics are exact at each moment, although the store counts the runs only once a minute."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hassette_store import DatabaseService, check
from hassette_store.derived.derivation import derive_all, derive_in_transaction, derive_late, derived_below
from hassette_store.derived.recount import recount
from hassette_store.file.connections import connect_to_write
from hassette_store.sketch import bucket_of, pack
from hassette_store.transactions import write_transaction
from support.retention import fill, whole_pass
from support.rows import T0_US, Batch, Listener, Summary, invocation, run_id
from support.statistics import assert_statistics_equal_the_rows
from support.stores import Clock, MakeStore, Reader

pytestmark = pytest.mark.heavy

HOUR_MS = 3_600_000


async def test_run_counts_before_and_after_the_store_derives_the_statistics(
    store: DatabaseService, path: Path, read: Reader
) -> None:
    runs = tuple(invocation(n, Listener(), duration_us=1_000 + n) for n in range(10))
    await store.write(Batch(1, invocations=runs))
    assert read.value("SELECT count(*) FROM counted_hourly") == 0
    assert_statistics_equal_the_rows(path)
    await store.stop()
    assert read.value("SELECT count(*) FROM counted_hourly") == 1
    assert read.value("SELECT count(*) FROM uncounted_runs") == 0
    assert_statistics_equal_the_rows(path)


async def test_runs_are_counted_when_two_thousand_wait(store: DatabaseService, path: Path, read: Reader) -> None:
    await fill(store, [invocation(n, Listener()) for n in range(1_500)])
    assert read.value("SELECT count(*) FROM uncounted_runs") == 1_500
    await fill(store, [invocation(n, Listener()) for n in range(1_500, 2_500)])
    assert read.value("SELECT count(*) FROM uncounted_runs") == 500
    assert_statistics_equal_the_rows(path)


async def test_batch_after_a_minute_counts_the_waiting_runs(store: DatabaseService, read: Reader, clock: Clock) -> None:
    await store.write(Batch(1, invocations=(invocation(1, Listener()),)))
    clock.advance(59)
    await store.write(Batch(2, invocations=(invocation(2, Listener()),)))
    assert read.value("SELECT count(*) FROM uncounted_runs") == 2
    clock.advance(1)
    await store.write(Batch(3, invocations=(invocation(3, Listener()),)))
    assert read.value("SELECT count(*) FROM uncounted_runs") == 0


async def test_derivation_reads_equal_runs_in_one_row(store: DatabaseService, path: Path) -> None:
    # Python releases its lock for each row, and may wait for it while the event loop is busy.
    await fill(store, [invocation(n, Listener(f"on_{n % 4}"), duration_us=1_000 + n) for n in range(1_000)])
    rows: list[tuple[Any, ...]] = []
    with closing(connect_to_write(path)) as db:
        db.row_factory = lambda _, row: rows.append(row) or row
        derive_in_transaction(db)
    assert len(rows) < 20
    assert_statistics_equal_the_rows(path)


async def test_failed_derivation_leaves_no_open_transaction(store: DatabaseService, path: Path) -> None:
    await fill(store, [invocation(n, Listener()) for n in range(10)])
    with closing(connect_to_write(path)) as db:
        db.execute("DROP TABLE counted_daily")
        with pytest.raises(sqlite3.OperationalError):
            recount(db)
        assert not db.in_transaction
        with write_transaction(db):
            db.execute("DELETE FROM counted_hourly")
        assert not db.in_transaction


async def test_runs_of_two_hours_of_a_day_are_derived_together(
    store: DatabaseService, path: Path, read: Reader
) -> None:
    hours = (0, HOUR_MS, 2 * HOUR_MS)
    await fill(store, [invocation(hour + n, Listener(), duration_us=90 + n) for hour in hours for n in range(60)])
    await store.stop()
    assert read.value("SELECT count(*) FROM counted_hourly") == 3
    assert read.value("SELECT count(*) FROM counted_daily") == 1
    assert_statistics_equal_the_rows(path)


async def test_run_with_a_late_id_is_counted_at_once(make_store: MakeStore, path: Path, read: Reader) -> None:
    store = make_store()
    await store.start()
    await store.write(Batch(1, invocations=(invocation(5 * HOUR_MS, Listener()),)))
    await store.stop()
    store = make_store()
    await store.start()
    late = (invocation(1, Listener()), invocation(HOUR_MS, Listener(), "error"), invocation(6 * HOUR_MS, Listener()))
    await store.write(Batch(1, invocations=late))
    assert read.value("SELECT count(*) FROM uncounted_runs") == 1
    assert_statistics_equal_the_rows(path)


async def test_retried_batch_counts_once(store: DatabaseService, path: Path) -> None:
    batch = Batch(1, invocations=(invocation(1, Listener()),))
    await store.write(batch)
    await store.write(batch)
    assert_statistics_equal_the_rows(path)


async def test_evicted_runs_are_counted_at_once_and_stay_apart_from_waiting_runs(
    store: DatabaseService, read: Reader
) -> None:
    shed = Summary(Listener(), T0_US // HOUR_MS // 1000 * HOUR_MS * 1000, (("success", 7),), 70, 10, 0, ((5, 7),))
    await store.write(Batch(1, invocations=(invocation(1, Listener()),), summaries=(shed,)))
    assert read.value("SELECT sum(success) FROM counted_daily") == 7
    assert read.row("SELECT success, shed FROM statistics_daily") == {"success": 8, "shed": 7}


async def test_retention_counts_runs_before_it_deletes_them(store: DatabaseService, read: Reader, clock: Clock) -> None:
    await fill(store, [invocation(n, Listener(), duration_us=2_000) for n in range(300)])
    clock.advance(40 * 86_400)
    await whole_pass(store, clock, keep_newest=0)
    assert read.value("SELECT count(*) FROM runs") == 0
    assert read.row("SELECT success, total_us FROM statistics_daily") == {"success": 300, "total_us": 600_000}
    assert sum(counts.total() for counts in read.latency().values()) == 300


@pytest.mark.parametrize("lost", ["statistics", "state", "both", "nothing"])
async def test_recount_after_a_salvage_counts_the_runs_that_the_statistics_lack(
    make_store: MakeStore, path: Path, lost: str
) -> None:
    store = make_store()
    await store.start()
    await fill(store, [invocation(n * 60_000, Listener(), duration_us=1_000 + n) for n in range(2_100)])
    await store.write(Batch(99, invocations=tuple(invocation(2_100 * 60_000 + n, Listener()) for n in range(50))))
    with closing(connect_to_write(path)) as db:
        if lost in ("statistics", "both"):
            db.execute("DELETE FROM counted_daily")
            db.execute("DELETE FROM counted_hourly WHERE hour % 2 AND hour > (SELECT min(hour) FROM counted_hourly)")
        if lost in ("state", "both"):
            db.execute("DELETE FROM store_state")
        recount(db)
    assert_statistics_equal_the_rows(path)
    await store.stop()


STEPS = st.lists(
    st.tuples(st.sampled_from(["store", "late", "derive"]), st.integers(1, 5), st.sampled_from(["success", "error"])),
    max_size=12,
)


@given(steps=STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
async def test_statistics_equal_the_rows_after_any_order_of_steps(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str]]
) -> None:
    path = tmp_path_factory.mktemp("steps") / "hassette.db"
    newest, oldest, sequence = 10 * HOUR_MS, 10 * HOUR_MS, 0
    store = DatabaseService(path)
    await store.start()
    try:
        for step, count, status in steps:
            if step == "derive":
                with closing(connect_to_write(path)) as db:
                    derive_in_transaction(db)
                continue
            runs: list[Any] = []
            for _ in range(count):
                if step == "store":
                    newest += 1_200_000
                else:
                    oldest -= 900_000
                runs.append(invocation(newest if step == "store" else oldest, Listener(), status, duration_us=count))
            sequence += 1
            await store.write(Batch(sequence, invocations=tuple(sorted(runs, key=lambda run: run.id))))
            assert_statistics_equal_the_rows(path)
    finally:
        await store.stop()
    assert_statistics_equal_the_rows(path)


async def test_check_finds_runs_that_the_statistics_do_not_count(make_store: MakeStore, path: Path) -> None:
    store = make_store()
    await store.start()
    await fill(store, [invocation(n * 60_000, Listener()) for n in range(2_100)])
    with closing(connect_to_write(path)) as db:
        assert derived_below(db) > 0
    assert check(path) == [], "runs that wait are not missing"
    await store.stop()
    assert check(path) == []
    with closing(connect_to_write(path)) as db:
        (hour, runs) = db.execute("SELECT hour, success FROM counted_hourly ORDER BY hour LIMIT 1 OFFSET 3").fetchone()
        db.execute("UPDATE counted_hourly SET success = success - 7 WHERE hour = ?", (hour,))
        db.execute("DELETE FROM counted_hourly WHERE hour = ?", (hour + 2,))
        db.execute("UPDATE counted_daily SET success = success - 1 WHERE day = (SELECT max(day) FROM counted_daily)")
    first = f"{datetime.fromtimestamp(hour * 3_600, UTC):%Y-%m-%d %H:%M} UTC"
    hourly, daily = check(path)
    assert hourly == f"counted_hourly does not count {runs + 7} stored runs, the first on {first}"
    assert daily.startswith("counted_daily does not count 1 stored runs, the first on ")
    with closing(connect_to_write(path)) as db:
        recount(db)
    assert check(path) == []


async def test_check_accepts_runs_that_are_older_than_all_statistics(
    make_store: MakeStore, path: Path, clock: Clock
) -> None:
    store = make_store(keep_hourly_days=30, keep_daily_days=400)
    await store.start()
    await fill(store, [invocation(n * 60_000, Listener()) for n in range(100)])
    clock.advance(100 * 86_400)
    await whole_pass(store, clock, keep_newest=20, keep_hourly_days=30)
    with closing(connect_to_write(path)) as db:
        assert db.execute("SELECT (SELECT count(*) FROM counted_hourly), count(*) FROM runs").fetchone() == (0, 20)
    assert check(path) == []


class Ranges:
    """A derivation that keeps the ranges that it was asked to derive."""

    name = "ranges"

    def __init__(self) -> None:
        self.found: list[tuple[int, int]] = []

    def derive(self, db: sqlite3.Connection, first_id: int, below_id: int) -> None:
        self.found.append((first_id, below_id))


async def test_each_derivation_gets_each_run_once(store: DatabaseService, path: Path) -> None:
    await store.write(Batch(1, invocations=(invocation(1, Listener()), invocation(2, Listener()))))
    ranges = Ranges()
    with closing(connect_to_write(path)) as db:
        derive_all(db, [ranges])
        derive_all(db, [ranges])
        newest = derived_below(db) - 1
        derive_late(db, [newest - 5, newest + 5], [ranges])
    assert newest == run_id(2_000)
    assert ranges.found == [(0, newest + 1), (newest - 5, newest - 4)]


async def test_damaged_numbers_do_not_stop_the_count(store: DatabaseService, path: Path) -> None:
    await store.stop()
    with closing(connect_to_write(path)) as db:
        hour = (T0_US // 1000) // HOUR_MS
        db.execute(
            "INSERT INTO counted_hourly (hour, registration_id, success, total_us, sketch) VALUES (?, 1, ?, ?, ?)",
            (hour, 2**62, 2**62, b"\x09damaged"),
        )
        for number, status in enumerate((0, 0, 9)):
            db.execute(
                "INSERT INTO handler_invocations (id, listener_id, session_id, status, started_before, duration_us,"
                " waited_us, event_type_id) VALUES (?, 1, 1, ?, 0, ?, ?, 1)",
                (run_id(number * 1_000), status, 2**62, -(2**62)),
            )
        derive_in_transaction(db)
        row = db.execute("SELECT success, total_us, waited_us, sketch FROM counted_hourly").fetchone()
    assert row == (2**62, 2**62, -(2**62), pack([bucket_of(2**62)] * 2))
