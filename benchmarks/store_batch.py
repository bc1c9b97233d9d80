# ruff: noqa: E501  long lines of printed tables and SQL
"""Measure the cost of a batch, as a ratio to plain `sqlite3.executemany` of the same rows into the same tables.

    python benchmarks/store_batch.py [--quick]

Exits with 1 if a target is missed. CI machines are noisy: with --quick, the limits are 25 % above the targets.

The floor is one thread and one connection that write prepared tuples: BEGIN, one `executemany` per table with the same
upserts, COMMIT. It is compared with `DatabaseService.write`, which also switches threads, encodes records, updates
statistics and computes fingerprints. The store and the floor are measured alternately, in CPU time of the whole
process, with files on the same disk. The ratio is the median of the store divided by the median of the floor.
"""

import asyncio
import re
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from store_feed import Batch, Home

from hassette_store import DatabaseService, StoreSettings
from hassette_store.file.connections import connect_to_write
from hassette_store.file.creation import create
from hassette_store.writing.encoding import BatchEncoder
from hassette_store.writing.row_ids import NameIds, RegistrationIds
from hassette_store.writing.statements import INSERTIONS, Insertion

TARGET_RATIO = 2
TARGET_RATIO_FULL = 1.1
"""Highest CPU time with ``synchronous = "full"``, as a ratio to that with ``"normal"``."""
QUICK_TOLERANCE = 1.25


def plain_sql(insertion: Insertion) -> str:
    """Return the statement with which a simple program would insert one row."""
    if insertion.select == "*":
        return f"INSERT INTO {insertion.into} VALUES ({', '.join('?' * len(insertion.columns))}) {insertion.conflict}"
    select = re.sub(r"column(\d+)", r"?\1", insertion.select)
    if insertion.join:
        return f"INSERT INTO {insertion.into} SELECT {select} FROM error_groups WHERE fingerprint = ?2"
    return f"INSERT INTO {insertion.into} VALUES ({select}) {insertion.conflict}"


class FloorWriter:
    """The floor: writes the same rows with `executemany`."""

    def __init__(self, path: Path, synchronous: Any) -> None:
        self.db = connect_to_write(path, synchronous=synchronous)
        self.encoder = BatchEncoder(1, NameIds(), RegistrationIds())
        self.db.execute(
            "INSERT INTO sessions (started_us, heartbeat_us, outcome, pid, host) VALUES (1, 1, 'open', 1, 'h')"
        )

    def encode(self, batch: Batch) -> list[tuple[str, list[tuple[Any, ...]]]]:
        rows = self.encoder.encode(batch, batch.at_us).rows
        self.encoder.finish(stored=True)
        return [
            (plain_sql(insertion), [tuple(row) for row in rows[insertion.rows]])
            for insertion in INSERTIONS
            if rows[insertion.rows]
        ]

    def write(self, statements: list[tuple[str, list[tuple[Any, ...]]]]) -> None:
        self.db.execute("BEGIN")
        self.db.execute("UPDATE sessions SET heartbeat_us = ?, last_sequence = last_sequence + 1", (1,))
        for statement, rows in statements:
            self.db.executemany(statement, rows)
        self.db.execute("COMMIT")


