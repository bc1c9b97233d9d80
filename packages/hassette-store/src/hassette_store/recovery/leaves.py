"""Keys in the leaf pages of a damaged file, read without SQLite, because SQLite stops at a damaged page.

The keys are only hints about places where SQLite may find more rows: a page may be out of use, or may belong to another
table.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# https://sqlite.org/fileformat.html, sections 1.6 (pages), 2.1 (records) and 4.1 (the write-ahead log).
_TABLE_LEAF: Final = 0x0D
_INDEX_LEAF: Final = 0x0A
_LOG_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_INTEGER_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_SMALLEST_CELL_BYTES: Final = 4
_LONGEST_KEY: Final = 3


def leaves_of(path: Path, page_bytes: int) -> Iterator[bytes]:
    """Yield the pages of a file and its write-ahead log that look like leaf pages.

    Args:
        path: The file.
        page_bytes: Its page size.

    Raises:
        OSError: One of the files cannot be opened.
    """
    log = path.with_name(path.name + "-wal")
    for file, skipped, before_page in ((path, 0, 0), (log, _LOG_HEADER_BYTES, _FRAME_HEADER_BYTES)):
        try:
            pages = file.open("rb")
        except FileNotFoundError:
            continue
        with pages:
            for start in range(skipped, os.fstat(pages.fileno()).st_size, before_page + page_bytes):
                try:
                    pages.seek(start + before_page)
                    page = pages.read(page_bytes)
                except OSError:
                    # A failing disk may reject some blocks and still read the next ones.
                    continue
                if page and page[0] in (_TABLE_LEAF, _INDEX_LEAF):
                    yield page


def row_count(leaf: bytes) -> int:
    """Return the number of rows in a leaf page, limited to the number that fits into the page."""
    return min(int.from_bytes(leaf[3:5], "big"), len(leaf) // _SMALLEST_CELL_BYTES)


def key_in(leaf: bytes, number: int) -> tuple[int, ...]:
    """Return the key of a row in a leaf page, or an empty tuple if it cannot be read.

    The key is the row's id or, in a table without ids, the integers at the start of the row.

    Args:
        leaf: The page.
        number: Position of the row in the page, from 0.
    """
    try:
        at = int.from_bytes(leaf[8 + 2 * number : 10 + 2 * number], "big")
        _, at = _varint(leaf, at)
        return (_varint(leaf, at)[0],) if leaf[0] == _TABLE_LEAF else _leading_integers(leaf, at)
    except IndexError:
        return ()


def _leading_integers(page: bytes, start: int) -> tuple[int, ...]:
    header_bytes, at = _varint(page, start)
    body = start + header_bytes
    found: list[int] = []
    while at < start + header_bytes and len(found) < _LONGEST_KEY:
        kind, at = _varint(page, at)
        if kind in (8, 9):
            found.append(kind - 8)
        elif kind in _INTEGER_BYTES:
            found.append(int.from_bytes(page[body : body + _INTEGER_BYTES[kind]], "big", signed=True))
            body += _INTEGER_BYTES[kind]
        else:
            break
    return tuple(found)


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer and the position after it."""
    number = 0
    for count in range(9):
        byte = page[at + count]
        if count == 8:
            number = number << 8 | byte
        else:
            number = number << 7 | byte & 0x7F
            if byte < 0x80:
                return number, at + count + 1
    return number - (1 << 64) if number >> 63 else number, at + 9
