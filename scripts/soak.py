"""Watch the memory of the framework for hours while the demo runs with one busy app.

    python scripts/soak.py [--minutes 120] [--every-s 60] [--csv FILE] [--features NAMES] [--tracemalloc]

The busy app (`scripts/busy_app`) causes about 250 runs a second: 30 listeners at 60 events a second, every kind of
listener, jobs, failures with log lines and error hooks, service calls, and registrations that are made and cancelled
each second. The script runs only on Linux.

In the first minutes, SQLite's page cache (8 MB for the writer), the buffers and the arenas of the allocators fill. The
simulated home, in the same process, keeps its newest 10,000 service calls, which the busy app makes in 35 minutes. So
the trend starts after 40 minutes; if the soak is short, after half of its time.

Each sample has the resident memory and the parts that could explain its growth: mapped memory by kind, malloc's blocks
in use and free, Python's own blocks, objects, threads, descriptors, and SQLite's memory. After the table, the
script prints the trend of each column, in units per hour. It exits with 1 if the resident memory grows by more than the
target per hour.
"""

import argparse
import asyncio
import csv
import ctypes
import gc
import logging
import os
import statistics
import sys
import tempfile
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path

from busy_app.busy import FEATURES
from hassette_core.cli.free_memory import return_free_memory
from hassette_core.logs import configure_logging
from hassette_core.redaction import Redaction
from hassette_core.simulation.demo import Demo, DemoOptions

TARGET_MB_PER_HOUR = 1.0
WARM_UP_MINUTES = 40.0
EVENTS_PER_SECOND = 60.0
Figures = dict[str, float]
APP_DIR = Path(__file__).parent / "busy_app"
CONFIG = """
[hassette]
app_dir = "{app_dir}"

[apps.busy]
module = "busy"
class = "BusyApp"

[apps.busy.config]
features = {features}
churn_s = {churn_s}

[sync]
port = 0
"""

MALLINFO = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
LIBC = ctypes.CDLL(None)


class _Mallinfo(ctypes.Structure):
    """The structure ``mallinfo2`` of the GNU C library."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLINFO.split())


def malloc_figures() -> Figures:
    """Return megabytes of malloc: in use, free but kept, and in separate mappings."""
    LIBC.mallinfo2.restype = _Mallinfo
    info = LIBC.mallinfo2()
    return {
        "malloc_used_mb": info.uordblks / 1e6,
        "malloc_free_mb": info.fordblks / 1e6,
        "malloc_mmap_mb": info.hblkhd / 1e6,
    }


def mapping_figures() -> Figures:
    """Return resident megabytes by kind of mapping."""
    kinds: Counter[str] = Counter()
    kind = ""
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, _, rest = line.partition(" ")
        if "-" in first and not first.endswith(":"):
            name = rest.split(maxsplit=4)[4] if len(rest.split(maxsplit=4)) > 4 else ""
            kind = "files" if name.startswith("/") else "heap" if name == "[heap]" else "anonymous"
            if name.startswith("/") and ("-shm" in name or ".db" in name):
                kind = "database"
        elif first == "Rss:":
            kinds[kind] += int(rest.split()[0])
    return {f"{name}_mb": kinds[name] / 1e3 for name in ("heap", "anonymous", "files", "database")}


def sqlite_figures() -> Figures:
    """Return SQLite's megabytes in use; 0 if Python contains its own SQLite."""
    try:
        library = ctypes.CDLL("libsqlite3.so.0")
    except OSError:
        return {"sqlite_mb": 0.0}
    library.sqlite3_memory_used.restype = ctypes.c_int64
    return {"sqlite_mb": library.sqlite3_memory_used() / 1e6}


