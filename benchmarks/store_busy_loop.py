"""Measure the throughput of the store while handlers of 1 ms keep the event loop busy and hold the interpreter lock.

    python benchmarks/store_busy_loop.py [--quick]

Exits with 1 if a row is lost. The throughput has no target.

The baseline is the usual solution: `executemany` of 100 rows in a thread. The store writes 500 rows at a time, so the
ratio includes the gain from larger batches. Both are measured with Python's default switch interval and with that of
``hassette run`` (docs/adr/0014-switch-interval.md).
"""

import asyncio
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from store_batch import FloorWriter
from store_feed import Home

from hassette_store import DatabaseService, connect_read_only
from hassette_store.file.creation import create

HASSETTE_INTERVAL_S = 0.0005
"""`hassette_core.cli.process.SWITCH_INTERVAL_S`; not imported, because this benchmark needs only the store."""


async def run_handlers(stop: asyncio.Event) -> int:
    """Run handlers of 1 ms without a pause between them; return their number."""
    ran = 0
    while not stop.is_set():
        ends = time.perf_counter() + 0.001
        while time.perf_counter() < ends:
            pass
        ran += 1
        await asyncio.sleep(0)
    return ran


async def measure_store(path: Path, seconds: float) -> tuple[float, int]:
    """Return the rows per second of the store, and the number of lost rows."""
    home, stop, done = Home(plain=True), asyncio.Event(), 0
    async with DatabaseService(path) as store:
        busy = asyncio.create_task(run_handlers(stop))
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            await store.write(home.batch(500))
            done += 500
        took = time.perf_counter() - began
        stop.set()
        await busy
    with closing(connect_read_only(path)) as db:
        (stored,) = db.execute("SELECT count(*) FROM runs").fetchone()
    return done / took, done - stored


async def measure_baseline(path: Path, seconds: float) -> float:
    """Return the rows per second of `executemany` in a thread."""
    home, stop, done = Home(plain=True), asyncio.Event(), 0
    writer = FloorWriter(path, "normal")
    busy = asyncio.create_task(run_handlers(stop))
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        statements = writer.encode(home.batch(100))
        await asyncio.to_thread(writer.write, statements)
        done += 100
    took = time.perf_counter() - began
    stop.set()
    await busy
    writer.db.close()
    return done / took


def main() -> None:
    seconds = 3 if "--quick" in sys.argv[1:] else 20
    print("Rows per second while handlers of 1 ms keep the event loop busy")
    lost = 0
    for interval_s, source in ((sys.getswitchinterval(), "Python default"), (HASSETTE_INTERVAL_S, "hassette run")):
        sys.setswitchinterval(interval_s)
        with tempfile.TemporaryDirectory() as directory:
            path, baseline_path = Path(directory, "store.db"), Path(directory, "baseline.db")
            create(path)
            baseline_path.write_bytes(path.read_bytes())
            rate, lost_now = asyncio.run(measure_store(path, seconds))
            baseline = asyncio.run(measure_baseline(baseline_path, seconds))
        lost += lost_now
        print(
            f"  switch interval {interval_s * 1000:g} ms ({source}): store {rate:,.0f} rows/s, {lost_now} lost; "
            f"executemany in a thread {baseline:,.0f} rows/s; ratio {rate / baseline:.1f}"
        )
    if lost:
        sys.exit(f"target missed: {lost:,} rows were lost")


if __name__ == "__main__":
    main()
