"""A damaged file: moved aside whole, and what can be read carried over into a new one.

The order of steps is such that a crash between any two of them loses nothing: the damaged file stays at its place until
the new one is complete; then it goes first and its log after it, so that it is never found without its log; and the
next start takes a complete new file without an old one for what it is, and lets the log follow its file.
"""

import glob
import logging
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hassette_store.connections import connect_plain, connect_read_only, deadline
from hassette_store.creation import create

logger = logging.getLogger(__name__)

_SIDE_FILES: Final = ("-wal", "-shm", "-journal")

# What is worth most comes first, should the time run out: identities, sums, then rows.
_SALVAGED: Final = (
    "names",
    "listeners",
    "scheduled_jobs",
    "sessions",
    "statistics_daily",
    "statistics_hourly",
    "skips_daily",
    "skips_hourly",
    "latency_daily",
    "latency_hourly",
    "error_groups",
    "losses",
    "lifecycle_events",
    "running_executions",
    "store_state",
    "job_executions",
    "handler_invocations",
    "failures",
    "service_calls",
    "log_lines",
    "dropped_effects",
)
_ROWS_A_STEP: Final = 500


def missing_bytes(path: Path, header: bytes) -> int:
    """Return how many bytes a file lacks of what its header promises.

    Args:
        path: The file.
        header: Its first 100 bytes (https://sqlite.org/fileformat.html, section 1.3).
    """
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65_536 if page_bytes == 1 else page_bytes
    pages = int.from_bytes(header[28:32], "big")
    if header[24:28] != header[92:96]:
        # An old SQLite wrote last and did not keep the number of pages.
        return 0
    return pages * page_bytes - path.stat().st_size


def recover(path: Path, finding: str, *, stamp: str, limit_s: float) -> str:
    """Replace a damaged file by a new one with all its readable rows; return one sentence about it.

    Args:
        path: The damaged file; it ends as ``<name>.damaged-<stamp>``, with its side files.
        finding: What is wrong with it.
        stamp: A time for the name.
        limit_s: Seconds after which no more rows are carried over.

    Raises:
        sqlite3.Error: The new file cannot be written; the damaged one is where it was.
        OSError: Likewise.
    """
    new = _new(path)
    _remove(new)
    create(new)
    rows, unread = _salvage(path, new, limit_s)
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    _move(path, aside)
    new.replace(path)
    lost = f"; could not be read whole: {', '.join(unread)}" if unread else ""
    sentence = f"{path.name} was damaged ({finding}) and is kept as {aside.name}; {rows} rows were carried over{lost}."
    logger.error(
        "The history was damaged; it has been moved aside and a new one holds what could be read",
        extra={"path": str(path), "aside": str(aside), "finding": finding, "rows": rows, "unread": unread},
    )
    return sentence


def finish_interrupted(path: Path, stamp: str) -> None:
    """Finish a recovery that a crash cut after the damaged file was moved; forget one that it cut earlier.

    Args:
        path: The history.
        stamp: A time, for the name of a log that lies there without the file it belongs to.
    """
    new = _new(path)
    if new.exists() and not path.exists():
        moved = sorted(
            one
            for one in path.parent.glob(f"{glob.escape(path.name)}.damaged-*")
            if not one.name.endswith(_SIDE_FILES) and not one.with_name(one.name + "-wal").exists()
        )
        # The damaged file's log would be applied to the new one.
        _move(path, moved[-1] if moved else path.with_name(f"{path.name}.damaged-{stamp}"))
        new.replace(path)
    else:
        _remove(new)


def set_aside_leftovers(path: Path, stamp: str) -> Path | None:
    """Keep a log whose database is gone, which SQLite would delete; return where it is, None if there is none."""
    wal = path.with_name(path.name + "-wal")
    if not wal.exists() or wal.stat().st_size == 0:
        return None
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    _move(path, aside)
    kept = aside.with_name(aside.name + "-wal")
    logger.error("The history is gone, its log is not; the log has been moved aside", extra={"aside": str(kept)})
    return kept


def keep_aside(path: Path, why: str) -> Path | None:
    """Move a file and its side files to the first free ``<name>.<why>-<n>``; return it, None if there was nothing."""
    if not any(path.with_name(path.name + suffix).exists() for suffix in ("", *_SIDE_FILES)):
        return None
    number = 1
    while (aside := path.with_name(f"{path.name}.{why}-{number}")).exists():
        number += 1
    _move(path, aside)
    return aside


def put_back(backup: Path, path: Path) -> None:
    """Put a verified copy in the place of a file; the copy stays, too."""
    new = _new(path)
    _remove(new)
    source = connect_read_only(backup)
    target = sqlite3.connect(new)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()
    for suffix in _SIDE_FILES:
        # They belong to the file that is replaced, and would be applied to the new one.
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    new.replace(path)


