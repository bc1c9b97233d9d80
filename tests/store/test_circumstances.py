"""Circumstances of runs are stored once, bounded, and kept over recoveries, merges and corrections of the clock."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hassette_store import DatabaseService, HistoryService, check
from hassette_store.clock.check import ClockCheck
from hassette_store.file.creation import create
from hassette_store.ids import COUNTER_BITS
from hassette_store.kinds import EVENT_TABLES
from hassette_store.recovery.salvage import salvage
from hassette_store.retention.retention import RetentionSchedule
from support.retention import DAY_S, retention_of, whole_pass
from support.rows import (
    T0_US,
    Batch,
    Deploy,
    FrameworkLogLine,
    HomeCause,
    HomeChange,
    HomeName,
    LifecycleEvent,
    Listener,
    invocation,
    run_id,
)
from support.stores import Clock, MakeStore, Reader
from support.unusable_files import make_newer, make_usable

pytestmark = pytest.mark.heavy

CHANGES = """
SELECT home_changes.id, entity.name, old_state, new_state, context_id, parent_id, user.name AS user
FROM home_changes JOIN names AS entity ON entity.id = entity_id LEFT JOIN names AS user ON user.id = user_id
ORDER BY home_changes.id
"""
TABLES = ("home_changes", "home_causes", "deploys", "framework_log")


def circumstances(ms: int = 0, count: int = 1) -> dict[str, Any]:
    """Return one circumstance of each kind per ms, as fields of a batch."""
    ids = [run_id((ms + n) * 1000) for n in range(count)]
    return {
        "lifecycle": tuple(LifecycleEvent(id_ + 1, T0_US + ms * 1000, "app_started", "hall", str(ms)) for id_ in ids),
        "home_changes": tuple(HomeChange(id_ + 2, new_state=f"on {ms}") for id_ in ids),
        "home_causes": tuple(HomeCause(id_ + 3, detail=f"state of sun.sun {ms}") for id_ in ids),
        "deploys": tuple(Deploy(id_ + 4, version=f"v{ms}") for id_ in ids),
        "framework_log": tuple(FrameworkLogLine(id_ + 5, message=f"lost {ms}") for id_ in ids),
        "home_names": (HomeName(),),
    }


def counts(read: Reader) -> dict[str, int]:
    return {table: read.value(f"SELECT count(*) FROM {table}") for table in (*EVENT_TABLES, "home_names")}


async def test_circumstances_are_stored_with_all_their_facts(store: DatabaseService, read: Reader) -> None:
    change = HomeChange(run_id(1), "light.hall", None, "on", "C", None, None)
    cause = HomeCause(run_id(2), "service_call", None, "light.turn_on", "{}", "", "C", "P", "U", None, None)
    deploy, line = Deploy(run_id(3)), FrameworkLogLine(run_id(4), app="hall")
    await store.write(Batch(1, home_changes=(change,), home_causes=(cause,), deploys=(deploy,), framework_log=(line,)))
    assert [tuple(row.values()) for row in read.rows(CHANGES)] == [change]
    stored = read.row(
        "SELECT home_causes.id, kind, entity_id, service.name, target, detail, context_id, parent_id, "
        "user.name AS user, item_id, trace_id FROM home_causes JOIN names AS service ON service.id = service_id "
        "JOIN names AS user ON user.id = user_id"
    )
    assert tuple(stored.values()) == cause._replace(detail=None)
    columns = ", ".join(column for column in EVENT_TABLES["deploys"] if column != "session_id")
    assert tuple(read.row(f"SELECT {columns} FROM deploys").values()) == deploy
    stored = read.row(
        "SELECT framework_log.id, level, name, message, app FROM framework_log JOIN names ON names.id = logger_id"
    )
    assert tuple(stored.values()) == line


async def test_name_replaces_the_former_name_of_the_same_key(store: DatabaseService, read: Reader) -> None:
    await store.write(Batch(1, home_names=(HomeName(), HomeName("user", "U", "Ada", None))))
    await store.write(Batch(2, home_names=(HomeName(name="Lamp"), HomeName(name="Hall lamp", area=None))))
    assert [tuple(row.values()) for row in read.rows("SELECT * FROM home_names ORDER BY kind")] == [
        ("entity", "light.hall", "Hall lamp", None),
        ("user", "U", "Ada", None),
    ]


async def test_circumstance_with_the_id_of_another_one_gets_a_free_id(store: DatabaseService, read: Reader) -> None:
    await store.write(Batch(1, **circumstances(), invocations=(invocation(0, Listener()),)))
    await store.write(Batch(2, **circumstances()))
    assert counts(read) == dict.fromkeys(counts(read), 1), "equal circumstances are stored once"
    ids = run_id()
    await store.write(
        Batch(3, home_changes=(HomeChange(ids + 2), HomeChange(ids + 6)), deploys=(Deploy(ids + 4, "w"),))
    )
    every = " UNION ALL ".join(f"SELECT id FROM {table}" for table in ("runs", *EVENT_TABLES))
    assert read.value(f"SELECT count(*) = count(DISTINCT id) FROM ({every})") == 1
    assert (counts(read)["home_changes"], counts(read)["deploys"]) == (3, 2)
    assert await store.last_id() == read.value(f"SELECT max(id) FROM ({every})")


async def test_old_circumstances_are_deleted_and_their_names_and_sessions_with_them(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    first = make_store()
    await first.start()
    await first.write(Batch(1, **circumstances()))
    await first.stop()
    store = make_store()
    await store.start()
    clock.advance(31 * DAY_S)
    await store.write(Batch(1, **circumstances(31 * DAY_S * 1000 - 1)))
    await whole_pass(store, clock)
    left = counts(read)
    assert {table: left[table] for table in TABLES} == {**dict.fromkeys(TABLES, 1), "deploys": 2}
    assert read.value("SELECT new_state FROM home_changes") == f"on {31 * DAY_S * 1000 - 1}"
    clock.advance(400 * DAY_S - 1_000)
    await whole_pass(store, clock)
    assert {**counts(read), "home_names": 0} == {
        **dict.fromkeys(EVENT_TABLES, 0),
        "deploys": 1,
        "lifecycle_events": 1,
        "home_names": 0,
    }
    assert [row["id"] for row in read.rows("SELECT id FROM sessions")] == [2]


async def test_session_is_kept_as_long_as_its_circumstances(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    for sequence in range(3):
        store = make_store()
        await store.start()
        if sequence == 1:
            await store.write(Batch(1, deploys=(Deploy(run_id(sequence * 10_000_000)),)))
        clock.advance(9)
        await store.stop()
        clock.advance(1)
    clock.advance(500 * DAY_S)
    store = make_store()
    await store.start()
    await whole_pass(store, clock, keep_daily_days=501, keep_failures_days=400)
    assert read.value("SELECT count(*) FROM sessions") == 4
    await whole_pass(store, clock, keep_daily_days=400)
    assert read.value("SELECT count(*) FROM sessions") == 1


@pytest.mark.parametrize("step_s", [36_000, -36_000])
@pytest.mark.parametrize("interrupted_after", [1, 4, 9, 10_000])
async def test_correction_of_the_clock_moves_circumstances_once(
    store: DatabaseService, read: Reader, clock: Clock, step_s: int, interrupted_after: int
) -> None:
    await store.write(Batch(1, invocations=(invocation(0, Listener()),), **circumstances(count=100)))
    ids = {
        table: [row["id"] for row in read.rows(f"SELECT id FROM {table}")] for table in (*TABLES, "lifecycle_events")
    }
    checked = ClockCheck(clock.now_us, clock.monotonic)
    clock.advance(10)
    checked.read()
    clock.step(step_s)
    schedule = RetentionSchedule(first_pass_s=1e9, max_rows=64)
    async with retention_of(store, clock, check=checked, session_id=1, schedule=schedule) as (retention, _):
        for _ in range(min(interrupted_after, 200)):
            await retention.step()
    async with retention_of(store, clock, session_id=1, schedule=schedule) as (retention, _):
        for _ in range(200):
            await retention.step()
    shift = step_s * 1000 << COUNTER_BITS
    for table, before in ids.items():
        moved = read.rows(f"SELECT id FROM {table} ORDER BY id")
        times = [row["id"] >> COUNTER_BITS for row in moved][: len(before)]
        assert times == [id_ + shift >> COUNTER_BITS for id_ in before], table
    assert (
        read.value("SELECT max(at_us) FROM lifecycle_events WHERE kind = 'app_started'") == T0_US + step_s * 1_000_000
    )


async def test_circumstances_of_a_second_file_are_added_to_the_history(path: Path, read: Reader) -> None:
    first = DatabaseService(path)
    await first.start()
    await first.write(Batch(1, **circumstances(), invocations=(invocation(0, Listener()),)))
    await first.stop()
    make_newer(path)
    degraded = HistoryService(path)
    await degraded.start()
    change = HomeChange(run_id(9_000_000), "cover.blind", "open", "closed", "D", None, "someone new")
    names = (HomeName(name="Lamp"), HomeName("entity", "cover.blind", "Blind", None))
    await degraded.write(Batch(1, home_changes=(change,), home_names=names))
    await degraded.stop()
    make_usable(path)
    later = HistoryService(path)
    await later.start()
    await later.stop()
    assert [tuple(row.values()) for row in read.rows(CHANGES)][-1] == change
    assert [row["name"] for row in read.rows("SELECT name FROM home_names ORDER BY key")] == ["Blind", "Lamp"]
    assert check(path) == []


async def test_salvage_keeps_all_circumstances(store: DatabaseService, read: Reader, tmp_path: Path) -> None:
    await store.write(Batch(1, **circumstances(count=300)))
    await store.stop()
    before = {table: read.rows(f"SELECT * FROM {table} ORDER BY 1") for table in (*EVENT_TABLES, "home_names")}
    create(tmp_path / "new.db")
    assert salvage(store.path, tmp_path / "new.db", 60)[1] == []
    new = Reader(tmp_path / "new.db")
    assert {table: new.rows(f"SELECT * FROM {table} ORDER BY 1") for table in before} == before


async def test_check_finds_a_circumstance_whose_name_is_lost(store: DatabaseService) -> None:
    await store.write(Batch(1, **circumstances()))
    await store.stop()
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("DELETE FROM names WHERE name = 'light.hall'")
        db.commit()
    assert any("home_changes" in finding for finding in check(store.path))


async def test_unused_names_of_a_very_large_home_are_deleted(
    store: DatabaseService, read: Reader, clock: Clock
) -> None:
    names = tuple(HomeName("entity", f"sensor.n{n}", str(n)) for n in range(20_001))
    await store.write(Batch(1, home_changes=(HomeChange(run_id(1), "sensor.n7"),), home_names=names[:-2]))
    await whole_pass(store, clock)
    assert counts(read)["home_names"] == 19_999
    await store.write(Batch(2, home_names=names))
    await whole_pass(store, clock)
    assert [row["key"] for row in read.rows("SELECT key FROM home_names")] == ["sensor.n7"]
