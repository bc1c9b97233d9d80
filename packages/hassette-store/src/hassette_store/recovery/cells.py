"""Rows in the pages of a table, decoded without SQLite.

Each row is checked against the columns of its table: their number, their types and the order of the keys. So a page of
a table with other columns yields no rows. A wrong byte in a text or a number cannot be recognised.

The format is described at https://sqlite.org/fileformat.html, sections 1.6 (pages) and 2.1 (records).
"""

import struct
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from hassette_store.recovery.pages import PAGE_BYTES

Row = tuple[object, ...]
"""One row, or the columns of its key."""
ReadPage = Callable[[int], bytes]
"""Function that returns a page by its number."""

TABLE_LEAF: Final = 0x0D
TABLE_INTERIOR: Final = 0x05
INDEX_LEAF: Final = 0x0A
INDEX_INTERIOR: Final = 0x02
INTERIORS: Final = (TABLE_INTERIOR, INDEX_INTERIOR)

_MAX_LOCAL: Final = {TABLE_LEAF: PAGE_BYTES - 35, INDEX_LEAF: (PAGE_BYTES - 12) * 64 // 255 - 23}
_MIN_LOCAL: Final = (PAGE_BYTES - 12) * 32 // 255 - 23
_OVERFLOW_BYTES: Final = PAGE_BYTES - 4
_ZEROS: Final = bytes(16)
_LONGEST_RECORD: Final = 64 << 20
# Storage types of a column: NULL, a floating-point number, and the first type of bytes. Odd types after it are texts.
# The types 8 and 9 are the numbers 0 and 1.
_NULL: Final = 0
_REAL: Final = 7
_EMPTY_BYTES: Final = 12
_INTEGER_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_PLANS_KEPT: Final = 50_000
LOST: Final = "(lost)"
"""Text in place of a text that was lost."""
# Values for columns that must not be NULL, in rows whose end is on a lost page.
_SUBSTITUTES: Final = {"settings": "{}", "facts": "{}", "runs_in": "async"}

# Storage of a column in a record: its number, and where it begins and ends.
_Place = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to decode all records with the same header. Most records of a table have one of a few headers.

    Attributes:
        constants: The value of each column whose value is in the header; None for all other columns.
        integers: Columns with an integer.
        texts: Columns with a text.
        blobs: Columns with bytes.
        reals: Columns with a floating-point number.
        size: Length of the record.
    """

    constants: tuple[int | None, ...]
    integers: tuple[_Place, ...]
    texts: tuple[_Place, ...]
    blobs: tuple[_Place, ...]
    reals: tuple[_Place, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        type: Its type: ``INTEGER``, ``REAL``, ``TEXT`` or ``BLOB``.
        not_null: Whether it rejects NULL.
    """

    name: str
    type: str
    not_null: bool


@dataclass(frozen=True, slots=True)
class TableFormat:
    """How the rows of a table are stored.

    Attributes:
        name: Name of the table.
        columns: The columns, in the order in which a row stores them.
        fewest: Number of columns in the oldest rows. A migration that adds a column leaves old rows unchanged.
        key_length: Number of columns of the key. They come first.
        has_row_ids: Whether the key is a row id, which a row does not store among its columns.
    """

    name: str
    columns: tuple[Column, ...]
    fewest: int
    key_length: int
    has_row_ids: bool
    _plans: dict[bytes, _Plan | None] = field(default_factory=dict[bytes, _Plan | None])

    @property
    def leaf(self) -> int:
        """Type of its leaf pages."""
        return TABLE_LEAF if self.has_row_ids else INDEX_LEAF

    @property
    def interior(self) -> int:
        """Type of its interior pages."""
        return TABLE_INTERIOR if self.has_row_ids else INDEX_INTERIOR

    def plan(self, header: bytes) -> _Plan | None:
        """Return the plan to decode a record with this header, or None if it cannot be a row of this table."""
        try:
            return self._plans[header]
        except KeyError:
            if len(self._plans) > _PLANS_KEPT:
                self._plans.clear()
            plan = self._plans[header] = self._new_plan(header)
            return plan

    def _new_plan(self, header: bytes) -> _Plan | None:
        constants: list[int | None] = []
        integers: list[_Place] = []
        texts: list[_Place] = []
        blobs: list[_Place] = []
        reals: list[_Place] = []
        _, at = varint(header, 0)
        start = len(header)
        while at < len(header):
            number = len(constants)
            kind, at = varint(header, at)
            if number == len(self.columns) or not self._allows(number, kind):
                return None
            constants.append(kind - 8 if kind in (8, 9) else None)
            if kind in _INTEGER_BYTES:
                integers.append((number, start, start + _INTEGER_BYTES[kind]))
                start += _INTEGER_BYTES[kind]
            elif kind == _REAL:
                reals.append((number, start, start + 8))
                start += 8
            elif kind >= _EMPTY_BYTES:
                size = (kind - _EMPTY_BYTES) // 2
                (texts if kind % 2 else blobs).append((number, start, start + size))
                start += size
        if at != len(header) or len(constants) < self.fewest:
            return None
        return _Plan(tuple(constants), tuple(integers), tuple(texts), tuple(blobs), tuple(reals), start)

    def _allows(self, number: int, kind: int) -> bool:
        """Return whether a column may have a value of this storage type."""
        column = self.columns[number]
        if self.has_row_ids and self.key_length == 1 and number == 0:
            return kind == _NULL
        if kind == _NULL:
            return not column.not_null
        if kind >= _EMPTY_BYTES:
            return column.type == ("TEXT" if kind % 2 else "BLOB")
        if kind == _REAL:
            return column.type == "REAL"
        return (kind in _INTEGER_BYTES or kind in (8, 9)) and column.type in ("INTEGER", "REAL")


@dataclass(frozen=True, slots=True)
class PageRows:
    """Rows of a page.

    Attributes:
        rows: The rows, each with at least `TableFormat.fewest` columns.
        is_complete: Whether all rows of the page could be read.
    """

    rows: list[Row]
    is_complete: bool


def rows_in(
    page: bytes, table: TableFormat, read_page: ReadPage, *, header_at: int = 0, end: int | None = None
) -> PageRows:
    """Return the rows in a page of a table.

    Args:
        page: A leaf page or, in a table without row ids, an interior page, which contains rows as well.
        table: The table.
        read_page: Reads the pages that continue a long row.
        header_at: Position of the page's own header, which is not 0 in the first page.
        end: Number of bytes that could be read; None for all. The other bytes are zeros.
    """
    page = page[: max(_end_of_content(page) if end is None else min(end, _end_of_content(page)), header_at + 12)]
    kind = page[header_at]
    complete = kind in (table.leaf, table.interior)
    if not complete or kind == TABLE_INTERIOR:
        return PageRows([], complete)
    rows: list[Row] = []
    length = table.key_length
    last: Row | None = None
    in_order = True
    for at in _cells_of(page, header_at):
        row, whole = _row_at(page, at, kind, table, read_page) if at else (None, False)
        complete = complete and whole
        if row is not None:
            key = row[:length]
            in_order = in_order and (last is None or last < key)
            last = key
            rows.append(row)
    return PageRows(rows, complete) if in_order or not length else PageRows(_in_order(rows, length), is_complete=False)


def begins_with_row(page: bytes, table: TableFormat | None, read_page: ReadPage) -> bool:
    """Return whether the first cell of a leaf page is a row of a table, or whether the page is empty."""
    cells = _cells_of(page, 0)
    if not cells or table is None:
        return not cells
    return bool(cells[0]) and _row_at(page, cells[0], page[0], table, read_page)[0] is not None


def children_of(
    page: bytes, table: TableFormat | None, read_page: ReadPage, *, header_at: int = 0
) -> list[tuple[int, Row | None]]:
    """Return the pages below an interior page, each with its highest key (None if unknown).

    Args:
        page: The interior page.
        table: The table; None for an index, whose keys are not decoded.
        read_page: Reads the pages that continue a long row.
        header_at: Position of the page's own header, which is not 0 in the first page.
    """
    found: list[tuple[int, Row | None]] = []
    for at in _cells_of(page, header_at):
        if not at:
            continue
        key: Row | None = None
        if page[header_at] == TABLE_INTERIOR:
            with suppress(IndexError):
                key = (varint(page, at + 4)[0],)
        elif table is not None:
            row, _ = _row_at(page, at, INDEX_INTERIOR, table, read_page)
            key = row and row[: table.key_length]
        found.append((int.from_bytes(page[at : at + 4], "big"), key))
    found.append((int.from_bytes(page[header_at + 8 : header_at + 12], "big"), None))
    return found


def varint(page: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer and the position after it.

    Raises:
        IndexError: The integer continues after the end of the page.
    """
    number = 0
    for count in range(8):
        byte = page[at + count]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at + count + 1
    number = number << 8 | page[at + 8]
    return number - (1 << 64) if number >> 63 else number, at + 9


def _cells_of(page: bytes, header_at: int) -> list[int]:
    """Return the position of each cell in a page; 0 for a position that is wrong."""
    pointers_at = header_at + (12 if page[header_at] in INTERIORS else 8)
    count = int.from_bytes(page[header_at + 3 : header_at + 5], "big")
    # The smallest cell and its pointer have 6 bytes.
    count = min(count, (len(page) - pointers_at) // 6)
    ends = pointers_at + 2 * count
    pointers = struct.unpack_from(f">{count}H", page, pointers_at)
    return [at if ends <= at <= len(page) - 4 else 0 for at in pointers]


def _end_of_content(page: bytes) -> int:
    """Return the position at which a cut page ends.

    After a file was cut, and then grew again, the rest of a page is zeros. No row ends with so many zeros.
    """
    return len(page.rstrip(b"\0")) if page.endswith(_ZEROS) else len(page)


def _in_order(rows: list[Row], key_length: int) -> list[Row]:
    """Return the longest series of rows with ascending keys.

    A page sorts its rows by key, so a key that is out of order is wrong.
    """
    ends: list[Row] = []  # the lowest last key of a series of each length
    at_end: list[int] = []
    before: list[int] = []
    for number, row in enumerate(rows):
        key = row[:key_length]
        length = bisect_left(ends, key)
        ends[length:] = [key, *ends[length + 1 :]]
        at_end[length:] = [number, *at_end[length + 1 :]]
        before.append(at_end[length - 1] if length else -1)
    kept: list[Row] = []
    number = at_end[-1] if at_end else -1
    while number >= 0:
        kept.append(rows[number])
        number = before[number]
    return kept[::-1]


def _row_at(page: bytes, at: int, kind: int, table: TableFormat, read_page: ReadPage) -> tuple[Row | None, bool]:
    """Return the row in a cell, and whether it is whole.

    If the cell is damaged or is not a row of this table, the row is None.
    """
    try:
        if kind == INDEX_INTERIOR:
            at += 4
        size, at = varint(page, at)
        row_id: int | None = None
        if table.has_row_ids:
            row_id, at = varint(page, at)
            if row_id < 1:
                return None, False
        if not 2 <= size <= _LONGEST_RECORD:
            return None, False
        record = _record(page, at, size, table, read_page)
        header_bytes, _ = varint(record, 0)
        if not 2 <= header_bytes <= len(record):
            return None, False
        plan = table.plan(record[:header_bytes])
    except IndexError:
        return None, False
    if plan is None or plan.size != size:
        return None, False
    return _decoded(record, plan, table, row_id), len(record) == size


def _record(page: bytes, at: int, size: int, table: TableFormat, read_page: ReadPage) -> bytes:
    """Return a record, with its continuation in other pages. If one of these pages is damaged, the record ends early.

    Raises:
        IndexError: The beginning of the record is damaged.
    """
    most = _MAX_LOCAL[table.leaf]
    if size <= most:
        if at + size > len(page):
            raise IndexError
        return page[at : at + size]
    local = _MIN_LOCAL + (size - _MIN_LOCAL) % _OVERFLOW_BYTES
    if local > most:
        local = _MIN_LOCAL
    if at + local + 4 > len(page):
        raise IndexError
    parts = [page[at : at + local]]
    left = size - local
    following = int.from_bytes(page[at + local : at + local + 4], "big")
    while left > 0 and following >= 2:
        overflow = read_page(following)
        following = int.from_bytes(overflow[:4], "big")
        part = overflow[4 : 4 + left]
        left -= len(part)
        # Only the last page has no following page.
        if (following == 0) != (left == 0) or not (_is_text(part) or table.columns[-1].type == "BLOB"):
            break
        parts.append(part)
    return b"".join(parts)


def _is_text(part: bytes) -> bool:
    """Return whether a part of a row is the text of a user, and not a page that was overwritten.

    Except for bytes, only texts are so long that a row continues in another page. Some bytes of a text may be wrong.
    """
    return _ZEROS not in part and part.decode("utf-8", "replace").count("\ufffd") <= 60 + len(part) // 10


def _decoded(record: bytes, plan: _Plan, table: TableFormat, row_id: int | None) -> Row:
    values: list[object] = list(plan.constants)
    if row_id is not None and table.key_length == 1:
        values[0] = row_id
    for number, start, end in plan.integers:
        values[number] = int.from_bytes(record[start:end], "big", signed=True)
    for number, start, end in plan.texts:
        values[number] = record[start:end].decode("utf-8", "replace")
    for number, start, end in plan.blobs:
        values[number] = record[start:end]
    for number, start, _ in plan.reals:
        values[number] = struct.unpack_from(">d", record.ljust(start + 8, b"\0"), start)[0]
    if len(record) < plan.size:
        for number, start, end in (*plan.integers, *plan.texts, *plan.blobs, *plan.reals):
            if end > len(record):
                values[number] = _remains(record[start:end], table.columns[number])
    return tuple(values)


def _remains(readable: bytes, column: Column) -> object:
    """Return the value of a column whose end is lost."""
    if column.type != "TEXT":
        return (b"" if column.type == "BLOB" else 0) if column.not_null else None
    if readable and not readable.startswith((b"{", b"[")):
        return readable.decode("utf-8", "replace") + LOST
    # The beginning of a JSON text is not valid JSON.
    return _SUBSTITUTES.get(column.name, LOST) if column.not_null else None
