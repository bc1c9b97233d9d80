"""Freeze a history of the newest schema. Later tests upgrade this history and read it.

Usage: python scripts/freeze_schema.py

The script writes ``tests/store/released/REVISION.sql``: the schema, and rows in each table, as a killed process leaves
them. Run the script after each change of the schema. After a release contains a revision, the script refuses to replace
the file of this revision.
"""

import asyncio
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hassette_store import DatabaseService, __version__, backup
from hassette_store.file.connections import APPLICATION_ID
from hassette_store.file.creation import FILE_NUMBER
from hassette_store.file.schema import LATEST_REVISION
from support.rows import (
    T0_US,
    Batch,
    Deploy,
    Due,
    Effects,
    Event,
    FrameworkLogLine,
    HomeCause,
    HomeChange,
    HomeName,
    Job,
    LifecycleEvent,
    Listener,
    LogLine,
    Loss,
    NotRun,
    Running,
    ServiceCall,
    Skip,
    StateRead,
    execution,
    invocation,
    run_id,
)

ROOT = Path(__file__).parents[1]
RELEASED = ROOT / "tests" / "store" / "released"
SECOND = 1_000_000


def frozen(folder: Path) -> str:
    """Return the script that creates a history of the newest schema.

    Raises:
        SystemExit: A table has no rows.
    """
    history = folder / "hassette.db"
    asyncio.run(_write_history(history, folder / "copy.db"))
    with closing(sqlite3.connect(folder / "copy.db")) as db:
        # The retention writes this row only after days.
        db.execute("INSERT OR IGNORE INTO store_state (name, value) VALUES ('all_runs_below', 1)")
        # With constant values, the script writes the same file each time, on each machine.
        db.execute("UPDATE store_state SET value = 4711 WHERE name = ?", (FILE_NUMBER,))
        facts = '{"hassette":"0.1.0","python":"3.12.4"}'
        db.execute("UPDATE sessions SET pid = 4711, host = 'casa', facts = ?", (facts,))
        db.commit()
        tables = [str(row[0]) for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        empty = [table for table in tables if db.execute(f"SELECT 1 FROM {table}").fetchone() is None]  # noqa: S608
        if empty:
            raise SystemExit(f"freeze_schema.py: no rows in {', '.join(empty)}; add records to _write_history")
        return "\n".join(_lines(db)) + "\n"


def _lines(db: sqlite3.Connection) -> Iterator[str]:
    yield f"-- A history as hassette-store {__version__} left it (schema revision {LATEST_REVISION})."
    yield "-- Made by scripts/freeze_schema.py; do not edit it."
    yield "PRAGMA page_size = 4096;"
    yield "PRAGMA auto_vacuum = INCREMENTAL;"
    yield f"PRAGMA application_id = {APPLICATION_ID};"
    yield from db.iterdump()


async def _write_history(path: Path, copy: Path) -> None:
    """Write a history of two sessions, and copy it while the second one is open."""
    clock = [T0_US]
    listener, other, job = Listener(), Listener("on_door", topic="state_changed.binary_sensor.door"), Job()
    effects = Effects(
        (LogLine(), LogLine(level=20, message="done")),
        (ServiceCall(), ServiceCall(error="no", attempt=2), ServiceCall(confirmed_us=8)),
        2,
        1,
        (StateRead(), StateRead(state=None)),
        4,
    )
    for session in range(2):
        store = DatabaseService(path, now_us=lambda: clock[0], monotonic=lambda: clock[0] / SECOND)
        await store.start()
        clock[0] += 10 * SECOND
        first = session * 10_000
        statuses = ("success", "error", "cancelled", "timed_out", "success")
        invocations = tuple(
            invocation(first + number, listener, status, effects=effects if number % 2 else None)
            for number, status in enumerate(statuses)
        )
        event = Event("call_service", None, None, None, "01HZX3CHILD", "01HZX3PARENT", "01HZX3USER")
        await store.write(
            Batch(
                1,
                at_us=clock[0],
                invocations=(*invocations, invocation(first + 8, other, trigger=event)),
                executions=tuple(
                    execution(first + 20 + number, job, status, trigger=Due(T0_US, manual=number == 1))
                    for number, status in enumerate(statuses)
                ),
                registered=(listener, other, job),
                retired=(other,),
                lifecycle=(LifecycleEvent(run_id((first + 30) * 1000), T0_US, "app_failed", "hall", "no such entity"),),
                skipped=(Skip(listener, T0_US, "overlap", 3), Skip(job, T0_US, "misfire", 1)),
                not_runs=(
                    NotRun(listener, clock[0], "condition", "sun.sun is below_horizon: it was above_horizon", Event()),
                    NotRun(job, clock[0], "overlap", trigger=Due(T0_US)),
                    NotRun(job, clock[0] + SECOND, "misfire"),
                ),
                home_changes=(HomeChange(run_id((first + 31) * 1000)),),
                home_causes=(
                    HomeCause(run_id((first + 32) * 1000)),
                    HomeCause(
                        run_id((first + 33) * 1000),
                        "service_call",
                        None,
                        "light.turn_on",
                        '{"entity_id":["light.hall"]}',
                        "",
                        item_id=None,
                        trace_id=None,
                    ),
                ),
                home_names=(HomeName(), HomeName("user", "01HZX3USER", "Ada", None)),
                deploys=(Deploy(run_id((first + 34) * 1000)),),
                framework_log=(FrameworkLogLine(run_id((first + 35) * 1000), app="hall"),),
                losses=(Loss("queue_full_count", "log_lines", 4, T0_US, T0_US + SECOND),),
                running=(Running(1, listener, Event(), clock[0]), Running(2, job, Due(), clock[0])),
                session_facts=(("hassette", "0.1.0"), ("python", "3.12.4")),
            )
        )
        clock[0] += 10 * SECOND
        if session == 1:
            backup(path, copy)
        await store.stop()


def _is_released(file: Path) -> bool:
    """Return whether a release contains the revision of a frozen file."""
    version = re.match(r"-- A history as hassette-store (\S+) left it", file.read_text("utf-8"))
    tag = f"refs/tags/hassette-store-v{version[1] if version else ''}"
    return subprocess.run(["git", "show-ref", "--quiet", tag], cwd=ROOT, check=False).returncode == 0


def main() -> int:
    """Write the frozen file of the newest revision."""
    file = RELEASED / f"{LATEST_REVISION}.sql"
    with tempfile.TemporaryDirectory() as folder:
        script = frozen(Path(folder))
    if file.exists() and file.read_text("utf-8") == script:
        print(f"{file.relative_to(ROOT)} is up to date")
        return 0
    if file.exists() and _is_released(file):
        print(
            f"{file.relative_to(ROOT)} belongs to a release, so it must not change. Add a migration with a new "
            "revision instead: see docs/adding-a-column.md.",
            file=sys.stderr,
        )
        return 1
    file.write_text(script, "utf-8")
    print(f"{file.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
