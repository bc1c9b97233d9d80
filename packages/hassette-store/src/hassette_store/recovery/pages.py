"""Pages of a damaged file and of its write-ahead log, read without SQLite, because SQLite stops at the first damage.

The format is described at https://sqlite.org/fileformat.html, sections 1.6 (pages) and 4 (the write-ahead log).
"""

import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Final

PAGE_BYTES: Final = 4096
"""Size of each page of a history."""

_HEADER_BYTES: Final = 100
_MAY_BE_MISSING: Final = 1_000
_LOG_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_FRAME_BYTES: Final = _FRAME_HEADER_BYTES + PAGE_BYTES
# The lowest bit of this number in the header of a log defines in which byte order its checksums are computed.
_LOG_MAGIC: Final = 0x377F0682
_WORD: Final = 0xFFFFFFFF


class PageSource:
    """Pages of a file, or of a file and the log over it.

    Args:
        file: The database file, or None if it does not exist.
        log: The log, and the position of the newest version of each of its pages; None for the file alone.
        count: Number of pages.
    """

    def __init__(self, file: BinaryIO | None, log: tuple[BinaryIO, Mapping[int, int]] | None, count: int) -> None:
        self._file = file
        self._log = log and log[0]
        self._positions: Mapping[int, int] = log[1] if log else {}
        self.count = count

    def read(self, number: int) -> bytes:
        """Return a page. If it cannot be read completely, the missing bytes are zeros."""
        position = self._positions.get(number)
        file, at = (self._file, (number - 1) * PAGE_BYTES) if position is None else (self._log, position)
        content = b""
        if file is not None:
            # A failing disk may reject some blocks and still read the others.
            with suppress(OSError):
                content = _read_at(file, at, PAGE_BYTES)
        return content.ljust(PAGE_BYTES, b"\0")

    def end_of(self, number: int) -> int:
        """Return the number of bytes of a page before the end of the file."""
        if self._file is None or number in self._positions:
            return PAGE_BYTES
        size = self._file.seek(0, os.SEEK_END)
        return min(max(size - (number - 1) * PAGE_BYTES, 0), PAGE_BYTES)


def count_pages(file: BinaryIO) -> int:
    """Return the number of pages in a file, including pages that are missing at its end according to its header."""
    pages = -(-file.seek(0, os.SEEK_END) // PAGE_BYTES)
    header = b""
    with suppress(OSError):
        header = _read_at(file, 0, _HEADER_BYTES)
    header = header.ljust(_HEADER_BYTES, b"\0")
    if header[24:28] != header[92:96]:
        return pages
    stated = int.from_bytes(header[28:32], "big")
    # The number in the header may be wrong. Ignore it if most of the file would be missing.
    return stated if pages < stated <= pages + max(pages, _MAY_BE_MISSING) else pages


@dataclass(frozen=True, slots=True)
class LogFrames:
    """Where the pages in a log are.

    Attributes:
        newest: Position of the newest version of each page.
        damaged: Position of the newest damaged version of each page. Some of its rows may be readable.
        count: Size of the database in pages.
        has_valid_header: Whether SQLite accepts the header of the log. If not, SQLite ignores the log.
    """

    newest: dict[int, int]
    damaged: dict[int, int]
    count: int
    has_valid_header: bool


def frames_of(log: BinaryIO) -> LogFrames:
    """Return the positions of the pages in a log. Only complete transactions count.

    SQLite stops reading a log at the first frame with a wrong checksum, but the frames after it may be undamaged. So
    this function checks each frame alone.

    Args:
        log: The write-ahead log, opened for reading without a buffer.
    """
    header = _read_at(log, 0, _LOG_HEADER_BYTES).ljust(_LOG_HEADER_BYTES, b"\0")
    magic, _, _, _, *_, first, second = struct.unpack(">8I", header)
    order = ">" if magic == _LOG_MAGIC | 1 else "<"
    salts = _salts_of(log, header)
    sum_of_header = _checksum(struct.unpack(f"{order}6I", header[:24]), (0, 0))
    before = {(first, second), sum_of_header}
    newest: dict[int, int] = {}
    damaged: dict[int, int] = {}
    uncommitted: list[tuple[dict[int, int], int, int]] = []
    count = 0
    start = _LOG_HEADER_BYTES
    while len(frame := _read_at(log, start, _FRAME_BYTES)) == _FRAME_BYTES:
        number, commit_size = struct.unpack_from(">2I", frame)
        stored = struct.unpack_from(">2I", frame, 16)
        # SQLite overwrites a log from its beginning. So older frames, with other salts, may follow the newest frames.
        if frame[8:16] != salts and not _is_same_generation(log, start, salts):
            break
        words = _words_of(frame, order)
        sums = {_checksum(words, seed) for seed in before}
        is_valid = stored in sums and frame[8:16] == salts
        uncommitted.append((newest if is_valid else damaged, number, start + _FRAME_HEADER_BYTES))
        if is_valid and commit_size:
            for found, one, at in uncommitted:
                found[one] = at
            uncommitted.clear()
            count = commit_size
        # If the checksum is wrong, the frame or the checksum itself is damaged. The next frame shows which.
        before = {stored, *sums}
        start += _FRAME_BYTES
    return LogFrames(
        {number: at for number, at in newest.items() if number <= count},
        {number: at for number, at in damaged.items() if 0 < number <= count},
        count,
        has_valid_header=magic | 1 == _LOG_MAGIC | 1 and sum_of_header == (first, second) and salts == header[16:24],
    )


def _salts_of(log: BinaryIO, header: bytes) -> bytes:
    """Return the salts of the frames. The header contains the salts as well, but the header may be damaged."""
    first, second = (_read_at(log, _LOG_HEADER_BYTES + n * _FRAME_BYTES + 8, 8) for n in (0, 1))
    return first if first == second or first == header[16:24] else header[16:24]


def _is_same_generation(log: BinaryIO, start: int, salts: bytes) -> bool:
    """Return whether the next frame has the right salts, so that only the frame at ``start`` is damaged."""
    return _read_at(log, start + _FRAME_BYTES + 8, 8) == salts


def _words_of(frame: bytes, order: str) -> tuple[int, ...]:
    page = struct.unpack_from(f"{order}{PAGE_BYTES // 4}I", frame, _FRAME_HEADER_BYTES)
    return struct.unpack_from(f"{order}2I", frame) + page


def _checksum(words: tuple[int, ...], seed: tuple[int, int]) -> tuple[int, int]:
    first, second = seed
    for at in range(0, len(words), 2):
        first = (first + words[at] + second) & _WORD
        second = (second + words[at + 1] + first) & _WORD
    return first, second


def _read_at(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
