"""One owner per file: a lock that the system takes back when its holder dies, and a note that says who holds it."""

import errno
import json
import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self
from weakref import WeakSet

from hassette_store.errors import DatabaseInUseError, UnusableFileError, WriteFailedError

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)

    def _unlock(file: IO[str]) -> None:
        # Closing the file is enough: no child has it too.
        del file
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: IO[str]) -> None:
        # A forked child has the same open file, and would hold the lock for as long as it lives.
        fcntl.flock(file, fcntl.LOCK_UN)


# Beyond the note, so that Windows, whose locks also forbid reading, lets others read who holds the lock.
_LOCKED_BYTE = 4096
# How often a note that was taken away is made anew: without end where a file system gives a file no steady identity.
_TRIES = 10


def owner_note(path: Path) -> Path:
    """Return where the owner of a history writes down who it is."""
    return path.with_name(path.name + ".owner")


def followed(path: Path) -> Path:
    """Return where a path leads, so that whoever comes by another way finds the same note, log and copies.

    Raises:
        UnusableFileError: It is a symbolic link to nothing, or this user may not look where it leads.
    """
    try:
        if not path.is_symlink() or path.exists():
            return path.resolve()
        target = path.readlink()
    except OSError as error:
        closed = next((place for place in reversed(path.absolute().parents) if not os.access(place, os.X_OK)), "it")
        raise UnusableFileError(
            path,
            f"{closed} cannot be looked into ({error.strerror})",
            "Let the user that runs Hassette into it (chmod, chown), or set another data_dir.",
        ) from error
    raise UnusableFileError(
        path,
        f"it is a symbolic link to {target}, which is not there",
        "Mount or make what it points to, or remove the link.",
    )


def require_writable_file_system(path: Path, place: Path) -> None:
    """Say of a read-only file system what it is: no change of owner or mode would help.

    Args:
        path: The history.
        place: It or its directory; it exists.

    Raises:
        UnusableFileError: The file system is mounted read-only.
    """
    if sys.platform != "win32" and os.statvfs(place).f_flag & os.ST_RDONLY:
        raise UnusableFileError(
            path,
            f"the file system of {place} is mounted read-only",
            "Mount it read-write (after an I/O error, check the disk first), or set another data_dir.",
        )


def make_empty(file: Path, *, like: Path) -> None:
    """Make an empty file with the owner and the mode of another, before anything is in it that not all may read.

    Whoever cares for a history as root (sudo) would otherwise take it away from the user that Hassette runs as.

    Args:
        file: The file; it must not exist.
        like: The file that it is a copy of or will replace. If there is none, its directory tells the owner, and the
            mode is what the process gives to new files, without what the directory does not allow.

    Raises:
        OSError: It cannot be made.
    """
    file.touch(0o600 if like.exists() else 0o666, exist_ok=False)
    _take_after(file, like)


def _take_after(file: Path, like: Path) -> None:
    if sys.platform == "win32":
        return
    have = file.stat()
    if like.exists():
        wanted = like.stat()
        # A copy of what is write-protected has to be written all the same.
        mode = wanted.st_mode & 0o777 | 0o600
    else:
        wanted = like.parent.stat()
        mode = have.st_mode & wanted.st_mode & 0o666
    if (have.st_uid, have.st_gid) != (wanted.st_uid, wanted.st_gid):
        # Only root may give files away, and not every file system knows owners and modes.
        with suppress(OSError):
            os.chown(file, wanted.st_uid, wanted.st_gid)
    with suppress(OSError):
        file.chmod(mode)


@contextmanager
def owned(path: Path) -> Generator[None]:
    """Own a file for a while; if that fails, a note that was not there before goes again: the file was not ours.

    Raises:
        DatabaseInUseError: Somebody else owns it.
        UnusableFileError: The note beside the file cannot be opened.
        WriteFailedError: It cannot be written.
    """
    was_ours = owner_note(path).exists()
    ownership = Ownership.take(path)
    try:
        yield
    except BaseException:
        if was_ours:
            ownership.release()
        else:
            ownership.disown()
        raise
    ownership.release()


class Ownership:
    """The right to write to a history, held until `release` or the end of the process.

    Args:
        path: The history's file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None
        _made.add(self)

    @classmethod
    def take(cls, path: Path) -> Self:
        """Become the owner.

        Raises:
            DatabaseInUseError: Somebody else is; it tells who.
            UnusableFileError: The note beside the file cannot be opened, or not be locked.
            WriteFailedError: It cannot be written, as on a full disk; nothing is held, and it may be tried again.
        """
        ownership = cls(path)
        note = owner_note(path)
        was_there = note.exists()
        file = _locked(path, note)
        tries = _TRIES
        while (tries := tries - 1) and not _lies_at(file, note):
            file.close()
            file = _locked(path, note)
        ownership._file = file
        try:
            # Unbuffered: what a full disk refuses now must not be written at the closing, when others may own it.
            os.ftruncate(file.fileno(), 0)
            _take_after(note, path)
            os.write(file.fileno(), json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
        except OSError as error:
            if was_there:
                ownership.release()
            else:
                ownership.disown()
            raise WriteFailedError(path, f"{note}: {error.strerror}{_mend(error)}") from error
        return ownership

    def release(self) -> None:
        """Let others own the file. The note stays: it tells a later start that this database was ours."""
        if self._file is not None:
            _unlock(self._file)
            self._file.close()
            self._file = None

    def disown(self) -> None:
        """Let others own the file, without a note: it would tell a later start that whatever lies there is ours.

        The note goes first. Once the file is free, it may be somebody else's.
        """
        if sys.platform == "win32":
            # What is open, by us or by the next owner, cannot go.
            self.release()
        with suppress(OSError):
            owner_note(self.path).unlink(missing_ok=True)
        self.release()

    def let_go(self) -> None:
        """Forget the file in a forked child, which shares the lock: it is its parent's."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


_made: WeakSet[Ownership] = WeakSet()


def _let_go() -> None:
    for ownership in _made:
        ownership.let_go()


if sys.platform != "win32":
    # Otherwise an app's worker process that outlives a killed framework keeps the next one from starting.
    os.register_at_fork(after_in_child=_let_go)


def _locked(path: Path, note: Path) -> IO[str]:
    try:
        file = note.open("a+", encoding="utf-8")
    except OSError as error:
        require_writable_file_system(path, note.parent)
        raise UnusableFileError(
            path, f"{note} cannot be written ({error.strerror})", "Let this user write to the directory."
        ) from error
    try:
        _lock(file)
    except (BlockingIOError, PermissionError):
        # The second one is how Windows says it.
        pid, host = _holder(file)
        file.close()
        raise DatabaseInUseError(path, pid, host) from None
    except OSError as error:
        if os.fstat(file.fileno()).st_size == 0:
            note.unlink(missing_ok=True)
        file.close()
        raise UnusableFileError(
            path, f"its file system locks no files ({error.strerror})", "Set a data_dir on a disk of this machine."
        ) from error
    return file


def _lies_at(file: IO[str], note: Path) -> bool:
    """Whether the locked file is the one that others find: its last owner may have taken it away in between."""
    try:
        return sys.platform == "win32" or os.path.samestat(os.fstat(file.fileno()), note.stat())
    except FileNotFoundError:
        return False


def _mend(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ". Free some space: it is tried again until it works"
    return ""


def _holder(file: IO[str]) -> tuple[int, str]:
    try:
        file.seek(0)
        note = json.load(file)
        return int(note["pid"]), str(note["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, ""
