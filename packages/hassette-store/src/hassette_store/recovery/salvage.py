"""Reading what can be read of a damaged file: from both ends of each table, and from wherever a leaf lies between."""

import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from hassette_store.file.connections import READING_FAILED, connect_plain, connect_read_only, deadline
from hassette_store.recovery.header import with_sound_header
from hassette_store.recovery.leaves import key_in, leaves_of, rows_in
from hassette_store.recovery.references import put_placeholders

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

Row = tuple[object, ...]
Gap = tuple[Row | None, Row | None]
"""The keys between which there is damage, themselves not in it; None is the table's end."""


def salvage(damaged: Path, new: Path, limit_s: float) -> tuple[int, list[str]]:
    """Copy each row that SQLite can read by its key; return how many, and the tables that could not be read whole.

    Where rows that arrived refer to one that did not, a placeholder stands for it.

    Args:
        damaged: Where from; it is only read.
        new: Where to: an empty history.
        limit_s: Seconds after which no more rows are carried over.

    Raises:
        sqlite3.Error: The new file cannot be written.
        OSError: The damaged file cannot be read at all, or there is no room to mend a copy of it.
    """
    with with_sound_header(damaged) as readable:
        return _salvage(readable, new, limit_s)


def _salvage(damaged: Path, new: Path, limit_s: float) -> tuple[int, list[str]]:
    ends = time.monotonic() + limit_s
    try:
        source = connect_read_only(damaged)
    except READING_FAILED:
        return 0, ["all of it"]
    try:
        # Makes SQLite go on with as much of a damaged schema as it can read; nothing is written (mode=ro).
        source.execute("PRAGMA writable_schema = ON")
        source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        page_bytes = int(source.execute("PRAGMA page_size").fetchone()[0])
    except READING_FAILED:
        source.close()
        return 0, ["all of it"]
    target = connect_plain(new)
    try:
        tables = [_Table(source, target, name, ends) for name in _SALVAGED]
        before = target.total_changes
        with deadline(source, limit_s):
            for table in tables:
                target.execute("BEGIN")
                table.read_from_both_ends()
                target.execute("COMMIT")
            # The first key of each leaf finds all that lies between damaged pages; each key, what lies within them.
            for every in (False, True):
                broken = [table for table in tables if table.gaps]
                if broken and time.monotonic() < ends:
                    target.execute("BEGIN")
                    _read_between(broken, leaves_of(damaged, page_bytes), ends, every=every)
                    target.execute("COMMIT")
        rows = target.total_changes - before
        put_placeholders(target)
        return rows, [table.name for table in tables if table.gaps or table.refused]
    finally:
        target.close()
        source.close()


def _read_between(tables: "list[_Table]", leaves: Iterable[bytes], ends: float, *, every: bool) -> None:
    for leaf in leaves:
        if time.monotonic() > ends:
            return
        rows = rows_in(leaf)
        first = key_in(leaf, 0)
        # To look at each row of each leaf would take longer than all the rest.
        for table in [one for one in tables if not every or one.is_broken_between(first, key_in(leaf, rows - 1))]:
            for number in range(rows) if every else (0,):
                table.read_around(key_in(leaf, number))


