"""Salvage of a damaged file: copy all readable rows into a new file.

The file and its write-ahead log are read as two separate sources. So a log of another file, or an older copy in place
of the file, hides no row. The new file contains the union of the rows.
"""

import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from hassette_store.derived.recount import recount
from hassette_store.derived.search_index import TABLES as SEARCH_TABLES
from hassette_store.file.connections import connect_to_write
from hassette_store.kinds import EVENT_TABLES, KINDS
from hassette_store.recovery.cells import Row, TableFormat
from hassette_store.recovery.formats import root_pages, table_formats
from hassette_store.recovery.page_rows import rows_on
from hassette_store.recovery.readings import FileReading, readings_of, sort_pages
from hassette_store.recovery.redated_runs import remove_former_ids
from hassette_store.recovery.references import put_placeholders, remove_copies
from hassette_store.recovery.union import NATURAL_KEYS, Union

# If the time runs out, the last tables are not copied. So the most valuable tables come first: registrations, then
# totals, then single runs. All other tables follow.
_FIRST_TABLES: Final = (
    *(table for table in NATURAL_KEYS if table not in ("error_groups", "losses", "not_runs")),
    "counted_daily",
    "counted_hourly",
    "skips_daily",
    "skips_hourly",
    "error_groups",
    "losses",
    "not_runs",
    *EVENT_TABLES,
    "home_names",
    "running_executions",
    "store_state",
    *(kind.runs_table for kind in reversed(KINDS)),
    "failures",
)
_ROWS_PER_INSERT: Final = 5_000
_ROWS_PER_COMMIT: Final = 100_000


def salvage(damaged: Path, new: Path, limit_s: float) -> tuple[int, list[str]]:
    """Copy each readable row. Return the number of copied rows and the names of the tables with lost rows.

    If a copied row refers to a lost row, a placeholder replaces the lost row.

    Args:
        damaged: The damaged file; it is only read. It may be missing if its log exists.
        new: An empty history.
        limit_s: Time limit in seconds, after which no more rows are copied.

    Raises:
        sqlite3.Error: The new file cannot be written.
        OSError: The damaged file cannot be opened.
    """
    ends = time.monotonic() + limit_s
    with ExitStack() as files:
        target = connect_to_write(new)
        files.callback(target.close)
        formats = table_formats(target)
        order = [table for table in _FIRST_TABLES if table in formats]
        order += [table for table in formats if table not in (*order, *SEARCH_TABLES.values())]
        rows_before = _count_rows(target, formats)
        copy = _Copy(target, formats, order, ends)
        for reading in readings_of(damaged, formats, root_pages(target), files):
            if not (reading.source.is_first or reading.source.is_related):
                # A row of another file must not get the number of a lost row to which rows of this file refer.
                put_placeholders(target)
            copy.add(reading)
        remove_copies(target, copy.copied)
        remove_former_ids(target)
        rows = _count_rows(target, formats) - rows_before
        recount(target)
        put_placeholders(target)
        return rows, [table for table in order if table in copy.incomplete]


def _count_rows(db: sqlite3.Connection, tables: Iterable[str]) -> int:
    return sum(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)


class _Copy:
    """Copy of the rows of several readings.

    Attributes:
        incomplete: Tables with lost rows.
        copied: Tables with equal pages.
    """

    def __init__(
        self, target: sqlite3.Connection, formats: Mapping[str, TableFormat], order: list[str], ends: float
    ) -> None:
        self._target = target
        self._union = Union(target)
        self._formats = formats
        self._order = order
        self._ends = ends
        self._uncommitted = 0
        self.incomplete: set[str] = set()
        self.copied: set[str] = set()

    def add(self, reading: FileReading) -> None:
        """Copy the rows of one reading."""
        sorted_pages = sort_pages(reading, self._formats, self._ends)
        self.incomplete |= sorted_pages.incomplete
        self.copied |= sorted_pages.copied
        for table in self._order:
            wanted = reading.pages_of(table)
            numbers = [number for number in sorted_pages.numbers.get(table, ()) if wanted is None or number in wanted]
            self._copy_table(reading, self._formats[table], numbers)
        self._commit()

    def _copy_table(self, reading: FileReading, table: TableFormat, numbers: Iterable[int]) -> None:
        waiting: list[Row] = []
        for number in numbers:
            if time.monotonic() > self._ends:
                self.incomplete.add(table.name)
                break
            found = rows_on(reading.pages, number, table)
            if not found.is_complete and number not in reading.outdated:
                self.incomplete.add(table.name)
            waiting += found.rows
            if len(waiting) >= _ROWS_PER_INSERT:
                self._insert(reading, table, waiting)
                waiting = []
        self._insert(reading, table, waiting)

    def _insert(self, reading: FileReading, table: TableFormat, rows: list[Row]) -> None:
        if not self._target.in_transaction:
            self._target.execute("BEGIN")
        columns = [column.name for column in table.columns]
        if self._union.add(reading.source, table.name, columns, rows):
            self.incomplete.add(table.name)
        self._uncommitted += len(rows)
        if self._uncommitted > _ROWS_PER_COMMIT:
            # One transaction for a large table would fill the write-ahead log with a second copy of it.
            self._commit()

    def _commit(self) -> None:
        if self._target.in_transaction:
            self._target.execute("COMMIT")
        self._uncommitted = 0
