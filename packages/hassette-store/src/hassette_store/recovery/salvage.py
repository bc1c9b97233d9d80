"""Salvage of a damaged file: copy rows from both ends of each table, and then around the keys in leaf pages."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hassette_store.file.connections import connect_read_only, connect_to_write, deadline
from hassette_store.file.damage import SQLITE_ERRORS
from hassette_store.kinds import KINDS
from hassette_store.recovery.header import with_sound_header
from hassette_store.recovery.leaves import key_in, leaves_of, row_count
from hassette_store.recovery.references import put_placeholders
from hassette_store.recovery.table_copy import TableCopy

# If the time runs out, the last tables are not copied. So the most valuable tables come first: registrations, then
# totals, then single runs.
_TABLES: Final = (
    "names",
    *(kind.registrations_table for kind in KINDS),
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
    *(kind.runs_table for kind in reversed(KINDS)),
    "failures",
    "service_calls",
    "log_lines",
    "dropped_effects",
)


def salvage(damaged: Path, new: Path, limit_s: float) -> tuple[int, list[str]]:
    """Copy each row that SQLite can read. Return the number of copied rows and the names of incomplete tables.

    If a copied row refers to a lost row, a placeholder replaces the lost row.

    Args:
        damaged: The damaged file; it is only read.
        new: An empty history.
        limit_s: Time limit in seconds, after which no more rows are copied.

    Raises:
        sqlite3.Error: The new file cannot be written.
        OSError: The damaged file cannot be read at all, or there is no space for a copy with a repaired header.
    """
    with with_sound_header(damaged) as readable:
        return _salvage(readable, new, limit_s)


def _salvage(damaged: Path, new: Path, limit_s: float) -> tuple[int, list[str]]:
    ends = time.monotonic() + limit_s
    try:
        source = connect_read_only(damaged)
    except SQLITE_ERRORS:
        return 0, ["all of them"]
    try:
        # With this pragma, SQLite uses as much of a damaged schema as it can read. The pragma does not write to the
        # file, which is open with mode=ro.
        source.execute("PRAGMA writable_schema = ON")
        source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        page_bytes = int(source.execute("PRAGMA page_size").fetchone()[0])
    except SQLITE_ERRORS:
        source.close()
        return 0, ["all of them"]
    target = connect_to_write(new)
    try:
        tables = [TableCopy(source, target, name, ends) for name in _TABLES]
        before = target.total_changes
        with deadline(source, limit_s):
            for table in tables:
                target.execute("BEGIN")
                table.read_from_both_ends()
                target.execute("COMMIT")
            # First read around the first key of each leaf page: this finds the rows between damaged pages. Then read
            # around every key: this finds the readable rows in damaged pages.
            for every_key in (False, True):
                incomplete = [table for table in tables if table.unread_ranges]
                if incomplete and time.monotonic() < ends:
                    target.execute("BEGIN")
                    _read_unread_ranges(incomplete, leaves_of(damaged, page_bytes), ends, every_key=every_key)
                    target.execute("COMMIT")
        rows = target.total_changes - before
        put_placeholders(target)
        return rows, [table.name for table in tables if table.unread_ranges or table.has_rejected_rows]
    finally:
        target.close()
        source.close()


def _read_unread_ranges(tables: list[TableCopy], leaves: Iterable[bytes], ends: float, *, every_key: bool) -> None:
    for leaf in leaves:
        if time.monotonic() > ends:
            return
        rows = row_count(leaf)
        first = key_in(leaf, 0)
        # Trying each key of each page would take longer than all other work, so skip pages whose keys are in no unread
        # range.
        for table in [one for one in tables if not every_key or one.has_unread_between(first, key_in(leaf, rows - 1))]:
            for number in range(rows) if every_key else (0,):
                table.read_around(key_in(leaf, number))
