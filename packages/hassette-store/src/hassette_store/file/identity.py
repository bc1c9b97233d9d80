"""Identity of the open database file: whether the file at its path is still the file that SQLite has open.

SQLite writes to the files that it has opened. If a user removes, moves, replaces or overwrites one of these files,
SQLite reports no error, and no user can find the new records. So the writer checks the identity before
and after each transaction:

* the device and inode of the database file and of its write-ahead log,
* the size and header of the database file. Only a checkpoint may change them, and each checkpoint changes the index of
  the log as well,
* the size and salts of the log, compared with its index (https://sqlite.org/walformat.html).

The check takes some microseconds. It does not find a change of single bytes, which is damage.
"""

import os
import sys
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final

from hassette_store.errors import CorruptDatabaseError, ReplacedFileError
from hassette_store.file.lock_guard import LockGuard
from hassette_store.file.presence import status_of
from hassette_store.file.side_files import with_suffix

_FILE_HEADER_BYTES: Final = 100
_LOG_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_MAGIC: Final = b"SQLite format 3\0"
_INDEX_HEADER_BYTES: Final = 48
_INDEX_BYTES: Final = 100
_PAGE_BYTES: Final = 4096


class Change(Enum):
    """A change by another program, which determines how the file is closed."""

    FILE = "file"
    """The database file was removed, moved or replaced. Nothing more is written to the open file."""
    CONTENT = "content"
    """Another program has overwritten the database file. Nothing more is written to the file."""
    DAMAGE = "damage"
    """The database file has lost its end or all its content. The recovery copies the readable rows."""
    LOG = "log"
    """The log was removed or replaced. The connection can still copy its open log into the database file."""
    LOG_CONTENT = "log content"
    """Another program has overwritten the log. The rows that were only in the log are lost."""


