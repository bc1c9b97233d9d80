"""The search index has each stored run that it covers, is bounded, and is extended to older runs."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hassette_store import DatabaseService, check
from hassette_store.derived.derivation import derive_in_transaction, mark_as_derived
from hassette_store.derived.search_coverage import extend_index, missing_terms
from hassette_store.derived.search_index import (
    ENTITY,
    LOG_TEXT,
    MANY_PARTS,
    SEARCHABLE_FROM,
    parts_of,
    terms_of,
    value_term,
)
from hassette_store.file.connections import connect_to_write
from support.retention import DAY_MS, fill, retention_of, whole_pass
from support.rows import Batch, Effects, FrameworkLogLine, Job, Listener, LogLine, execution, invocation, run_id
from support.stores import Clock, MakeStore, Reader

pytestmark = pytest.mark.heavy

HOUR_MS = 3_600_000


async def write(store: DatabaseService, count: int = 300, *, every_ms: int = HOUR_MS // 4) -> None:
    runs = [
        invocation(n * every_ms, Listener(), effects=Effects((LogLine(message=f"line {n} of {count}"),)))
        for n in range(count)
    ]
    await fill(store, runs)


async def test_stop_adds_all_runs_to_the_index(store: DatabaseService, path: Path, read: Reader) -> None:
    await write(store, 20)
    assert read.value("SELECT count(*) FROM search_minutes") == 0
    await store.stop()
    assert read.value("SELECT count(*) FROM search_minutes WHERE term = ?", entity_term(read)) == 5
    assert check(path) == []


def entity_term(read: Reader) -> int:
    return value_term(ENTITY, read.value("SELECT id FROM names WHERE name = 'binary_sensor.hall'"))


@pytest.mark.parametrize("table", ["search_minutes", "search_hours"])
async def test_check_finds_runs_that_the_index_lacks(store: DatabaseService, path: Path, table: str) -> None:
    await write(store, 20)
    await store.stop()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"DELETE FROM {table} WHERE term = (SELECT max(term) FROM {table})")
    (finding,) = check(path)
    assert finding.startswith("search_minutes lacks runs of ")


async def test_late_run_and_late_line_outside_runs_are_added_at_once(make_store: MakeStore, path: Path) -> None:
    store = make_store()
    await store.start()
    await store.write(Batch(1, invocations=(invocation(5 * HOUR_MS, Listener()),)))
    await store.stop()
    store = make_store()
    await store.start()
    await store.write(Batch(1, executions=(execution(HOUR_MS, Job()),)))
    await store.write(Batch(2, framework_log=(FrameworkLogLine(run_id(1_000), message="quick brown fox"),)))
    with closing(sqlite3.connect(path)) as db:
        stored = {term for (term,) in db.execute("SELECT term FROM search_minutes")}
    assert {LOG_TEXT | part for part in parts_of("quick brown fox")} <= stored
    assert check(path) == []


async def test_retention_extends_the_index_to_older_runs(store: DatabaseService, path: Path, clock: Clock) -> None:
    await write(store)
    clock.advance(300 * HOUR_MS / 4_000)
    with closing(connect_to_write(path)) as db:
        db.execute("DELETE FROM search_minutes")
        db.execute("DELETE FROM search_hours")
        mark_as_derived(db)
        assert missing_terms(db) == []
        await whole_pass(store, clock)
        assert db.execute("SELECT value FROM store_state WHERE name = ?", (SEARCHABLE_FROM,)).fetchone() < (run_id(1),)
        assert missing_terms(db) == []
        assert db.execute("SELECT count(*) FROM search_hours").fetchone()[0] > 100


async def test_interrupted_extension_continues(store: DatabaseService, path: Path, clock: Clock, read: Reader) -> None:
    await write(store)
    with closing(connect_to_write(path)) as db:
        mark_as_derived(db)
    sql = f"SELECT value FROM store_state WHERE name = '{SEARCHABLE_FROM}'"
    async with retention_of(store, clock) as (retention, _):
        steps = retention.whole_pass()
        before = read.value(sql)
        async for _ in steps:
            if read.value(sql) != before:
                break
        await steps.aclose()
    assert 0 < read.value(sql) < before
    await whole_pass(store, clock)
    assert read.value(sql) < run_id(1)
    assert check(path) == []


async def test_days_without_runs_leave_the_index(
    store: DatabaseService, path: Path, clock: Clock, read: Reader
) -> None:
    await write(store, 60, every_ms=DAY_MS)
    clock.advance(60 * DAY_MS / 1000)
    await whole_pass(store, clock, keep_successes_days=5, keep_failures_days=10, keep_newest=20)
    assert read.value("SELECT count(*) FROM runs") == 20
    assert read.value("SELECT count(DISTINCT day) FROM search_hours") <= 11
    assert read.value("SELECT count(DISTINCT hour) FROM search_minutes") <= 11
    assert check(path) == []


async def test_size_limit_takes_the_oldest_days_of_a_large_index(
    store: DatabaseService, path: Path, clock: Clock, read: Reader
) -> None:
    messages = [f"{n * 7919:x} {n * 104_729:x} {n * 1_299_709:x}" for n in range(2_000)]
    lines = [Effects((LogLine(message=message),)) for message in messages]
    await fill(store, [invocation(n * HOUR_MS // 10, Listener(), effects=one) for n, one in enumerate(lines)])
    await store.stop()
    before = read.value("SELECT count(*) FROM search_minutes")
    await whole_pass(store, clock, max_size_mb=1)
    assert read.value("SELECT count(*) FROM search_minutes") < before
    assert read.value("SELECT min(day) FROM search_hours") > run_id(0) // (86_400_000 << 21)
    assert check(path) == []


async def test_days_that_the_size_limit_took_from_the_index_are_not_added_again(
    store: DatabaseService, path: Path, clock: Clock, read: Reader
) -> None:
    messages = [f"{n * 7919:x} {n * 104_729:x} {n * 1_299_709:x}" for n in range(2_000)]
    lines = [Effects((LogLine(message=message),)) for message in messages]
    await fill(store, [invocation(n * HOUR_MS // 10, Listener(), effects=one) for n, one in enumerate(lines)])
    await store.stop()
    days = "SELECT min(day) FROM search_hours"
    first = read.value(days)
    await whole_pass(store, clock, max_size_mb=1)
    cut = read.value(days)
    assert cut > first
    await whole_pass(store, clock)
    assert read.value(days) == cut
    with closing(connect_to_write(path)) as db:
        mark_as_derived(db)
    await whole_pass(store, clock)
    assert read.value(days) == first
    assert check(path) == []


async def test_extension_adds_a_limited_number_of_lines_outside_runs(store: DatabaseService, path: Path) -> None:
    lines = tuple(FrameworkLogLine(run_id(n * HOUR_MS * 1_000)) for n in range(100))
    await store.write(Batch(1, invocations=(invocation(100 * HOUR_MS, Listener()),), framework_log=lines))
    with closing(connect_to_write(path)) as db:
        mark_as_derived(db)
        steps = 1
        while extend_index(db, rows=20, oldest_id=0):
            steps += 1
        assert missing_terms(db) == []
    assert steps == 6


async def test_setting_switches_the_index_off_and_on(
    make_store: MakeStore, path: Path, read: Reader, clock: Clock
) -> None:
    store = make_store()
    await store.start()
    await write(store, 40)
    await store.stop()
    store = make_store(search_index=False)
    await store.start()
    await store.write(Batch(1, invocations=(invocation(100 * HOUR_MS, Listener()),)))
    await store.stop()
    assert read.value("SELECT count(*) FROM search_minutes") == 0
    assert read.rows("SELECT * FROM store_state WHERE name = ?", SEARCHABLE_FROM) == []
    store = make_store()
    await store.start()
    await whole_pass(store, clock)
    assert read.value("SELECT count(*) FROM search_minutes WHERE term = ?", entity_term(read)) == 11
    assert check(path) == []


async def test_minute_with_very_many_parts_of_texts_has_one_term_for_all(store: DatabaseService, path: Path) -> None:
    message = "".join(chr(0x4E00 + n) for n in range(5_000))
    await store.write(Batch(1, invocations=(invocation(1, Listener(), effects=Effects((LogLine(message=message),))),)))
    with closing(sqlite3.connect(path)) as db:
        (terms,) = terms_of(db, 0, run_id(HOUR_MS * 1_000)).values()
    assert [term for term in terms if term & ~MANY_PARTS == LOG_TEXT] == [LOG_TEXT | MANY_PARTS]


async def test_check_accepts_a_minute_whose_texts_were_derived_in_parts_or_are_deleted_now(
    store: DatabaseService, path: Path
) -> None:
    texts = ["".join(chr(0x4E00 + n) for n in range(start, start + 2_000)) for start in (0, 2_500, 5_000, 7_500)]
    runs = [
        invocation(n, Listener(), effects=Effects((LogLine(message=text),))) for n, text in enumerate(texts, start=1)
    ]
    # A minute keeps 3,000 parts. Each of the first two runs has less, and both together have more.
    for number, some in enumerate((runs[:1], runs[1:2], runs[2:]), start=1):
        await store.write(Batch(number, invocations=tuple(some)))
        with closing(connect_to_write(path)) as db:
            derive_in_transaction(db)
        assert check(path) == []
    # The third run alone has less, but the index has one term for both of the last runs.
    with closing(connect_to_write(path)) as db:
        for run in (runs[0], runs[1], runs[3]):
            db.execute("DELETE FROM log_lines WHERE run_id = ?", (run.id,))
            db.execute("DELETE FROM handler_invocations WHERE id = ?", (run.id,))
    assert check(path) == []


async def test_check_of_runs_that_are_decades_apart_looks_only_at_their_hours(
    store: DatabaseService, path: Path
) -> None:
    await store.write(Batch(1, invocations=(invocation(1, Listener())._replace(id=1),)))
    await store.write(Batch(2, invocations=(invocation(2, Listener()),)))
    with closing(connect_to_write(path)) as db:
        derive_in_transaction(db)
        statements: list[str] = []
        db.set_trace_callback(statements.append)
        assert missing_terms(db) == []
    assert len(statements) < 50
