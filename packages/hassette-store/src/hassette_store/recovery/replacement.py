"""Replacement of a damaged file: move it aside and put a new file with its readable rows in its place.

The order of the steps makes sure that a crash between two of them loses no data. The damaged file stays in place until
the new file is complete. Then the damaged file is renamed first and its write-ahead log second, so that the file
is never at the old path without its log. If the next start finds a new file but no database file, a crash interrupted a
replacement. That start then moves the log next to the renamed file, and the new file to the path of the database file.
"""

import logging
import sqlite3
from pathlib import Path

from hassette_store.file.connections import connect_read_only
from hassette_store.file.creation import create
from hassette_store.file.location import make_empty
from hassette_store.file.presence import exists, with_prefix
from hassette_store.file.side_files import SIDE_FILES, free_path, move, new_file_path, partial_path, remove, with_suffix
from hassette_store.recovery.salvage import salvage

logger = logging.getLogger(__name__)


def recover(path: Path, damage: str, *, stamp: str, limit_s: float) -> str:
    """Replace a damaged file by a new one with all its readable rows; return one sentence about the recovery.

    Args:
        path: The damaged file. The file and its side files are renamed to ``<name>.damaged-<stamp>``. If that name
            exists, a number follows. The file may be missing if its write-ahead log exists.
        damage: The damage that was found.
        stamp: A time for the name.
        limit_s: Time limit for copying rows, in seconds.

    Raises:
        sqlite3.Error: The new file cannot be written; the damaged one is unchanged.
        OSError: The new file cannot be written, or the damaged one cannot be read.
    """
    new = new_file_path(path)
    # The new file gets its name only when it is complete. Otherwise, if the damaged file is missing, the next start
    # would use an incomplete file.
    partial = partial_path(new)
    remove(partial)
    remove(new)
    try:
        make_empty(partial, like=path)
        create(partial)
        rows, incomplete = salvage(path, partial, limit_s)
    except BaseException:
        # On a full disk, the incomplete file may occupy all the remaining space.
        remove(partial)
        raise
    partial.replace(new)
    kept = free_path(path.with_name(f"{path.name}.damaged-{stamp}"))
    is_missing = not exists(path)
    move(path, kept)
    new.replace(path)
    if is_missing:
        kept = with_suffix(kept, "-wal")
    logger.error(
        "Database was damaged; the file was moved aside, and its readable rows were copied into a new file",
        extra={"path": str(path), "aside": str(kept), "damage": damage, "rows": rows, "incomplete": incomplete},
    )
    unread = f"; tables that could not be read completely: {', '.join(incomplete)}" if incomplete else ""
    state = "was missing; its write-ahead log" if is_missing else f"was damaged ({damage}) and"
    return f"{path.name} {state} is kept as {kept.name}; {rows} rows were copied{unread}."


def finish_interrupted(path: Path, stamp: str) -> None:
    """Finish a recovery or restore that a crash interrupted after the old file was moved.

    If the crash came before that move, remove the new file.

    Args:
        path: The database file.
        stamp: A time, for the name of a write-ahead log whose database file cannot be found.

    Raises:
        OSError: A file cannot be examined or moved. Nothing is lost, and the next start tries again.
    """
    new = new_file_path(path)
    remove(partial_path(new))
    if exists(new) and not exists(path):
        moved = [
            file
            for file in with_prefix(path, ".damaged-", ".replaced-")
            if not file.name.endswith(SIDE_FILES) and not exists(with_suffix(file, "-wal"))
        ]
        # SQLite would apply the old file's write-ahead log to the new file, so move the log. The log belongs to the
        # file that was moved last. The stamps in the names do not show which file that is, because a machine whose
        # clock has no battery may have used a wrong time.
        last = max(moved, key=lambda file: (file.stat().st_ctime_ns, file.name), default=None)
        move(path, last or free_path(path.with_name(f"{path.name}.damaged-{stamp}")))
        new.replace(path)
        logger.warning("Interrupted recovery or restore finished", extra={"path": str(path)})
    else:
        remove(new)


def put_back(backup: Path, path: Path) -> None:
    """Replace a database file by the content of a verified backup. The backup stays."""
    new = new_file_path(path)
    remove(new)
    make_empty(new, like=path if exists(path) else backup)
    source = connect_read_only(backup)
    target = sqlite3.connect(new)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()
    for suffix in SIDE_FILES:
        # SQLite would apply the write-ahead log of the old file to the new one.
        with_suffix(path, suffix).unlink(missing_ok=True)
    new.replace(path)
