"""The first 100 bytes of a history: for one wrong byte among them, SQLite refuses the whole file.

Those that it looks at before anything else are the same in every history, or can be counted, and so can be put right
(https://sqlite.org/fileformat.html, section 1.3).
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from hassette_store.file.ownership import make_empty

HEADER_BYTES: Final = 100
MAGIC: Final = b"SQLite format 3\0"

_PAGE_BYTES: Final = 4096
_SAME_IN_ALL: Final = {
    0: MAGIC,
    16: _PAGE_BYTES.to_bytes(2, "big"),
    20: b"\x00\x40\x20\x20",  # nothing reserved in a page; the payload fractions, which are fixed
    44: b"\x00\x00\x00\x04",  # the schema's format
    56: b"\x00\x00\x00\x01",  # UTF-8
}
_VERSIONS_AT: Final = 18
# Of a copy, of a file with a log: both for who writes and for who reads.
_VERSIONS: Final = (b"\x01\x01", b"\x02\x02")


def finding(header: bytes) -> str | None:
    """Return what is wrong with a history's header, None if nothing is that would keep SQLite from opening it.

    Args:
        header: The first 100 bytes.
    """
    if not header.startswith(MAGIC):
        return "its header is not SQLite's"
    wrong = [at for at, sound in enumerate(_with_constants(header)) if header[at : at + 1] != bytes((sound,))]
    return f"byte {wrong[0]} of its header is wrong" if wrong else None


def mended(header: bytes, size: int) -> bytes:
    """Return a header with what is known put right, the same one if there is nothing to mend.

    Args:
        header: The first 100 bytes, as they are.
        size: The file's, in bytes.
    """
    sound = _with_constants(header)
    pages = size // _PAGE_BYTES
    # More pages than there are SQLite can stand, if told so; it does not look beyond too few.
    if int.from_bytes(sound[28:32], "big") < pages:
        sound[28:32] = pages.to_bytes(4, "big")
    return bytes(sound)


@contextmanager
def with_sound_header(path: Path) -> Generator[Path]:
    """Yield a file, or a copy of it if its header has to be mended, with its log; the copy goes at the end.

    Raises:
        OSError: The copy cannot be written.
    """
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError:
        # A dying disk. SQLite will say so too.
        yield path
        return
    sound = mended(header, path.stat().st_size)
    if sound == header:
        yield path
        return
    copy = copy_of(path)
    forget_copy(path)
    try:
        make_empty(copy, like=path)
        shutil.copyfile(path, copy)
        with copy.open("r+b") as file:
            file.write(sound)
        with suppress(FileNotFoundError):
            shutil.copyfile(_log(path), _log(copy))
        yield copy
    finally:
        forget_copy(path)


def copy_of(path: Path) -> Path:
    """Return where the copy with a mended header is."""
    return path.with_name(path.name + ".mended")


def forget_copy(path: Path) -> None:
    """Remove the copy, also one that a crash left."""
    for suffix in ("", "-wal", "-shm"):
        copy = copy_of(path)
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _with_constants(header: bytes) -> bytearray:
    sound = bytearray(header.ljust(HEADER_BYTES, b"\0"))
    for at, value in _SAME_IN_ALL.items():
        sound[at : at + len(value)] = value
    if bytes(sound[_VERSIONS_AT : _VERSIONS_AT + 2]) not in _VERSIONS:
        sound[_VERSIONS_AT : _VERSIONS_AT + 2] = _VERSIONS[-1]
    return sound
