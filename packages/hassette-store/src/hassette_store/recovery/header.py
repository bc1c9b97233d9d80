"""Repair of the SQLite header: one wrong byte among its 100 bytes can make SQLite reject the whole file.

The bytes that SQLite checks first have constant values or follow from the file size, so they can be repaired
(https://sqlite.org/fileformat.html, section 1.3).
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from hassette_store.file.location import make_empty
from hassette_store.file.side_files import remove, with_suffix

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


def repaired(header: bytes, size: int) -> bytes:
    """Return the header with the correct value in each byte for which that value is known.

    Args:
        header: The first 100 bytes.
        size: Size of the file in bytes.
    """
    sound = _with_constants(header)
    pages = size // _PAGE_BYTES
    # If the number of pages in the header is too high, SQLite can still read the file. If the number is too low, SQLite
    # ignores the pages after it.
    if int.from_bytes(sound[28:32], "big") < pages:
        sound[28:32] = pages.to_bytes(4, "big")
    return bytes(sound)


@contextmanager
def with_sound_header(path: Path) -> Generator[Path]:
    """Yield the path of the file. If its header needs repair, yield the path of a repaired copy instead.

    The copy is removed at the end.

    Raises:
        OSError: The copy cannot be written.
    """
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError:
        # The disk fails. SQLite will report the same error.
        yield path
        return
    sound = repaired(header, path.stat().st_size)
    if sound == header:
        yield path
        return
    copy = _repaired_copy(path)
    remove_repaired_copy(path)
    try:
        make_empty(copy, like=path)
        shutil.copyfile(path, copy)
        with copy.open("r+b") as file:
            file.write(sound)
        with suppress(FileNotFoundError):
            shutil.copyfile(with_suffix(path, "-wal"), with_suffix(copy, "-wal"))
        yield copy
    finally:
        remove_repaired_copy(path)


def remove_repaired_copy(path: Path) -> None:
    """Remove the repaired copy of a file, which a crash may have left."""
    remove(_repaired_copy(path))


def _repaired_copy(path: Path) -> Path:
    return with_suffix(path, ".repaired")


def _with_constants(header: bytes) -> bytearray:
    sound = bytearray(header.ljust(HEADER_BYTES, b"\0"))
    for at, value in _CONSTANTS.items():
        sound[at : at + len(value)] = value
    if bytes(sound[_VERSIONS_AT : _VERSIONS_AT + 2]) not in _VERSIONS:
        sound[_VERSIONS_AT : _VERSIONS_AT + 2] = _VERSIONS[-1]
    return sound
