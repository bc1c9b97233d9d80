# ruff: noqa: ASYNC240  no other task uses the event loop while a file is read
"""Store a day of a busy home, simulated in a minute: 250 handlers, 10 events a second, and bursts of 500 a second.

    python benchmarks/store_day.py [--quick]

Exits with 1 if the statistics do not count every run, if a percentile is more than 1 % from the true one, if the size
exceeds its limit, or if the file is damaged. With --quick, two hours are simulated.
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
from hassette_store.retention.statements import used_bytes
from hassette_store.sketch import bucket_of, nearest_rank, quantiles

MAX_SIZE_MB = 40
MAX_DEVIATION = 0.0101
"""1 %, and some room for rounding."""


async def delete_old_runs(path: Path, settings: StoreSettings, home: Home) -> int:
    """Run one pass of the retention; return the size of the pages in use, in bytes."""
    db = await Writer.open(path, synchronous="normal")
    try:
        async for _ in Retention(db, settings, lambda: home.now_us).whole_pass():
            pass
        return await db.run(used_bytes)
    finally:
        await db.close()


async def simulate(path: Path, hours: int) -> list[str]:
    """Store some hours of history; return the missed targets."""
    start_us = 1_790_000_000_000_000
    home = Home(250, start_us=start_us, seed=4)
    executed: Counter[str] = Counter()
    durations: list[int] = []
    missed: list[str] = []
    largest_mb, used_mb, passes, began = 0.0, 0.0, 0, time.perf_counter()
    settings = StoreSettings(max_size_mb=MAX_SIZE_MB, keep_successes_days=0.25)
    # Without `serve`, so that the store deletes nothing by itself.
    store = DatabaseService(path, settings, now_us=lambda: home.now_us)
    await store.start()
    try:
        second, next_pass = 0, 600
        while second < hours * 3_600:
            # Each half hour starts with a burst: for 10 s, a batch of 500 runs each second. After the burst, a batch of
            # 100 runs covers 10 s.
            burst = second % 1_800 < 10
            batch = home.batch(500 if burst else 100, over_us=1_000_000 if burst else 10_000_000)
            second += 1 if burst else 10
            await store.write(batch)
            for run in (*batch.invocations, *batch.executions):
                executed[run.status] += 1
                durations.append(run.duration_us)
            if second > next_pass:
                next_pass, passes = second + 600, passes + 1
                await store.stop()  # the file has one writer at a time
                used_mb = max(used_mb, await delete_old_runs(path, settings, home) / 1e6)
                await store.start()
                largest_mb = max(largest_mb, path.stat().st_size / 1e6)
    finally:
        await store.stop()
    db = sqlite3.connect(path)
    counted = db.execute("SELECT sum(success), sum(error) FROM statistics_hourly").fetchone()
    daily = db.execute("SELECT sum(success), sum(error) FROM statistics_daily").fetchone()
    grouped = db.execute("SELECT sum(count) FROM error_groups").fetchone()[0]
    sketches = [sketch for (sketch,) in db.execute("SELECT sketch FROM counted_hourly")]
    uncounted = [bucket_of(us) for (us,) in db.execute("SELECT duration_us FROM uncounted_runs")]
    rows = db.execute("SELECT count(*) FROM runs").fetchone()[0]
    db.close()
    durations.sort()
    print(
        f"{hours} simulated hours in {time.perf_counter() - began:.0f} s: {len(durations):,} runs, {rows:,} rows left, "
        f"{passes} passes of the retention"
    )
    exact = counted == daily == (executed["success"], executed["error"]) and grouped == executed["error"]
    print(f"  statistics count every run: {'yes' if exact else 'no'}")
    if not exact:
        missed.append("the statistics do not count every run")
    for q in (0.5, 0.95, 0.99):
        true, found = durations[nearest_rank(q, len(durations)) - 1], quantiles(sketches, (q,), uncounted)[0]
        deviation = abs(found - true) / true
        print(f"  p{q * 100:.0f}: {found:,.0f} µs, true value {true:,} µs, deviation {deviation:.2%} (target: <= 1 %)")
        if deviation > MAX_DEVIATION:
            missed.append(f"p{q * 100:.0f} deviates by {deviation:.2%}")
    print(f"  largest file: {largest_mb:.0f} MB")
    print(f"  pages in use after a pass: {used_mb:.1f} MB (target: <= {MAX_SIZE_MB} MB)")
    if used_mb > MAX_SIZE_MB:
        missed.append(f"{used_mb:.1f} MB are in use after a pass, more than {MAX_SIZE_MB}")
    missed += check(path)
    return missed


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "hassette.db")
        create(path)
        if missed := asyncio.run(simulate(path, 2 if "--quick" in sys.argv[1:] else 24)):
            sys.exit(f"target missed: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
