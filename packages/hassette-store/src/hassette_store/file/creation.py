"""A new file: the same SQL files that Alembic runs, in their order, without Alembic.

Importing Alembic and SQLAlchemy takes half a second on a desktop and several on a Raspberry Pi; a file without any rows
needs neither. A test holds both ways to the same schema.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from sqlite3 import complete_statement
from typing import Final

from hassette_store.file.connections import APPLICATION_ID, connect_plain
from hassette_store.file.schema import HEAD

_VERSION: Final = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""


def create(path: Path) -> None:
    """Make a history at the newest schema, all or nothing.

    Args:
        path: A file without any table, or none.

    Raises:
        sqlite3.Error: It cannot be written.
    """
    db = connect_plain(path)
    try:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("BEGIN IMMEDIATE")
        db.execute(_VERSION)
        for name in sorted(one.name for one in files("hassette_store").joinpath("migrations", "sql").iterdir()):
            for statement in statements(name):
                db.execute(statement)
        db.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        db.execute("COMMIT")
    finally:
        db.close()


def statements(name: str) -> Iterator[str]:
    """Split a file of ``migrations/sql`` into statements, triggers included.

    ``executescript`` would commit the transaction that makes a schema all or nothing.
    """
    lines: list[str] = []
    for line in files("hassette_store").joinpath("migrations", "sql", name).read_text("utf-8").splitlines():
        lines.append(line)
        text = "\n".join(lines)
        if line.rstrip().endswith(";") and complete_statement(text):
            yield text
            lines.clear()
