"""Check of a write-ahead log that a killed process left: whether the log is complete and belongs to the file.

SQLite applies each log to the file next to it. If the log belongs to another file, or if the file is an older copy, the
result is a mixture of two states, which hides rows. SQLite's checks do not always find such a mixture.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from hassette_store.file.connections import connect_without_log
from hassette_store.file.damage import SQLITE_ERRORS
from hassette_store.file.lock_guard import LockGuard
from hassette_store.file.side_files import with_suffix
from hassette_store.ids import first_id_at
from hassette_store.kinds import KINDS
from hassette_store.recovery.cells import Column, TableFormat, rows_in
from hassette_store.recovery.formats import table_formats
from hassette_store.recovery.pages import LogFrames, PageSource, count_pages, frames_of
from hassette_store.recovery.union import NATURAL_KEYS

# Runs below these ids may be missing, because the retention deleted them.
_DELETED_BELOW: Final = "SELECT max(value) FROM store_state WHERE name IN ('successes_below', 'all_runs_below')"

_IS_REDATED: Final = (
    "SELECT 1 FROM store_state WHERE name LIKE 'redating_%' UNION ALL "
    "SELECT 1 FROM lifecycle_events WHERE kind = 'clock_corrected' AND session_id = (SELECT max(id) FROM sessions)"
)
# Each entry of an index by registration or by error group has the id of the registration or group, and the id of the
# run.
_INDEX_OF_RUNS: Final = TableFormat(
    "index",
    (Column("number", "INTEGER", not_null=True), Column("run_id", "INTEGER", not_null=True)),
    fewest=2,
    key_length=2,
    has_row_ids=False,
)
# Ids of runs are higher than all other numbers in an index, times included.
_LOWEST_RUN_ID: Final = first_id_at(365 * 86_400_000_000)


def find_log_damage(path: Path, with_log: sqlite3.Connection, limit_s: float) -> str | None:
    """Return the damage of a log, or None if none is known.

    Args:
        path: The database file.
        with_log: A connection to the file with its log.
        limit_s: Time limit for the check of pages, in seconds. Pages that are not checked by then count as undamaged.

    Raises:
        sqlite3.Error: The file cannot be read.
        OSError: One of the files cannot be opened.
    """
    ends = time.monotonic() + limit_s
    try:
        log = with_suffix(path, "-wal").open("rb", buffering=0)
    except FileNotFoundError:
        return None
    # If this function opened and closed the file, this process would lose all its locks on the file.
    guard = LockGuard(path)
    with log, open(guard.file, "rb", buffering=0, closefd=False) as file, closing(guard):
        frames = frames_of(log)
        if frames.damaged or (frames.newest and not frames.has_valid_header):
            # SQLite ignores a damaged part of a log and everything after it, and reports no error.
            return "a part of its write-ahead log is damaged"
        alone = PageSource(file, None, count_pages(file))
        both = PageSource(file, (log, frames.newest), frames.count)
        if frames.newest and (
            _hides_runs(path, alone, frames, with_log, ends) or _lacks_runs(both, frames, with_log, ends)
        ):
            return "its write-ahead log belongs to another file"
    # An older copy of the file may lack entries in an index. These tables are small, so they are checked completely.
    for table in NATURAL_KEYS:
        for (finding,) in with_log.execute(f"PRAGMA integrity_check({table})"):
            if finding != "ok":
                return str(finding)
    return None


def _hides_runs(path: Path, alone: PageSource, frames: LogFrames, with_log: sqlite3.Connection, ends: float) -> bool:
    """Return whether a page of the file that the log replaces has a run that the file with the log does not have.

    If the log belongs to the file, it only adds runs or moves them to other pages. Only the retention deletes runs, the
    oldest first, and runs that it may have deleted do not count.
    """
    if with_log.execute(_IS_REDATED).fetchone():
        # The store moved runs that a wrong clock had dated, so these runs have other ids now. Compare sessions instead.
        return _hides_newest_session(path, with_log)
    formats = table_formats(with_log)
    runs_tables = [formats[kind.runs_table] for kind in KINDS]
    deleted_below = with_log.execute(_DELETED_BELOW).fetchone()[0] or 0
    for number in _replaced_pages(alone, frames):
        if time.monotonic() > ends:
            break
        page = alone.read(number)
        for table in runs_tables:
            ids = [row[0] for row in rows_in(page, table, alone.read).rows]
            missing = with_log.execute(
                f"SELECT 1 FROM json_each(?) WHERE value >= ? AND value NOT IN (SELECT id FROM {table.name}) LIMIT 1",
                (json.dumps(ids), deleted_below),
            ).fetchone()
            if missing:
                return True
    return False


def _hides_newest_session(path: Path, with_log: sqlite3.Connection) -> bool:
    try:
        with closing(connect_without_log(path)) as alone:
            row = alone.execute("SELECT last_sequence, id, pid, host FROM sessions ORDER BY id DESC LIMIT 1").fetchone()
    except SQLITE_ERRORS:
        # All rows may still be in the log, or a crash interrupted the copy of the log into the file.
        return False
    if row is None:
        return False
    last_sequence, *key = row
    found = with_log.execute("SELECT last_sequence FROM sessions WHERE id = ? AND pid = ? AND host = ?", key).fetchone()
    return found is None or found[0] < last_sequence


def _lacks_runs(both: PageSource, frames: LogFrames, with_log: sqlite3.Connection, ends: float) -> bool:
    """Return whether an index in the log refers to a run that does not exist.

    The run was in the file to which the log belongs. An older copy of that file has replaced it.
    """
    tables = [*(kind.runs_table for kind in KINDS), "lifecycle_events"]
    unknown = " AND ".join(f"value NOT IN (SELECT id FROM {table})" for table in tables)
    for number in frames.newest:
        if time.monotonic() > ends:
            break
        ids = [row[1] for row in rows_in(both.read(number), _INDEX_OF_RUNS, both.read).rows]
        if with_log.execute(
            f"SELECT 1 FROM json_each(?) WHERE value > {_LOWEST_RUN_ID} AND {unknown} LIMIT 1", (json.dumps(ids),)
        ).fetchone():
            return True
    return False


def _replaced_pages(alone: PageSource, frames: LogFrames) -> Iterator[int]:
    yield from sorted(number for number in frames.newest if number <= alone.count)
    yield from range(frames.count + 1, alone.count + 1)
