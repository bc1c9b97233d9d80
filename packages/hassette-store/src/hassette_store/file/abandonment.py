"""Abandonment of an open database file that another program has replaced: close it, but change nothing else.

Normally SQLite copies the write-ahead log into the database file and deletes the log when the last connection closes.
If another file is at the path now, this copy would damage that file. The locks of the guard prevent the copy
(`hassette_store.file.lock_guard`). After the close, `leave` moves the log aside, because SQLite would apply the log to
the other file.
"""

import logging
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Final

from hassette_store.file.identity import Change, FileIdentity
from hassette_store.file.location import make_empty
from hassette_store.file.presence import exists, size_of
from hassette_store.file.side_files import free_log_path, move_log_aside

logger = logging.getLogger(__name__)

_RESCUE_S: Final = 5


def rescue_log(connection: sqlite3.Connection) -> None:
    """Copy the open log into the database file, because the log is no longer at its path.

    If the log cannot be copied completely, log an error.

    Raises:
        sqlite3.Error: The log could not be copied.
    """
    connection.execute(f"PRAGMA busy_timeout = {_RESCUE_S * 1000}")
    busy, frames, copied = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy or frames != copied:
        logger.error(
            "Write-ahead log was removed and could not be copied completely; the newest records may be lost",
            extra={"frames": frames, "copied": copied},
        )


def leave(identity: FileIdentity) -> None:
    """Put the side files of an abandoned file in order, after the connection is closed.

    Raises:
        OSError: A file could not be copied or moved.
    """
    assert identity.found is not None
    log, index = identity.log_path, identity.index_path
    match identity.found[0]:
        case Change.FILE:
            # If no file is at the path, the log stays there, and the next start reads its rows.
            if exists(identity.path) and identity.is_own_log() and size_of(log):
                _report(log, move_log_aside(log))
            if identity.is_own_index():
                # A connection to the other file would truncate the index, and connections to the old file would crash.
                index.unlink()
        case Change.LOG:
            if size_of(log):
                _report(log, move_log_aside(log))
        case Change.CONTENT | Change.LOG_CONTENT as change:
            if size_of(log) and (change is Change.CONTENT or not identity.has_own_salts()):
                # Readers have the log open. So the log stays the same file, and only its content is copied aside.
                aside = free_log_path(log)
                make_empty(aside, like=log)
                shutil.copyfile(log, aside)
                os.truncate(log, 0)
                _report(log, aside)
            identity.guard.reset_index()
        case Change.DAMAGE:
            pass  # the recovery needs the file and its log


def _report(log: Path, aside: Path) -> None:
    logger.warning(
        "Write-ahead log does not belong to the database file and was moved aside",
        extra={"path": str(log), "aside": str(aside)},
    )
