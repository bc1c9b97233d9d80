"""Measure the written log and the CPU time per record of small batches, as a home writes them.

    python benchmarks/store_small_batches.py [--quick] [--peer-python PATH]

Exits with 1 if a target is missed:

* With batches of ten, at most 6,000 bytes in the write-ahead log per record. With statistics in each batch, it was
  12,496 bytes.
* With batches of any size, less CPU time per record than a bare ``submit`` of hassette 0.60.0, which keeps no
  statistics. Its process has its own environment, and takes short turns with the store, so that the load of the machine
  affects both alike. With --quick, hassette takes no part.

Each run of a batch is a success of a random handler out of 50, and the file contains 20,000 runs. The CPU time is that
of the whole process, and contains the counting of the waiting runs. It is the median of several turns after a turn to
warm up. Both databases stay open from turn to turn.
"""

import argparse
import asyncio
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from end_to_end import PEERS, peer_environment
from store_feed import Home

from hassette_store import DatabaseService
from hassette_store.derived.waiting import MAX_WAITING
from hassette_store.file.side_files import log_path

SIZES = (1, 10, 100, 500)
TARGET_SIZE, TARGET_BYTES = 10, 6_000
RECORDS = MAX_WAITING
"""Records of one turn. In each turn, the store counts the waiting runs once."""
RUNS_BEFORE = 20_000
HANDLERS = 50
ROUNDS, QUICK_ROUNDS = 9, 1
PEER_SCRIPT = Path(__file__).parent / "contenders" / "hassette_store_peer.py"


class Peer:
    """The process of hassette 0.60.0.

    Args:
        process: The process, which was started with pipes.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._figure("ready")

    def cpu_us(self, size: int) -> float:
        """Return the microseconds of CPU time per record, for batches of one size."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{size} {RECORDS}\n")
        self._process.stdin.flush()
        return float(self._figure())

    def _figure(self, expected: str | None = None) -> str:
        assert self._process.stderr is not None
        line = self._process.stderr.readline().strip()
        if not line or (expected is not None and line != expected):
            raise RuntimeError(f"hassette has failed: {line} {self._process.stderr.read()}")
        return line


@contextmanager
def running_peer(interpreter: str) -> Generator[Peer | None]:
    """Start hassette in its own environment. Yield None if it cannot be installed or imported."""
    python = peer_environment("hassette", PEERS["hassette"], interpreter)
    if python is None:
        yield None
        return
    command = [str(python), str(PEER_SCRIPT), str(HANDLERS), str(RUNS_BEFORE)]
    with subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            yield Peer(process)
        finally:
            process.kill()


async def log_per_record(store: DatabaseService, home: Home, size: int) -> float:
    """Return the bytes in the log per record, for batches of one size. The store is not started before and after."""
    async with store:
        with closing(sqlite3.connect(f"file:{store.path}?mode=ro", uri=True, isolation_level=None)) as reader:
            # While this transaction is open, SQLite does not begin the log again. So its size is the sum of all
            # batches.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sessions").fetchone()
            before = log_path(store.path).stat().st_size
            await cpu_us(store, home, size)
            return (log_path(store.path).stat().st_size - before) / RECORDS


async def cpu_us(store: DatabaseService, home: Home, size: int) -> float:
    """Return the microseconds of CPU time per record, for batches of one size."""
    batches = [home.batch(size) for _ in range(RECORDS // size)]
    began = time.process_time()
    for batch in batches:
        await store.write(batch)
    return (time.process_time() - began) * 1e6 / RECORDS


async def measure(folder: Path, size: int, rounds: int, peer: Peer | None) -> bool:
    """Print the cost of batches of one size; return whether a target is missed."""
    store, home = DatabaseService(folder / "hassette.db"), Home(HANDLERS, plain=True)
    async with store:
        for _ in range(RUNS_BEFORE // 500):
            await store.write(home.batch(500))
    written = await log_per_record(store, home, size)
    ours: list[float] = []
    theirs: list[float] = []
    async with store:
        for _ in range(1 + rounds):
            ours.append(await cpu_us(store, home, size))
            if peer is not None:
                theirs.append(peer.cpu_us(size))
    spent_us = statistics.median(ours[1:])
    target = f" (target: <= {TARGET_BYTES:,})" if size == TARGET_SIZE else ""
    text = f"batches of {size}: {written:,.0f} B in the log per record{target}, {spent_us:.0f} µs of CPU time"
    missed = size == TARGET_SIZE and written > TARGET_BYTES
    if theirs:
        peer_us = statistics.median(theirs[1:])
        text += f" (target: < {peer_us:.0f}, hassette 0.60.0)"
        missed |= spent_us >= peer_us
    print(text + (" MISSED" if missed else ""))
    return missed


def main() -> int:
    """Print the cost for each size; return 1 if a target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peer-python", default=sys.executable, help="the Python of hassette 0.60.0")
    arguments = parser.parse_args()
    if arguments.quick:
        return int(measure_all(QUICK_ROUNDS, None))
    with running_peer(arguments.peer_python) as peer:
        return int(measure_all(ROUNDS, peer))


def measure_all(rounds: int, peer: Peer | None) -> bool:
    """Measure batches of each size; return whether a target is missed."""
    missed = False
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            missed |= asyncio.run(measure(Path(folder), size, rounds, peer))
    return missed


if __name__ == "__main__":
    sys.exit(main())
