# ruff: noqa: E501  long lines of printed tables and SQL
"""Measure the cost of the history: written bytes, CPU time and stored bytes per record, and the time to open the file.

    python benchmarks/store_wear.py [--quick]

Exits with 1 if a target is missed. CI machines are noisy: with --quick, the times have no target.

The written bytes are all bytes that the process passed to the file system, for the write-ahead log and the database
file (/proc/self/io). The benchmark compares them with the written bytes of a store that commits each record separately.
It also measures the written bytes of a quiet home, in which no handler runs: those of all services of the store for a
minute, and those of the heartbeats for a simulated day.
"""

import asyncio
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from store_feed import Home

from hassette_store import DatabaseService, StoreSettings
from hassette_store.file.creation import create
from hassette_store.file.ownership import Ownership
from hassette_store.file.writer import Writer
from hassette_store.heartbeats import Heartbeats
from hassette_store.sessions import insert

TARGET_WRITTEN = 0.5
"""Highest share of the bytes that a store with one commit per record would write, if a batch has many records."""
TARGET_WRITTEN_BYTES = 9_000
"""Most written bytes per record at 5 records per second, where a batch has two or three records."""
TARGET_QUIET_MB = 5
"""Most bytes, in MB, that the heartbeats of a day write while no handler runs."""
TARGET_STORED_BYTES = 100
TARGET_OPEN_MS = 50
TARGET_CREATE_MS = 1_500
OPEN = """
import asyncio, sys, time
from pathlib import Path
from hassette_store import DatabaseService

async def main():
    store = DatabaseService(Path(sys.argv[1]))
    began = time.perf_counter()
    await store.start()
    print((time.perf_counter() - began) * 1000, "alembic" in sys.modules or "sqlalchemy" in sys.modules)
    await store.stop()

asyncio.run(main())
"""


def written_bytes() -> int:
    """Return the bytes that this process has passed to the file system."""
    facts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(facts["wchar"])


async def cost_per_record(path: Path, per_second: float, *, commit_each: bool, records: int) -> tuple[float, float]:
    """Write records in batches of half a second, or one by one; return written bytes and CPU ms per record."""
    home = Home(50, plain=True)
    async with DatabaseService(path) as store:
        await store.write(home.batch(200))
        before, cpu, done, due = written_bytes(), time.process_time(), 0, 0.0
        while done < records:
            due += 1 if commit_each else max(1, per_second / 2)
            runs = int(due) - done
            await store.write(home.batch(runs, over_us=int(runs / per_second * 1e6)))
            done += runs
        cpu = time.process_time() - cpu
    # Closing the store has copied the write-ahead log into the file. The records have caused these bytes, too.
    return (written_bytes() - before) / done, cpu / done * 1e3


async def heartbeat_bytes(path: Path) -> int:
    """Return the bytes that the heartbeats of a day write while no handler runs."""
    settings, clock_s = StoreSettings(), 0.0
    heartbeats = Heartbeats(settings, lambda: round(clock_s * 1e6), lambda: clock_s)
    before = written_bytes()
    with Ownership.take(path) as ownership:
        db = await Writer.open(path, synchronous=settings.synchronous)
        try:
            session = await db.run(partial(insert, began=None, now_us=0))
            heartbeats.row_has_heartbeat()
            while clock_s < 86_400:
                clock_s += settings.heartbeat_s
                await heartbeats.beat(db, ownership, session, 0)
        finally:
            await db.close()
    return written_bytes() - before


async def quiet_bytes(path: Path, seconds: float) -> float:
    """Return the bytes per second that are written while no handler runs."""
    async with DatabaseService(path):
        before = written_bytes()
        await asyncio.sleep(seconds)
        return (written_bytes() - before) / seconds


