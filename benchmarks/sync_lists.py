"""Measure lists over 10,000 registrations, and the uptime over 100,000 sessions.

    python benchmarks/sync_lists.py [--quick]

The floor is one plain query with `sqlite3` that fetches the times of all registrations, or of all sessions. Question
and floor alternate in the same process, so the ratio is valid on any machine. The script exits with 1 if a question
takes more than its target: 10 times the floor for a list, and 1.5 times the floor for the uptime.
"""

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hassette_sync import DataSyncService, RunFilter, TimeRange
from support.many_rows import write_crash_loop, write_many_names

REGISTRATIONS, SESSIONS = 10_000, 100_000
LIST_TARGET, UPTIME_TARGET = 10.0, 1.5
Question = Callable[[DataSyncService], Awaitable[Any]]
LISTS: dict[str, Question] = {
    "overview": lambda data: data.overview(),
    "apps": lambda data: data.apps(),
    "jobs, first page": lambda data: data.registrations(kind="job", idle=False, limit=500),
    "facets": lambda data: data.run_facets(),
    "runs that did not happen": lambda data: data.skips(limit=6),
    "runs of one app": lambda data: data.runs(RunFilter(app="lights")),
    "failures of one app": lambda data: data.runs(RunFilter(app="lights", status="failed")),
}
UPTIMES: dict[str, Question] = {
    f"uptime of {age}": lambda data, age=age: data.uptime(TimeRange.last(age)) for age in ("24h", "30d", "100d")
}
ALL_REGISTRATIONS = "SELECT id, first_registered_us, last_registered_us, retired_us FROM registrations"
ALL_SESSIONS = "SELECT id, started_us, ended_us FROM sessions"


async def worst_ratio(path: Path, questions: dict[str, Question], floor_sql: str, rounds: int) -> float:
    floor = sqlite3.connect(path)
    ratios: list[float] = []
    async with DataSyncService(path) as data:
        for name, question in questions.items():
            times: list[tuple[float, float]] = []
            for _ in range(rounds):
                began = time.perf_counter()
                floor.execute(floor_sql).fetchall()
                middle = time.perf_counter()
                await question(data)
                times.append((middle - began, time.perf_counter() - middle))
            ratios.append(statistics.median(took / plain for plain, took in times))
            plain_ms, took_ms = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
            print(f"{name:<26} {took_ms:8.1f} ms   floor {plain_ms:6.1f} ms   ratio {ratios[-1]:5.2f}")
    floor.close()
    return max(ratios)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for CI")
    rounds = 5 if parser.parse_args().quick else 25
    with tempfile.TemporaryDirectory() as folder:
        names, sessions = Path(folder, "names.db"), Path(folder, "sessions.db")
        write_many_names(names, REGISTRATIONS)
        write_crash_loop(sessions, SESSIONS)
        lists = await worst_ratio(names, LISTS, ALL_REGISTRATIONS, rounds)
        uptime = await worst_ratio(sessions, UPTIMES, ALL_SESSIONS, rounds)
    print(f"highest: lists {lists:.2f} (target <= {LIST_TARGET:g}), uptime {uptime:.2f} (target <= {UPTIME_TARGET:g})")
    if lists > LIST_TARGET or uptime > UPTIME_TARGET:
        sys.exit("target missed, see above")


if __name__ == "__main__":
    asyncio.run(main())
