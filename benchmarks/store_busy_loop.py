# ruff: noqa: E501  a benchmark has the loop for itself, and prints tables
"""What the writer sustains while the event loop is kept busy by handlers of 1 ms: it has to fight for the interpreter.

The floor is what most programs do: `executemany` of the same rows in a thread beside the same loop. Both are measured with
Python's own switch interval and with the one that ``hassette run`` sets (docs/adr/0014-switch-interval.md).

Usage: python benchmarks/store_busy_loop.py [--quick]
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from store_batch import Raw
from store_feed import House

from hassette_store import DatabaseService
from hassette_store.file.creation import create

HASSETTES_S = 0.0005
"""`hassette_core.cli.process.SWITCH_INTERVAL_S`; the store is measured with only itself installed."""


async def spin(stop: asyncio.Event) -> int:
    """Handlers of 1 ms, one after the other, without a pause."""
    ran = 0
    while not stop.is_set():
        ends = time.perf_counter() + 0.001
        while time.perf_counter() < ends:
            pass
        ran += 1
        await asyncio.sleep(0)
    return ran


async def ours(path: Path, seconds: float) -> tuple[float, int]:
    house, stop, done = House(plain=True), asyncio.Event(), 0
    async with DatabaseService(path) as store:
        busy = asyncio.create_task(spin(stop))
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            await store.write(house.batch(500))
            done += 500
        took = time.perf_counter() - began
        stop.set()
        await busy
        kept = (await store._db.rows("SELECT count(*) FROM runs"))[0][0]  # type: ignore[union-attr]
    return done / took, done - kept


async def floor(path: Path, seconds: float) -> float:
    house, stop, done = House(plain=True), asyncio.Event(), 0
    raw = Raw(path, "normal")
    busy = asyncio.create_task(spin(stop))
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        work = raw.prepare(house.batch(100))
        await asyncio.to_thread(raw.write, work)
        done += 100
    took = time.perf_counter() - began
    stop.set()
    await busy
    raw.db.close()
    return done / took


def main() -> None:
    seconds = 3 if "--quick" in sys.argv[1:] else 20
    print("Beside a loop that is kept busy by handlers of 1 ms")
    lost = 0
    for interval_s, whose in ((sys.getswitchinterval(), "Python's"), (HASSETTES_S, "hassette run's")):
        sys.setswitchinterval(interval_s)
        with tempfile.TemporaryDirectory() as directory:
            path, other = Path(directory, "a.db"), Path(directory, "b.db")
            create(path)
            other.write_bytes(path.read_bytes())
            rate, not_kept = asyncio.run(ours(path, seconds))
            usual = asyncio.run(floor(other, seconds))
        lost += not_kept
        print(
            f"  switch interval {interval_s * 1000:g} ms ({whose}): ours {rate:,.0f} rows/s, {not_kept} lost; "
            f"executemany in a thread {usual:,.0f} rows/s; ratio {rate / usual:.1f}"
        )
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
