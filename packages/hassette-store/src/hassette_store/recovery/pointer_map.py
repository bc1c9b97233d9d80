"""The pointer map of a damaged file: the type and the parent of each page.

Each file with ``auto_vacuum`` has a pointer map, and each history has ``auto_vacuum``
(https://sqlite.org/fileformat.html, section 1.8).
"""

from enum import IntEnum
from typing import Final

from hassette_store.recovery.header import MAGIC
from hassette_store.recovery.pages import PAGE_BYTES, PageSource

FIRST_MAP: Final = 2
"""Number of the first page of the map."""

_ENTRY_BYTES: Final = 5
_ENTRIES: Final = PAGE_BYTES // _ENTRY_BYTES
_HIGHEST_ROOT_AT: Final = 52
_LONGEST_WAY: Final = 40


class PageType(IntEnum):
    """Type of a page in the pointer map."""

    UNKNOWN = 0
    ROOT = 1
    FREE = 2
    OVERFLOW = 3
    LATER_OVERFLOW = 4
    BELOW = 5


class PointerMap:
    """The pointer map of a file.

    Args:
        pages: The pages of the file.
    """

    def __init__(self, pages: PageSource) -> None:
        self._pages = pages
        self._maps: dict[int, bytes] = {}
        self._exists = _has_map(pages)

    def contains(self, number: int) -> bool:
        """Return whether a page is a part of the map."""
        return self._exists and (number - FIRST_MAP) % (_ENTRIES + 1) == 0

    def entry(self, number: int) -> tuple[PageType, int]:
        """Return the type of a page and its parent."""
        if not self._exists or number <= FIRST_MAP or self.contains(number):
            return PageType.UNKNOWN, 0
        map_number = number - (number - FIRST_MAP) % (_ENTRIES + 1)
        page = self._maps.get(map_number)
        if page is None:
            page = self._maps[map_number] = self._pages.read(map_number)
        at = _ENTRY_BYTES * (number - map_number - 1)
        kind = page[at]
        return PageType(kind if kind <= max(PageType) else 0), int.from_bytes(page[at + 1 : at + _ENTRY_BYTES], "big")

    def root_above(self, number: int) -> int:
        """Return the root page of the table or index to which a page belongs; 0 if unknown."""
        for _ in range(_LONGEST_WAY):
            if number == 1:
                return 1
            kind, parent = self.entry(number)
            if kind == PageType.ROOT:
                return number
            if kind != PageType.BELOW:
                return 0
            number = parent
        return 0

    def interiors(self) -> set[int]:
        """Return the pages that have pages below them."""
        entries = (self.entry(number) for number in range(FIRST_MAP + 1, self._pages.count + 1))
        return {parent for kind, parent in entries if kind == PageType.BELOW}


def _has_map(pages: PageSource) -> bool:
    header = pages.read(1)
    if header.startswith(MAGIC):
        return any(header[_HIGHEST_ROOT_AT : _HIGHEST_ROOT_AT + 4])
    # The header is damaged. If the map exists, the second page begins with the type of its first entry, a root page. No
    # page of a table or index begins with that number. If the second page is damaged as well, assume that the map
    # exists, because the store creates each file with a map.
    return pages.read(FIRST_MAP)[0] not in (0x02, 0x05, 0x0A, 0x0D)
