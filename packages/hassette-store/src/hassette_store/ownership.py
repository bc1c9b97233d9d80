"""One owner per file: a lock that the system takes back when its holder dies, and a note that says who holds it."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import IO, Self

from hassette_store.errors import DatabaseInUseError, UnusableFileError

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# Beyond the note, so that Windows, whose locks also forbid reading, lets others read who holds the lock.
_LOCKED_BYTE = 4096


def owner_note(path: Path) -> Path:
    """Return where the owner of a history writes down who it is."""
    return path.with_name(path.name + ".owner")


class Ownership:
    """The right to write to a history, held until `release` or the end of the process.

    Args:
        path: The history's file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    @classmethod
    def take(cls, path: Path) -> Self:
        """Become the owner.

        Raises:
            DatabaseInUseError: Somebody else is; it tells who.
            UnusableFileError: The note beside the file cannot be written.
        """
        ownership = cls(path)
        note = owner_note(path)
        try:
            file = note.open("a+", encoding="utf-8")
        except OSError as error:
            raise UnusableFileError(
                path, f"{note} cannot be written ({error.strerror})", "Let this user write to the directory."
            ) from error
        try:
            _lock(file)
        except OSError:
            pid, host = _holder(file)
            file.close()
            raise DatabaseInUseError(path, pid, host) from None
        file.seek(0)
        file.truncate()
        json.dump({"pid": os.getpid(), "host": socket.gethostname()}, file)
        file.flush()
        ownership._file = file
        return ownership

    def release(self) -> None:
        """Let others own the file. The note stays: it tells a later start that this database was ours."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _holder(file: IO[str]) -> tuple[int, str]:
    try:
        file.seek(0)
        note = json.load(file)
        return int(note["pid"]), str(note["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, ""
