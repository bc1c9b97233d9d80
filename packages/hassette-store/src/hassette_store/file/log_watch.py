"""Watch over the size of the write-ahead log.

SQLite can use the space in the log again when no reader needs the old content. If a program keeps a read transaction
open, for example a database browser with an unfinished query, the log grows with each batch and can fill the disk.
"""

import logging
import sqlite3
from collections.abc import Callable
from typing import Final

from hassette_store.file.connections import CHECKPOINT_PAGES
from hassette_store.file.writer import Writer

logger = logging.getLogger(__name__)

_FRAME_BYTES: Final = 4096 + 24
# Normally a checkpoint copies the log as soon as it has `CHECKPOINT_PAGES` pages. Twice that size is unusual.
LONG_LOG_BYTES: Final = 2 * CHECKPOINT_PAGES * _FRAME_BYTES
_INTERVAL_S: Final = 5.0
_REPEAT_S: Final = 600.0


class LogWatch:
    """Logs a warning while a reader keeps the log from being used again.

    Args:
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._next_s = monotonic()
        self._next_warning_s = monotonic()

    async def check(self, db: Writer) -> None:
        """Check the size of the log, at most every five seconds. If the log is long, try to copy it into the file.

        Raises:
            StoreError: The file is no longer the file that is open.
        """
        now_s = self._monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _INTERVAL_S
        # Each batch reads the size. A check in the writer's thread would wake it up, which costs a quiet home as much
        # as a batch.
        if db.identity.log_bytes < LONG_LOG_BYTES:
            return
        try:
            pinned = await db.run(lambda raw: _pinned_frames(raw, db))
        except sqlite3.Error as error:
            logger.debug("Size of the write-ahead log could not be checked", extra={"error": str(error)})
            return
        if pinned is None or now_s < self._next_warning_s:
            return
        self._next_warning_s = now_s + _REPEAT_S
        size, reader = pinned
        cause = f"process {reader}" if reader else "a program, or an app in this process,"
        logger.warning(
            "Write-ahead log grows, because a reader keeps an old state of the history open",
            extra={
                "path": str(db.identity.log_path),
                "size_mb": round(size / 1e6, 1),
                "likely_cause": f"{cause} has not ended a read transaction on the history; end it",
            },
        )


def _pinned_frames(raw: sqlite3.Connection, db: Writer) -> tuple[int, int] | None:
    """Return the size of the log and the process id of a reader (0 if unknown), or None if no reader blocks the log."""
    size = db.identity.log_bytes
    _, frames, copied = raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if (frames - copied) * _FRAME_BYTES < LONG_LOG_BYTES // 2:
        return None
    return size, db.identity.guard.reader()
