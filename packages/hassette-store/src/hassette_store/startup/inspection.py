"""Inspection of an existing file before it is used: revision, damage, and whether it can be written."""

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from hassette_store import sessions
from hassette_store.errors import StoreError, UnusableFileError
from hassette_store.file.connections import (
    APPLICATION_ID,
    BUSY_TIMEOUT_S,
    connect_read_only,
    deadline,
    replace_invalid_text,
    uri,
)
from hassette_store.file.damage import SQLITE_ERRORS, findings_of, is_damage, is_lost_schema
from hassette_store.file.lock_guard import forget_kept
from hassette_store.file.presence import size_of
from hassette_store.file.schema import FIX, FOREIGN_DATABASE, Schema, revision_of
from hassette_store.file.side_files import with_suffix
from hassette_store.recovery import header
from hassette_store.startup.log_check import find_log_damage

logger = logging.getLogger(__name__)

_LARGEST_WITHOUT_TABLES: Final = 16_384
_POSSIBLE_HEADER_ERRORS: Final = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY)
"""Error codes that SQLite returns for a corrupt header, but also for other reasons."""


def find_damage(
    path: Path, schema: Schema, *, check_limit_s: float, was_ours: bool, is_as_closed: bool, known_damage: str | None
) -> str | None:
    """Return the damage of a file, or None if none is known.

    Args:
        path: The file.
        schema: The schema that it should have.
        check_limit_s: Time limit for a check, in seconds.
        was_ours: Whether a store has owned the file before.
        is_as_closed: Whether the file is as the last session closed it.
        known_damage: Damage that SQLite found while the file was in use.

    Raises:
        StoreError: The file belongs to another program or to a newer hassette-store.
        sqlite3.Error: The file cannot be read for another reason than damage.
    """
    try:
        connection = open_to_inspect(path, was_ours=was_ours)
        try:
            revision = revision_of(connection, path, latest=schema.revision)
            has_log = size_of(with_suffix(path, "-wal")) > 0
            # Check a file after a crash, after another program changed it, and before an upgrade: a damaged file must
            # not be upgraded. Also check a file with a log, because the log may belong to another file.
            needs_check = (
                known_damage
                or not is_as_closed
                or revision != schema.revision
                or has_log
                or connection.execute(sessions.COUNT_OPEN_SESSIONS).fetchone()[0]
            )
            damage = (_quick_check(connection, check_limit_s) if needs_check else None) or known_damage
            if damage is None and was_ours:
                damage = _schema_damage(path, revision, schema)
            if damage is None and was_ours and not has_log and _has_ignored_pages(path, connection):
                damage = "it is longer than its header states"
            if damage is None and has_log:
                damage = find_log_damage(path, connection, check_limit_s)
            if damage is None and was_ours:
                _require_writable(path)
        finally:
            connection.close()
        if damage is not None:
            forget_kept(path)
        return damage  # noqa: TRY300  the handlers below also belong to the lines above
    except SQLITE_ERRORS as error:
        damaged = is_damage(error) or (was_ours and is_lost_schema(error))
        if not damaged and getattr(error, "sqlite_errorcode", 0) & 0xFF not in _POSSIBLE_HEADER_ERRORS:
            raise
        beginning = _header(path)
        if not was_ours:
            _require_history(path, beginning, error)
        if damaged:
            _require_known_revision(path, schema)
            return _describe_damage(path, beginning, error, was_ours=was_ours)
        if was_ours and (damage := header.find_header_damage(beginning)):
            return damage
        raise


def open_to_inspect(path: Path, *, was_ours: bool) -> sqlite3.Connection:
    """Open a file read-only or, if that fails, for reading and writing.

    If a crash left an unfinished transaction, SQLite must write to the file before it can read the file.

    Args:
        path: The file.
        was_ours: Whether a store has owned the file before. A file of another program is only read.

    Raises:
        UnusableFileError: Another program left an unfinished transaction in its database.
        sqlite3.Error: The file cannot be read.
    """
    connection = connect_read_only(path)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if not was_ours:
            _require_history(path, _header(path), error)
        return replace_invalid_text(sqlite3.connect(uri(path, mode="rw"), uri=True, isolation_level=None))
    except BaseException:
        connection.close()
        raise
    return connection


