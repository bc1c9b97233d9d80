"""Copy of one table from a damaged file without the rows that SQLite cannot read."""

import sqlite3
import time
from typing import Final, Literal

from hassette_store.file.damage import SQLITE_ERRORS

CopiedRow = tuple[object, ...]
"""One row of the damaged file, or the columns of its key."""
UnreadRange = tuple[CopiedRow | None, CopiedRow | None]
"""The keys before and after unread rows. None stands for the beginning or the end of the table."""

_ROWS_PER_QUERY: Final = 500


class TableCopy:
    """Copy of one table from a damaged file.

    Args:
        source: The damaged file.
        target: The new file, which has the correct columns and key.
        name: The table.
        ends: Value of `time.monotonic` at which to stop.

    Attributes:
        name: As given.
        unread_ranges: Ranges of keys whose rows have not been read.
        has_rejected_rows: Whether the new file rejected rows, or no row could be read because a column of the key is
            unknown.
    """

    def __init__(self, source: sqlite3.Connection, target: sqlite3.Connection, name: str, ends: float) -> None:
        self._source = source
        self._target = target
        self._ends = ends
        self.name = name
        self.unread_ranges: list[UnreadRange] = []
        info = target.execute(f"PRAGMA table_info({name})").fetchall()
        try:
            in_source = [str(row[1]) for row in source.execute(f"PRAGMA table_info({name})")]
        except SQLITE_ERRORS:
            in_source = []
        self._source_names = _match_columns([str(row[1]) for row in info], in_source)
        self._columns = [str(row[1]) for row in info if str(row[1]) in self._source_names]
        self._key = [str(row[1]) for row in sorted(info, key=lambda row: row[5]) if row[5]]
        self._key_positions = [self._columns.index(column) for column in self._key if column in self._columns]
        self._readable = len(self._key_positions) == len(self._key)
        self.has_rejected_rows = not self._readable

    def read_from_both_ends(self) -> None:
        """Copy the rows before the first damage and, if there is damage, the rows after the last damage."""
        if not self._readable:
            return
        _, low, complete = self._read(None, None)
        if not complete:
            _, high, complete = self._read(None, low, descending=True)
            if not complete:
                self.unread_ranges.append((low, high))

    def has_unread_between(self, first: tuple[int, ...], last: tuple[int, ...]) -> bool:
        """Return whether there may be unread rows between two keys.

        If one of the keys could not be read, return True.
        """
        start, end = self._as_key(first), self._as_key(last)
        if start is None or end is None:
            return not first or not last
        return any(
            (low is None or _is_less(low, end)) and (high is None or _is_less(start, high))
            for low, high in self.unread_ranges
        )

    def read_around(self, key: tuple[int, ...]) -> None:
        """Copy rows in both directions from a key in an unread range, up to the next damage."""
        start = self._as_key(key)
        if start is None:
            return
        for number, (low, high) in enumerate(self.unread_ranges):
            if (low is None or _is_less(low, start)) and (high is None or _is_less(start, high)):
                self.unread_ranges[number : number + 1] = self._read_in_range(low, start, high)
                return

    def _as_key(self, key: tuple[int, ...]) -> CopiedRow | None:
        """Return the key, cut to this table's number of key columns, or None if it cannot be a key of this table."""
        length = len(self._key)
        return key[:length] if len(key) >= length and (len(key) == 1) == (length == 1) else None

    def _read_in_range(self, low: CopiedRow | None, start: CopiedRow, high: CopiedRow | None) -> list[UnreadRange]:
        """Copy rows in both directions from a key in an unread range; return the ranges that are still unread."""
        first_above, last_above, complete_above = self._read(start, high, inclusive=True)
        first_below, last_below, complete_below = self._read(start, low, descending=True)
        if first_above is None and first_below is None and not complete_above and not complete_below:
            return [(low, high)]
        unread_ranges: list[UnreadRange] = []
        if not complete_below:
            unread_ranges.append((low, last_below or first_above or start))
        if not complete_above:
            unread_ranges.append((last_above or first_below or low, high))
        return unread_ranges

    def _read(
        self, start: CopiedRow | None, until: CopiedRow | None, *, descending: bool = False, inclusive: bool = False
    ) -> tuple[CopiedRow | None, CopiedRow | None, bool]:
        """Copy the rows between two keys.

        Return the keys of the first and the last copied row, and whether reading reached the end without damage.
        """
        first: CopiedRow | None = None
        last: CopiedRow | None = None
        limit = _ROWS_PER_QUERY
        while time.monotonic() < self._ends:
            rows, stopped_at = self._next_rows(start, until, limit, descending=descending, inclusive=inclusive)
            if rows:
                self._insert(rows)
                first = first or self._key_of(rows[0])
                start = last = self._key_of(rows[-1])
                inclusive = False
            if stopped_at == "end":
                return first, last, True
            if stopped_at == "wrong order":
                return first, last, False
            if stopped_at == "damage":
                if limit == 1:
                    return first, last, False
                # Python fetches the next row before it returns the current one. If the next row is damaged, the
                # current row is lost, too. So read the rows one by one from here on.
                limit = 1
        return first, last, False

    def _next_rows(
        self, start: CopiedRow | None, until: CopiedRow | None, limit: int, *, descending: bool, inclusive: bool
    ) -> tuple[list[CopiedRow], Literal["limit", "end", "damage", "wrong order"]]:
        """Return rows in the order of their keys, and why reading stopped."""
        placeholders = ", ".join("?" * len(self._key))
        sign = "<" if descending else ">=" if inclusive else ">"
        key = [self._source_names[column] for column in self._key]
        where = "" if start is None else f"WHERE ({', '.join(key)}) {sign} ({placeholders})"
        order = ", ".join(f"{column} {'DESC' if descending else 'ASC'}" for column in key)
        # NOT INDEXED, because a damaged index may lack rows.
        sql = (
            f"SELECT {', '.join(self._source_names[one] for one in self._columns)} FROM {self.name} NOT INDEXED "
            f"{where} ORDER BY {order} LIMIT {limit}"
        )
        rows: list[CopiedRow] = []
        previous = None if inclusive else start
        try:
            for row in self._source.execute(sql, start or ()):
                this = self._key_of(row)
                if this == until:
                    return rows, "end"
                # A damaged page may look undamaged but contain a wrong key. After a key that is too low, reading would
                # go back and never end. After a key that is too high, reading would stop early. So compare the keys
                # here, instead of adding the limit of the range to the statement.
                lower, upper = (until, previous) if descending else (previous, until)
                if (lower and not _is_less(lower, this)) or (upper and not _is_less(this, upper)):
                    self._drop_wrong_last(rows, this, descending=descending)
                    return rows, "wrong order"
                rows.append(row)
                previous = this
        except SQLITE_ERRORS:
            return rows, "damage"
        return rows, "limit" if len(rows) == limit else "end"

    def _drop_wrong_last(self, rows: list[CopiedRow], following: CopiedRow, *, descending: bool) -> None:
        """Drop the last row if its key is wrong.

        The key of the last row and ``following``, the key of the next row, are out of order, so one of them is wrong.
        It is the key of the last row if ``following`` fits after the second-to-last row. If a row with a wrong key were
        kept, reading would continue from that key and skip rows.
        """
        if len(rows) > 1:
            before = self._key_of(rows[-2])
            if _is_less(following, before) if descending else _is_less(before, following):
                rows.pop()

    def _insert(self, rows: list[CopiedRow]) -> None:
        placeholders = ", ".join("?" * len(self._columns))
        sql = f"INSERT OR IGNORE INTO {self.name} ({', '.join(self._columns)}) VALUES ({placeholders})"
        try:
            self._target.executemany(sql, rows)
        except sqlite3.IntegrityError:
            # OR IGNORE does not apply to a value of the wrong type. So insert the rows one by one. SQLite ignores rows
            # that `executemany` has inserted already.
            for row in rows:
                try:
                    self._target.execute(sql, row)
                except sqlite3.IntegrityError:
                    self.has_rejected_rows = True

    def _key_of(self, row: CopiedRow) -> CopiedRow:
        return tuple(row[at] for at in self._key_positions)


def _match_columns(columns: list[str], in_source: list[str]) -> dict[str, str]:
    """Return, for each column, its name in the damaged file. A byte of that name may be wrong."""
    names = {column: column for column in columns if column in in_source}
    for column, other in zip(columns, in_source, strict=False):
        if column not in names and other not in columns:
            names[column] = '"' + other.replace('"', '""') + '"'
    return names


def _is_less(one: CopiedRow, other: CopiedRow) -> bool:
    try:
        return one < other
    except TypeError:
        # A damaged key has a number in place of text, or NULL.
        return False
