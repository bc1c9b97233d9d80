# ruff: noqa: E501  a benchmark has the loop for itself, and prints tables
"""Cost of the history: bytes written to the card, CPU time and bytes stored per record, and time to open the file.

Bytes written are those that the process passed to the file system (/proc/self/io; both the log and the file count).
The floor is a commit per record. In a quiet home, no handler runs.

Usage: python benchmarks/store_wear.py [--quick]
"""

import asyncio
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from store_feed import Home

from hassette_store import DatabaseService
from hassette_store.file.creation import create

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


def written() -> int:
    """Return the bytes that this process has passed to the file system."""
    facts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(facts["wchar"])


async def wear(path: Path, per_second: float, *, each: bool, records: int) -> tuple[float, float]:
    """Write records as they occur; return bytes and CPU ms per record."""
    home = Home(50, plain=True)
    async with DatabaseService(path) as store:
        await store.write(home.batch(200))
        before, cpu, done, due = written(), time.process_time(), 0, 0.0
        while done < records:
            # The records of half a second, or one record.
            due += 1 if each else max(1, per_second / 2)
            runs = int(due) - done
            await store.write(home.batch(runs, over_us=int(runs / per_second * 1e6)))
            done += runs
        cpu = time.process_time() - cpu
    # Closing copies the log into the file; those bytes belong to the records.
    return (written() - before) / done, cpu / done * 1e3


async def quiet(path: Path, seconds: float) -> float:
    async with DatabaseService(path):
        before = written()
        await asyncio.sleep(seconds)
        return (written() - before) / seconds


async def bytes_per_success(path: Path, records: int) -> float:
    """Return the size of the table of runs and its indexes, per successful run, after normal writing."""
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
    missed = False
    with tempfile.TemporaryDirectory() as directory:
        template = Path(directory, "template.db")
        create(template)

        def fresh(name: str) -> Path:
            path = Path(directory, f"{name}.db")
            path.write_bytes(template.read_bytes())
            return path

        print(f"Wear and size, SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}")
        print("  records/s   bytes a record (of a commit per record)   CPU ms a record")
        for rate in (1, 5, 50, 500):
            records = max(20, min(rate * (20 if quick else 120), 2_000 if quick else 20_000))
            each, _ = asyncio.run(wear(fresh(f"each{rate}"), rate, each=True, records=min(records, 1_000)))
            ours, cpu = asyncio.run(wear(fresh(f"ours{rate}"), rate, each=False, records=records))
            # At one record per second, each has a separate commit either way.
            missed = missed or (rate > 1 and ours / each > 0.5)
            print(f"  {rate:>9}   {ours:>9,.0f} ({ours / each:4.2f} of {each:,.0f}){'':<20} {cpu:6.3f}")
        seconds = 9 if quick else 60
        print(
            f"  a quiet home: {asyncio.run(quiet(fresh('quiet'), seconds)) * 86_400 / 1e6:,.0f} MB a day (the heartbeat)"
        )
        size = asyncio.run(bytes_per_success(fresh("size"), 20_000 if quick else 200_000))
        missed = missed or size > 100
        print(f"  bytes kept per plain success, all indexes included: {size:.0f} (≤ 100)")

        path = fresh("open")
        took = []
        for _ in range(5 if quick else 20):
            done = subprocess.run([sys.executable, "-c", OPEN, path], capture_output=True, text=True, check=True)
            ms, imported = done.stdout.split()
            assert imported == "False"
            took.append(float(ms))
        print(
            f"  opening a file at head: median {statistics.median(took):.0f} ms (≤ 50), Alembic and SQLAlchemy not imported"
        )
        took = []
        for number in range(3 if quick else 9):
            done = subprocess.run(
                [sys.executable, "-c", OPEN, Path(directory, f"new{number}.db")],
                capture_output=True,
                text=True,
                check=True,
            )
            took.append(float(done.stdout.split()[0]))
        print(f"  a new file: median {statistics.median(took):.0f} ms (≤ 1500)")
    sys.exit(missed)


if __name__ == "__main__":
    main()
