"""Throughput of the writer while handlers of 1 ms keep the event loop busy and compete for the interpreter lock.

The floor is the common way: `executemany` of the same rows in a thread next to the same loop. Both are measured with
Python's default switch interval and with that of ``hassette run`` (docs/adr/0014-switch-interval.md).

Usage: python benchmarks/store_busy_loop.py [--quick]
"""

import asyncio
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from store_batch import Raw
from store_feed import Home

from hassette_store import DatabaseService, connect_read_only
from hassette_store.file.creation import create

HASSETTE_S = 0.0005
"""`hassette_core.cli.process.SWITCH_INTERVAL_S`; not imported, because the benchmark runs with the store alone."""


async def spin(stop: asyncio.Event) -> int:
    """Run handlers of 1 ms one after the other, without a pause; return their number."""
    ran = 0
    while not stop.is_set():
        ends = time.perf_counter() + 0.001
        while time.perf_counter() < ends:
            pass
        ran += 1
        await asyncio.sleep(0)
    return ran


async def ours(path: Path, seconds: float) -> tuple[float, int]:
    home, stop, done = Home(plain=True), asyncio.Event(), 0
    async with DatabaseService(path) as store:
        busy = asyncio.create_task(spin(stop))
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            await store.write(home.batch(500))
            done += 500
        took = time.perf_counter() - began
        stop.set()
        await busy
    with closing(connect_read_only(path)) as db:
        (kept,) = db.execute("SELECT count(*) FROM runs").fetchone()
    return done / took, done - kept


async def floor(path: Path, seconds: float) -> float:
    home, stop, done = Home(plain=True), asyncio.Event(), 0
    raw = Raw(path, "normal")
    busy = asyncio.create_task(spin(stop))
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        work = raw.prepare(home.batch(100))
        await asyncio.to_thread(raw.write, work)
        done += 100
    took = time.perf_counter() - began
    stop.set()
    await busy
    raw.db.close()
    return done / took


def main() -> None:
    seconds = 3 if "--quick" in sys.argv[1:] else 20
    print("Rows per second while handlers of 1 ms keep the event loop busy")
    lost = 0
    for interval_s, source in ((sys.getswitchinterval(), "Python default"), (HASSETTE_S, "hassette run")):
        sys.setswitchinterval(interval_s)
        with tempfile.TemporaryDirectory() as directory:
            path, other = Path(directory, "a.db"), Path(directory, "b.db")
            create(path)
            other.write_bytes(path.read_bytes())
            rate, not_kept = asyncio.run(ours(path, seconds))
            usual = asyncio.run(floor(other, seconds))
        lost += not_kept
        print(
            f"  switch interval {interval_s * 1000:g} ms ({source}): ours {rate:,.0f} rows/s, {not_kept} lost; "
            f"executemany in a thread {usual:,.0f} rows/s; ratio {rate / usual:.1f}"
        )
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
