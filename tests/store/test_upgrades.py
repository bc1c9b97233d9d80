"""Upgrades from every released schema lose no row, and a failed upgrade leaves the file unchanged."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hassette_store import MaintenanceError, UpgradeFailedError, check
from hassette_store.file.schema import LATEST_REVISION, SCHEMA, Schema
from support.rows import Batch, Listener, invocation
from support.stores import Clock, MakeStore, Reader

RELEASED = sorted((Path(__file__).parent / "released").glob("*.sql"))


def as_released(script: Path, path: Path) -> dict[str, int]:
    """Create a file with the schema and the rows of a release; return the number of rows in each table."""
    db = sqlite3.connect(path)
    try:
        db.executescript(script.read_text("utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
    finally:
        db.close()


def test_each_released_schema_has_a_frozen_file() -> None:
    assert LATEST_REVISION in {script.stem for script in RELEASED}


@pytest.mark.parametrize("script", RELEASED, ids=lambda script: script.stem)
async def test_every_upgrade_keeps_every_row(make_store: MakeStore, tmp_path: Path, script: Path) -> None:
    path = tmp_path / "hassette.db"
    before = as_released(script, path)
    assert all(before[table] for table in ("handler_invocations", "job_executions", "error_groups", "latency_daily"))
    store = make_store(path)
    await store.start()
    await store.stop()
    db = sqlite3.connect(path)
    try:
        for table, rows in before.items():
            now = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            assert now == rows + (table == "sessions"), table
    finally:
        db.close()
    assert check(path) == []


def next_schema(tmp_path: Path, body: str) -> Schema:
    """Return a schema with a revision 0002, which follows the latest revision 0001."""
    scripts = tmp_path / "migrations"
    shutil.copytree(str(SCHEMA.scripts), scripts, ignore=shutil.ignore_patterns("__pycache__"))
    text = f"from alembic import op\nrevision = '0002'\ndown_revision = '0001'\ndef upgrade():\n    {body}\n"
    (scripts / "versions" / "0002_next.py").write_text(text)
    return Schema("0002", scripts)


async def kept_run(make_store: MakeStore) -> Any:
    store = make_store()
    await store.start()
    await store.write(Batch(1, invocations=(invocation(1, Listener()),)))
    await store.stop()
    return store


def copies(path: Path) -> list[Path]:
    return sorted(path.parent.glob("hassette.db.before-*"))


async def test_upgrade_makes_a_verified_copy_and_a_lifecycle_event(
    make_store: MakeStore, path: Path, read: Reader, tmp_path: Path
) -> None:
    await kept_run(make_store)
    store = make_store(schema=next_schema(tmp_path, "op.execute('ALTER TABLE sessions ADD COLUMN mood TEXT')"))
    await store.start()
    assert read.value("SELECT version_num FROM alembic_version") == "0002"
    assert read.row("SELECT count(*) AS n, max(mood) AS mood FROM runs, sessions")["mood"] is None
    (copy,) = copies(path)
    db = sqlite3.connect(copy)
    assert db.execute("SELECT version_num, (SELECT count(*) FROM runs) FROM alembic_version").fetchone() == ("0001", 1)
    db.close()
    incident = read.row("SELECT kind, detail FROM lifecycle_events")
    assert incident["kind"] == "database_upgraded"
    assert copy.name in incident["detail"]


@pytest.mark.parametrize(
    "body",
    [
        "op.execute('CREATE TABLE half (a)'); raise RuntimeError('no')",
        "op.execute('CREATE TABLE half (a)'); op.execute('SELECT wrong')",
        "op.execute('DROP TABLE latency_daily'); op.execute('DELETE FROM handler_invocations'); 1 / 0",
        "op.execute('WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n')",
    ],
    ids=["raises", "wrong", "destructive", "endless"],
)
async def test_failed_upgrade_leaves_the_file_unchanged_and_keeps_the_copy(
    make_store: MakeStore, path: Path, read: Reader, tmp_path: Path, body: str
) -> None:
    await kept_run(make_store)
    store = make_store(schema=next_schema(tmp_path, body), upgrade_limit_s=1)
    with pytest.raises(UpgradeFailedError, match="The file is unchanged") as caught:
        await store.start()
    assert caught.value.backup in copies(path)
    assert read.value("SELECT version_num FROM alembic_version") == "0001"
    assert read.value("SELECT count(*) FROM runs") == 1
    assert read.rows("SELECT 1 FROM sqlite_master WHERE name = 'half'") == []
    assert read.value("SELECT count(*) FROM latency_daily") == 1
    assert check(path) == []


async def test_upgrade_that_fails_at_each_start_leaves_one_copy(
    make_store: MakeStore, path: Path, clock: Clock, tmp_path: Path
) -> None:
    await kept_run(make_store)
    schema = next_schema(tmp_path, "raise RuntimeError('no')")
    for _ in range(3):
        clock.advance(60)
        with pytest.raises(UpgradeFailedError) as caught:
            await make_store(schema=schema).start()
        assert copies(path) == [caught.value.backup]


@pytest.mark.parametrize("check_limit_s", [5, 0], ids=["found by the check", "found by the copy"])
async def test_damaged_file_with_an_older_schema_is_recovered_and_not_upgraded(
    make_store: MakeStore, path: Path, read: Reader, tmp_path: Path, check_limit_s: float
) -> None:
    await kept_run(make_store)
    root = read.value("SELECT rootpage FROM sqlite_master WHERE name = 'log_lines'")
    with path.open("r+b") as opened:
        opened.seek((root - 1) * 4096)
        opened.write(b"\xff" * 4096)
    store = make_store(schema=next_schema(tmp_path, "pass"), check_limit_s=check_limit_s)
    await store.start()
    assert read.value("SELECT kind FROM lifecycle_events") == "database_recovered"
    assert read.value("SELECT count(*) FROM runs") == 1
    assert copies(path) == []


async def test_upgrade_that_damages_the_file_is_undone_from_the_copy(
    make_store: MakeStore, path: Path, read: Reader, tmp_path: Path
) -> None:
    await kept_run(make_store)
    overwrite = f"file = open({str(path)!r}, 'r+b'); file.seek(4096); file.write(b'x' * 40_960); file.close()"
    schema = next_schema(tmp_path, f"{overwrite}; raise RuntimeError('the disk failed')")
    with pytest.raises(UpgradeFailedError, match="the disk failed"):
        await make_store(schema=schema).start()
    assert check(path) == []
    assert read.value("SELECT count(*) FROM runs") == 1


async def test_upgrade_without_space_for_the_copy_does_not_start(
    make_store: MakeStore, path: Path, read: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept_run(make_store)
    schema = next_schema(tmp_path, "op.execute('DROP TABLE sessions')")
    usage = shutil.disk_usage(path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(MaintenanceError, match="MB free"):
        await make_store(schema=schema).start()
    assert read.value("SELECT count(*) FROM sessions") == 1