def sample(data_dir: Path, runs: int) -> Figures:
    """Return the present value of each figure."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return {
        "rss_mb": resident,
        **mapping_figures(),
        **malloc_figures(),
        **sqlite_figures(),
        "py_blocks": sys.getallocatedblocks(),
        "objects": len(gc.get_objects()),
        "threads": threading.active_count(),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "file_mb": sum(file.stat().st_size for file in data_dir.glob("hassette.db*")) / 1e6,
        "runs": runs,
    }


def slope_per_hour(minutes: list[float], values: list[float]) -> float:
    """Return the growth per hour of the line that fits the values best."""
    return statistics.linear_regression(minutes, values).slope * 60


class Growth:
    """Report of the lines and classes whose memory has grown since the last report."""

    def __init__(self) -> None:
        self._snapshot = tracemalloc.take_snapshot()
        self._types: Counter[str] = Counter()

    def print(self) -> None:
        snapshot, types = tracemalloc.take_snapshot(), Counter(type(item).__name__ for item in gc.get_objects())
        for difference in snapshot.compare_to(self._snapshot, "lineno")[:25]:
            print(f"    {difference}")
        print("   ", {name: types[name] - self._types[name] for name in types if types[name] - self._types[name] > 20})
        self._snapshot, self._types = snapshot, types


async def watch(demo: Demo, options: argparse.Namespace, data_dir: Path, rows: list[Figures]) -> None:
    """Take samples until the time is over, and write each sample to the CSV file at once."""
    began = time.monotonic()
    growth = Growth() if options.tracemalloc else None
    while (minute := (time.monotonic() - began) / 60) < options.minutes:
        accounting = demo.result().accounting
        rows.append({"minute": minute, **sample(data_dir, accounting.executed if accounting else 0)})
        print(*(f"{name}={value:.10g}" for name, value in rows[-1].items()), flush=True)
        if options.csv:
            write_csv(Path(options.csv), rows)
        if growth is not None and len(rows) % 5 == 0:
            growth.print()
        await asyncio.sleep(options.every_s)
    LIBC.malloc_trim(0)
    print("after malloc_trim:", *(f"{name}={value:.10g}" for name, value in sample(data_dir, 0).items()))
    demo.request_stop("the soak is over")


def write_csv(file: Path, rows: list[Figures]) -> None:
    """Replace the CSV file by one with these rows."""
    with file.open("w") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


async def run(options: argparse.Namespace, config: Path, data_dir: Path, rows: list[Figures]) -> None:
    """Run the demo with the busy app, and watch it."""
    demo = Demo(DemoOptions(data_dir=data_dir, port=0, events_per_second=options.events_per_second, config=config))
    configure_logging("info", Redaction(demo.secrets))
    tasks: list[asyncio.Task[None]] = []
    memory = asyncio.create_task(return_free_memory())  # as in the process of `hassette run`
    await demo.run(lambda url: tasks.append(asyncio.create_task(watch(demo, options, data_dir, rows))))
    memory.cancel()
    await asyncio.gather(*tasks)


def main() -> None:
    """Run the soak, and print the trend of each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--every-s", type=float, default=60)
    parser.add_argument("--events-per-second", type=float, default=EVENTS_PER_SECOND)
    parser.add_argument("--csv")
    parser.add_argument("--features", default=",".join(sorted(FEATURES)))
    parser.add_argument("--tracemalloc", action="store_true")
    parser.add_argument("--churn-s", type=float, default=1.0)
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    if options.tracemalloc:
        tracemalloc.start()
    rows: list[Figures] = []
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "hassette.toml"
        features = [name for name in options.features.split(",") if name]
        config.write_text(CONFIG.format(app_dir=APP_DIR, features=features, churn_s=options.churn_s))
        logging.raiseExceptions = False
        asyncio.run(run(options, config, Path(options.data_dir or folder) / "data", rows))
    warm_up = min(WARM_UP_MINUTES, options.minutes / 2)
    steady = [row for row in rows if row["minute"] >= warm_up]
    minutes = [row["minute"] for row in steady]
    for name in rows[0]:
        values = [row[name] for row in steady]
        print(f"{name:16} {values[0]:12.2f} -> {values[-1]:12.2f}   {slope_per_hour(minutes, values):+12.2f} per hour")
    growth = slope_per_hour(minutes, [row["rss_mb"] for row in steady])
    if growth > TARGET_MB_PER_HOUR:
        sys.exit(f"target missed: memory grows by {growth:.2f} MB per hour, the target is {TARGET_MB_PER_HOUR:g} MB")


if __name__ == "__main__":
    main()
