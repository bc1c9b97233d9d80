# ruff: noqa: ASYNC240, E501  a benchmark has the loop for itself, and prints tables
"""Retention in a large file: how long a step holds the writer, how long flushes take, and how much space comes back.

The file holds 5,000,000 runs of 250 handlers over 14 days. A pass deletes the older half (2,500,000 rows, of which the
first 1,000,000 are measured) while a flush of 100 runs is written every 500 ms. `--quick`: 300,000 runs.

Usage: python benchmarks/store_retention.py [--quick]
"""

import asyncio
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from store_feed import Home

from hassette_store import DatabaseService, StoreSettings
from hassette_store.file.connections import connect_plain
from hassette_store.file.creation import create
from hassette_store.ids import COUNTER_BITS, first_id_at
from hassette_store.periods import DAY_US
from hassette_store.retention.retention import Retention
from hassette_store.sketch import nearest_rank

FILL = f"""
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :rows)
INSERT INTO handler_invocations
SELECT ((:start_ms + i * :step_ms) << {COUNTER_BITS}) + i % 1000, 1 + (i * 7919 % 250), 1, (i % 50 = 0), 3000, 2500 + i % 900, 200 + i % 90, 1, 2,
       '21.5', '21.6', '01' || printf('%024X', i * 7919), NULL, NULL
FROM n
"""


def filled(path: Path, rows: int, now_us: int) -> None:
    create(path)
    db = connect_plain(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("INSERT INTO names VALUES (1, 'state_changed'), (2, 'sensor.s')")
    start_ms = (now_us - 14 * DAY_US) // 1000
    step_ms = 14 * DAY_US / 1000 / rows
    with db:
        db.executemany(
            "INSERT INTO listeners VALUES (:n, 'bench', 'main', 'on_event_' || :n, 'state_changed.sensor.s' || :n, 'h', '{}', "
            "NULL, NULL, NULL, 'async', NULL, 1, 1, NULL)",
            [{"n": n} for n in range(1, 251)],
        )
        db.execute(
            "INSERT INTO sessions (started_us, heartbeat_us, ended_us, outcome, pid, host, first_id, last_id) "
            "VALUES (?, ?, ?, 'clean', 1, 'h', ?, ?)",
            (start_ms * 1000, now_us, now_us, first_id_at(start_ms * 1000), first_id_at(now_us)),
        )
    db.execute("BEGIN")
    db.execute(
        FILL.replace("i * :step_ms", "CAST(i * :step_ms AS INTEGER)"),
        {"rows": rows, "start_ms": start_ms, "step_ms": step_ms},
    )
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def percentile(values: list[float], q: float) -> float:
    return sorted(values)[nearest_rank(q, len(values)) - 1]


async def measure(path: Path, most_rows: int) -> None:
    now_us = time.time_ns() // 1000
    store = DatabaseService(path, StoreSettings())
    await store.start()
    home = Home(250, plain=True)
    flushes: list[float] = []
    alone: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        await store.write(home.batch(100))
        alone.append(time.perf_counter() - began)
    done = asyncio.Event()

    async def flush() -> None:
        while not done.is_set():
            batch = home.batch(100)
            began = time.perf_counter()
            await store.write(batch)
            flushes.append(time.perf_counter() - began)
            await asyncio.sleep(0.5 if len(flushes) % 10 else 0.013)

    flushing = asyncio.create_task(flush())
    assert store._db is not None
    retention = Retention(store._db, store.settings, lambda: now_us)
    checkpoints: list[float] = []
    checkpoint = retention.checkpoint

    async def timed_checkpoint() -> float:
        checkpoints.append(await checkpoint())
        return checkpoints[-1]

    retention.checkpoint = timed_checkpoint

    async def durations_of(steps: AsyncGenerator[float], shortest_pause_s: float) -> list[float]:
        durations: list[float] = []
        async with aclosing(steps):
            async for took in steps:
                if took not in checkpoints[-1:]:
                    durations.append(took)
                await asyncio.sleep(max(shortest_pause_s, 4 * took))
                if retention.changed_rows > most_rows:
                    return durations
        return durations

    began = time.perf_counter()
    steps = await durations_of(retention.whole_pass(), 0.005)
    took_s = time.perf_counter() - began
    done.set()
    await flushing
    print(f"  {retention.changed_rows:,} rows deleted in {took_s:.0f} s, {len(steps):,} steps")
    print(
        f"  a step holds the writer: median {statistics.median(steps) * 1e3:.1f} ms, p99 {percentile(steps, 0.99) * 1e3:.1f} ms (≤ 20), "
        f"longest {max(steps) * 1e3:.1f} ms"
    )
    print(
        f"  a checkpoint, a separate step: {len(checkpoints)} of them, median {statistics.median(checkpoints) * 1e3:.1f} ms, "
        f"longest {max(checkpoints) * 1e3:.1f} ms"
    )
    print(
        f"  a flush of 100 meanwhile: median {statistics.median(flushes) * 1e3:.1f} ms, p99 {percentile(flushes, 0.99) * 1e3:.1f} ms, "
        f"longest {max(flushes) * 1e3:.1f} ms (alone: median {statistics.median(alone) * 1e3:.1f} ms, longest {max(alone) * 1e3:.1f} ms)"
    )
    before = path.stat().st_size
    most_rows = sys.maxsize
    freeing = await durations_of(retention.with_checkpoints(retention.free_pages()), 0.001)
    await store._db.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    if freeing:
        print(
            f"  freed pages: {(before - path.stat().st_size) / 1e6:.0f} of {before / 1e6:.0f} MB, in {len(freeing):,} steps of "
            f"median {statistics.median(freeing) * 1e3:.1f} ms, p99 {percentile(freeing, 0.99) * 1e3:.1f} ms (≤ 20)"
        )
    await store.stop()


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    rows = 300_000 if quick else 5_000_000
    print(f"Retention at {rows:,} rows, SQLite {sqlite3.sqlite_version}")
    directory = Path(tempfile.mkdtemp())
    try:
        path = directory / "hassette.db"
        filled(path, rows, time.time_ns() // 1000)
        print(f"  file: {path.stat().st_size / 1e6:.0f} MB")
        asyncio.run(measure(path, 1_000_000))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
