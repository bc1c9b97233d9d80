# ruff: noqa: ASYNC240, E501  a benchmark has the loop for itself, and prints tables
"""A day of a busy home, simulated in a minute: 250 handlers, 10 events a second, bursts of 500 a second.

Checks that the statistics count every run, that percentiles are within 1 % of the true ones, and that the size stays
within its limit. `--quick`: two hours.

Usage: python benchmarks/store_day.py [--quick]
"""

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from store_feed import Home

from hassette_store import DatabaseService, StoreSettings, check
from hassette_store.file.creation import create
from hassette_store.file.writer import Writer
from hassette_store.retention.retention import Retention
from hassette_store.retention.statements import live_bytes
from hassette_store.sketch import nearest_rank, quantile

MOST_MB = 40


async def retain(path: Path, settings: StoreSettings, home: Home) -> int:
    """Do a whole pass of the retention; return the size of the pages in use."""
    db = await Writer.open(path, synchronous="normal")
    try:
        async for _ in Retention(db, settings, lambda: home.now_us).whole_pass():
            pass
        return await db.run(live_bytes)
    finally:
        await db.close()


async def day(path: Path, hours: int) -> None:
    start_us = 1_790_000_000_000_000
    home = Home(250, start_us=start_us, seed=4)
    executed: Counter[str] = Counter()
    durations: list[int] = []
    largest, live, passes, began = 0.0, 0.0, 0, time.perf_counter()
    settings = StoreSettings(max_size_mb=MOST_MB, keep_successes_days=0.25)
    async with DatabaseService(path, settings, now_us=lambda: home.now_us) as store:
        second, next_pass = 0, 600
        while second < hours * 3_600:
            # Every half hour, a burst of 10 s with 500 events a second; otherwise one batch for 10 s.
            burst = second % 1_800 < 10
            batch = home.batch(500 if burst else 100, over_us=1_000_000 if burst else 10_000_000)
            second += 1 if burst else 10
            await store.write(batch)
            for run in (*batch.invocations, *batch.executions):
                executed[run.status] += 1
                durations.append(run.duration_us)
            if second > next_pass:
                next_pass, passes = second + 600, passes + 1
                live = max(live, await retain(path, settings, home) / 1e6)
                largest = max(largest, path.stat().st_size / 1e6)
    db = sqlite3.connect(path)
    counted = db.execute("SELECT sum(success), sum(error) FROM statistics_hourly").fetchone()
    daily = db.execute("SELECT sum(success), sum(error) FROM statistics_daily").fetchone()
    grouped = db.execute("SELECT sum(count) FROM error_groups").fetchone()[0]
    buckets = db.execute("SELECT bucket, sum(count) FROM latency_hourly GROUP BY 1").fetchall()
    rows = db.execute("SELECT count(*) FROM runs").fetchone()[0]
    db.close()
    durations.sort()
    print(
        f"{hours} simulated hours in {time.perf_counter() - began:.0f} s: {len(durations):,} runs, {rows:,} rows left, {passes} passes"
    )
    exact = counted == daily == (executed["success"], executed["error"]) and grouped == executed["error"]
    print(f"  statistics count every run: {exact}")
    for q in (0.5, 0.95, 0.99):
        true, found = durations[nearest_rank(q, len(durations)) - 1], quantile(buckets, q)
        assert found is not None
        print(f"  p{q * 100:.0f}: {found:,.0f} µs, true value {true:,} µs: {abs(found - true) / true:.2%} off (≤ 1 %)")
        assert abs(found - true) / true <= 0.0101
    print(f"  largest file: {largest:.0f} MB, pages in use after a pass: {live:.1f} MB (≤ {MOST_MB})")
    assert live <= MOST_MB
    assert exact
    assert check(path) == []


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "hassette.db")
        create(path)
        asyncio.run(day(path, 2 if "--quick" in sys.argv[1:] else 24))


if __name__ == "__main__":
    main()
