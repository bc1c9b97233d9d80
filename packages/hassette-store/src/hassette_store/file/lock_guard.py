"""Guard of SQLite's locks: its locks stay when another part of this process opens and closes the database file.

SQLite uses POSIX locks. A process loses all its POSIX locks on a file when it closes any descriptor of that file. So an
app that copies the history with ``shutil.copyfile`` removes SQLite's locks. When another program, such as the shell
``sqlite3``, then closes the history, that program finds no other lock and deletes the write-ahead log, although this
process still writes to the log.

The guard adds locks of the open file description (OFD locks), which only end when the guard closes its own descriptor.
They are read locks on the same bytes as SQLite's locks. So another process can read and write, but it cannot get the
exclusive lock that it needs to delete the log.

Systems other than Linux have no such locks. There, `hassette_store.file.identity` finds that the log is missing.
"""

import os
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from hassette_store.file.presence import status_of

if sys.platform == "linux":
    import fcntl

# SQLite's shared lock on the database file (os.h), and its lock on the index of the log that shows that the index is in
# use (os_unix.c, UNIX_SHM_DMS).
_SHARED_FIRST: Final = 0x40000002
_SHARED_BYTES: Final = 510
_INDEX_BYTE: Final = 128
# The locks of SQLite's readers on the index (WAL_READ_LOCK).
_READERS_FIRST: Final = 123
_READERS_BYTES: Final = 5
# Bytes of the two copies of the header in the index (https://sqlite.org/walformat.html).
_INDEX_HEADERS_BYTES: Final = 96
# Closing a descriptor of a database file would drop the locks of this process's other connections, for example those of
# its readers. So descriptors stay open after a stop, and the next start uses them again. This is the largest number of
# closed files for which a process keeps descriptors.
_KEPT_GUARDS: Final = 16


class LockGuard:
    """Descriptors of an open database file and of the index of its log, with the locks on them.

    Args:
        path: The database file, without symbolic links. An SQLite connection of this process has the file open.

    Attributes:
        file: A descriptor of the file, for reading.
        index: A descriptor of the index of the log; None if there is no index.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._identity = _identity(path.stat())
        kept_file, self.index = _kept.pop(self._identity, (None, None))
        self.file = os.open(path, os.O_RDONLY) if kept_file is None else kept_file
        try:
            self._open_index(path.with_name(path.name + "-shm"))
        except BaseException:
            self._keep()
            raise
        self._lock(True)
        _open_guards.append(self)

    def reset_index(self) -> None:
        """Make all connections, also those of other processes, read the write-ahead log again.

        Without this, connections of this process would use the index of a log that is no longer there.
        """
        if self.index is not None and sys.platform != "win32":
            os.pwrite(self.index, bytes(_INDEX_HEADERS_BYTES), 0)

    def reader(self) -> int:
        """Return the process id of another program with an open read transaction; 0 if no such program is known."""
        if sys.platform != "linux" or self.index is None:
            return 0
        try:
            answer = fcntl.fcntl(self.index, fcntl.F_GETLK, _request(fcntl.F_WRLCK, _READERS_FIRST, _READERS_BYTES))
        except OSError:
            return 0  # the file system cannot answer; the process id is only an additional fact
        kind, _, _, _, pid = struct.unpack_from("hhqqi", answer)
        return pid if kind != fcntl.F_UNLCK and pid > 0 else 0

    def unlock(self) -> None:
        """Release the locks, so that the last connection can delete the log when it closes."""
        self._lock(False)

    def close(self, *, keep: bool = True) -> None:
        """Release the locks, after the connection is closed.

        Args:
            keep: Whether to keep the descriptors open for the next start, because other connections of this process may
                have the file open.
        """
        self.unlock()
        _open_guards.remove(self)
        if keep:
            self._keep()
        else:
            self.close_in_child()

    def close_in_child(self) -> None:
        """Close the descriptors in a forked child. Otherwise the locks would outlive this process."""
        _close(self.file, self.index)

    def _keep(self) -> None:
        if sys.platform == "win32" or self._identity in _kept:
            self.close_in_child()
            return
        _kept[self._identity] = (self.file, self.index)
        while len(_kept) > _KEPT_GUARDS:
            _close(*_kept.pop(next(iter(_kept))))

    def _open_index(self, path: Path) -> None:
        status = status_of(path)
        if self.index is not None and (status is None or not os.path.samestat(os.fstat(self.index), status)):
            # The last connection has deleted that index, so it has no locks.
            self._close_index()
        if self.index is None and status is not None:
            self.index = os.open(path, os.O_RDWR)
        if self.index is not None and not _is_mapped(self.index):
            # Another program has replaced the index that the connections of this process use.
            self._close_index()

    def _close_index(self) -> None:
        _close(self.index)
        self.index = None

    def _lock(self, locked: bool) -> None:
        if sys.platform == "linux":
            kind = fcntl.F_RDLCK if locked else fcntl.F_UNLCK
            # A file system may not support these locks, and another program may be closing the file. The store
            # continues without the locks, because it also checks the identity of the log.
            with suppress(OSError):
                fcntl.fcntl(self.file, fcntl.F_OFD_SETLK, _request(kind, _SHARED_FIRST, _SHARED_BYTES))
            if self.index is not None:
                with suppress(OSError):
                    fcntl.fcntl(self.index, fcntl.F_OFD_SETLK, _request(kind, _INDEX_BYTE, 1))


def forget_kept(path: Path) -> None:
    """Close the descriptors that were kept for a file, because the file will be moved aside.

    Otherwise a user who deletes that file would free no space until this process ends.

    Raises:
        OSError: The file cannot be examined.
    """
    status = status_of(path)
    if status is not None:
        _close(*_kept.pop(_identity(status), ()))


_open_guards: list[LockGuard] = []
# The descriptors of the files that were closed last, by device and inode, oldest first.
_kept: dict[tuple[int, int], tuple[int, int | None]] = {}


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_mapped(file: int) -> bool:
    """Return whether this process has mapped a file into its memory, as SQLite does with the index. Linux only."""
    if sys.platform != "linux":
        return False
    inode = str(os.fstat(file).st_ino).encode()
    return any(line.split(maxsplit=5)[4] == inode for line in Path("/proc/self/maps").read_bytes().splitlines())


def _request(kind: int, first: int, length: int) -> bytes:
    """Return the C structure ``flock`` with 64-bit offsets, as Linux lays it out."""
    return struct.pack("hhqqi0q", kind, os.SEEK_SET, first, length, 0)


def _close(*descriptors: int | None) -> None:
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)


def _close_all_in_child() -> None:
    while _open_guards:
        _open_guards.pop().close_in_child()
    while _kept:
        _close(*_kept.popitem()[1])


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_close_all_in_child)
