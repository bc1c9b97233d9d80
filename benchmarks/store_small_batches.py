"""Measure the written log and the CPU time per record of small batches, as a home writes them.

    python benchmarks/store_small_batches.py

Each run of a batch is of a random handler out of 50, and the file contains 20,000 runs. Exits with 1 if the target for
batches of ten is missed: at most 6,000 bytes in the write-ahead log per record. With statistics in each batch, it was
12,496 bytes. The CPU time has no target, because it depends on the machine.
"""

import asyncio
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from store_feed import Home

from hassette_store import DatabaseService
from hassette_store.file.side_files import log_path

SIZES = (1, 10, 100, 500)
TARGET_SIZE, TARGET_BYTES = 10, 6_000
RECORDS = 2_000
RUNS_BEFORE = 20_000


async def cost_per_record(path: Path, size: int) -> tuple[float, float]:
    """Return the bytes in the log and the microseconds of CPU time per record, for batches of one size."""
    home = Home(50, plain=True)
    store = DatabaseService(path)
    await store.start()
    for _ in range(RUNS_BEFORE // 500):
        await store.write(home.batch(500))
    await store.stop()
    await store.start()
    batches = [home.batch(size) for _ in range(RECORDS // size)]
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
        # While this transaction is open, SQLite does not begin the log again. So its size is the sum of all batches.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sessions").fetchone()
        before, began = log_path(path).stat().st_size, time.process_time()
        for batch in batches:
            await store.write(batch)
        spent, after = time.process_time() - began, log_path(path).stat().st_size
    await store.stop()
    return (after - before) / RECORDS, spent * 1e6 / RECORDS


def main() -> int:
    """Print the cost for each size; return 1 if the target is missed."""
    missed = False
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            written, spent_us = asyncio.run(cost_per_record(Path(folder) / "hassette.db", size))
        target = f" (target: <= {TARGET_BYTES:,})" if size == TARGET_SIZE else ""
        print(f"batches of {size}: {written:,.0f} B in the log per record{target}, {spent_us:.0f} µs of CPU time")
        missed |= size == TARGET_SIZE and written > TARGET_BYTES
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
