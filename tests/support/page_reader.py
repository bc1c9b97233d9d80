"""Independent reading of the pages of a history: which runs they contain, and which rows a byte belongs to."""

import re
import sqlite3
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import closing
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

PAGE = 4096
FRAME = PAGE + 24
HEADER = -1
"""Position of a byte in the header of a frame, before the page."""
_LEAF = 0x0D
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
# The text of a run identifies the run, because the store gives other ids to runs that a wrong clock has dated.
_RUN = re.compile(rb"run-(\d{19})")
# A recovery writes a placeholder such as "(lost: 47)" for a lost name.
_NAME = re.compile(rb"on_[a-z]+_\d|sensor\.[a-z]+_\d|\(lost(?:: \d+)?\)")


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def current_frames(log: bytes) -> list[int]:
    """Return the position of each frame that was written since the last start of the log."""
    return [at for at in range(32, len(log) - FRAME + 1, FRAME) if log[at + 8 : at + 16] == log[16:24]]


def images_of(path: Path) -> Iterator[bytes]:
    """Yield each page of a file and each committed page of its log, whatever else is damaged."""
    content = path.read_bytes() if path.exists() else b""
    yield from (content[at : at + PAGE].ljust(PAGE, b"\0") for at in range(0, len(content), PAGE))
    log = log_of(path).read_bytes() if log_of(path).exists() else b""
    frames = current_frames(log)
    committed = max((number for number, at in enumerate(frames) if any(log[at + 4 : at + 8])), default=-1)
    yield from (log[at + 24 : at + FRAME] for at in frames[: committed + 1])


def number_at(page: bytes, at: int) -> tuple[int, int]:
    number = 0
    for count in range(9):
        byte = page[at + count]
        number = number << 8 | byte if count == 8 else number << 7 | byte & 0x7F
        if byte < 0x80 or count == 8:
            return number, at + count + 1
    raise AssertionError


def column_types() -> list[tuple[str, bool]]:
    """Return the type of each column of a run, and whether it may be NULL."""
    with closing(sqlite3.connect(":memory:")) as db:
        for script in sorted((files("hassette_store") / "migrations" / "sql").iterdir(), key=lambda one: one.name):
            db.executescript(script.read_text())
        rows = db.execute("PRAGMA table_info(handler_invocations)").fetchall()
    # The first column is the key of the row, and is stored as NULL.
    return [("KEY", True), *((row[2], not row[3]) for row in rows[1:])]


def length_of(kind: int, column: tuple[str, bool]) -> int:
    """Return the length of a value, or raise IndexError if the column cannot have such a value."""
    name, may_be_null = column
    if kind == 0 and may_be_null:
        return 0
    if name == "TEXT" and kind >= 13 and kind % 2:
        return (kind - 13) // 2
    if name == "INTEGER" and kind in _INTEGERS:
        return _INTEGERS[kind]
    raise IndexError


def starts_of_rows(page: bytes) -> list[int]:
    count = min(int.from_bytes(page[3:5], "big"), 500)
    return [int.from_bytes(page[8 + 2 * number : 10 + 2 * number], "big") for number in range(count)]


def runs_on(page: bytes, tried: Container[int], columns: list[tuple[str, bool]]) -> Iterator[int]:
    """Yield the completely readable runs on a page: each row has its key, all its columns, and its own text."""
    if page[0] != _LEAF:
        return
    found: list[tuple[int, int]] = []
    for start in starts_of_rows(page):
        try:
            size, at = number_at(page, start)
            key, at = number_at(page, at)
            row = page[at : at + size]
            header, position = number_at(row, 0)
            left = list(columns)
            length = 0
            while position < header:
                kind, position = number_at(row, position)
                length += length_of(kind, left.pop(0))
        except IndexError:
            continue
        text = _RUN.search(row)
        # If the file was cut in a row, the rest of the row is zeros. The last column of each run is a text.
        if row.endswith(b"\0"):
            continue
        if text and int(text[1]) in tried and not left and header + length == len(row) == size:
            found.append((key, int(text[1])))
    yield from in_order(found)


def in_order(rows: Sequence[tuple[int, int]]) -> list[int]:
    """Return the runs of the rows whose keys are certainly right.

    A page sorts its rows by key. If a flipped byte has changed one key, this key is in the wrong order with many
    others, and each of these is in the wrong order only with this key.

    Args:
        rows: The key and the run of each row, in the order of the page.
    """
    keys = [key for key, _ in rows]
    if all(one < two for one, two in pairwise(keys)):
        return [run for _, run in rows]
    conflicts = [
        [j for j, other in enumerate(keys) if (j < i and other >= key) or (j > i and other <= key)]
        for i, key in enumerate(keys)
    ]
    return [
        run for (_, run), mine in zip(rows, conflicts, strict=True) if all(len(conflicts[j]) > len(mine) for j in mine)
    ]


def readable_runs(path: Path, tried: Container[int]) -> set[int]:
    columns = column_types()
    return {run for page in images_of(path) for run in runs_on(page, tried, columns)}


def neighbours_of(path: Path, runs: Collection[int]) -> set[int]:
    """Return all runs that are on a page with one of some runs."""
    found: set[int] = set()
    for page in images_of(path) if runs else ():
        on_page = {int(number) for number in _RUN.findall(page)}
        if not on_page.isdisjoint(runs):
            found |= on_page
    return found


class Flip(NamedTuple):
    """Rows that a flipped byte may have changed.

    Attributes:
        runs: The runs in the same row.
        names: The handlers, entities and placeholders in the same row; all of the page if the byte belongs to a key or
            to no row.
        on_page: All runs on the page.
    """

    runs: frozenset[int]
    names: frozenset[str]
    on_page: frozenset[int]


def flip_at(page: bytes, at: int) -> Flip:
    """Return the rows that a flip may change.

    Args:
        page: The page before the flip.
        at: The position of the byte, or `HEADER`.
    """
    on_page = frozenset(int(number) for number in _RUN.findall(page))
    if at == HEADER or (page[0] != _LEAF and at):
        # A key in an interior page or in an index is no row. Only the first byte could make it a page of rows.
        return Flip(frozenset(), frozenset(), on_page)
    starts = sorted(start for start in starts_of_rows(page) if 8 <= start < PAGE)
    start = max((start for start in starts if start <= at), default=0)
    if not start and at >= 8 + 2 * len(starts):
        # The byte belongs to no row.
        return Flip(frozenset(), frozenset(), on_page)
    end = min((other for other in starts if other > at), default=PAGE)
    # Before the first row there are the header and the positions of all rows.
    row = page[start:end] if start else page
    # A row begins with its size and its key.
    names = () if on_page else _NAME.findall(row if at - start >= 3 and start else page)
    return Flip(
        frozenset(int(number) for number in _RUN.findall(row)), frozenset(name.decode() for name in names), on_page
    )
