"""Measure the CPU time per record in a quiet home: five runs per second, from the executor to the file.

    python benchmarks/store_quiet.py [--quick]

Exits with 1 if a record costs more than 1.8 times as much as with the floor. The floor is the least that a program can
do: a coroutine per run, and one transaction with the rows of each half second, in a thread. At this rate, each wake-up
finds cold caches, so the cost depends on the machine and its load. The contenders therefore run at the same time, each
in its own process. A ratio of 1.8 is 400 µs on a machine on which the floor takes 223 µs.

The measurement contains no pass of the retention, which comes every ten minutes. A pass takes about 6 ms if there is
nothing to delete. This is 2 µs per record.
"""

import argparse
import asyncio
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hassette_executor import CommandExecutor
from hassette_store import DatabaseService
from hassette_store.retention.retention import RetentionSchedule
from support.records import invoke, listener

MAX_RATIO = 1.8
PER_S = 5
HANDLERS = 50
FLUSH_S = 0.5
SECONDS, QUICK_SECONDS = 40, 10
ROUNDS, QUICK_ROUNDS = 3, 1
FLOOR_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, handler INTEGER, started INTEGER, duration INTEGER, status INTEGER,
    entity TEXT, context TEXT
);
CREATE INDEX runs_by_handler ON runs (handler, id);
"""
Run = Callable[[int], Awaitable[object]]


async def nothing() -> None:
    await asyncio.sleep(0)


async def cost_of(run: Run, seconds: float) -> float:
    """Return the microseconds of CPU time per run of this process, after some runs to warm up."""
    for number in range(HANDLERS):
        await run(number)
    await asyncio.sleep(3 * FLUSH_S)
    began, records = time.process_time(), 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        await run(records)
        records += 1
        await asyncio.sleep(1 / PER_S)
    await asyncio.sleep(2 * FLUSH_S)
    return (time.process_time() - began) * 1e6 / records


async def ours(path: Path, seconds: float) -> float:
    """Return the cost with the executor and the store."""
    later = RetentionSchedule(first_pass_s=3_600)
    async with DatabaseService(path, retention_schedule=later) as store, CommandExecutor(store) as executor:
        handlers = [listener(f"on_event_{number}") for number in range(HANDLERS)]
        for handler in handlers:
            executor.register(handler)
        return await cost_of(lambda number: executor.execute(invoke(nothing, handlers[number % HANDLERS])), seconds)


async def floor(path: Path, seconds: float) -> float:
    """Return the cost of the floor."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        db = await loop.run_in_executor(pool, lambda: sqlite3.connect(path, isolation_level=None))
        await loop.run_in_executor(pool, db.executescript, FLOOR_SCHEMA)
        waiting: list[tuple[object, ...]] = []
        flushes: list[asyncio.Task[None]] = []

        def write(rows: list[tuple[object, ...]]) -> None:
            db.execute("BEGIN")
            db.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            db.execute("COMMIT")

        async def flush() -> None:
            await asyncio.sleep(FLUSH_S)
            flushes.clear()
            rows = waiting.copy()
            waiting.clear()
            await loop.run_in_executor(pool, write, rows)

        async def run(number: int) -> None:
            began = time.perf_counter_ns()
            await nothing()
            duration = time.perf_counter_ns() - began
            waiting.append((time.time_ns(), number % HANDLERS, began, duration, 0, "sensor.hall", "01ABCDEFGH"))
            if not flushes:
                flushes.append(asyncio.create_task(flush()))

        try:
            return await cost_of(run, seconds)
        finally:
            await loop.run_in_executor(pool, db.close)


CONTENDERS = {"floor": floor, "executor and store": ours}


def measure(name: str, seconds: float) -> float:
    """Return the cost of a contender, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(CONTENDERS[name](Path(folder, "hassette.db"), seconds))


def measure_all(seconds: float) -> dict[str, float]:
    """Return the cost of each contender. All run at the same time."""
    command = [sys.executable, __file__, "--seconds", str(seconds), "--contender"]
    processes = {name: subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in CONTENDERS}
    return {name: float(process.communicate()[0]) for name, process in processes.items()}


def main() -> int:
    """Measure; return 1 if the target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--contender", choices=CONTENDERS, help="measure only this contender, in this process")
    parser.add_argument("--seconds", type=float)
    arguments = parser.parse_args()
    seconds = arguments.seconds or (QUICK_SECONDS if arguments.quick else SECONDS)
    if arguments.contender:
        print(measure(arguments.contender, seconds))
        return 0
    rounds = [measure_all(seconds) for _ in range(QUICK_ROUNDS if arguments.quick else ROUNDS)]
    for name in CONTENDERS:
        print(f"{name}: {statistics.median(one[name] for one in rounds):,.0f} µs of CPU time per record")
    ratio = statistics.median(one["executor and store"] / one["floor"] for one in rounds)
    missed = ratio > MAX_RATIO
    print(f"ratio, as the median of {len(rounds)} rounds: {ratio:.2f} (target: <= {MAX_RATIO}){' MISSED' * missed}")
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
