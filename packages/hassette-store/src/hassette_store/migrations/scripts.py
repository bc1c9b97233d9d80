"""Plain SQL files as migrations."""

import sqlite3
from collections.abc import Iterator
from importlib.resources import files

from alembic import op


def run_script(name: str) -> None:
    """Run each statement of a file in ``migrations/sql``, inside the transaction of the upgrade."""
    connection = op.get_bind()
    for statement in statements(files("hassette_store").joinpath("migrations", "sql", name).read_text("utf-8")):
        connection.exec_driver_sql(statement)


def statements(script: str) -> Iterator[str]:
    """Split a script into statements, triggers included.

    ``executescript`` would commit the transaction that makes an upgrade all or nothing.
    """
    lines: list[str] = []
    for line in script.splitlines():
        lines.append(line)
        text = "\n".join(lines)
        if line.rstrip().endswith(";") and sqlite3.complete_statement(text):
            yield text
            lines.clear()
