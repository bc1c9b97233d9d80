"""How the tables of a history are stored in its pages, read from an empty history."""

import sqlite3
from importlib.resources import files
from typing import Final

from hassette_store.file.creation import statements
from hassette_store.recovery.cells import Column, TableFormat

_CONSTANT_TABLES: Final = ("statuses", "alembic_version")
"""Tables whose rows each new history has."""


def table_formats(history: sqlite3.Connection) -> dict[str, TableFormat]:
    """Return the format of each table with rows of the user.

    Args:
        history: A connection to a history with the newest schema.
    """
    fewest = _fewest_columns()
    return {
        name: _format(history, name, fewest[name], has_row_ids=not without_row_ids)
        for name, without_row_ids in history.execute(
            "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
        ).fetchall()
        if name not in _CONSTANT_TABLES and not name.startswith("sqlite_")
    }


def root_pages(history: sqlite3.Connection) -> dict[str, int]:
    """Return the root page of each table and index."""
    return dict(history.execute("SELECT name, rootpage FROM sqlite_schema WHERE type IN ('table', 'index')").fetchall())


def _format(history: sqlite3.Connection, name: str, fewest: int, *, has_row_ids: bool) -> TableFormat:
    info = history.execute(f"PRAGMA table_info({name})").fetchall()
    key = sorted((row for row in info if row[5]), key=lambda row: row[5])
    # A table without row ids stores the columns of the key first.
    stored = info if has_row_ids else key + [row for row in info if not row[5]]
    columns = tuple(Column(str(row[1]), str(row[2]), bool(row[3] or row[5])) for row in stored)
    return TableFormat(name, columns, fewest, len(key), has_row_ids)


def _fewest_columns() -> dict[str, int]:
    """Return the number of columns that each table had in the revision that created it."""
    fewest: dict[str, int] = {}
    with sqlite3.connect(":memory:") as db:
        for script in sorted(file.name for file in files("hassette_store").joinpath("migrations", "sql").iterdir()):
            for statement in statements(script):
                db.execute(statement)
            for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                fewest.setdefault(str(table), len(db.execute(f"PRAGMA table_info({table})").fetchall()))
    db.close()
    return fewest
