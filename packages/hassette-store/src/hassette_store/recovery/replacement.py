"""Replacement of a damaged file: move it aside and put a new one with its readable rows in its place.

The order of steps keeps a crash between any two of them from losing data. The damaged file stays in place until the new
one is complete. Then the file moves first and its log after it, so that nothing finds the file without its log. At the
next start, a complete new file without an old one is the result of an interrupted replacement: the log follows its
file, and the new file takes its place.
"""

import glob
import logging
import sqlite3
from pathlib import Path

from hassette_store.file.connections import connect_read_only
from hassette_store.file.creation import create
from hassette_store.file.location import make_empty
from hassette_store.file.side_files import SIDE_FILES, free_path, incoming, move, partial, remove, with_suffix
from hassette_store.recovery.header import remove_repaired_copy
from hassette_store.recovery.salvage import salvage

logger = logging.getLogger(__name__)


def recover(path: Path, damage: str, *, stamp: str, limit_s: float) -> str:
    """Replace a damaged file by a new one with all its readable rows; return one sentence about it.

    Args:
        path: The damaged file. It is renamed to ``<name>.damaged-<stamp>``, with its side files and, if that name
            exists, with a number.
        damage: The damage that was found.
        stamp: A time for the name.
        limit_s: Time limit for copying rows, in seconds.

    Raises:
        sqlite3.Error: The new file cannot be written; the damaged one is unchanged.
        OSError: The same.
    """
    new = incoming(path)
    remove(new)
    try:
        make_empty(new, like=path)
        create(new)
        rows, unread = salvage(path, new, limit_s)
    except BaseException:
        # On a full disk, the incomplete file may take all the space that was left.
        remove(new)
        raise
    aside = free_path(path.with_name(f"{path.name}.damaged-{stamp}"))
    move(path, aside)
    new.replace(path)
    logger.error(
        "History was damaged; the file was moved aside, and a new one has its readable rows",
        extra={"path": str(path), "aside": str(aside), "damage": damage, "rows": rows, "unread": unread},
    )
    incomplete = f"; tables that could not be read completely: {', '.join(unread)}" if unread else ""
    return f"{path.name} was damaged ({damage}) and is kept as {aside.name}; {rows} rows were copied{incomplete}."


def finish_interrupted(path: Path, stamp: str) -> None:
    """Finish a recovery or restore that a crash interrupted after the old file was moved; undo one interrupted earlier.

    Args:
        path: The history.
        stamp: A time, for the name of a log whose file cannot be found.
    """
    remove_repaired_copy(path)
    new = incoming(path)
    remove(partial(new))
    if new.exists() and not path.exists():
        moved = [
            file
            for reason in ("damaged", "replaced")
            for file in path.parent.glob(f"{glob.escape(path.name)}.{reason}-*")
            if not file.name.endswith(SIDE_FILES) and not with_suffix(file, "-wal").exists()
        ]
        # SQLite would apply the old file's log to the new file. The log belongs to the file that was moved last. The
        # stamps do not show which file that is: the machine may have no battery-backed clock.
        last = max(moved, key=lambda file: (file.stat().st_ctime_ns, file.name), default=None)
        move(path, last or free_path(path.with_name(f"{path.name}.damaged-{stamp}")))
        new.replace(path)
        logger.warning("Interrupted recovery or restore finished", extra={"path": str(path)})
    else:
        remove(new)


def set_aside_leftovers(path: Path, stamp: str) -> Path | None:
    """Move a log without its database aside, because SQLite would delete it; return its new path, or None."""
    log = with_suffix(path, "-wal")
    if not log.exists() or log.stat().st_size == 0:
        return None
    aside = free_path(path.with_name(f"{path.name}.damaged-{stamp}"))
    move(path, aside)
    kept = with_suffix(aside, "-wal")
    logger.error("History is missing, but its log exists; the log was moved aside", extra={"aside": str(kept)})
    return kept


def put_back(backup: Path, path: Path) -> None:
    """Replace a file by a verified copy; the copy stays."""
    new = incoming(path)
    remove(new)
    make_empty(new, like=path if path.exists() else backup)
    source = connect_read_only(backup)
    target = sqlite3.connect(new)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()
    for suffix in SIDE_FILES:
        # SQLite would apply the log of the old file to the new one.
        with_suffix(path, suffix).unlink(missing_ok=True)
    new.replace(path)
