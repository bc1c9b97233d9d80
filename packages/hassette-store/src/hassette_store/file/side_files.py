"""Paths of a database file and its side files, and functions that move or remove them together."""

import os
from pathlib import Path
from typing import Final

from hassette_store.file.presence import exists, with_prefix

SIDE_FILES: Final = ("-wal", "-shm", "-journal")
"""Suffixes of the files that SQLite keeps next to a database."""

_SECOND: Final = "-degraded-"
_ALL: Final = ("", *SIDE_FILES)


def with_suffix(path: Path, suffix: str) -> Path:
    """Return a path with a suffix after its full name, such as ``hassette.db-wal``."""
    return path.with_name(path.name + suffix)


def log_path(path: Path) -> Path:
    """Return the path of the write-ahead log of a database file. SQLite resolves symbolic links first.

    Raises:
        OSError: The database file does not exist, or a symbolic link cannot be read.
    """
    return with_suffix(Path(os.path.realpath(path, strict=True)), "-wal")


def new_file_path(path: Path) -> Path:
    """Return the temporary path of a complete file that will replace the database file."""
    return with_suffix(path, ".new")


def partial_path(path: Path) -> Path:
    """Return the temporary path at which a file is written before it gets its final path."""
    return with_suffix(path, ".partial")


def free_path(path: Path) -> Path:
    """Return the path itself if it is unused, or else the first unused ``<name>-<n>``, counted from 2."""
    number = 1
    candidate = path
    while _is_taken(candidate):
        number += 1
        candidate = with_suffix(path, f"-{number}")
    return candidate


def second_file_path(path: Path, stamp: str) -> Path:
    """Return the path of the file that takes the records while the database file cannot be used."""
    return path.with_name(f"{path.stem}{_SECOND}{stamp}{path.suffix}")


def second_files(path: Path) -> list[Path]:
    """Return the second files of a database file, oldest first.

    Raises:
        OSError: The directory cannot be read.
    """
    beginning = path.with_name(path.stem)
    return [file for file in with_prefix(beginning, _SECOND) if file.suffix == path.suffix]


def move(path: Path, to: Path) -> None:
    """Move a file and its side files.

    The database file moves before its side files. If a crash comes in between, the old path has a write-ahead log
    without a database file, and the next start recognizes that. In the opposite order, a crash could leave a database
    file without its log, which would look like a complete, older history.

    Raises:
        OSError: A file cannot be examined or moved. The next start recognizes a partial move.
    """
    for suffix in _ALL:
        file = with_suffix(path, suffix)
        if exists(file):
            file.replace(with_suffix(to, suffix))


def move_aside(path: Path, reason: str) -> Path | None:
    """Move a file and its side files to the first free ``<name>.<reason>-<n>``.

    Return the new path, or None if there is no file.

    Raises:
        OSError: A file cannot be examined or moved.
    """
    if not _is_taken(path):
        return None
    number = 1
    while _is_taken(aside := with_suffix(path, f".{reason}-{number}")):
        number += 1
    move(path, aside)
    return aside


def free_log_path(log: Path) -> Path:
    """Return the first unused path ``<name>.replaced-<n>-wal`` for a write-ahead log without its database file."""
    path = log.with_name(log.name.removesuffix("-wal"))
    number = 1
    while _is_taken(aside := with_suffix(path, f".replaced-{number}")):
        number += 1
    return with_suffix(aside, "-wal")


def move_log_aside(log: Path) -> Path:
    """Move a write-ahead log, without its database file, to the path that `free_log_path` returns. Return that path."""
    return log.replace(free_log_path(log))


def remove(path: Path) -> None:
    """Remove a file and its side files, as far as they exist."""
    for suffix in _ALL:
        with_suffix(path, suffix).unlink(missing_ok=True)


def _is_taken(path: Path) -> bool:
    return any(exists(with_suffix(path, suffix)) for suffix in _ALL)