class _Table:
    """Carries the rows of one table over.

    Args:
        source: The damaged file.
        target: The new file, which tells the columns and the key.
        name: The table.
        ends: When to stop, by `time.monotonic`.

    Attributes:
        name: As given.
        gaps: Where there is damage, as far as is known.
        refused: Some rows were not taken by the new file, or columns are unknown.
    """

    def __init__(self, source: sqlite3.Connection, target: sqlite3.Connection, name: str, ends: float) -> None:
        self._source = source
        self._target = target
        self._ends = ends
        self.name = name
        self.gaps: list[Gap] = []
        info = target.execute(f"PRAGMA table_info({name})").fetchall()
        try:
            theirs = [str(row[1]) for row in source.execute(f"PRAGMA table_info({name})")]
        except READING_FAILED:
            theirs = []
        # By their names here, what the columns are called there.
        self._called = _called([str(row[1]) for row in info], theirs)
        self._columns = [str(row[1]) for row in info if str(row[1]) in self._called]
        self._key = [str(row[1]) for row in sorted(info, key=lambda row: row[5]) if row[5]]
        self._key_at = [self._columns.index(column) for column in self._key if column in self._columns]
        self._readable = len(self._key_at) == len(self._key)
        self.refused = not self._readable

    def read_from_both_ends(self) -> None:
        """Read forwards to the first damage and, if there is any, backwards to the last."""
        if not self._readable:
            return
        _, low, whole = self._read(None, None)
        if not whole:
            _, high, whole = self._read(None, low, descending=True)
            if not whole:
                self.gaps.append((low, high))

    def is_broken_between(self, first: tuple[int, ...], last: tuple[int, ...]) -> bool:
        """Tell whether there is damage between two keys, or in one of them."""
        start, end = self._own(first), self._own(last)
        if start is None or end is None:
            return not first or not last
        return any(
            (low is None or _is_less(low, end)) and (high is None or _is_less(start, high)) for low, high in self.gaps
        )

    def read_around(self, key: tuple[int, ...]) -> None:
        """Read forwards and backwards from a key, if it lies where there is damage, up to the next one."""
        start = self._own(key)
        if start is None:
            return
        for number, (low, high) in enumerate(self.gaps):
            if (low is None or _is_less(low, start)) and (high is None or _is_less(start, high)):
                self.gaps[number : number + 1] = self._gaps_left(low, start, high)
                return

    def _own(self, key: tuple[int, ...]) -> Row | None:
        """Return as much of a key as this table's has, None if it is of another kind."""
        length = len(self._key)
        return key[:length] if len(key) >= length and (len(key) == 1) == (length == 1) else None

    def _gaps_left(self, low: Row | None, start: Row, high: Row | None) -> list[Gap]:
        first_above, last_above, whole_above = self._read(start, high, inclusive=True)
        first_below, last_below, whole_below = self._read(start, low, descending=True)
        if first_above is None and first_below is None and not whole_above and not whole_below:
            return [(low, high)]
        gaps: list[Gap] = []
        if not whole_below:
            gaps.append((low, last_below or first_above or start))
        if not whole_above:
            gaps.append((last_above or first_below or low, high))
        return gaps

    def _read(
        self, start: Row | None, until: Row | None, *, descending: bool = False, inclusive: bool = False
    ) -> tuple[Row | None, Row | None, bool]:
        """Carry the rows between two keys over; return the first and the last key, and whether there was no damage."""
        first: Row | None = None
        last: Row | None = None
        limit = _ROWS_A_STEP
        while time.monotonic() < self._ends:
            rows, came = self._next_rows(start, until, limit, descending=descending, inclusive=inclusive)
            if rows:
                self._carry_over(rows)
                first = first or self._key_of(rows[0])
                start = last = self._key_of(rows[-1])
                inclusive = False
            if came == "to the end":
                return first, last, True
            if came == "out of order":
                return first, last, False
            if came == "to damage":
                if limit == 1:
                    return first, last, False
                # Python looks one row ahead, and loses the row before the damage.
                limit = 1
        return first, last, False

    def _next_rows(
        self, start: Row | None, until: Row | None, limit: int, *, descending: bool, inclusive: bool
    ) -> tuple[list[Row], Literal["to the limit", "to the end", "to damage", "out of order"]]:
        """Return rows in the order of the key, and how far the reading came."""
        marks = ", ".join("?" * len(self._key))
        sign = "<" if descending else ">=" if inclusive else ">"
        key = [self._called[column] for column in self._key]
        where = "" if start is None else f"WHERE ({', '.join(key)}) {sign} ({marks})"
        order = ", ".join(f"{column} {'DESC' if descending else 'ASC'}" for column in key)
        # An index that lacks rows would hide them.
        sql = (
            f"SELECT {', '.join(self._called[one] for one in self._columns)} FROM {self.name} NOT INDEXED {where} "
            f"ORDER BY {order} LIMIT {limit}"
        )
        rows: list[Row] = []
        previous = None if inclusive else start
        try:
            for row in self._source.execute(sql, start or ()):
                this = self._key_of(row)
                if this == until:
                    return rows, "to the end"
                # In a damaged page that looks like a sound one, a wrong key may lead anywhere: back, where the reading
                # would never end, or beyond the end, which SQLite, had it been told, would take for the end.
                lower, upper = (until, previous) if descending else (previous, until)
                if (lower and not _is_less(lower, this)) or (upper and not _is_less(this, upper)):
                    self._forget_a_wrong_last(rows, this, descending=descending)
                    return rows, "out of order"
                rows.append(row)
                previous = this
        except READING_FAILED:
            return rows, "to damage"
        return rows, "to the limit" if len(rows) == limit else "to the end"

    def _forget_a_wrong_last(self, rows: list[Row], following: Row, *, descending: bool) -> None:
        """Take the last row away if the one before it and the following one are in order: its key is the wrong one.

        Reading on from that key would leave out all that lies before it.
        """
        if len(rows) > 1:
            before = self._key_of(rows[-2])
            if _is_less(following, before) if descending else _is_less(before, following):
                rows.pop()

    def _carry_over(self, rows: list[Row]) -> None:
        """Insert rows, but not those that the new file refuses."""
        marks = ", ".join("?" * len(self._columns))
        sql = f"INSERT OR IGNORE INTO {self.name} ({', '.join(self._columns)}) VALUES ({marks})"
        try:
            self._target.executemany(sql, rows)
        except sqlite3.IntegrityError:
            # A value of the wrong type, which IGNORE does not ignore. What is in already is not put in twice.
            for row in rows:
                try:
                    self._target.execute(sql, row)
                except sqlite3.IntegrityError:
                    self.refused = True

    def _key_of(self, row: Row) -> Row:
        return tuple(row[at] for at in self._key_at)


def _called(columns: list[str], theirs: list[str]) -> dict[str, str]:
    """Return the columns' names in the damaged file: where a byte of one is wrong, what stands in its place."""
    called = {column: column for column in columns if column in theirs}
    for column, other in zip(columns, theirs, strict=False):
        if column not in called and other not in columns:
            called[column] = '"' + other.replace('"', '""') + '"'
    return called


def _is_less(one: Row, other: Row) -> bool:
    try:
        return one < other
    except TypeError:
        # Damage: a number where text should be, or nothing.
        return False
