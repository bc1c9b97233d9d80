"""Check of a write-ahead log that a killed process left: whether the log is complete and belongs to the file.

SQLite applies each log to the file next to it. If the log belongs to another file, or if the file is an older copy, the
result is a mixture of two states, which hides rows. SQLite's checks do not always find such a mixture.
"""

import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final

from hassette_store import sessions
from hassette_store.clock.redated import REDATED_SESSIONS
from hassette_store.file.lock_guard import LockGuard
from hassette_store.file.side_files import with_suffix
from hassette_store.ids import first_id_at
from hassette_store.kinds import EVENT_TABLES, KINDS, RunKind
from hassette_store.recovery.cells import Column, TableFormat, rows_in
from hassette_store.recovery.formats import table_formats
from hassette_store.recovery.pages import LogFrames, PageSource, count_pages, frames_of
from hassette_store.recovery.pointer_map import PageType, PointerMap
from hassette_store.recovery.references import HIGHEST_ID
from hassette_store.recovery.union import NATURAL_KEYS
from hassette_store.retention.statements import RUNS_DELETED_BELOW

# Runs below these ids may be missing, because the retention deleted them.
_DELETED_BELOW: Final = f"SELECT max(value) FROM store_state WHERE name IN {RUNS_DELETED_BELOW}"

# Each entry of an index by registration or by error group has the id of the registration or group, and the id of the
# run.
_INDEX_OF_RUNS: Final = TableFormat(
    "index",
    (Column("number", "INTEGER", not_null=True), Column("run_id", "INTEGER", not_null=True)),
    fewest=2,
    key_length=2,
    has_row_ids=False,
)
_SESSION_AT: Final = {kind.runs_table: kind.run_columns.index("session_id") for kind in KINDS}
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
    with log, closing(LockGuard(path)) as guard, open(guard.file, "rb", buffering=0, closefd=False) as file:
        frames = frames_of(log)
        if frames.damaged or (frames.newest and not frames.has_valid_header):
            # SQLite ignores a damaged part of a log and everything after it, and reports no error.
            return "a part of its write-ahead log is damaged"
        alone = PageSource(file, None, count_pages(file))
        both = PageSource(file, (log, frames.newest), frames.count)
        in_use = _pages_in_use(log, frames)
        if frames.newest and (
            with_log.execute(sessions.IS_IN_ANOTHER_FILE).fetchone() is not None
            or _hides_runs(alone, frames, with_log, ends)
            or _lacks_runs(both, in_use, with_log, ends)
            or _lacks_names(both, in_use, with_log, ends)
        ):
            return "its write-ahead log belongs to another file"
    # An older copy of the file may lack entries in an index. These tables are small, so they are checked completely.
    for table in NATURAL_KEYS:
        for (finding,) in with_log.execute(f"PRAGMA integrity_check({table})"):
            if finding != "ok":
                return str(finding)
    return None


def _hides_runs(alone: PageSource, frames: LogFrames, with_log: sqlite3.Connection, ends: float) -> bool:
    """Return whether a page of the file that the log replaces has a run that the file with the log does not have.

    If the log belongs to the file, it only adds runs, moves them to other pages, or gives other ids to runs that a
    wrong clock had dated. Only the retention deletes runs, the oldest first, and runs that it may have deleted do not
    count.
    """
    formats = table_formats(with_log)
    deleted_below = with_log.execute(_DELETED_BELOW).fetchone()[0] or 0
    redated = {int(row[0]) for row in with_log.execute(REDATED_SESSIONS)}
    former: dict[str, set[int]] = {kind.runs_table: set() for kind in KINDS}
    for number in _replaced_pages(alone, frames):
        if time.monotonic() > ends:
            break
        page = alone.read(number)
        for kind in KINDS:
            table = formats[kind.runs_table]
            rows = {row[0]: row for row in rows_in(page, table, alone.read).rows}
            missing = with_log.execute(
                f"SELECT value FROM json_each(?) WHERE value >= ? AND value NOT IN (SELECT id FROM {table.name})",
                (json.dumps([*rows]), deleted_below),
            ).fetchall()
            for (id_,) in missing:
                if rows[id_][_SESSION_AT[table.name]] not in redated:
                    return True
                former[table.name].add(hash(rows[id_][1:]))
    return any(_lacks_redated(with_log, kind, former[kind.runs_table]) for kind in KINDS if former[kind.runs_table])


