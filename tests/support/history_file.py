"""A history file read with sqlite3 alone, as another program would read it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from support.waiting import patience


class HistoryFile:
    """The SQLite file of a history, opened read-only for each query. A file without a schema has no rows yet."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def rows(self, query: str, *arguments: object) -> list[sqlite3.Row]:
        if not self.file.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=patience(10))) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
                return []
            connection.row_factory = sqlite3.Row
            return connection.execute(query, arguments).fetchall()

    def sessions(self) -> list[sqlite3.Row]:
        return self.rows("SELECT * FROM sessions ORDER BY id")

    def run_ids(self) -> set[int]:
        query = "SELECT id FROM handler_invocations UNION ALL SELECT id FROM job_executions"
        return {row["id"] for row in self.rows(query)}
