"""Connections to the file: one for writing, any number for reading.

SQLite before 3.51.3 can corrupt a WAL file when two connections write or checkpoint at the same moment
(https://sqlite.org/wal.html, section 11). So only the owner's one connection writes and checkpoints, and every reader
opens the file with ``mode=ro``.
"""

import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from hassette_store.file.presence import size_of
from hassette_store.file.side_files import log_path
from hassette_store.settings import Synchronous
from hassette_store.sketch_functions import add_sketch_functions

APPLICATION_ID: Final = 0x48535354
"""``HSST`` in the file's header marks a database as a history."""
SQLITE_NEEDED: Final = (3, 37, 0)
"""The first version with STRICT tables."""
SQLITE_WITHOUT_WAL_RESET_BUG: Final = (3, 51, 3)

BUSY_TIMEOUT_S: Final = 0.5
"""Seconds that a statement waits for a lock. The wait is short, because the write queue retries a failed write."""
CHECKPOINT_PAGES: Final = 1000
"""Number of pages in the write-ahead log at which SQLite copies them into the file."""

_NOT_WRITABLE: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_PAGE_BYTES: Final = 4096
# The cache has space for the newest leaf page of each table and index, so that the writer rarely reads pages from an SD
# card.
_CACHE_KIB: Final = 8192

# page_size and auto_vacuum come first, because they have no effect after the first page is written.
_PRAGMAS: Final = f"""
PRAGMA page_size = {_PAGE_BYTES};
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = %s;
PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
PRAGMA journal_size_limit = {4 * CHECKPOINT_PAGES * _PAGE_BYTES};
PRAGMA cache_size = -{_CACHE_KIB};
PRAGMA temp_store = MEMORY;
PRAGMA foreign_keys = OFF;
"""


def uri(path: Path, **options: str | int) -> str:
    """Return a ``file:`` URI for SQLite; the path may contain any character."""
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"file:{quote(os.fsencode(path.absolute()))}?{query}"


def replace_invalid_text(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Make a connection read invalid UTF-8 in texts as U+FFFD; return the connection.

    SQLite's checks do not find a wrong byte in a text, and such a byte should not make the whole row unreadable.
    """
    connection.text_factory = _text_of
    return connection


def _text_of(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def connect_read_only(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open a database file for reading. A framework may be writing to it.

    The connection may be used from any thread, but only by one thread at a time. Close it after use.

    Args:
        path: The file.
        busy_timeout_s: Seconds to wait for a lock.

    Raises:
        sqlite3.OperationalError: The file does not exist or cannot be opened.
    """
    connection = sqlite3.connect(
        uri(path, mode="ro"), uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return replace_invalid_text(connection)


class ImmutableFileConnection(sqlite3.Connection):
    """Connection with SQLite's option ``immutable``. If the file changes, results may be wrong."""


def connect_to_read(
    path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S, ignore_wal: bool = False
) -> sqlite3.Connection:
    """Open a database file for reading, even on a read-only medium or in a directory of another user.

    For a file with a write-ahead log, SQLite creates a ``-shm`` file next to the file. If the user may not create the
    ``-shm`` file, there are two cases. If the log is empty or ``ignore_wal`` is true, the function returns an
    `ImmutableFileConnection`. If not, the function raises an error. Close an `ImmutableFileConnection` soon, because a
    framework may start and change the file.

    Args:
        path: The file.
        busy_timeout_s: Seconds to wait for a lock.
        ignore_wal: Whether an `ImmutableFileConnection` may ignore a write-ahead log that is not empty. A connection
            that ignores the log does not see the newest runs.

    Raises:
        sqlite3.Error: The file cannot be read.
    """
    connection = connect_read_only(path, busy_timeout_s=busy_timeout_s)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE:
            raise
        try:
            has_log = size_of(log_path(path)) > 0
        except OSError:
            # The log may exist, and a connection that ignores it could show an older state.
            has_log = True
        if has_log and not ignore_wal:
            raise
    except BaseException:
        connection.close()
        raise
    else:
        return connection
    return connect_without_log(path)


def connect_without_log(path: Path) -> ImmutableFileConnection:
    """Open a database file for reading, and ignore its write-ahead log.

    If a framework may be writing to the file, results may be wrong, so close the connection soon.

    Raises:
        sqlite3.Error: The file cannot be read.
    """
    connection = sqlite3.connect(
        uri(path, mode="ro", immutable=1),
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        factory=ImmutableFileConnection,
    )
    replace_invalid_text(connection)
    return connection


@contextmanager
def deadline(connection: sqlite3.Connection, seconds: float) -> Generator[None]:
    """Interrupt statements that are still running when the time is over.

    Args:
        connection: The connection.
        seconds: Time from the start of the ``with`` block.

    Raises:
        sqlite3.OperationalError: A statement was interrupted. The message is ``interrupted``.
    """
    ends = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > ends, 2_000)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def write_pragmas(synchronous: Synchronous) -> str:
    """Return the script that configures a connection for writing."""
    return _PRAGMAS % synchronous


def connect_to_write(path: Path, *, synchronous: Synchronous = "full") -> sqlite3.Connection:
    """Open the file for writing, with blocking calls. Only the owner of the file may do this.

    Args:
        path: The file; it is created if it is missing.
        synchronous: As in `StoreSettings`.

    Raises:
        sqlite3.Error: The file cannot be opened or is not a database.
    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(write_pragmas(synchronous))
    except BaseException:
        connection.close()
        raise
    return add_sketch_functions(replace_invalid_text(connection))
