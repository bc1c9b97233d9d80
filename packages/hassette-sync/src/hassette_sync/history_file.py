"""Open a history for reading, and notice if another file has replaced it."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from hassette_store import LATEST_REVISION, ImmutableFileConnection, connect_to_read
from hassette_store.file.owner_note import add_heartbeat_function
from hassette_store.file.presence import special_kind_of
from hassette_store.file.schema import IS_HISTORY
from hassette_store.file.side_files import log_path, second_files
from hassette_store.search_form import SQL_FUNCTION, search_form
from hassette_sync.errors import (
    DatabaseMissingError,
    DatabaseUnreadableError,
    HistoryUnavailableError,
    NewerDatabaseError,
    NotADatabaseError,
    SyncError,
)
from hassette_sync.queries.sessions import DATA_VERSION, SCHEMA_REVISION

_BUSY_TIMEOUT_S = 1.0

OpenFile = Callable[[Path], sqlite3.Connection]
"""Opens a file for reading; see `hassette_store.connect_to_read`."""


def open_history(path: Path) -> sqlite3.Connection:
    """Open a history for reading, even if this user may not write to its directory.

    Without the right to write, changes that are only in the write-ahead log are missing.
    """
    return connect_to_read(path, busy_timeout_s=_BUSY_TIMEOUT_S, ignore_wal=True)


class HistoryConnection:
    """Open connection with the identity of its file. Only one thread at a time may use it.

    Attributes:
        db: The open connection.
        path: Path of the file.
        identity: Device and inode of the file.
        log: Device and inode of its write-ahead log; None if there is no log.
        version: If SQLite treats the file as unchanging, the result of `_version` before the opening; otherwise None.
        problem: If the file is a second file, the reason why the database file cannot be read; otherwise empty.
        unusable: If the file is a second file, the result of `_version` for the database file.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, identity: tuple[int, int], version: object = None) -> None:
        self.db = db
        self.path = path
        self.identity = identity
        self.log = _log_identity(path)
        self.version = version
        self.problem = ""
        self.unusable: object = None

    def is_current(self, database: Path) -> bool:
        """Return whether the file is still at the path, and the connection sees all its changes.

        Args:
            database: Path of the database file.

        Raises:
            HistoryUnavailableError: There is no file, or it cannot be examined.
        """
        if self.problem and self.unusable != _version(database):
            # The database file has changed, so it may be usable now.
            return False
        if self.version is not None and self.version != _version(self.path):
            return False
        return self.identity == _identity(self.path) and self.log == _log_identity(self.path)

    def data_version(self) -> int:
        """Return a number that changes when another connection has changed the file."""
        return self.db.execute(DATA_VERSION).fetchone()[0]

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self.db.close()


def open_connection(database: Path, open_file: OpenFile) -> HistoryConnection:
    """Open the database file or, if it cannot be read, the newest readable second file.

    Raises:
        HistoryUnavailableError: No file can be read. The error is that of the database file.
    """
    unusable = _version(database)
    try:
        return _open_at(database, open_file)
    except HistoryUnavailableError as error:
        for second in reversed(_second_files(database)):
            # The error of the database file is more helpful than that of a second file.
            with suppress(HistoryUnavailableError):
                connection = _open_at(second, open_file)
                connection.problem, connection.unusable = str(error), unusable
                return connection
        raise


def unavailable(path: Path, error: Exception) -> HistoryUnavailableError:
    """Return the error of a question for an error of SQLite or Python."""
    if isinstance(error, UnicodeDecodeError):
        # Python could not decode an error message of SQLite that quotes the schema. Texts in rows cannot cause this.
        return DatabaseUnreadableError(path, "it is damaged: its schema is not valid text")
    # SQLite may quote line breaks, but the message must fit on one line.
    text = " ".join(str(error).split()) or type(error).__name__
    if "not a database" in text:
        return NotADatabaseError(path, "it is not an SQLite file")
    if "unable to open" in text and not os.access(path, os.R_OK):
        return DatabaseUnreadableError(path, "this user has no permission to read it")
    return DatabaseUnreadableError(path, text)


def _open_at(path: Path, open_file: OpenFile) -> HistoryConnection:
    identity, version = _identity(path), _version(path)
    try:
        db = open_file(path)
        try:
            db.row_factory = sqlite3.Row
            db.create_function(SQL_FUNCTION, 1, search_form, deterministic=True)
            add_heartbeat_function(db, path)
            # An invalid byte in one text must not make the other values of the row unreadable.
            db.text_factory = partial(str, encoding="utf-8", errors="replace")
            _check_schema(path, db)
            # A file that SQLite treats as unchanging can still change, for example because another machine writes it.
            # So a connection to such a file serves only one question. The first statement has opened or created the
            # log, whose identity the new object reads.
            return HistoryConnection(db, path, identity, version if isinstance(db, ImmutableFileConnection) else None)
        except BaseException:
            db.close()
            raise
    except SyncError:
        raise
    except Exception as error:
        # A damaged file can cause errors of many types, including UnicodeDecodeError and MemoryError.
        raise unavailable(path, error) from error


def _check_schema(path: Path, db: sqlite3.Connection) -> None:
    try:
        rows = db.execute(SCHEMA_REVISION).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        raise NotADatabaseError(path, "Hassette's tables do not exist, or do not exist yet") from None
    if not rows:
        raise NotADatabaseError(path, "its schema has no revision")
    # Other programs use Alembic, too, and many of them number their revisions in the same way.
    if not db.execute(IS_HISTORY).fetchall():
        raise NotADatabaseError(path, "Hassette's tables do not exist")
    # All revisions have four digits, so they can be compared as text.
    if (revision := str(rows[0][0])) > LATEST_REVISION:
        raise NewerDatabaseError(path, revision, LATEST_REVISION)


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise DatabaseMissingError(path) from None
    except OSError as error:
        raise DatabaseUnreadableError(path, error.strerror or str(error)) from None
    # Opening a pipe would block this process for ever.
    if kind := special_kind_of(status):
        raise NotADatabaseError(path, f"it is {kind}")
    return (status.st_dev, status.st_ino)


def _log_identity(path: Path) -> tuple[int, int] | None:
    try:
        status = log_path(path).stat()
    except OSError:  # SQLite creates and deletes the write-ahead log as needed
        return None
    return (status.st_dev, status.st_ino)


def _second_files(path: Path) -> list[Path]:
    try:
        return second_files(path)
    except OSError:  # the caller raises the error of the database file, which is more helpful
        return []


def _version(path: Path) -> object:
    """Return a value that differs after each write or replacement of the file or of its write-ahead log."""
    version: list[tuple[int, ...] | None] = []
    for find in (Path, log_path):
        try:
            status = find(path).stat()
        except OSError:  # SQLite creates and deletes the write-ahead log as needed
            version.append(None)
        else:
            version.append((status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode))
    return tuple(version)
