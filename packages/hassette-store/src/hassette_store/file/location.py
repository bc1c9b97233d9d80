"""Location of the database file: symbolic links, permissions, and new files that only their owner can read."""

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from hassette_store.errors import UnusableFileError
from hassette_store.file.presence import exists, special_kind_of, status_of, with_prefix

PRIVATE_FILE: Final = 0o600
"""Mode of every file of the history: its rows contain when people are at home."""
_PRIVATE_DIRECTORY: Final = 0o700


def resolve_links(path: Path) -> Path:
    """Return a path without symbolic links, so that all processes find the same lock, write-ahead log and copies.

    Raises:
        UnusableFileError: The path contains a symbolic link without a target or a loop of symbolic links, or a
            directory that this user may not enter.
        OSError: The system cannot read the path, for example after an I/O error.
    """
    place = path.absolute()
    missing: list[str] = []
    try:
        while status_of(place, follow_links=False) is None:
            missing.append(place.name)
            place = place.parent
        return Path(os.path.realpath(place, strict=True), *reversed(missing))
    except FileNotFoundError as error:
        raise UnusableFileError(
            path,
            f"{'it' if place == path.absolute() else place} is a symbolic link to {place.readlink()}, which does not "
            "exist",
            "Mount or create its target, or remove the link.",
        ) from error
    except PermissionError as error:
        forbidden = next((place for place in reversed(path.absolute().parents) if not os.access(place, os.X_OK)), "it")
        raise UnusableFileError(
            path,
            f"{forbidden} cannot be entered ({error.strerror})",
            "Give the user that runs Hassette access to it (chmod, chown), or set another data_dir.",
        ) from error
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UnusableFileError(
            path, "it leads to a loop of symbolic links", "Remove one of the links, or set another data_dir."
        ) from error


def make_directory(directory: Path) -> None:
    """Create a directory and its missing parents, all with mode 0700. Leave an existing directory unchanged.

    Raises:
        OSError: A directory cannot be created, or a file is in its place.
    """
    missing: list[Path] = []
    while (status := status_of(directory)) is None:
        missing.append(directory)
        directory = directory.parent
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
    for place in reversed(missing):
        place.mkdir(_PRIVATE_DIRECTORY, exist_ok=True)
        # The umask may have removed permissions of the owner.
        with suppress(OSError):
            place.chmod(_PRIVATE_DIRECTORY)


def require_usable(path: Path) -> None:
    """Create the directory of the database file, and check that the path can be used.

    Raises:
        UnusableFileError: The path cannot be used.
        OSError: The system cannot examine the path, for example after an I/O error.
    """
    try:
        make_directory(path.parent)
    except OSError as error:
        if error.errno in _TRANSIENT:
            raise
        require_writable_file_system(path, next(place for place in path.parent.parents if exists(place)))
        raise UnusableFileError(
            path,
            f"the directory {path.parent} cannot be created ({error.strerror})",
            "Create it, or set another data_dir.",
        ) from error
    status = status_of(path)
    if status is not None and (kind := special_kind_of(status)):
        raise UnusableFileError(path, f"it is {kind}", "Move it away, or set another data_dir.")
    for place in (path.parent, path):
        owner = status_of(place)
        if owner is not None and not _is_accessible(place, is_directory=stat.S_ISDIR(owner.st_mode)):
            require_writable_file_system(path, place)
            raise UnusableFileError(
                path,
                f"{place} belongs to user {owner.st_uid} (mode {owner.st_mode & 0o777:o}), and user {_user()} may not "
                "write to it",
                "Give it to the user that runs Hassette (chown), or set another data_dir.",
            )


# Errors that do not come from the permissions or the kind of a file, so that a retry may succeed.
_TRANSIENT: Final = (
    errno.EIO,
    errno.ENOSPC,
    getattr(errno, "EDQUOT", errno.ENOSPC),
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EINTR,
    getattr(errno, "ESTALE", errno.EIO),
)


def is_transient(error: OSError) -> bool:
    """Return whether an error, such as an I/O error or a full disk, may disappear without a change of the files."""
    return error.errno in _TRANSIENT


def require_writable_file_system(path: Path, place: Path) -> None:
    """Check that a file system is not mounted read-only. A wrong owner or mode has another fix.

    Args:
        path: The database file.
        place: The database file or its directory; it exists.

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
    """Create an empty file with mode 0600 and the owner of another file.

    The mode is set before private content is written. The owner matters if root runs a command (sudo), because the user
    that runs Hassette must be able to use the new file.

    Args:
        file: The file; it must not exist.
        like: The file that the new file copies or replaces. If that file does not exist, the new file gets the owner of
            the directory.

    Raises:
        OSError: The file cannot be created.
    """
    file.touch(PRIVATE_FILE, exist_ok=False)
    make_private(file, like=like)


def make_private(file: Path, *, like: Path) -> None:
    """Give a file mode 0600 and the owner of another file; see `make_empty`.

    Raises:
        OSError: A file cannot be examined.
    """
    if sys.platform == "win32":
        return
    current = file.stat()
    wanted = status_of(like) or like.parent.stat()
    if (current.st_uid, current.st_gid) != (wanted.st_uid, wanted.st_gid):
        # Only root may change owners, and not every file system has owners and modes.
        with suppress(OSError):
            os.chown(file, wanted.st_uid, wanted.st_gid)
    with suppress(OSError):
        file.chmod(PRIVATE_FILE)


def make_all_private(path: Path) -> None:
    """Remove the permissions of other users on a history, its side files, and older histories next to it.

    An earlier version may have created these files with the default mode, or a user may have copied them.

    Raises:
        OSError: The directory cannot be read, or a file cannot be examined.
    """
    if sys.platform == "win32":
        return
    for file in (path, *with_prefix(path, ".", "-")):
        status = status_of(file, follow_links=False)
        if status is not None and stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
            # The file may belong to another user, and not every file system has modes.
            with suppress(OSError):
                file.chmod(status.st_mode & 0o700 | PRIVATE_FILE)


def _is_accessible(place: Path, *, is_directory: bool) -> bool:
    wanted = os.R_OK | os.W_OK | (os.X_OK if is_directory else 0)
    # `os.access` also returns False after an I/O error and does not report the error. So a second call checks a False
    # answer.
    return os.access(place, wanted) or os.access(place, wanted)


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
