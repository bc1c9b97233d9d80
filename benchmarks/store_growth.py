"""Compare the cost of writing to a small and to a large history.

    python benchmarks/store_growth.py [--quick] [--large PATH]

Exits with 1 if a record in the large history costs over 15 % more CPU time, or over 15 % more bytes in the write-ahead
log, than a record in the small history. The small history has 100,000 runs, and the large one 5,000,000 runs (with
--quick 10,000 and 100,000). `--large` names a finished history of `benchmarks/large_history.py`, which is copied.

Both histories get the same batches of ten runs of 250 handlers and jobs, with service calls, log lines, failures and
triggers without a run. They take short turns, so that the load of the machine affects both alike. The CPU time is that
of the whole process, and contains the counting of the waiting runs. The figures are medians.
"""

import argparse
import asyncio
import shutil
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from large_history import DAY_US, DAYS, LargeHome, write_large_history

from hassette_store import DatabaseService, StoreSettings
from hassette_store.file.side_files import log_path
from hassette_store.ids import time_of

SMALL, LARGE = 100_000, 5_000_000
QUICK_SMALL, QUICK_LARGE = 10_000, 100_000
MAX_RATIO = 1.15
SIZE = 10
BATCHES = 200
TURNS, QUICK_TURNS = 15, 5
SETTINGS = StoreSettings(max_size_mb=100_000, check_limit_s=0)


class Contender:
    """A history that grows.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cpu_us: list[float] = []
        self.log_bytes: list[float] = []
        with closing(sqlite3.connect(path)) as db:
            self.runs = int(db.execute("SELECT sum(runs) FROM sessions").fetchone()[0])
            last_us = time_of(max(db.execute(f"SELECT max(id) FROM {table}").fetchone()[0] for table in TABLES))
        # The batches continue the history, at the same pace in each file.
        self._home = LargeHome(SMALL, last_us + DAYS * DAY_US)
        self._store = DatabaseService(path, SETTINGS, now_us=lambda: self._home.now_us)

    async def take_turn(self) -> None:
        """Write some batches, and note their cost per record."""
        await self._store.start()
        try:
            self._home.sequence = self._store.last_sequence
            # The first batch of a turn opens the pages that the others use.
            batches = [self._home.batch(SIZE) for _ in range(BATCHES + 1)]
            await self._store.write(batches.pop(0))
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None)) as reader:
                # While this transaction is open, SQLite does not begin the log again.
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sessions").fetchone()
                before, began = log_path(self.path).stat().st_size, time.process_time()
                for batch in batches:
                    await self._store.write(batch)
                self.cpu_us.append((time.process_time() - began) * 1e6 / BATCHES / SIZE)
                self.log_bytes.append((log_path(self.path).stat().st_size - before) / BATCHES / SIZE)
        finally:
            await self._store.stop()


TABLES = ("handler_invocations", "job_executions", "lifecycle_events", "home_changes", "home_causes")


async def compare(small: Path, large: Path, turns: int) -> bool:
    """Print the figures of both histories; return whether a target is missed."""
    contenders = Contender(small), Contender(large)
    for _ in range(turns):
        for contender in contenders:
            await contender.take_turn()
    one, other = contenders
    print(f"{'runs':>10} {'CPU µs per record':>18} {'bytes in the log per record':>28}")
    for contender in contenders:
        cpu_us, written = statistics.median(contender.cpu_us), statistics.median(contender.log_bytes)
        print(f"{contender.runs:>10,} {cpu_us:>18.0f} {written:>28,.0f}")
    cpu = statistics.median(b / a for a, b in zip(one.cpu_us, other.cpu_us, strict=True))
    written = statistics.median(b / a for a, b in zip(one.log_bytes, other.log_bytes, strict=True))
    missed = cpu > MAX_RATIO or written > MAX_RATIO
    print(
        f"the large history costs {cpu:.2f} x the CPU time and {written:.2f} x the bytes, as the median of {turns} "
        f"turns (target: <= {MAX_RATIO}){' MISSED' if missed else ''}"
    )
    return missed


def main() -> int:
    """Measure; return 1 if a target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--large", type=Path, help="a finished history of large_history.py, which is copied")
    arguments = parser.parse_args()
    small_runs, large_runs = (QUICK_SMALL, QUICK_LARGE) if arguments.quick else (SMALL, LARGE)
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small.db"), Path(folder, "large.db")
        asyncio.run(write_large_history(small, small_runs))
        if arguments.large is None:
            asyncio.run(write_large_history(large, large_runs))
        else:
            shutil.copyfile(arguments.large, large)
        return int(asyncio.run(compare(small, large, QUICK_TURNS if arguments.quick else TURNS)))


if __name__ == "__main__":
    raise SystemExit(main())
