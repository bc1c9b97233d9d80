"""Damage that SQLite finds only while the file is in use."""

import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hassette_store import CorruptDatabaseError, DatabaseService, check
from hassette_store.clock.check import ClockCheck
from hassette_store.derived.derivation import derive_in_transaction, mark_as_derived
from hassette_store.derived.search_coverage import extend_index
from hassette_store.file.connections import connect_to_write
from hassette_store.file.damage import is_damage
from hassette_store.retention.retention import Retention, RetentionSchedule
from support.retention import fill, retention_of
from support.rows import Batch, Listener, invocation
from support.stores import Clock, MakeStore, Reader, RunScript

pytestmark = pytest.mark.heavy

DAY_S = 86_400
INDEX = "handler_invocations_by_listener"
RUN_ROW = "(id, listener_id, session_id, status, started_before, duration_us, waited_us, event_type_id)"


@pytest.fixture
async def history(make_store: MakeStore) -> Any:
    """Return a stopped store with forty runs of one handler."""
    store = make_store(keep_newest=0, retention_schedule=RetentionSchedule(first_pass_s=0))
    await store.start()
    runs = tuple(invocation(n, Listener()) for n in range(40))
    await store.write(Batch(1, invocations=runs))
    await store.stop()
    return store


def lose_index_entries(spoil: Callable[[str], None], read: Reader) -> None:
    """Insert five rows without their entries in an index, as if an SD card had lost a write to the index."""
    sql = read.value("SELECT sql FROM sqlite_master WHERE name = ?", INDEX)
    root = read.value("SELECT rootpage FROM sqlite_master WHERE name = ?", INDEX)
    spoil(f"PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = '{INDEX}'")
    spoil(
        f"INSERT INTO handler_invocations {RUN_ROW} "
        "SELECT id + 1, listener_id, session_id, status, started_before, duration_us, waited_us, event_type_id "
        "FROM handler_invocations LIMIT 5"
    )
    spoil(
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_master VALUES "
        f"('index', '{INDEX}', 'handler_invocations', {root}, '{sql}')"
    )


async def test_index_with_missing_rows_is_recovered_when_the_start_or_the_retention_finds_it(
    history: Any, read: Reader, clock: Clock, spoil: RunScript
) -> None:
    lose_index_entries(spoil, read)
    assert INDEX in check(history.path)[0]
    clock.advance(100 * DAY_S)
    await history.start()
    if check(
        history.path
    ):  # the quick check at the start compares indexes with tables only in newer versions of SQLite
        with pytest.raises(CorruptDatabaseError):
            await history.serve()
        await history.stop()
        await history.start()
    assert check(history.path) == []
    assert read.value("SELECT count(*) FROM runs") == 45
    await history.write(Batch(2, invocations=(invocation(100, Listener()),)))
    assert read.value("SELECT count(*) FROM lifecycle_events WHERE kind = 'database_recovered'") == 1


def damage_the_list_of_free_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(32)
        file.write((5_000).to_bytes(4, "big") + (300).to_bytes(4, "big"))


async def test_every_check_finds_a_damaged_list_of_free_pages(
    history: Any, make_store: MakeStore, read: Reader, spoil: RunScript
) -> None:
    spoil("UPDATE sessions SET outcome = 'open', ended_us = NULL")
    damage_the_list_of_free_pages(history.path)
    assert any("reelist" in finding for finding in check(history.path))
    again = make_store()
    await again.start()
    assert check(history.path) == []
    assert "reelist" in read.value("SELECT detail FROM lifecycle_events")
    assert read.value("SELECT count(*) FROM runs") == 40
    await again.stop()


@pytest.mark.parametrize(
    ("table", "column"),
    [("handler_invocations", "waited_us"), ("sessions", "heartbeat_us"), ("names", "name"), ("store_state", "value")],
)
async def test_wrong_byte_in_the_name_of_a_column_loses_no_row(
    history: Any, read: Reader, clock: Clock, spoil: RunScript, table: str, column: str
) -> None:
    """The damaged schema is still valid, so SQLite's checks do not find the damage."""
    spoil(
        "PRAGMA writable_schema = ON; "
        f"UPDATE sqlite_master SET sql = replace(sql, ' {column} ', ' {column[:-1]}x ') WHERE name = '{table}'"
    )
    # The check of the statistics reads one of the columns.
    assert check(history.path) == (["no such column: value"] if table == "store_state" else [])
    clock.advance(100 * DAY_S)

    async def use_it() -> None:
        await history.start()
        await history.write(Batch(2, invocations=(invocation(100, Listener()),)))
        await history.serve()

    with pytest.raises(CorruptDatabaseError):
        await use_it()
    await history.stop()
    await history.start()
    assert check(history.path) == []
    kept = read.row("SELECT count(*) AS runs, sum(waited_us) AS waited_us FROM named_runs WHERE event_type NOT NULL")
    assert kept["runs"] >= 40
    assert kept["waited_us"] == kept["runs"] * 250
    assert "could not be read completely" not in read.value("SELECT detail FROM lifecycle_events")


