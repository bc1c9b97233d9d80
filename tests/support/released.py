"""Histories with the schemas of earlier releases of hassette-store."""

import sqlite3
from contextlib import closing
from pathlib import Path

RELEASED = sorted((Path(__file__).parents[1] / "store" / "released").glob("*.sql"))
"""One script for each schema revision; ``scripts/freeze_schema.py`` writes them."""


def create_as_released(script: Path, path: Path) -> None:
    """Create a file with the schema and the rows of a release."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script.read_text("utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
