"""Damage in the SQLite header: one wrong byte among its 100 bytes can make SQLite reject the whole file.

The bytes that SQLite checks first have constant values (https://sqlite.org/fileformat.html, section 1.3).
"""

from pathlib import Path
from typing import Final

HEADER_BYTES: Final = 100
MAGIC: Final = b"SQLite format 3\0"

_PAGE_BYTES: Final = 4096
_CONSTANTS: Final = {
    0: MAGIC,
    16: _PAGE_BYTES.to_bytes(2, "big"),
    20: b"\x00\x40\x20\x20",  # no reserved bytes in a page, and three payload fractions, which are constant
    44: b"\x00\x00\x00\x04",  # format of the schema
    56: b"\x00\x00\x00\x01",  # UTF-8
}
_VERSIONS_AT: Final = 18
# Pairs of format versions (for writing, for reading). A file with a rollback journal, such as a backup, has the first
# pair. A file with a write-ahead log has the second pair.
_VERSIONS: Final = (b"\x01\x01", b"\x02\x02")


def find_header_damage(header: bytes) -> str | None:
    """Return the damage in a header that keeps SQLite from opening the file, or None.

    Args:
        header: The first 100 bytes.
    """
    if not header.startswith(MAGIC):
        return "its header is not that of an SQLite database"
    wrong = [at for at, sound in enumerate(_with_constants(header)) if header[at : at + 1] != bytes((sound,))]
    return f"byte {wrong[0]} of its header is wrong" if wrong else None


def application_id(header: bytes) -> int:
    """Return the application id in a header; 0 if there is none.

    Args:
        header: The first 100 bytes.
    """
    return int.from_bytes(header[68:72], "big")


def missing_bytes(path: Path, header: bytes) -> int:
    """Return the number of bytes that are missing at the end of a file, according to its header.

    Args:
        path: The file.
        header: The first 100 bytes.
    """
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65_536 if page_bytes == 1 else page_bytes
    pages = int.from_bytes(header[28:32], "big")
    if header[24:28] != header[92:96]:
        # The last program that wrote to the file used an old SQLite, which does not update the number of pages.
        return 0
    return pages * page_bytes - path.stat().st_size


def _with_constants(header: bytes) -> bytearray:
    sound = bytearray(header.ljust(HEADER_BYTES, b"\0"))
    for at, value in _CONSTANTS.items():
        sound[at : at + len(value)] = value
    if bytes(sound[_VERSIONS_AT : _VERSIONS_AT + 2]) not in _VERSIONS:
        sound[_VERSIONS_AT : _VERSIONS_AT + 2] = _VERSIONS[-1]
    return sound