def put_impossible_value(spoil: RunScript, read: Reader, column: str, value: str) -> None:
    """Store a value that the schema forbids in the newest run, as a flipped byte in the header of a row does."""
    sql = read.value("SELECT sql FROM sqlite_master WHERE name = 'handler_invocations'")
    change = "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = {} WHERE name = 'handler_invocations'"
    spoil(change.format("replace(replace(sql, 'NOT NULL', ''), 'STRICT', '')"))
    spoil(f"UPDATE handler_invocations SET {column} = {value} WHERE id = (SELECT max(id) FROM handler_invocations)")
    spoil(change.format(f"CAST(x'{sql.encode().hex()}' AS TEXT)"))


@pytest.mark.parametrize("value", ["NULL", "'text'", "1.5"])
@pytest.mark.parametrize("column", ["duration_us", "waited_us", "listener_id", "status", "entity_id"])
async def test_impossible_value_in_a_run_that_is_not_counted_yet_is_damage(
    history: Any, read: Reader, clock: Clock, spoil: RunScript, column: str, value: str
) -> None:
    """Otherwise the store would reject each later batch."""
    if (column, value) == ("entity_id", "NULL"):
        value = "x'00'"  # a run may have no entity
    await history.start()
    await history.write(Batch(2, invocations=(invocation(100, Listener()), invocation(101, Listener()))))
    put_impossible_value(spoil, read, column, value)
    clock.advance(61)
    batch = Batch(3, invocations=(invocation(102, Listener()),))
    with pytest.raises(CorruptDatabaseError):
        await history.write(batch)
    await history.stop()
    await history.start()
    await history.write(batch)
    assert check(history.path) == []
    assert read.value("SELECT count(*) FROM runs") >= 42


async def test_impossible_value_in_a_run_that_the_search_index_does_not_cover_yet_is_damage(
    history: Any, read: Reader, spoil: RunScript
) -> None:
    put_impossible_value(spoil, read, "entity_id", "'text'")
    with closing(connect_to_write(history.path)) as db:
        mark_as_derived(db)
        with pytest.raises(sqlite3.DatabaseError) as raised:
            extend_index(db, rows=100, oldest_id=0)
        assert not db.in_transaction
    assert is_damage(raised.value)


async def test_impossible_value_in_a_run_that_gets_another_time_is_damage(
    store: DatabaseService, read: Reader, clock: Clock, spoil: RunScript
) -> None:
    await fill(store, [invocation(n, Listener()) for n in range(40)])
    with closing(connect_to_write(store.path)) as db:
        derive_in_transaction(db)
    put_impossible_value(spoil, read, "duration_us", "'text'")
    clock_check = ClockCheck(clock.now_us, clock.monotonic)
    clock.advance(1)
    clock_check.read()
    clock.step(10 * 3_600)
    async with retention_of(store, clock, check=clock_check, session_id=store.session_id) as (retention, _):
        with pytest.raises(sqlite3.DatabaseError) as raised:
            await many_steps(retention)
    assert is_damage(raised.value)


async def test_unreadable_facts_of_a_session_keep_nothing_out_of_the_history(
    store: DatabaseService, read: Reader, spoil: RunScript
) -> None:
    def write(number: int) -> Coroutine[Any, Any, None]:
        facts = (("time_zone", f"zone {number}"),)
        return store.write(Batch(number, invocations=(invocation(number, Listener()),), session_facts=facts))

    await write(1)
    spoil("UPDATE sessions SET facts = replace(facts, '{', '[')")
    await write(2)
    assert '"zone 2"' in read.value("SELECT facts FROM sessions")
    spoil("UPDATE sessions SET facts = replace(facts, '{', '[')")
    await store.stop()
    assert read.value("SELECT outcome FROM sessions") == "clean"
    await store.start()
    await write(3)
    assert read.value("SELECT count(*) FROM runs") == 3
    assert read.value("SELECT count(*) FROM sessions") == 1


async def many_steps(retention: Retention) -> None:
    for _ in range(100):
        await retention.step()
