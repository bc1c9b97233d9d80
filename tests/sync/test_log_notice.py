"""The status has a notice if an open read transaction makes the write-ahead log grow."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hassette_store.file.creation import create
from hassette_sync import DataSyncService

ROWS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"


async def test_long_write_ahead_log_is_shown_with_its_size_and_the_likely_cause(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    create(path)
    log = tmp_path / "hassette.db-wal"
    with closing(sqlite3.connect(path)) as writer, closing(sqlite3.connect(path, isolation_level=None)) as reader:
        async with DataSyncService(path) as sync:
            assert not any("write-ahead log" in notice for notice in (await sync.status()).notices)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM names").fetchone()
        while log.stat().st_size < 20_000_000:
            writer.execute(f"{ROWS} INSERT INTO names (name) SELECT hex(randomblob(2000)) FROM n")
            writer.commit()
        async with DataSyncService(path) as sync:
            notices = (await sync.status()).notices
        (notice,) = [notice for notice in notices if "write-ahead log" in notice]
        assert f"has grown to {log.stat().st_size / 1e6:.0f} MB" in notice
        assert "keeps a read transaction on the history open" in notice
