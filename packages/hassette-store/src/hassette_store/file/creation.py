"""Creation of a new file from the SQL files that Alembic runs, but without Alembic.

Importing Alembic and SQLAlchemy takes half a second on a desktop and several seconds on a Raspberry Pi. The creation of
a file needs neither. A test checks that this module and Alembic create the same schema.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from sqlite3 import complete_statement
from typing import Final

from hassette_store.file.connections import APPLICATION_ID, connect_to_write
from hassette_store.file.location import make_empty
from hassette_store.file.presence import exists
from hassette_store.file.schema import LATEST_REVISION
from hassette_store.transactions import write_transaction

FILE_NUMBER: Final = "file_number"
"""Name of the row of ``store_state`` with a random number. Ids mean something only in the file with this number."""

# JSON readers can represent integers up to this size.
_MAX_NUMBER: Final = (1 << 53) - 1
_VERSION_TABLE: Final = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""


def create(path: Path) -> None:
    """Create a database file with the newest schema, in one transaction.

    Args:
        path: A file without tables, or a path without a file.

    Raises:
        OSError: The file cannot be created.
        sqlite3.Error: The file cannot be written.
    """
    if not exists(path):
        # SQLite would create the file with the default mode, and the side files get the mode of the file.
        make_empty(path, like=path)
    db = connect_to_write(path)
    try:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        with write_transaction(db):
            db.execute(_VERSION_TABLE)
            for name in sorted(file.name for file in files("hassette_store").joinpath("migrations", "sql").iterdir()):
                for statement in statements(name):
                    db.execute(statement)
            db.execute("INSERT INTO alembic_version VALUES (?)", (LATEST_REVISION,))
            db.execute(f"INSERT INTO store_state VALUES (?, random() & {_MAX_NUMBER})", (FILE_NUMBER,))
    finally:
        db.close()


def statements(name: str) -> Iterator[str]:
    """Yield the statements of a file in ``migrations/sql``, triggers included.

    Run them one by one: ``executescript`` would commit the caller's transaction.
    """
    lines: list[str] = []
    for line in files("hassette_store").joinpath("migrations", "sql", name).read_text("utf-8").splitlines():
        lines.append(line)
        text = "\n".join(lines)
        if line.rstrip().endswith(";") and complete_statement(text):
            yield text
            lines.clear()
