"""Ownership of the database file: a lock, and a note that names the process with the lock.

The system releases the lock when the process ends.
"""

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self
from weakref import WeakSet

from hassette_store.errors import DatabaseAccessError, DatabaseInUseError, UnusableFileError
from hassette_store.file.location import (
    PRIVATE_FILE,
    is_transient,
    make_all_private,
    make_private,
    require_writable_file_system,
)
from hassette_store.file.owner_note import Heartbeat, owner_note, read_note, write_note
from hassette_store.file.presence import exists, status_of

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# The locked byte is after the note: on Windows, a lock also forbids reading, and other processes must be able to read
# the note.
_LOCKED_BYTE = 4096
# How often `Ownership.take` tries to open the note, if other processes remove the note meanwhile. Without a limit, the
# loop would not end on a file system without stable file identities.
_MAX_TRIES = 10


class FileLock:
    """An exclusive lock on an open file. The operating system releases the lock when the process ends."""

    def acquire(self, file: IO[str]) -> None:
        """Lock a file, or raise an error at once.

        Raises:
            OSError: Another process holds the lock (BlockingIOError; on Windows PermissionError), or the file system
                does not support locks.
        """
        if sys.platform == "win32":
            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self, file: IO[str]) -> None:
        """Unlock a file before it is closed.

        A forked child shares the open file. If this process only closed the file, the lock would last until the child
        ends. Windows has no forked children, so closing the file is enough there.
        """
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_UN)


_FILE_LOCK = FileLock()


@contextmanager
def owned(path: Path, *, lock: FileLock = _FILE_LOCK) -> Generator[None]:
    """Own a database file inside a ``with`` block. After an error, remove the note if it did not exist before.

    Raises:
        DatabaseInUseError: Another process owns the file.
        UnusableFileError: The note cannot be opened.
        DatabaseAccessError: The note cannot be examined or written.
    """
    try:
        had_note = exists(owner_note(path))
    except OSError as error:
        raise _access_error(path, owner_note(path), error) from error
    ownership = Ownership.take(path, lock=lock)
    try:
        yield
    except BaseException:
        if had_note:
            ownership.release()
        else:
            ownership.remove_note_and_release()
        raise
    ownership.release()


