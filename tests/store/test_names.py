"""Names that no row uses any more are deleted, and names in use stay."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from hassette_store import DatabaseService, StoreSettings
from hassette_store.file.writer import Writer
from hassette_store.retention.deletions import Deletions, KnownIds
from hassette_store.retention.pace import PacedWriter
from hassette_store.retention.unused_names import UnusedNames
from hassette_store.writing.loading import load_encoder
from support.retention import AT_ONCE, DAY_MS, DAY_S, fill
from support.rows import T0_US, Batch, Effects, Event, Listener, LogLine, Run, ServiceCall, Skip, StateRead, invocation
from support.stores import Clock, MakeStore, Reader, RunScript
from support.waiting import eventually

MADE_UP = [f"sensor.made_up_{number}" for number in range(3_000)]


def named(number: int, entity: str) -> Run:
    return invocation(number, Listener(), trigger=Event(entity_id=entity))


def unused_names(writer: PacedWriter, known_ids: Callable[[], KnownIds]) -> UnusedNames:
    return UnusedNames(writer, Deletions(writer, StoreSettings(), known_ids, lambda sessions: None))


async def serve_until_deleted(store: DatabaseService, read: Reader, at_most: int) -> None:
    serving = asyncio.create_task(store.serve())
    await eventually(lambda: read.value("SELECT count(*) FROM names") <= at_most)
    await eventually(lambda: read.rows("SELECT 1 FROM store_state WHERE name = 'names_left'"))
    serving.cancel()


async def test_names_are_deleted_with_the_last_row_that_uses_them(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    store = make_store(retention_schedule=AT_ONCE, keep_newest=0)
    await store.start()
    await fill(store, [named(number, entity) for number, entity in enumerate(MADE_UP)])
    effects = Effects(
        (LogLine(logger="used.logger"),),
        (ServiceCall(domain="used", service="service"),),
        state_reads=(StateRead(entity_id="used.read"),),
    )
    used = invocation(100 * DAY_MS, Listener(), trigger=Event(entity_id="sensor.used"), effects=effects)
    await fill(store, [used])
    skip = Skip(Listener(), (T0_US + 100 * DAY_S * 1_000_000) // 3_600_000_000 * 3_600_000_000, "overlap", 1)
    await store.write(Batch(store.last_sequence + 1, skipped=(skip,)))
    clock.advance(100 * DAY_S)
    await serve_until_deleted(store, read, 10)
    names = {row["name"] for row in read.rows("SELECT name FROM names")}
    assert {"sensor.used", "used.logger", "used.service", "used.read", "overlap"} <= names
    # A deleted name that returns gets a row again. A name that is left keeps its row.
    await fill(store, [named(100 * DAY_MS + 1, MADE_UP[7]), named(100 * DAY_MS + 2, "sensor.used")])
    entities = read.rows("SELECT entity FROM named_runs ORDER BY id DESC LIMIT 2")
    assert [row["entity"] for row in entities] == ["sensor.used", MADE_UP[7]]


async def test_size_limit_takes_made_up_names(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    store = make_store(retention_schedule=AT_ONCE, max_size_mb=1)
    await store.start()
    runs = [named(number, f"sensor.{'long_name_' * 20}{number}") for number in range(4_000)]
    await fill(store, runs)
    serving = asyncio.create_task(store.serve())
    await eventually(lambda: read.rows("SELECT 1 FROM store_state WHERE name = 'early:names' AND value >= 2000"))
    serving.cancel()
    assert read.value("SELECT count(*) FROM named_runs WHERE entity IS NULL") == 0
    # The runs shrink in proportion to the names. Some more are deleted, because the search index keeps the entities of
    # the day.
    assert read.value("SELECT count(*) FROM runs") >= 500


@pytest.mark.parametrize("batch_after", range(8))
async def test_name_that_a_batch_uses_during_the_deletion_stays(
    store: DatabaseService, read: Reader, spoil: RunScript, batch_after: int
) -> None:
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
    spoil(f"INSERT INTO names {numbers} SELECT i, 'made_up_' || i FROM n")
    db = await Writer.open(store.path, synchronous="normal")
    try:
        encoder = await load_encoder(db, 1, ())
        names = unused_names(PacedWriter(db, max_rows=32), lambda: encoder)
        step = 0
        async for _ in names.delete():
            if step == batch_after:
                run = named(1, "made_up_150")
                encoded = encoder.encode(Batch(1, invocations=(run,)), T0_US)
                assert "made_up_150" not in {name for _, name in encoded.rows["names"]}
            step += 1
        left = {row["name"] for row in read.rows("SELECT name FROM names")}
        assert left == ({"made_up_150"} if batch_after < step else set())
    finally:
        await db.close()


async def test_names_stay_if_the_writer_of_batches_reads_them_again_during_the_deletion(
    store: DatabaseService, read: Reader
) -> None:
    await fill(store, [named(number, entity) for number, entity in enumerate(MADE_UP[:100])])
    with closing(sqlite3.connect(store.path)) as raw, raw:
        raw.execute("DELETE FROM handler_invocations")
    db = await Writer.open(store.path, synchronous="normal")
    try:
        encoders = [await load_encoder(db, 1, ()) for _ in range(2)]
        names = unused_names(PacedWriter(db), lambda: encoders[-1])
        async for _ in names.delete():
            if len(encoders) == 2:
                encoders.append(await load_encoder(db, 1, ()))
    finally:
        await db.close()
    assert read.value("SELECT count(*) FROM names") > 100
