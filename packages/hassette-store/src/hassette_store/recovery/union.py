"""Union of rows from several sources in one history.

Small numbers such as ``names.id`` mean something only within one file. So a row of a second source is first matched by
its natural key, such as the name itself. Then its number, and every reference to the row, change to the number in the
target.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hassette_store.kinds import KINDS
from hassette_store.recovery.cells import Row

_REGISTRATIONS: Final = tuple(kind.registrations_table for kind in KINDS)
NATURAL_KEYS: Final = {
    "names": ("name",),
    **{kind.registrations_table: kind.key_columns for kind in KINDS},
    "sessions": ("started_us", "pid", "host"),
    "error_groups": ("fingerprint",),
    "losses": ("session_id", "reason", "what", "first_us"),
    "not_runs": ("registration_id", "at_us", "reason_id"),
}
"""Columns that identify a row in every file, for each table whose ids mean something only within one file."""

# If both sources have a row with the same natural key, the row that is higher in these columns is newer.
_NEWER_BY: Final = {
    "sessions": ("last_sequence", "heartbeat_us"),
    **dict.fromkeys(_REGISTRATIONS, ("last_registered_us",)),
    "error_groups": ("count", "last_seen_us"),
    "losses": ("count",),
}
# The counts in these tables only grow. So if both sources have a row with the same key, the higher counts are newer.
_COUNTS: Final = ("counted_", "skips_")


@dataclass(slots=True)
class RowSource:
    """One of the sources, and how its numbers change.

    Attributes:
        is_first: Whether this is the first source. Its numbers do not change.
        is_related: Whether this source and the first source are states of the same file. If so, a number whose row is
            lost means the same in both.
        redated: The sessions that may have another start time in another source.
        numbers: For each table with natural keys, the number in the target for each number in the source.
        newest_sessions: The sessions, as numbers in the target, whose newest state is in this source.
        changes: For each referenced table, a cache of the new numbers; None if no number of the table changes.
    """

    is_first: bool
    is_related: bool = True
    redated: frozenset[int] = frozenset()
    numbers: dict[str, dict[int, int]] = field(default_factory=dict[str, dict[int, int]])
    newest_sessions: set[int] = field(default_factory=set[int])
    changes: dict[str, dict[int, int] | None] = field(default_factory=dict[str, dict[int, int] | None])


class Union:
    """Rows of several sources in one history.

    Add the tables of `NATURAL_KEYS` of a source in that order, before all other tables of the source.

    Args:
        target: A connection for writing to a history with the newest schema.
    """

    def __init__(self, target: sqlite3.Connection) -> None:
        self._target = target
        self._keys: dict[str, tuple[str, ...]] = {}
        self._reserved: dict[str, int] = {}
        self._references: dict[tuple[str, str], str] = {}
        tables = [str(row[0]) for row in target.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            info = target.execute(f"PRAGMA table_info({table})").fetchall()
            self._keys[table] = tuple(str(row[1]) for row in sorted(info, key=lambda row: row[5]) if row[5])
            for reference in target.execute(f"PRAGMA foreign_key_list({table})"):
                self._references[table, str(reference[3])] = str(reference[2])
            if any(row[1] == "registration_id" for row in info):
                # The column refers to a listener or to a job. Both get their ids from one sequence.
                self._references[table, "registration_id"] = _REGISTRATIONS[0]

    def add(self, source: RowSource, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """Add rows of a source; return the number of rows that the target rejected because of a wrong value.

        Args:
            source: The source.
            table: The table.
            columns: The columns of each row. A row may have fewer; the other columns then have their default values.
            rows: The rows.
        """
        rows = list(rows)
        if table == "store_state" and not source.is_related:
            # These values mean something only in their own file.
            rows = [row for row in rows if source.is_first]
        if table in NATURAL_KEYS and not source.is_first:
            return self._add_numbered(source, table, columns, rows)
        if not source.is_first:
            rows = self._translated(source, table, columns, rows)
        if table == "running_executions" and not source.is_first:
            at = list(columns).index("session_id")
            rows = [row for row in rows if row[at] in source.newest_sessions]
        conflict = "DO NOTHING"
        if not source.is_first and table.startswith(_COUNTS):
            counts = [column for column in columns if column not in self._keys[table]]
            larger = ("larger_sketch" if one == "sketch" else "max" for one in counts)
            conflict = "DO UPDATE SET " + ", ".join(
                f"{one} = {function}({one}, excluded.{one})" for one, function in zip(counts, larger, strict=True)
            )
        return sum(
            self._insert(table, columns[:length], [row for row in rows if len(row) == length], conflict)
            for length in {len(row) for row in rows}
        )

    def _insert(self, table: str, columns: Sequence[str], rows: list[Row], conflict: str) -> int:
        values = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT {conflict}"
        try:
            self._target.executemany(sql, rows)
        except (sqlite3.IntegrityError, OverflowError):
            rejected = 0
            for row in rows:
                try:
                    self._target.execute(sql, row)
                except (sqlite3.IntegrityError, OverflowError):
                    rejected += 1
            return rejected
        return 0

    def _add_numbered(self, source: RowSource, table: str, columns: Sequence[str], rows: list[Row]) -> int:
        numbers = source.numbers.setdefault(table, {})
        key = NATURAL_KEYS[table]
        positions = [columns.index(column) for column in key]
        known = {row[1:]: int(row[0]) for row in self._target.execute(f"SELECT id, {', '.join(key)} FROM {table}")}
        rejected = 0
        for row in self._translated(source, table, columns, rows):
            number = row[0]
            if not isinstance(number, int) or number in numbers:
                continue
            existing = known.get(tuple(row[at] for at in positions))
            if existing is None and table == "sessions" and number in source.redated:
                existing = self._redated_session(columns, row)
            if existing is not None:
                numbers[number] = existing
                if not self._replace_older(table, columns, row, existing):
                    continue
            else:
                existing = number if self._is_free(table, number) else self._reserve(table)
                if self._insert(table, columns[: len(row)], [(existing, *row[1:])], "DO NOTHING"):
                    rejected += 1
                    continue
                numbers[number] = existing
            if table == "sessions":
                source.newest_sessions.add(existing)
        return rejected

    def _redated_session(self, columns: Sequence[str], row: Row) -> int | None:
        """Return the number of a session that may have another start time in the target; None if it is not there."""
        same = [column for column in ("id", "pid", "host") if columns.index(column) < len(row)]
        condition = " AND ".join(f"{column} = ?" for column in same)
        values = [row[columns.index(column)] for column in same]
        found = self._target.execute(f"SELECT id FROM sessions WHERE {condition}", values).fetchone()
        return None if found is None else int(found[0])

    def _replace_older(self, table: str, columns: Sequence[str], row: Row, number: int) -> bool:
        """Replace a row of the target if the row of the source is newer; return whether it was replaced."""
        newer_by = [column for column in _NEWER_BY.get(table, ()) if columns.index(column) < len(row)]
        if not newer_by:
            return False
        current = self._target.execute(f"SELECT {', '.join(newer_by)} FROM {table} WHERE id = ?", (number,)).fetchone()
        if tuple(row[columns.index(column)] for column in newer_by) <= tuple(current):
            return False
        assignments = ", ".join(f"{column} = ?" for column in columns[1 : len(row)])
        sql = f"UPDATE OR IGNORE {table} SET {assignments} WHERE id = ?"
        return self._target.execute(sql, (*row[1:], number)).rowcount > 0

    def _is_free(self, table: str, number: int) -> bool:
        return number > 0 and not any(
            self._target.execute(f"SELECT 1 FROM {one} WHERE id = ?", (number,)).fetchone() for one in _same_ids(table)
        )

    def _reserve(self, table: str) -> int:
        """Return a number that no row of the target has."""
        tables = _same_ids(table)
        used = [self._target.execute(f"SELECT coalesce(max(id), 0) FROM {one}").fetchone()[0] for one in tables]
        self._reserved[tables[0]] = 1 + max(*used, self._reserved.get(tables[0], 0))
        return self._reserved[tables[0]]

    def _translated(self, source: RowSource, table: str, columns: Sequence[str], rows: list[Row]) -> list[Row]:
        """Return the rows with the numbers of the target in place of the numbers of the source."""
        changes = [
            (at, parent, numbers)
            for at, column in enumerate(columns)
            if (parent := self._references.get((table, column))) in NATURAL_KEYS
            and (numbers := self._numbers_of(source, parent)) is not None
        ]
        if not changes:
            return rows
        translated: list[Row] = []
        for row in rows:
            values = list(row)
            for at, parent, numbers in changes:
                if at >= len(row) or not isinstance(number := row[at], int):
                    continue
                if number not in numbers:
                    # The row with this number is lost. In an unrelated file, the number means something else.
                    numbers[number] = number if source.is_related else self._reserve(parent)
                values[at] = numbers[number]
            translated.append(tuple(values))
        return translated

    def _numbers_of(self, source: RowSource, parent: str) -> dict[int, int] | None:
        """Return the new numbers of rows of a table, or None if no number changes."""
        if parent not in source.changes:
            tables = _same_ids(parent)
            numbers = {old: new for one in tables for old, new in source.numbers.get(one, {}).items()}
            changed = not source.is_related or any(old != new for old, new in numbers.items())
            source.changes[parent] = numbers if changed else None
        return source.changes[parent]


def _same_ids(table: str) -> tuple[str, ...]:
    """Return the tables that get their ids from the same sequence as a table."""
    return _REGISTRATIONS if table in _REGISTRATIONS else (table,)
