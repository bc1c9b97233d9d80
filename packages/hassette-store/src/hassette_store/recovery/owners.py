"""Owners of the pages of a damaged file: the table to which each page belongs.

Two structures in the file name the owner of a page, so one damaged page does not hide the pages below it:

- the interior pages of each table, from its root page down to its leaf pages;
- the pointer map, which files with ``auto_vacuum`` have: it names the parent of each page
  (https://sqlite.org/fileformat.html, section 1.8).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hassette_store.recovery.cells import (
    INTERIORS,
    Column,
    Row,
    TableFormat,
    children_of,
    rows_in,
)
from hassette_store.recovery.pages import PAGE_BYTES, PageSource
from hassette_store.recovery.pointer_map import FIRST_MAP, PageType, PointerMap

_WITHOUT_ROWS: Final = (PageType.FREE, PageType.OVERFLOW, PageType.LATER_OVERFLOW)
_FREE_LIST_AT: Final = 32
_FILE_HEADER_BYTES: Final = 100

SCHEMA_TABLE: Final = TableFormat(
    "sqlite_schema",
    (
        Column("type", "TEXT", not_null=True),
        Column("name", "TEXT", not_null=True),
        Column("tbl_name", "TEXT", not_null=True),
        Column("rootpage", "INTEGER", not_null=True),
        Column("sql", "TEXT", not_null=False),
    ),
    fewest=5,
    key_length=0,
    has_row_ids=True,
)
"""The table that lists all tables and indexes, with their root pages. It begins in the first page."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One reason to read a page as a part of a table.

    Attributes:
        table: Name of the table.
        low: All keys in the page are above this key; None if unknown.
        high: No key in the page is above this key; None if unknown.
        is_guess: Whether only the rows on the page can show that the page belongs to the table.
    """

    table: str
    low: Row | None = None
    high: Row | None = None
    is_guess: bool = False


def claims_of(
    pages: PageSource, tables: Mapping[str, TableFormat], known_roots: Mapping[str, int]
) -> dict[int, list[Claim]]:
    """Return the tables to which each page may belong, the most certain one first.

    Args:
        pages: The pages.
        tables: The tables to find, by name.
        known_roots: Root page of each table and index in a new file. These root pages replace the unreadable part of
            the schema.
    """
    pointers = PointerMap(pages)
    roots = _roots_of(pages, pointers, known_roots)
    owners = {root: name for name, root in roots.items()}
    free = _free_pages(pages)
    claims: defaultdict[int, list[Claim]] = defaultdict(list)
    found: set[int] = set()
    for name, root in roots.items():
        table = SCHEMA_TABLE if root == 1 else tables.get(name)
        for number, claim in _pages_below(pages, pointers, root, name, table):
            found.add(number)
            claims[number].append(claim)
    for number in range(FIRST_MAP + 1, pages.count + 1):
        kind, _ = pointers.entry(number)
        if kind in _WITHOUT_ROWS or pointers.contains(number):
            continue
        owner = owners.get(pointers.root_above(number))
        if owner is not None:
            if owner not in (claim.table for claim in claims[number]):
                claims[number].append(Claim(owner))
        elif number not in found and number not in free:
            # The pointer map is damaged as well, so the page may belong to any table. The rows decide.
            claims[number].extend(Claim(name, is_guess=True) for name in tables)
    return claims


def _roots_of(pages: PageSource, pointers: PointerMap, known_roots: Mapping[str, int]) -> dict[str, int]:
    roots = {SCHEMA_TABLE.name: 1}
    numbers = {number for number, _ in _pages_below(pages, pointers, 1, SCHEMA_TABLE.name, SCHEMA_TABLE)}
    numbers.update(number for number in range(FIRST_MAP + 1, pages.count + 1) if pointers.root_above(number) == 1)
    for number in numbers:
        page = pages.read(number)
        for row in rows_in(page, SCHEMA_TABLE, pages.read, header_at=_header_at(number)).rows:
            kind, name, _, root, _ = row
            if kind in ("table", "index") and isinstance(root, int) and 2 < root <= pages.count:
                roots[str(name)] = root
    taken = set(roots.values())
    for name, root in known_roots.items():
        if name not in roots and root not in taken:
            roots[name] = root
    return roots


def _pages_below(
    pages: PageSource, pointers: PointerMap, root: int, name: str, table: TableFormat | None
) -> Iterable[tuple[int, Claim]]:
    """Yield the root page of a table or index and each page below it, in the order of the keys."""
    waiting: list[tuple[int, Row | None, Row | None]] = [(root, None, None)]
    seen: set[int] = set()
    while waiting:
        number, low, high = waiting.pop()
        if number in seen or not 1 <= number <= pages.count or pointers.contains(number):
            continue
        seen.add(number)
        yield number, Claim(name, low, high)
        page = pages.read(number)
        header_at = _header_at(number)
        if page[header_at] not in ((table.interior,) if table is not None else INTERIORS):
            continue
        below: list[tuple[int, Row | None, Row | None]] = []
        for child, key in children_of(page, table, pages.read, header_at=header_at):
            below.append((child, low, key if key is not None else high))
            low = key if key is not None else low
        waiting.extend(reversed(below))


def _header_at(number: int) -> int:
    return _FILE_HEADER_BYTES if number == 1 else 0


def _free_pages(pages: PageSource) -> set[int]:
    """Return the pages in the list of free pages. They contain rows that have been deleted."""
    free: set[int] = set()
    trunk = int.from_bytes(pages.read(1)[_FREE_LIST_AT : _FREE_LIST_AT + 4], "big")
    while FIRST_MAP < trunk <= pages.count and trunk not in free:
        free.add(trunk)
        page = pages.read(trunk)
        count = int.from_bytes(page[4:8], "big")
        if count > PAGE_BYTES // 4 - 2:
            break
        free.update(int.from_bytes(page[at : at + 4], "big") for at in range(8, 8 + 4 * count, 4))
        trunk = int.from_bytes(page[:4], "big")
    return free
