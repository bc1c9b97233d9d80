"""Functions that make a database file unusable for this version of the store, as a user or another program does."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from hassette_store import LATEST_REVISION
from support.waiting import patience


def set_revision(path: Path, revision: str) -> None:
    _run(path, f"UPDATE alembic_version SET version_num = '{revision}'")


def make_newer(path: Path) -> None:
    set_revision(path, "9999")


def make_usable(path: Path) -> None:
    """Undo `make_newer`."""
    set_revision(path, LATEST_REVISION)


def make_upgrade_fail(path: Path) -> None:
    set_revision(path, "0000")


def make_newer_with_a_newer_syntax(path: Path) -> None:
    make_newer(path)
    _add_unknown_syntax(path, "log_lines")


def make_text(path: Path) -> None:
    path.with_name("hassette.db.owner").unlink(missing_ok=True)
    path.write_text("dear diary")


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_foreign(path: Path) -> None:
    path.with_name("hassette.db.owner").unlink(missing_ok=True)
    path.unlink()
    _run(path, "CREATE TABLE diary (page TEXT)")


def make_foreign_with_the_same_revision(path: Path) -> None:
    """Another program that uses Alembic, numbers its revisions in the same way, and has sessions, too."""
    make_foreign(path)
    _run(
        path,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        f"INSERT INTO alembic_version VALUES ('{LATEST_REVISION}')",
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY, user TEXT)",
    )


def make_foreign_with_an_older_revision(path: Path) -> None:
    make_foreign_with_the_same_revision(path)
    set_revision(path, "0000")


def make_foreign_with_a_newer_revision(path: Path) -> None:
    make_foreign_with_the_same_revision(path)
    set_revision(path, "1975ea83b712")


def make_foreign_and_cut(path: Path) -> None:
    make_foreign(path)
    _run(path, "INSERT INTO diary VALUES (hex(randomblob(20000)))")
    os.truncate(path, path.stat().st_size - 8192)


def make_foreign_with_a_newer_syntax(path: Path) -> None:
    make_foreign(path)
    _add_unknown_syntax(path, "diary")


def make_foreign_without_tables(path: Path) -> None:
    make_foreign(path)
    _run(path, "DROP TABLE diary", "PRAGMA application_id = 1234")


def make_foreign_with_an_unfinished_transaction(path: Path) -> None:
    make_foreign(path)
    program = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('PRAGMA cache_size = 1');"
        "db.execute('INSERT INTO diary SELECT hex(randomblob(9000)) FROM pragma_table_list'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False, timeout=patience(30))
    assert path.with_name("hassette.db-journal").exists()


def _add_unknown_syntax(path: Path, table: str) -> None:
    """Write a schema that this version of SQLite cannot read, as a newer version would."""
    change = f"UPDATE sqlite_master SET sql = sql || ' WITH FUTURE' WHERE name = '{table}'"
    _run(path, "PRAGMA writable_schema = ON", change)


def _run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)
