# ruff: noqa: E501  a benchmark has the loop for itself, and prints tables
"""Cost of a batch, as a ratio to plain `sqlite3.executemany` of the same rows into the same tables.

The floor uses one thread, one connection, ready-made tuples, BEGIN, one executemany per table with the same upserts, and
COMMIT. Ours is `DatabaseService.write` with records: hop, encoding, statistics and fingerprints included. Both are
measured alternately in CPU time of the whole process, with files on one disk; the ratio is that of the medians.

Usage: python benchmarks/store_batch.py [--quick]
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
from hassette_store.file.connections import connect_plain
from hassette_store.file.creation import create
from hassette_store.writing.encoding import BatchEncoder
from hassette_store.writing.numbering import NameNumbers, RegistrationNumbers
from hassette_store.writing.statements import PROGRAM, Insertion


def raw(insertion: Insertion) -> str:
    """Return the statement of a simple program for one row."""
    if insertion.select == "*":
        return f"INSERT INTO {insertion.into} VALUES ({', '.join('?' * len(insertion.columns))}) {insertion.conflict}"
    select = re.sub(r"column(\d+)", r"?\1", insertion.select)
    if insertion.join:
        return f"INSERT INTO {insertion.into} SELECT {select} FROM error_groups WHERE fingerprint = ?2"
    return f"INSERT INTO {insertion.into} VALUES ({select}) {insertion.conflict}"


class Raw:
    """The floor: writes the same rows with executemany."""

    def __init__(self, path: Path, synchronous: Any) -> None:
        self.db = connect_plain(path, synchronous=synchronous)
        self.encoder = BatchEncoder(1, NameNumbers(), RegistrationNumbers())
        self.db.execute(
            "INSERT INTO sessions (started_us, heartbeat_us, outcome, pid, host) VALUES (1, 1, 'open', 1, 'h')"
        )

    def prepare(self, batch: Batch) -> list[tuple[str, list[tuple[Any, ...]]]]:
        rows = self.encoder.encoded(batch, batch.at_us).rows
        self.encoder.settle(kept=True)
        return [
            (raw(insertion), [tuple(row) for row in rows[insertion.rows]])
            for insertion in PROGRAM
            if rows[insertion.rows]
        ]

    def write(self, work: list[tuple[str, list[tuple[Any, ...]]]]) -> None:
        self.db.execute("BEGIN")
        self.db.execute("UPDATE sessions SET heartbeat_us = ?, last_sequence = last_sequence + 1", (1,))
        for statement, rows in work:
            self.db.executemany(statement, rows)
        self.db.execute("COMMIT")


async def measure(runs: int, rounds: int, *, plain: bool, synchronous: Any = "normal") -> tuple[float, float, float]:
    """Return (ours, floor) in CPU µs a run, and ours in wall-clock µs a run."""
    with tempfile.TemporaryDirectory() as directory:
        ours_path, raw_path = Path(directory, "ours.db"), Path(directory, "raw.db")
        create(ours_path)
        shutil.copyfile(ours_path, raw_path)
        raw = Raw(raw_path, synchronous)
        home, same = Home(plain=plain, seed=7), Home(plain=plain, seed=7)
        ours_cpu, raw_cpu, ours_wall = [], [], []
        async with DatabaseService(ours_path, StoreSettings(synchronous=synchronous)) as store:
            for _ in range(rounds):
                batch, work = home.batch(runs), raw.prepare(same.batch(runs))
                wall, cpu = time.perf_counter(), time.process_time()
                await store.write(batch)
                ours_cpu.append((time.process_time() - cpu) / runs * 1e6)
                ours_wall.append((time.perf_counter() - wall) / runs * 1e6)
                cpu = time.process_time()
                raw.write(work)
                raw_cpu.append((time.process_time() - cpu) / runs * 1e6)
        raw.db.close()
        check = sqlite3.connect(ours_path)
        assert check.execute("SELECT sum(runs) FROM sessions").fetchone()[0] == runs * rounds
        check.close()
    half = rounds // 4
    return statistics.median(ours_cpu[half:]), statistics.median(raw_cpu[half:]), statistics.median(ours_wall[half:])


def index_costs(rounds: int) -> None:
    """Print the cost of each index: the floor with and without it, alternately, from the fastest quarter."""
    with tempfile.TemporaryDirectory() as directory:
        template = Path(directory, "template.db")
        create(template)
        db = sqlite3.connect(template)
        indexes = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        ]
        db.close()

        def added(without: list[str], plain: bool) -> float:
            sides = []
            for name in ("with", "without"):
                path = Path(directory, f"{name}{len(list(Path(directory).iterdir()))}.db")
                shutil.copyfile(template, path)
                sides.append((Raw(path, "normal"), Home(plain=plain, seed=3), list[float]()))
            for index in without:
                sides[1][0].db.execute(f"DROP INDEX {index}")
            for turn in range(rounds):
                for side, home, took in sides if turn % 2 else reversed(sides):
                    work = side.prepare(home.batch(500))
                    cpu = time.process_time()
                    side.write(work)
                    took.append((time.process_time() - cpu) / 500 * 1e6)
            for side, _, _ in sides:
                side.db.close()
            dear, cheap = (sorted(took)[: max(1, rounds // 4)] for _, _, took in sides)
            return statistics.mean(dear) - statistics.mean(cheap)

        print("  index (µs a run that it adds, of a mixed batch / of plain successes)")
        for index in indexes:
            print(f"    {index:<50} {added([index], False):5.2f} / {added([index], True):5.2f}")
        print(f"    {'all of them':<50} {added(indexes, False):5.2f} / {added(indexes, True):5.2f}")


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    rounds = 40 if quick else 200
    # A quick run has much noise.
    most, missed = 2.5 if quick else 2.0, False
    print(f"A batch of 500, CPU µs a run, SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}")
    for name, plain in (("everything in it", False), ("plain successes", True)):
        ours, floor, wall = asyncio.run(measure(500, rounds, plain=plain))
        missed = missed or ours / floor > most
        print(f"  {name:<18} ours {ours:6.2f}  floor {floor:6.2f}  ratio {ours / floor:4.2f} (≤ 2)  wall {wall:6.2f}")
    normal, _, normal_wall = asyncio.run(measure(500, rounds, plain=False))
    full, _, full_wall = asyncio.run(measure(500, rounds, plain=False, synchronous="full"))
    print(
        f"  synchronous = full: CPU ratio {full / normal:4.2f} (≤ 1.1), wall ratio {full_wall / normal_wall:4.2f} "
        f"({full_wall * 500 / 1000:.1f} ms a batch, {normal_wall * 500 / 1000:.1f} ms with normal)"
    )
    index_costs(16 if quick else 80)
    sys.exit(missed)


if __name__ == "__main__":
    main()