async def bytes_per_success(path: Path, records: int) -> float:
    """Return the size of the table of runs and its indexes, per successful run."""
    home = Home(250, plain=True)
    async with DatabaseService(path) as store:
        for _ in range(records // 500):
            await store.write(home.batch(500, over_us=60_000_000))
    db = sqlite3.connect(path)
    try:
        pages = db.execute("SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'handler_invocations%'").fetchone()[0]
    finally:
        db.close()
    return pages / (records // 500 * 500)


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        template = Path(directory, "template.db")
        create(template)

        def fresh(name: str) -> Path:
            path = Path(directory, f"{name}.db")
            path.write_bytes(template.read_bytes())
            return path

        print(f"Wear and size, SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}")
        print("  records/s   written bytes per record (ratio to one commit per record)   CPU ms per record")
        for rate in (1, 5, 50, 500):
            records = max(20, min(rate * (20 if quick else 120), 2_000 if quick else 20_000))
            one_by_one, _ = asyncio.run(
                cost_per_record(fresh(f"one_by_one{rate}"), rate, commit_each=True, records=min(records, 1_000))
            )
            batched, cpu = asyncio.run(
                cost_per_record(fresh(f"batched{rate}"), rate, commit_each=False, records=records)
            )
            share = batched / one_by_one
            # At one record per second, a batch contains one record, so there is nothing to save.
            target = {1: "", 5: f"(target: <= {TARGET_WRITTEN_BYTES:,} B)"}.get(rate, f"(target: <= {TARGET_WRITTEN})")
            if rate == 5 and batched > TARGET_WRITTEN_BYTES:
                missed.append(f"at {rate} records/s, {batched:,.0f} bytes are written per record")
            if rate > 5 and share > TARGET_WRITTEN:
                missed.append(f"at {rate} records/s, {share:.2f} of the bytes are written")
            print(f"  {rate:>9}   {batched:>9,.0f} ({share:4.2f} of {one_by_one:,.0f}) {target:<18} {cpu:6.3f}")
        seconds = 9 if quick else 60
        day = asyncio.run(heartbeat_bytes(fresh("heartbeats"))) / 1e6
        quiet = asyncio.run(quiet_bytes(fresh("quiet"), seconds)) * 86_400 / 1e6
        print(
            f"  a quiet home: {day:.1f} MB per day for the heartbeats (target: <= {TARGET_QUIET_MB}); {seconds} s of the whole store, as MB per day: {quiet:.1f}"
        )
        if day > TARGET_QUIET_MB:
            missed.append(f"the heartbeats write {day:.1f} MB per day")
        size = asyncio.run(bytes_per_success(fresh("size"), 20_000 if quick else 200_000))
        if size > TARGET_STORED_BYTES:
            missed.append(f"a plain success takes {size:.0f} bytes")
        print(f"  stored bytes per plain success, with all indexes: {size:.0f} (target: <= {TARGET_STORED_BYTES})")

        path = fresh("open")
        took: list[float] = []
        for _ in range(5 if quick else 20):
            done = subprocess.run([sys.executable, "-c", OPEN, path], capture_output=True, text=True, check=True)
            ms, imported = done.stdout.split()
            assert imported == "False"
            took.append(float(ms))
        print(
            f"  opening a file of the latest schema: median {statistics.median(took):.0f} ms (target: <= {TARGET_OPEN_MS}), Alembic and SQLAlchemy not imported"
        )
        if not quick and statistics.median(took) > TARGET_OPEN_MS:
            missed.append(f"opening takes {statistics.median(took):.0f} ms")
        took: list[float] = []
        for number in range(3 if quick else 9):
            done = subprocess.run(
                [sys.executable, "-c", OPEN, Path(directory, f"new{number}.db")],
                capture_output=True,
                text=True,
                check=True,
            )
            took.append(float(done.stdout.split()[0]))
        print(f"  creating a file: median {statistics.median(took):.0f} ms (target: <= {TARGET_CREATE_MS})")
        if not quick and statistics.median(took) > TARGET_CREATE_MS:
            missed.append(f"creating a file takes {statistics.median(took):.0f} ms")
    if missed:
        sys.exit(f"target missed: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
