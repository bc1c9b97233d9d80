"""Which schema a file has, told without Alembic: one SELECT."""

import sqlite3
from pathlib import Path
from typing import Final

from hassette_store.errors import NewerDatabaseError, UnusableFileError
from hassette_store.file.connections import APPLICATION_ID

HEAD: Final = "0001"
"""The revision that this package writes; a test holds it to the newest script."""


def revision_of(connection: sqlite3.Connection, path: Path) -> str | None:
    """Return the file's schema revision; None for a file without any table.

    Raises:
        NewerDatabaseError: The revision is one that this package does not know yet.
        UnusableFileError: The tables are not ours.
        sqlite3.Error: The file cannot be read, or has lost its revision.
    """
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
            return None
        raise UnusableFileError(
            path,
            "it is an SQLite database, but not a history of Hassette's",
            "Move it away, or set another data_dir.",
        ) from None
    if row is None or not isinstance(row[0], str):
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise UnusableFileError(
                path,
                "it is an SQLite database without a revision, and not a history of Hassette's",
                "Move it away, or set another data_dir.",
            )
        # `create` writes it with the tables or not at all.
        error = sqlite3.DatabaseError("its schema's revision is gone")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    revision = row[0]
    if revision > HEAD:
        raise NewerDatabaseError(path, revision, HEAD)
    return revision