def _new(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _move(path: Path, aside: Path) -> None:
    # The side files last: a database without its log would be taken for a whole, older one; a log alone is kept.
    for suffix in ("", *_SIDE_FILES):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.replace(aside.with_name(aside.name + suffix))


def _remove(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


# ---- reading what can be read -------------------------------------------------------------------------------------


def _salvage(damaged: Path, new: Path, limit_s: float) -> tuple[int, list[str]]:
    """Copy rows; return how many, and the tables that could not be read whole."""
    ends = time.monotonic() + limit_s
    rows = 0
    unread: list[str] = []
    try:
        source = connect_read_only(damaged)
    except sqlite3.Error:
        return 0, ["all of it"]
    try:
        # Makes SQLite go on with as much of a damaged schema as it can read; nothing is written (mode=ro).
        source.execute("PRAGMA writable_schema = ON")
        source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.Error:
        source.close()
        return 0, ["all of it"]
    target = connect_plain(new)
    try:
        for table in _SALVAGED:
            target.execute("BEGIN")
            reader = _TableReader(source, target, table, ends)
            try:
                for chunk in reader.chunks():
                    before = target.total_changes
                    reader.whole = _carried_over(target, table, reader.columns, chunk) and reader.whole
                    rows += target.total_changes - before
            finally:
                target.execute("COMMIT")
            if not reader.whole:
                unread.append(table)
    finally:
        target.close()
        source.close()
    return rows, unread


def _carried_over(target: sqlite3.Connection, table: str, columns: list[str], rows: list[tuple[object, ...]]) -> bool:
    """Insert rows, but not those that the new file refuses; return whether it took all of them."""
    marks = ", ".join("?" * len(columns))
    sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608  our own names
    try:
        target.executemany(sql, rows)
    except sqlite3.IntegrityError:
        # A value of the wrong type, which IGNORE does not ignore. What is in already is not put in twice.
        refused = 0
        for row in rows:
            try:
                target.execute(sql, row)
            except sqlite3.IntegrityError:
                refused += 1
        return refused == 0
    return True


class _TableReader:
    """Reads a table around its damaged pages: forwards to the damage, backwards to it, then what lies between.

    Args:
        source: The damaged file.
        target: The new file, which tells the columns and the key.
        table: Its name.
        ends: When to stop, by `time.monotonic`.

    Attributes:
        columns: Those that both files know.
        whole: Nothing was skipped.
    """

    def __init__(self, source: sqlite3.Connection, target: sqlite3.Connection, table: str, ends: float) -> None:
        self._source = source
        self._table = table
        self._ends = ends
        self.whole = True
        info = target.execute(f"PRAGMA table_info({table})").fetchall()
        try:
            known = {str(row[1]) for row in source.execute(f"PRAGMA table_info({table})")}
        except sqlite3.DatabaseError:
            known = set[str]()
        self.columns = [str(row[1]) for row in info if str(row[1]) in known]
        self._key = [str(row[1]) for row in sorted(info, key=lambda row: row[5]) if row[5]]
        self.whole = bool(self.columns)

    def chunks(self) -> Iterator[list[tuple[object, ...]]]:
        if not self.columns:
            return
        low: tuple[object, ...] | None = None
        high: tuple[object, ...] | None = None
        for descending in (False, True):
            while True:
                rows = self._read(high if descending else low, descending=descending)
                if rows is None:
                    break
                if rows:
                    yield rows
                    last = self._key_of(rows[-1])
                    low, high = (low, last) if descending else (last, high)
                if len(rows) < _ROWS_A_STEP:
                    return
            self.whole = False
            if time.monotonic() > self._ends:
                return
        if len(self._key) == 1 and low is not None and high is not None:
            first, last = low[0], high[0]
            if isinstance(first, int) and isinstance(last, int):
                yield from self._between(first, last, 12)

    def _between(self, low: int, high: int, depth: int) -> Iterator[list[tuple[object, ...]]]:
        """Halve the range of ids around the damage, and read each half as far as it goes."""
        if high - low < 2 or depth == 0 or time.monotonic() > self._ends:
            return
        middle = (low + high) // 2
        for start, end in ((low, middle), (middle, high)):
            rows = self._read((start,), descending=False, below=end)
            if rows is None:
                yield from self._between(start, end, depth - 1)
                continue
            while rows:
                yield rows
                rows = self._read(self._key_of(rows[-1]), descending=False, below=end)

    def _read(
        self, beyond: tuple[object, ...] | None, *, descending: bool, below: int | None = None
    ) -> list[tuple[object, ...]] | None:
        """Return the next rows in the order of the key; None where they cannot be read."""
        key = ", ".join(self._key)
        order = ", ".join(f"{column} {'DESC' if descending else 'ASC'}" for column in self._key)
        where = f"WHERE ({key}) {'<' if descending else '>'} ({', '.join('?' * len(self._key))})" if beyond else ""
        where += f" AND {key} < {below}" if below is not None else ""
        sql = f"SELECT {', '.join(self.columns)} FROM {self._table} {where} ORDER BY {order} LIMIT {_ROWS_A_STEP}"  # noqa: S608  our own names
        try:
            with deadline(self._source, max(0.0, self._ends - time.monotonic())):
                return self._source.execute(sql, beyond or ()).fetchall()
        except sqlite3.Error:
            return None

    def _key_of(self, row: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(row[self.columns.index(column)] for column in self._key)