class FileIdentity:
    """Identity of one database file while a connection has it open.

    Args:
        path: The database file, as given; it may be a symbolic link.

    Attributes:
        found: The first change that a check has found, and a text for the error message. None if there is no change.
        path: The database file, as given.
        log_path: Path of the write-ahead log.
        index_path: Path of the index of the log.
        guard: Holds the locks and the descriptors.
        log_bytes: Size of the log at the last check; 0 if there is no log.

    Raises:
        OSError: The file cannot be examined.
    """

    def __init__(self, path: Path) -> None:
        self.found: tuple[Change, str] | None = None
        self.log_bytes = 0
        self.path = path
        real = Path(os.path.realpath(path, strict=True))
        self.log_path = with_suffix(real, "-wal")
        self.index_path = with_suffix(real, "-shm")
        self.guard = LockGuard(real)
        self._text, self._log_text = str(path), str(self.log_path)
        self._log: int | None = None
        try:
            self._file = os.fstat(self.guard.file)
            with suppress(FileNotFoundError):
                self._log = os.open(self.log_path, os.O_RDONLY)
            self._log_status = None if self._log is None else os.fstat(self._log)
            self._content = self._read_content()
            self.check()
        except BaseException:
            # The next start uses the descriptors of the guard again.
            if self._log is not None:
                os.close(self._log)
            self.guard.close()
            raise

    def check(self) -> None:
        """Check that the files at the paths are the open files, and that only SQLite has changed them.

        Raises:
            ReplacedFileError: Another program has changed the file or its log. Each later check fails, too.
            CorruptDatabaseError: The file has lost content. Each later check fails, too.
            OSError: The files cannot be examined.
        """
        if self.found is None:
            self.found = self._other_file() or self._other_content() or self._other_log()
        self._raise_found()

    def check_after_work(self) -> None:
        """Check the files after statements of this process, which may have changed the content.

        Raises:
            ReplacedFileError: As for `check`.
            OSError: As for `check`.
        """
        self.renew()
        if self.found is None:
            self.found = self._other_file() or self._other_log()
        self._raise_found()

    def renew(self) -> None:
        """Accept the present content, because this process has written it.

        Raises:
            OSError: The files cannot be read.
        """
        self._content = self._read_content()

    def close(self) -> None:
        """Release the files, after the connection is closed."""
        if self._log is not None:
            os.close(self._log)
            self._log = None
        try:
            # The last connection deletes the index.
            has_readers = self.is_own_index()
        except OSError:
            has_readers = True
        self.guard.close(keep=has_readers and (self.found is None or self.found[0] is not Change.FILE))

    def is_own_index(self) -> bool:
        """Return whether the index at the path is the index that SQLite has open.

        Raises:
            OSError: The index cannot be examined.
        """
        status = status_of(self.index_path)
        index = self.guard.index
        return status is not None and index is not None and os.path.samestat(status, os.fstat(index))

    def is_own_log(self) -> bool:
        """Return whether the log at the path is the log that SQLite has open.

        Raises:
            OSError: The log cannot be examined.
        """
        return self._status_of_own_log() is not None

    def has_own_salts(self) -> bool:
        """Return whether the log has the salts that its index states. If so, SQLite can read a part of the log."""
        return self._log is not None and _read(self._log, 8, at=16) == self._read_index()[32:40]

    def _raise_found(self) -> None:
        if self.found is not None:
            kind = CorruptDatabaseError if self.found[0] is Change.DAMAGE else ReplacedFileError
            raise kind(self.path, self.found[1])

    def _status_of_own_log(self) -> os.stat_result | None:
        status = _status(self._log_text)
        same = status is not None and self._log_status is not None and os.path.samestat(status, self._log_status)
        return status if same else None

    def _other_file(self) -> tuple[Change, str] | None:
        status = _status(self._text)
        if status is None:
            return Change.FILE, "was removed or moved away"
        if not os.path.samestat(status, self._file):
            return Change.FILE, "was replaced by another file"
        return None

    def _other_content(self) -> tuple[Change, str] | None:
        (size, header, index), (size_before, header_before, index_before) = self._read_content(), self._content
        if (size, header) == (size_before, header_before):
            return None
        if index[32:40] + index[96:100] != index_before[32:40] + index_before[96:100] or not index:
            # Another program has opened the history with SQLite and made a checkpoint. Without an index, the cause of
            # the change is unknown.
            self._content = size, header, index
            return None
        if size < size_before and (size == 0 or header == header_before):
            return Change.DAMAGE, f"it was cut from {size_before} to {size} bytes"
        if not header.startswith(_MAGIC):
            return Change.DAMAGE, "it was overwritten with other data"
        return Change.CONTENT, "was overwritten by another program"

    def _other_log(self) -> tuple[Change, str] | None:
        if self._log is None:
            return None
        status = self._status_of_own_log()
        if status is None:
            return Change.LOG, f"has lost its write-ahead log, because {self.log_path.name} was removed or replaced"
        self.log_bytes = status.st_size
        index = self._content[2]
        frames = int.from_bytes(index[16:20], sys.byteorder)
        expected = _LOG_HEADER_BYTES + frames * (_FRAME_HEADER_BYTES + _PAGE_BYTES)
        if frames and (status.st_size < expected or _read(self._log, 8, at=16) != index[32:40]):
            # Another program may have restarted the log since the index was read.
            if self._read_index()[:_INDEX_HEADER_BYTES] != index[:_INDEX_HEADER_BYTES]:
                self.renew()
                return None
            text = f"has lost its write-ahead log, because {self.log_path.name} was overwritten"
            return Change.LOG_CONTENT, text
        return None

    def _read_content(self) -> tuple[int, bytes, bytes]:
        """Return the size and header of the database file, and the beginning of the index of the log."""
        index = self._read_index()
        file = self.guard.file
        return os.fstat(file).st_size, _read(file, _FILE_HEADER_BYTES), index

    def _read_index(self) -> bytes:
        """Return the header of the index and, at byte 96, the number of frames that a checkpoint has copied."""
        return b"" if self.guard.index is None else _read(self.guard.index, _INDEX_BYTES)


def _status(path: str) -> os.stat_result | None:
    try:
        # This function runs four times for each batch.
        return os.stat(path)  # noqa: PTH116  Path.stat takes twice as long
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read(file: int, size: int, at: int = 0) -> bytes:
    if sys.platform != "win32":
        return os.pread(file, size, at)
    os.lseek(file, at, os.SEEK_SET)
    return os.read(file, size)
