"""Schema revision of a file, read with one SELECT and without Alembic."""

import re
import sqlite3
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from hassette_store.errors import NewerDatabaseError, UnusableFileError
from hassette_store.file.connections import APPLICATION_ID

LATEST_REVISION: Final = "0001"
"""The revision that this package writes. A test compares it with the newest script."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema revision, and the scripts that upgrade to it.

    Attributes:
        revision: The revision.
        scripts: Directory of the Alembic scripts.
    """

    revision: str
    scripts: Traversable


SCHEMA: Final = Schema(LATEST_REVISION, files("hassette_store") / "migrations")
"""The schema of this package."""

IS_HISTORY: Final = f"""
SELECT 1 FROM pragma_application_id WHERE application_id = {APPLICATION_ID}
UNION ALL SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'handler_invocations'
"""
"""Select a row if the file is a history. A history that a user rebuilt from a dump has no application id."""

FOREIGN_DATABASE: Final = "it is an SQLite database, but not a history of Hassette"
FIX: Final = "Move it away, or set another data_dir."
"""Advice for a file of another program."""

_REVISION: Final = re.compile(r"\d{4}")


def revision_of(connection: sqlite3.Connection, path: Path, *, latest: str = LATEST_REVISION) -> str | None:
    """Return the schema revision of a file, or None for a file without tables.

    Args:
        connection: A connection to the file.
        path: The file, for error messages.
        latest: The newest supported revision.

    Raises:
        NewerDatabaseError: The revision is newer than ``latest``.
        UnusableFileError: The file is another program's database.
        sqlite3.Error: The file cannot be read, or its revision is lost.
    """
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        _require_ours(connection, path, FOREIGN_DATABASE)
        if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
            return None
        raise _lost_revision() from None
    if row is None or not isinstance(row[0], str) or not _REVISION.fullmatch(row[0]):
        _require_ours(
            connection, path, "it is an SQLite database without a schema revision, so it is not a history of Hassette"
        )
        # `create` writes the revision in one transaction with the tables, so a history without a revision is damaged.
        raise _lost_revision()
    # Other programs use Alembic, too, and many of them number their revisions in the same way.
    _require_ours(connection, path, FOREIGN_DATABASE)
    revision = row[0]
    if revision > latest:
        raise NewerDatabaseError(path, revision, latest)
    return revision


def _require_ours(connection: sqlite3.Connection, path: Path, reason: str) -> None:
    """Check that the file is a history, or an empty file. An empty file has no application id."""
    if connection.execute(IS_HISTORY).fetchone():
        return
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        raise UnusableFileError(path, reason, FIX)


def _lost_revision() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("the revision of its schema is lost")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
