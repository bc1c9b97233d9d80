"""Steps of a test that runs the store's retention."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from hassette_store import DatabaseService, StoreSettings
from hassette_store.clock.check import ClockCheck
from hassette_store.file.writer import Writer
from hassette_store.retention.retention import Retention, RetentionSchedule
from support.rows import (
    Batch,
    Run,
)
from support.stores import Clock, Reader

DAY_S = 86_400
DAY_MS = DAY_S * 1000


AT_ONCE = RetentionSchedule(first_pass_s=0)


def used_bytes(read: Reader) -> int:
    """Return the size of all pages with content. The size limit applies to this size."""
    pages = read.row("SELECT * FROM pragma_page_count, pragma_freelist_count")
    return (pages["page_count"] - pages["freelist_count"]) * 4096


@asynccontextmanager
async def retention_of(
    store: DatabaseService,
    clock: Clock,
    *,
    schedule: RetentionSchedule | None = None,
    check: ClockCheck | None = None,
    session_id: int | None = None,
    trace: Callable[[str], None] | None = None,
    **settings: Any,
) -> AsyncGenerator[tuple[Retention, Writer]]:
    """Yield a retention with another connection to the store's file; ``trace`` receives its statements."""
    db = await Writer.open(store.path, synchronous="normal")
    await db.run(lambda raw: raw.set_trace_callback(trace))
    retention = Retention(
        db,
        StoreSettings(**settings),
        clock.now_us,
        clock.monotonic,
        schedule=schedule,
        check=check,
        session_id=session_id,
    )
    try:
        yield retention, db
    finally:
        await retention.close()
        await db.close()


async def whole_pass(store: DatabaseService, clock: Clock, **options: Any) -> Retention:
    async with retention_of(store, clock, **options) as (retention, _):
        async for _ in retention.whole_pass():
            pass
    return retention


async def due_pass(retention: Retention, clock: Clock) -> None:
    """Move the clock to the next pass, and run this pass to its end."""
    clock.advance(max(retention.schedule.interval_s, retention.schedule.first_pass_s))
    while await retention.step() < retention.schedule.interval_s:
        pass


async def fill(store: DatabaseService, runs: list[Run]) -> None:
    for start in range(0, len(runs), 500):
        await store.write(Batch(store.last_sequence + 1, invocations=tuple(runs[start : start + 500])))