class Ownership:
    """Exclusive right to write to a database file, until `release` or the end of the process.

    Args:
        path: The database file.
        lock: The lock.

    Attributes:
        path: As given.
        is_as_closed: Whether the file is as the previous owner closed it. If not, another program may have changed it,
            or the previous owner was killed.
        heartbeat: The last heartbeat in the note, also of a previous owner; None if there is none.
    """

    def __init__(self, path: Path, lock: FileLock) -> None:
        self.path = path
        self.is_as_closed = False
        self.heartbeat: Heartbeat | None = None
        self._heartbeat_at = 0
        self._lock = lock
        self._file: IO[str] | None = None
        _all_ownerships.add(self)

    @classmethod
    def take(cls, path: Path, *, lock: FileLock = _FILE_LOCK) -> Self:
        """Become the owner.

        Raises:
            DatabaseInUseError: Another process is the owner; the error names it.
            UnusableFileError: The note cannot be opened or locked.
            DatabaseAccessError: The note cannot be examined or written, for example on a full disk. The lock is
                released again, and a retry may succeed.
        """
        ownership = cls(path, lock)
        note = owner_note(path)
        had_note = True  # if `exists` fails, the note of an existing history must not be removed
        try:
            had_note = exists(note)
            ownership._file = _open_locked(path, note, lock, had_note=had_note)
            tries = _MAX_TRIES
            while (tries := tries - 1) and not _is_current(ownership._file, note):
                ownership._file.close()
                ownership._file = None
                ownership._file = _open_locked(path, note, lock, had_note=had_note)
            make_private(note, like=path)
            make_all_private(path)
            facts, ownership.heartbeat = _read_note(ownership._file)
            ownership.is_as_closed = facts.get("closed") == _state_of(path)
            # If this process is killed before it closes the crashed session, the next start needs the heartbeat.
            ownership._heartbeat_at = write_note(ownership._file.fileno(), ownership.heartbeat)
        except OSError as error:
            if had_note or ownership._file is None:
                ownership.release()
            else:
                ownership.remove_note_and_release()
            raise _access_error(path, note, error) from error
        return ownership

    def store_heartbeat(self, heartbeat: Heartbeat, *, durable: bool) -> bool:
        """Store a heartbeat in the note. Return False if that failed, or if the note is no longer at its path.

        Args:
            heartbeat: The heartbeat.
            durable: Whether to wait until the heartbeat is on the disk.
        """
        if self._file is None:
            return False
        file = self._file.fileno()
        try:
            if not _is_current(self._file, owner_note(self.path)):
                return False
            os.lseek(file, self._heartbeat_at, os.SEEK_SET)
            line = heartbeat.line()
            if os.write(file, line) != len(line):
                return False
            if durable:
                os.fsync(file)
        except OSError:
            # For example, the disk is full. The caller stores the heartbeat in the database instead.
            return False
        self.heartbeat = heartbeat
        return True

    def release(self, *, closed: bool = False) -> None:
        """Release the lock. The note stays and shows later starts that the file is a history.

        Args:
            closed: Whether the database was closed normally. The next owner can then see whether it was changed since.
        """
        if self._file is not None:
            if closed:
                # If this state is missing, the next start checks the file. So an error here costs only time.
                with suppress(OSError):
                    write_note(self._file.fileno(), self.heartbeat, closed=_state_of(self.path))
            self._lock.release(self._file)
            self._file.close()
            self._file = None

    def remove_note_and_release(self) -> None:
        """Remove the note and release the lock, for a file that turned out not to be a history.

        Except on Windows, remove the note before the lock is released: once the lock is free, the note may belong to
        another process.
        """
        if sys.platform == "win32":
            # Windows cannot remove an open file.
            self.release()
        with suppress(OSError):
            owner_note(self.path).unlink(missing_ok=True)
        self.release()

    def close_in_child(self) -> None:
        """Close the file in a forked child without unlocking it: the lock belongs to the parent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


_all_ownerships: WeakSet[Ownership] = WeakSet()


def _close_all_in_child() -> None:
    for ownership in _all_ownerships:
        ownership.close_in_child()


if sys.platform != "win32":
    # Without this hook, a child process that an app forked would keep the lock after the framework was killed, and a
    # new framework could not start.
    os.register_at_fork(after_in_child=_close_all_in_child)


def _access_error(path: Path, note: Path, error: OSError) -> DatabaseAccessError:
    hint = ". Free some space; Hassette retries" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return DatabaseAccessError(path, f"{note}: {error.strerror}{hint}")


def _state_of(path: Path) -> list[int] | None:
    """Return the size and the time of the last change of a file; None if there is no file."""
    status = status_of(path)
    return [status.st_size, status.st_mtime_ns] if status else None


def _open_locked(path: Path, note: Path, lock: FileLock, *, had_note: bool) -> IO[str]:
    try:
        # No mode of `open` creates a missing file and also overwrites an existing one in place.
        note.touch(PRIVATE_FILE)
        file = note.open("r+", encoding="utf-8")
    except FileNotFoundError as error:
        # The previous owner has removed the note since the line above.
        raise DatabaseInUseError(path, 0, "") from error
    except OSError as error:
        if is_transient(error):
            raise
        require_writable_file_system(path, note.parent)
        raise UnusableFileError(
            path, f"{note} cannot be written ({error.strerror})", "Let this user write to the directory."
        ) from error
    try:
        lock.acquire(file)
    except (BlockingIOError, PermissionError):
        # Windows raises PermissionError for a lock that is held.
        pid, host = _holder(file)
        file.close()
        raise DatabaseInUseError(path, pid, host) from None
    except OSError as error:
        if not had_note:
            with suppress(OSError):
                note.unlink(missing_ok=True)
        file.close()
        if is_transient(error):
            raise
        raise UnusableFileError(
            path,
            f"its file system does not support locks ({error.strerror})",
            "Set a data_dir on a local disk of this machine.",
        ) from error
    return file


def _is_current(file: IO[str], note: Path) -> bool:
    """Return whether the locked file is still the note.

    The previous owner may have removed the note after this process opened it and before this process locked it.
    """
    try:
        return sys.platform == "win32" or os.path.samestat(os.fstat(file.fileno()), note.stat())
    except FileNotFoundError:
        return False


def _read_note(file: IO[str]) -> tuple[dict[str, object], Heartbeat | None]:
    try:
        file.seek(0)
        content = file.read().encode()
    except (OSError, ValueError):
        return {}, None
    return read_note(content)


def _holder(file: IO[str]) -> tuple[int, str]:
    facts, _ = _read_note(file)
    pid, host = facts.get("pid"), facts.get("host")
    return (pid, host) if isinstance(pid, int) and isinstance(host, str) else (0, "")
