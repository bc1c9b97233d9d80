"""Presence of files. An answer is either certain or an error.

``Path.exists``, ``Path.is_file`` and similar methods return False if the system cannot answer, for example after an I/O
error (since Python 3.14 for every error). The store would then treat a history as missing, move its write-ahead log
away and begin a new file. `Path.glob` and `os.access` hide errors in the same way. So the store uses only these
functions.
"""

import os
import stat
from pathlib import Path
from typing import Final


def status_of(path: Path, *, follow_links: bool = True) -> os.stat_result | None:
    """Return the status of a file, or None if there certainly is no file at the path.

    Args:
        path: The path.
        follow_links: Whether to return the status of the target of a symbolic link. If not, return the status of the
            link itself.

    Raises:
        OSError: The answer is unknown, for example after an I/O error.
    """
    try:
        return path.stat(follow_symlinks=follow_links)
    except (FileNotFoundError, NotADirectoryError):
        return None


def exists(path: Path) -> bool:
    """Return whether there is a file, directory or other object at the path.

    Raises:
        OSError: The answer is unknown, for example after an I/O error.
    """
    return status_of(path) is not None


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; 0 if there is no file.

    Raises:
        OSError: The answer is unknown, for example after an I/O error.
    """
    status = status_of(path)
    return status.st_size if status is not None else 0


def is_plain_file(path: Path) -> bool:
    """Return whether there is a file at the path that is not a directory, a pipe or the like.

    Raises:
        OSError: The answer is unknown, for example after an I/O error.
    """
    status = status_of(path)
    return status is not None and stat.S_ISREG(status.st_mode)


_KINDS: Final = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def special_kind_of(status: os.stat_result) -> str:
    """Return the kind of an object that is not a plain file, such as ``a named pipe``; empty for a plain file.

    Opening a pipe can block for ever, and a device can have no end.
    """
    kind = stat.S_IFMT(status.st_mode)
    return "" if kind == stat.S_IFREG else _KINDS.get(kind, "not a plain file")


def is_directory(path: Path) -> bool:
    """Return whether there is a directory at the path.

    Raises:
        OSError: The answer is unknown, for example after an I/O error.
    """
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def with_prefix(path: Path, *prefixes: str) -> list[Path]:
    """Return the files next to a path whose names begin with the name of the path and one of the prefixes, sorted.

    Raises:
        OSError: The directory cannot be read.
    """
    starts = tuple(path.name + prefix for prefix in prefixes)
    return sorted(file for file in path.parent.iterdir() if file.name.startswith(starts))
