"""A damaged file: moved aside whole, and what can be read carried over into a new one.

The order of steps is such that a crash between any two of them loses nothing: the damaged file stays at its place until
the new one is complete; then it goes first and its log after it, so that it is never found without its log; and the
next start takes a complete new file without an old one for what it is, and lets the log follow its file.
"""

import glob
import logging
import sqlite3
from pathlib import Path
from typing import Final

from hassette_store.file.connections import connect_read_only
from hassette_store.file.creation import create
from hassette_store.file.ownership import make_empty
from hassette_store.recovery.header import forget_copy
from hassette_store.recovery.salvage import salvage

logger = logging.getLogger(__name__)

_SIDE_FILES: Final = ("-wal", "-shm", "-journal")


def missing_bytes(path: Path, header: bytes) -> int:
    """Return how many bytes a file lacks of what its header promises.

    Args:
        path: The file.
        header: Its first 100 bytes (https://sqlite.org/fileformat.html, section 1.3).
    """
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65_536 if page_bytes == 1 else page_bytes
    pages = int.from_bytes(header[28:32], "big")
    if header[24:28] != header[92:96]:
        # An old SQLite wrote last and did not keep the number of pages.
        return 0
    return pages * page_bytes - path.stat().st_size


def recover(path: Path, finding: str, *, stamp: str, limit_s: float) -> str:
    """Replace a damaged file by a new one with all its readable rows; return one sentence about it.

    Args:
        path: The damaged file; it ends as ``<name>.damaged-<stamp>``, with its side files and, if there is one of that
            name already, a number.
        finding: What is wrong with it.
        stamp: A time for the name.
        limit_s: Seconds after which no more rows are carried over.

    Raises:
        sqlite3.Error: The new file cannot be written; the damaged one is where it was.
        OSError: Likewise.
    """
    new = incoming(path)
    _remove(new)
    try:
        make_empty(new, like=path)
        create(new)
        rows, unread = salvage(path, new, limit_s)
    except BaseException:
        # On a full disk, what is half made may have all the room that was left.
        _remove(new)
        raise
    aside = free(path.with_name(f"{path.name}.damaged-{stamp}"))
    _move(path, aside)
    new.replace(path)
    lost = f"; could not be read whole: {', '.join(unread)}" if unread else ""
    sentence = f"{path.name} was damaged ({finding}) and is kept as {aside.name}; {rows} rows were carried over{lost}."
    logger.error(
        "The history was damaged; it has been moved aside and a new one holds what could be read",
        extra={"path": str(path), "aside": str(aside), "finding": finding, "rows": rows, "unread": unread},
    )
    return sentence


def finish_interrupted(path: Path, stamp: str) -> None:
    """Finish a recovery or a restore that a crash cut after the old file was moved; forget one that it cut earlier.

    Args:
        path: The history.
        stamp: A time, for the name of a log that lies there without the file it belongs to.
    """
    forget_copy(path)
    new = incoming(path)
    _remove(partial(new))
    if new.exists() and not path.exists():
        moved = [
            one
            for why in ("damaged", "replaced")
            for one in path.parent.glob(f"{glob.escape(path.name)}.{why}-*")
            if not one.name.endswith(_SIDE_FILES) and not one.with_name(one.name + "-wal").exists()
        ]
        # The old file's log would be applied to the new one. It belongs to the file that was moved last: stamps do not
        # tell which, on a machine without a clock of its own.
        last = max(moved, key=lambda one: (one.stat().st_ctime_ns, one.name), default=None)
        _move(path, last or free(path.with_name(f"{path.name}.damaged-{stamp}")))
        new.replace(path)
        logger.warning("A recovery or restore that was cut off has been finished", extra={"path": str(path)})
    else:
        _remove(new)


def set_aside_leftovers(path: Path, stamp: str) -> Path | None:
    """Keep a log whose database is gone, which SQLite would delete; return where it is, None if there is none."""
    wal = path.with_name(path.name + "-wal")
    if not wal.exists() or wal.stat().st_size == 0:
        return None
    aside = free(path.with_name(f"{path.name}.damaged-{stamp}"))
    _move(path, aside)
    kept = aside.with_name(aside.name + "-wal")
    logger.error("The history is gone, its log is not; the log has been moved aside", extra={"aside": str(kept)})
    return kept


def keep_aside(path: Path, why: str) -> Path | None:
    """Move a file and its side files to the first free ``<name>.<why>-<n>``; return it, None if there was nothing."""
    if not _is_taken(path):
        return None
    number = 1
    while _is_taken(aside := path.with_name(f"{path.name}.{why}-{number}")):
        number += 1
    _move(path, aside)
    return aside


def free(path: Path) -> Path:
    """Return a path at which nothing lies: the given one or, if it is taken, the first free ``<name>-<n>`` from 2."""
    number = 1
    candidate = path
    while _is_taken(candidate):
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def incoming(path: Path) -> Path:
    """Return where a whole file lies that is to take the place of a history; see `finish_interrupted`."""
    return path.with_name(path.name + ".new")


def put_back(backup: Path, path: Path) -> None:
    """Put a verified copy in the place of a file; the copy stays, too."""
    new = incoming(path)
    _remove(new)
    make_empty(new, like=path if path.exists() else backup)
    source = connect_read_only(backup)
    target = sqlite3.connect(new)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()
    for suffix in _SIDE_FILES:
        # They belong to the file that is replaced, and would be applied to the new one.
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    new.replace(path)


def partial(path: Path) -> Path:
    """Return where a file is written that gets its name when it is whole."""
    return path.with_name(path.name + ".partial")


def _is_taken(path: Path) -> bool:
    return any(path.with_name(path.name + suffix).exists() for suffix in ("", *_SIDE_FILES))


def _move(path: Path, aside: Path) -> None:
    # The side files last: a database without its log would be taken for a whole, older one; a log alone is kept.
    for suffix in ("", *_SIDE_FILES):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.replace(aside.with_name(aside.name + suffix))


def _remove(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
