# ruff: noqa: ASYNC240, E501  a benchmark has the loop for itself, and prints tables
"""Retention in a large file: how long a bite holds the writer, whether flushes stay on time, whether space comes back.

The file holds 5,000,000 runs of 250 handlers over 14 days; a pass takes the older half away (2,500,000 rows, of which
the first 1,000,000 are measured) while a flush of 100 runs is written each 500 ms. `--quick`: 300,000 runs.

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

from store_feed import House

from hassette_store import DatabaseService, StoreSettings
from hassette_store.file.connections import connect_plain
from hassette_store.file.creation import create
from hassette_store.retention.retention import Retention

DAY_US = 86_400_000_000
FILL = """
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :rows)
INSERT INTO handler_invocations
SELECT ((:start_ms + i * :step_ms) << 21) + i % 1000, 1 + (i * 7919 % 250), 1, (i % 50 = 0), 3000, 2500 + i % 900, 200 + i % 90, 1, 2,
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
            (start_ms * 1000, now_us, now_us, start_ms << 21, now_us // 1000 << 21),
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
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


async def measure(path: Path, most_rows: int) -> None:
    now_us = time.time_ns() // 1000
    store = DatabaseService(path, StoreSettings())
    await store.start()
    house = House(250, plain=True)
    flushes: list[float] = []
    alone: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        await store.write(house.batch(100))
        alone.append(time.perf_counter() - began)
    done = asyncio.Event()

    async def flush() -> None:
        while not done.is_set():
            batch = house.batch(100)
            began = time.perf_counter()
            await store.write(batch)
            flushes.append(time.perf_counter() - began)
            await asyncio.sleep(0.5 if len(flushes) % 10 else 0.013)

    flushing = asyncio.create_task(flush())
    assert store._db is not None
    retention = Retention(store._db, store.settings, lambda: now_us)
    checkpoints: list[float] = []
    original = retention.checkpoint

    async def checkpoint() -> float:
        checkpoints.append(await original())
        return checkpoints[-1]

    retention.checkpoint = checkpoint

    async def bites_of(steps: AsyncGenerator[float], shortest_rest_s: float) -> list[float]:
        bites: list[float] = []
        async with aclosing(steps):
            async for took in steps:
                if took not in checkpoints[-1:]:
                    bites.append(took)
                await asyncio.sleep(max(shortest_rest_s, 4 * took))
                if retention.rows > most_rows:
                    return bites
        return bites

    began = time.perf_counter()
    bites = await bites_of(retention.whole_pass(), 0.005)
    took_s = time.perf_counter() - began
    done.set()
    await flushing
    print(f"  {retention.rows:,} rows taken in {took_s:.0f} s, {len(bites):,} bites")
    print(
        f"  a bite holds the writer: median {statistics.median(bites) * 1e3:.1f} ms, p99 {percentile(bites, 0.99) * 1e3:.1f} ms (≤ 20), "
        f"longest {max(bites) * 1e3:.1f} ms"
    )
    print(
        f"  a checkpoint, its own step: {len(checkpoints)} of them, median {statistics.median(checkpoints) * 1e3:.1f} ms, "
        f"longest {max(checkpoints) * 1e3:.1f} ms"
    )
    print(
        f"  a flush of 100 meanwhile: median {statistics.median(flushes) * 1e3:.1f} ms, p99 {percentile(flushes, 0.99) * 1e3:.1f} ms, "
        f"longest {max(flushes) * 1e3:.1f} ms (alone: median {statistics.median(alone) * 1e3:.1f} ms, longest {max(alone) * 1e3:.1f} ms)"
    )
    before = path.stat().st_size
    most_rows = sys.maxsize
    gives = await bites_of(retention.apart_from_checkpoints(retention.give_pages_back()), 0.001)
    await store._db.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    if gives:
        print(
            f"  pages given back: {(before - path.stat().st_size) / 1e6:.0f} of {before / 1e6:.0f} MB, in {len(gives):,} bites of "
            f"median {statistics.median(gives) * 1e3:.1f} ms, p99 {percentile(gives, 0.99) * 1e3:.1f} ms (≤ 20)"
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