def _lacks_redated(with_log: sqlite3.Connection, kind: RunKind, runs: set[int]) -> bool:
    """Return whether the history lacks one of these runs, given as hashes of all columns but the id."""
    columns = ", ".join(column for column in kind.run_columns if column != "id")
    rows = with_log.execute(f"SELECT {columns} FROM {kind.runs_table} WHERE session_id IN ({REDATED_SESSIONS})")
    return not runs.issubset({hash(row) for row in rows})


def _lacks_runs(both: PageSource, numbers: Iterable[int], with_log: sqlite3.Connection, ends: float) -> bool:
    """Return whether an index in the log refers to a run that does not exist.

    The run was in the file to which the log belongs. An older copy of that file has replaced it.
    """
    tables = [*(kind.runs_table for kind in KINDS), *EVENT_TABLES]
    unknown = " AND ".join(f"value NOT IN (SELECT id FROM {table})" for table in tables)
    for number in numbers:
        if time.monotonic() > ends:
            break
        ids = [row[1] for row in rows_in(both.read(number), _INDEX_OF_RUNS, both.read).rows]
        if with_log.execute(
            f"SELECT 1 FROM json_each(?) WHERE value > {_LOWEST_RUN_ID} AND {unknown} LIMIT 1", (json.dumps(ids),)
        ).fetchone():
            return True
    return False


def _lacks_names(both: PageSource, numbers: Iterable[int], with_log: sqlite3.Connection, ends: float) -> bool:
    """Return whether a run in the log refers to a name, a registration or a session that does not exist.

    The row was in the file to which the log belongs. A recovery puts a placeholder in its place.
    """
    formats = table_formats(with_log)
    references: list[tuple[TableFormat, list[tuple[int, str]]]] = []
    for kind in KINDS:
        columns = [column.name for column in formats[kind.runs_table].columns]
        found = with_log.execute(f"PRAGMA foreign_key_list({kind.runs_table})").fetchall()
        references.append((formats[kind.runs_table], [(columns.index(row[3]), row[2]) for row in found]))
    ids: defaultdict[str, set[object]] = defaultdict(set)
    for number in numbers:
        if time.monotonic() > ends:
            break
        page = both.read(number)
        for table, parents in references:
            for row in rows_in(page, table, both.read).rows:
                for at, parent in parents:
                    if at < len(row):
                        ids[parent].add(row[at])
    return any(
        with_log.execute(
            f"SELECT 1 FROM json_each(?) WHERE value BETWEEN 1 AND {HIGHEST_ID} "
            f"AND value NOT IN (SELECT id FROM {parent}) LIMIT 1",
            (json.dumps([*some]),),
        ).fetchone()
        for parent, some in ids.items()
    )


def _pages_in_use(log: BinaryIO, frames: LogFrames) -> list[int]:
    """Return the pages in a log, without those that the log has freed.

    SQLite does not overwrite a page when it frees the page. So the newest version in the log may contain deleted rows.
    """
    # Only the log shows what the log has freed. The file may be an older copy.
    pointers = PointerMap(PageSource(None, (log, frames.newest), frames.count))
    return [number for number in frames.newest if pointers.entry(number)[0] != PageType.FREE]


def _replaced_pages(alone: PageSource, frames: LogFrames) -> Iterator[int]:
    yield from sorted(number for number in frames.newest if number <= alone.count)
    yield from range(frames.count + 1, alone.count + 1)