def has_known_revision(path: Path) -> bool:
    """Return whether a file is a history that this version can use. It may be damaged."""
    try:
        connection = connect_read_only(path)
        try:
            revision_of(connection, path)
        finally:
            connection.close()
    except (StoreError, *SQLITE_ERRORS):
        return False
    return True


def is_damaged(path: Path) -> bool:
    """Return whether a quick check finds damage.

    If the file cannot be read for another reason, such as a lock or an I/O error, it is not known to be damaged.
    """
    try:
        connection = connect_read_only(path)
        try:
            return next(findings_of(connection, "quick_check(1)"), None) is not None
        finally:
            connection.close()
    except SQLITE_ERRORS as error:
        return is_damage(error)


def _quick_check(connection: sqlite3.Connection, limit_s: float) -> str | None:
    try:
        with deadline(connection, limit_s):
            return next(findings_of(connection, "quick_check(1)"), None)
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        logger.warning(
            "Database check did not finish within check_limit_s; the file is used unchecked", extra={"limit_s": limit_s}
        )
        return None


def _has_ignored_pages(path: Path, connection: sqlite3.Connection) -> bool:
    """Return whether SQLite ignores pages at the end of the file, because the header does not count them.

    A crash during a checkpoint leaves such a file as well. Its log then contains the same pages, so call this function
    only for a file without a log.
    """
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return size_of(path) > pages * page_bytes


def _schema_damage(path: Path, revision: str | None, schema: Schema) -> str | None:
    if revision is None:
        # A crash during the creation leaves a file with one page and without tables.
        return "its schema is empty" if size_of(path) > _LARGEST_WITHOUT_TABLES else None
    if revision != schema.revision and not any(
        script.name.startswith(f"{revision}_") for script in (schema.scripts / "versions").iterdir()
    ):
        return "the revision of its schema is lost"
    return None


def _require_writable(path: Path) -> None:
    """Begin a write transaction and roll it back, because a wrong byte in the header may prevent only writing.

    The caller keeps another connection open, so that closing this one does not checkpoint the write-ahead log.
    """
    connection = sqlite3.connect(uri(path, mode="rw"), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def _require_history(path: Path, beginning: bytes, error: BaseException) -> None:
    """Check in the header that a file is a history, because SQLite cannot read the file.

    Raises:
        UnusableFileError: It is another program's file.
    """
    if not beginning.startswith(header.MAGIC):
        raise UnusableFileError(path, "it is not an SQLite database", FIX) from error
    if header.application_id(beginning) != APPLICATION_ID:
        raise UnusableFileError(path, FOREIGN_DATABASE, FIX) from error


def _require_known_revision(path: Path, schema: Schema) -> None:
    """Check that a file which looks damaged was not written by a newer hassette-store.

    The schema of such a file may contain statements that this version of SQLite does not know, which looks like damage.

    Raises:
        NewerDatabaseError: A newer hassette-store wrote the file.
    """
    connection = connect_read_only(path)
    try:
        # With this setting, SQLite ignores the part of the schema that it cannot read. The first statement still fails.
        connection.execute("PRAGMA writable_schema = ON")
        for _ in range(2):
            with suppress(*SQLITE_ERRORS, UnusableFileError):
                revision_of(connection, path, latest=schema.revision)
    finally:
        connection.close()


def _describe_damage(path: Path, beginning: bytes, error: BaseException, *, was_ours: bool) -> str:
    """Describe the damage in more detail than SQLite does."""
    if was_ours and (damage := header.find_header_damage(beginning)):
        return damage
    if (missing := header.missing_bytes(path, beginning)) > 0:
        return f"{missing} bytes are missing at its end"
    return "its schema contains text that is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _header(path: Path) -> bytes:
    """Read the header. Call this only if SQLite rejects the file.

    When Python closes the file, the system drops all POSIX locks of this process on the file, including the locks of
    SQLite's connections. Another program could then truncate the write-ahead log while a connection uses the log.
    """
    with path.open("rb") as file:
        return file.read(header.HEADER_BYTES)
