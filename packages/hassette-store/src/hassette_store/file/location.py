"""Location of the database file: symbolic links, permissions, and new files with the right owner."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from hassette_store.errors import UnusableFileError


def resolve_links(path: Path) -> Path:
    """Return a path without symbolic links, so that all processes find the same lock, write-ahead log and copies.

    Raises:
        UnusableFileError: The path is a symbolic link without a target, or contains a directory that this user may not
            enter.
    """
    try:
        if not path.is_symlink() or path.exists():
            return path.resolve()
        target = path.readlink()
    except OSError as error:
        forbidden = next((place for place in reversed(path.absolute().parents) if not os.access(place, os.X_OK)), "it")
        raise UnusableFileError(
            path,
            f"{forbidden} cannot be entered ({error.strerror})",
            "Give the user that runs Hassette access to it (chmod, chown), or set another data_dir.",
        ) from error
    raise UnusableFileError(
        path,
        f"it is a symbolic link to {target}, which does not exist",
        "Mount or create its target, or remove the link.",
    )


def require_usable(path: Path) -> None:
    """Create the directory of the database file, and check that the path can be used.

    Raises:
        UnusableFileError: The path cannot be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        require_writable_file_system(path, next(place for place in path.parent.parents if place.exists()))
        raise UnusableFileError(
            path,
            f"the directory {path.parent} cannot be created ({error.strerror})",
            "Create it, or set another data_dir.",
        ) from error
    if path.exists() and not path.is_file():
        kind = "a directory" if path.is_dir() else "not a plain file"
        raise UnusableFileError(path, f"it is {kind}", "Move it away, or set another data_dir.")
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.R_OK | os.W_OK | (os.X_OK if place.is_dir() else 0)):
            require_writable_file_system(path, place)
            owner = place.stat()
            raise UnusableFileError(
                path,
                f"{place} belongs to user {owner.st_uid} (mode {owner.st_mode & 0o777:o}), and user {_user()} may not "
                "write to it",
                "Give it to the user that runs Hassette (chown), or set another data_dir.",
            )


def require_writable_file_system(path: Path, place: Path) -> None:
    """Check that a file system is not mounted read-only. The fix is not the same as for a wrong owner or mode.

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
    """Create an empty file with the owner and the mode of another one.

    The mode is set before private content is written. The owner matters if root runs a command (sudo), because the user
    that runs Hassette must be able to use the new file.

    Args:
        file: The file; it must not exist.
        like: The file that the new file copies or replaces. If that file does not exist, the new file gets the owner of
            the directory. It then keeps only those default permissions that the mode of the directory contains as well.

    Raises:
        OSError: The file cannot be created.
    """
    file.touch(0o600 if like.exists() else 0o666, exist_ok=False)
    copy_owner_and_mode(file, like)


def copy_owner_and_mode(file: Path, like: Path) -> None:
    """Give a file the owner and the mode of another one; see `make_empty`."""
    if sys.platform == "win32":
        return
    current = file.stat()
    if like.exists():
        wanted = like.stat()
        # Hassette must be able to write to the copy of a write-protected file.
        mode = wanted.st_mode & 0o777 | 0o600
    else:
        wanted = like.parent.stat()
        mode = current.st_mode & wanted.st_mode & 0o666
    if (current.st_uid, current.st_gid) != (wanted.st_uid, wanted.st_gid):
        # Only root may change owners, and not every file system has owners and modes.
        with suppress(OSError):
            os.chown(file, wanted.st_uid, wanted.st_gid)
    with suppress(OSError):
        file.chmod(mode)


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