async def measure(runs: int, rounds: int, *, plain: bool, synchronous: Any = "normal") -> tuple[float, float, float]:
    """Return CPU µs per run of the store and of the floor, and wall-clock µs per run of the store."""
    with tempfile.TemporaryDirectory() as directory:
        store_path, floor_path = Path(directory, "store.db"), Path(directory, "floor.db")
        create(store_path)
        shutil.copyfile(store_path, floor_path)
        floor = FloorWriter(floor_path, synchronous)
        home, same = Home(plain=plain, seed=7), Home(plain=plain, seed=7)
        store_cpu, floor_cpu, store_wall = [], [], []
        async with DatabaseService(store_path, StoreSettings(synchronous=synchronous)) as store:
            for _ in range(rounds):
                batch, statements = home.batch(runs), floor.encode(same.batch(runs))
                wall, cpu = time.perf_counter(), time.process_time()
                await store.write(batch)
                store_cpu.append((time.process_time() - cpu) / runs * 1e6)
                store_wall.append((time.perf_counter() - wall) / runs * 1e6)
                cpu = time.process_time()
                floor.write(statements)
                floor_cpu.append((time.process_time() - cpu) / runs * 1e6)
        floor.db.close()
        check = sqlite3.connect(store_path)
        assert check.execute("SELECT sum(runs) FROM sessions").fetchone()[0] == runs * rounds
        check.close()
    warm_up = rounds // 4
    store_us, floor_us, wall_us = (statistics.median(us[warm_up:]) for us in (store_cpu, floor_cpu, store_wall))
    return store_us, floor_us, wall_us


def index_costs(rounds: int) -> None:
    """Print the cost of each index: the difference between the floor with and without it.

    The two are measured alternately. The result is the mean of the fastest quarter of the rounds.
    """
    with tempfile.TemporaryDirectory() as directory:
        template = Path(directory, "template.db")
        create(template)
        db = sqlite3.connect(template)
        indexes = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        ]
        db.close()

        def added_us(without: list[str], plain: bool) -> float:
            sides = []
            for name in ("with", "without"):
                path = Path(directory, f"{name}{len(list(Path(directory).iterdir()))}.db")
                shutil.copyfile(template, path)
                sides.append((FloorWriter(path, "normal"), Home(plain=plain, seed=3), list[float]()))
            for index in without:
                sides[1][0].db.execute(f"DROP INDEX {index}")
            for turn in range(rounds):
                for side, home, took in sides if turn % 2 else reversed(sides):
                    statements = side.encode(home.batch(500))
                    cpu = time.process_time()
                    side.write(statements)
                    took.append((time.process_time() - cpu) / 500 * 1e6)
            for side, _, _ in sides:
                side.db.close()
            with_indexes, without_indexes = (sorted(took)[: max(1, rounds // 4)] for _, _, took in sides)
            return statistics.mean(with_indexes) - statistics.mean(without_indexes)

        print("  added by each index, in µs per run of a mixed batch / of plain successes")
        for index in indexes:
            print(f"    {index:<50} {added_us([index], False):5.2f} / {added_us([index], True):5.2f}")
        print(f"    {'all indexes':<50} {added_us(indexes, False):5.2f} / {added_us(indexes, True):5.2f}")


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    rounds, tolerance = (40, QUICK_TOLERANCE) if quick else (200, 1)
    missed: list[str] = []

    def judge(label: str, ratio: float, target: float) -> str:
        limit = target * tolerance
        if ratio > limit:
            missed.append(f"{label}: ratio {ratio:.2f}, more than {limit:g}")
        return f"ratio {ratio:4.2f} (target: <= {target:g}, limit {limit:g})"

    print(f"A batch of 500, CPU µs per run, SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}")
    for name, plain in (("mixed batch", False), ("plain successes", True)):
        store, floor, wall = asyncio.run(measure(500, rounds, plain=plain))
        ratio = judge(name, store / floor, TARGET_RATIO)
        print(f"  {name:<18} store {store:6.2f}  floor {floor:6.2f}  {ratio}  wall {wall:6.2f}")
    normal, _, normal_wall = asyncio.run(measure(500, rounds, plain=False))
    full, _, full_wall = asyncio.run(measure(500, rounds, plain=False, synchronous="full"))
    print(
        f"  synchronous = full: CPU {judge('synchronous = full', full / normal, TARGET_RATIO_FULL)}, wall ratio {full_wall / normal_wall:4.2f} "
        f"({full_wall * 500 / 1000:.1f} ms per batch, {normal_wall * 500 / 1000:.1f} ms with normal)"
    )
    index_costs(16 if quick else 80)
    if missed:
        sys.exit(f"target missed: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
