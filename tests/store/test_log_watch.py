# ruff: noqa: ASYNC220  nothing else runs on these loops
"""A reader that keeps the write-ahead log from being used again is reported, with the size of the log."""

import logging
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hassette_store.file.log_watch import LONG_LOG_BYTES, LogWatch
from hassette_store.file.writer import Writer
from support.stores import Clock

pytestmark = pytest.mark.heavy

READER = """
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
db.execute("BEGIN")
db.execute("SELECT count(*) FROM names").fetchone()
print("reading", flush=True)
sys.stdin.readline()
"""


ROWS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)"


async def grow(db: Writer, size: int) -> None:
    """Write about ``size`` bytes to the log."""
    for _ in range(size // 400_000):
        await db.rows(f"{ROWS} INSERT INTO names (name) SELECT hex(randomblob(2000)) FROM n")


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if "Write-ahead log grows" in record.message]


@pytest.mark.parametrize("where", ["another process", "this process"])
async def test_forgotten_reader_is_reported_with_the_size_of_the_log(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    db = await Writer.open(path, synchronous="normal")
    log = path.with_name("hassette.db-wal")
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    local = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    try:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        if where == "this process":
            local.execute("BEGIN")
            local.execute("SELECT count(*) FROM names").fetchone()
            reader.kill()
            reader.wait()
        while log.stat().st_size < 2 * LONG_LOG_BYTES + 4_000_000:
            await grow(db, 4_000_000)
        watch = LogWatch(clock.monotonic)
        for _ in range(20):
            await watch.check(db)
            clock.advance(6)
        (warning,) = warnings(caplog)
        facts = vars(warning)
        assert facts["size_mb"] == round(log.stat().st_size / 1e6, 1)
        named = f"process {reader.pid}" if where == "another process" else "an app in this process"
        if sys.platform == "linux":
            assert named in facts["likely_cause"]
        clock.advance(600)
        await watch.check(db)
        assert len(warnings(caplog)) == 2, "the warning is repeated after ten minutes"
        local.close()
        reader.kill()
        reader.wait()
        clock.advance(1_200)
        await grow(db, 1_000_000)
        await watch.check(db)
        assert len(warnings(caplog)) == 2
    finally:
        local.close()
        reader.kill()
        reader.communicate()
        await db.close()


async def test_log_without_a_reader_is_not_reported(path: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    db = await Writer.open(path, synchronous="normal")
    try:
        watch = LogWatch(clock.monotonic)
        for _ in range(5):
            await grow(db, 4_000_000)
            clock.advance(6)
            await watch.check(db)
        assert warnings(caplog) == []
    finally:
        await db.close()


async def test_short_log_does_not_wake_up_the_thread_of_the_writer(path: Path, clock: Clock) -> None:
    db = await Writer.open(path, synchronous="normal")
    await grow(db, 400_000)
    await db.close()
    assert db.identity.log_bytes > 0
    await LogWatch(clock.monotonic).check(db)  # the thread has ended, so a call in it would fail
