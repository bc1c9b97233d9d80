"""Upgrades from every released schema lose no row, and a failed upgrade leaves the file unchanged."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hassette_store import MaintenanceError, UpgradeFailedError, check
from hassette_store.file.creation import create
from hassette_store.file.schema import LATEST_REVISION, SCHEMA, Schema
from hassette_store.startup.upgrade import upgrade
from support.released import RELEASED, create_as_released
from support.rows import Batch, Listener, invocation
from support.stores import Clock, MakeStore, Reader

NEXT_REVISION = f"{int(LATEST_REVISION) + 1:04d}"

each_release = pytest.mark.parametrize("script", RELEASED, ids=lambda script: script.stem)
Rows = dict[str, list[dict[str, Any]]]


def rows_in(path: Path) -> Rows:
    """Return all rows of each table by column, without the revision and SQLite's statistics."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            table: [dict(row) for row in db.execute(f"SELECT * FROM {table}")]
            for table in tables
            if table != "alembic_version" and not table.startswith("sqlite_")
        }


def assert_rows_are_kept(before: Rows, after: Rows) -> None:
    """Check that each row has its old values. An upgrade may add columns, tables and rows."""
    for table, rows in before.items():
        columns = list(rows[0])
        kept = [tuple(row[column] for column in columns) for row in after[table]]
        lost = [row for row in rows if tuple(row.values()) not in kept]
        assert not lost, f"{table}: {lost[:2]}"


def tables_and_columns(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")]
        return {table: db.execute(f"PRAGMA table_info({table})").fetchall() for table in sorted(tables)}


def test_frozen_file_of_the_latest_revision_has_its_schema(tmp_path: Path) -> None:
    script = RELEASED[-1]
    assert script.stem == LATEST_REVISION, "run scripts/freeze_schema.py"
    create_as_released(script, tmp_path / "frozen.db")
    create(tmp_path / "new.db")
    assert tables_and_columns(tmp_path / "frozen.db") == tables_and_columns(tmp_path / "new.db"), (
        "run scripts/freeze_schema.py"
    )


@each_release
def test_upgrade_keeps_every_row(tmp_path: Path, script: Path) -> None:
    path = tmp_path / "hassette.db"
    create_as_released(script, path)
    before = rows_in(path)
    assert [table for table, rows in before.items() if not rows] == []
    upgrade(path, limit_s=60)
    assert_rows_are_kept(before, rows_in(path))


@each_release
async def test_upgraded_history_is_used_and_has_no_damage(make_store: MakeStore, tmp_path: Path, script: Path) -> None:
    path = tmp_path / "hassette.db"
    create_as_released(script, path)
    before = rows_in(path)
    store = make_store(path)
    await store.start()
    await store.write(Batch(1, invocations=(invocation(100_000, Listener("new")),)))
    await store.stop()
    after = rows_in(path)
    # The start closes the session that the release left open, and stores its runs in progress as interrupted.
    own = (
        "sessions",
        "listeners",
        "scheduled_jobs",
        "running_executions",
        "counted_hourly",
        "counted_daily",
        "search_minutes",
        "search_hours",
        "store_state",
    )
    assert_rows_are_kept({table: rows for table, rows in before.items() if table not in own}, after)
    assert len(after["sessions"]) == len(before["sessions"]) + 1
    assert check(path) == []


def next_schema(tmp_path: Path, body: str) -> Schema:
    """Return a schema with one revision after the latest revision."""
    scripts = tmp_path / "migrations"
    shutil.copytree(str(SCHEMA.scripts), scripts, ignore=shutil.ignore_patterns("__pycache__"))
    text = (
        f"from alembic import op\nrevision = '{NEXT_REVISION}'\ndown_revision = '{LATEST_REVISION}'\n"
        f"def upgrade():\n    {body}\n"
    )
    (scripts / "versions" / f"{NEXT_REVISION}_next.py").write_text(text)
    return Schema(NEXT_REVISION, scripts)


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
    store = make_store(schema=next_schema(tmp_path, "op.execute('ALTER TABLE sessions ADD COLUMN for_a_test TEXT')"))
    await store.start()
    assert read.value("SELECT version_num FROM alembic_version") == NEXT_REVISION
    assert read.row("SELECT count(*) AS n, max(for_a_test) AS added FROM runs, sessions")["added"] is None
    (copy,) = copies(path)
    db = sqlite3.connect(copy)
    assert db.execute("SELECT version_num, (SELECT count(*) FROM runs) FROM alembic_version").fetchone() == (
        LATEST_REVISION,
        1,
    )
    db.close()
    incident = read.row("SELECT kind, detail FROM lifecycle_events")
    assert incident["kind"] == "database_upgraded"
    assert copy.name in incident["detail"]


@pytest.mark.parametrize(
    "body",
    [
        "op.execute('CREATE TABLE half (a)'); raise RuntimeError('no')",
        "op.execute('CREATE TABLE half (a)'); op.execute('SELECT wrong')",
        "op.execute('DROP TABLE counted_daily'); op.execute('DELETE FROM handler_invocations'); 1 / 0",
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
    assert read.value("SELECT version_num FROM alembic_version") == LATEST_REVISION
    assert read.value("SELECT count(*) FROM runs") == 1
    assert read.rows("SELECT 1 FROM sqlite_master WHERE name = 'half'") == []
    assert read.value("SELECT count(*) FROM counted_daily") == 1
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

    def nearly_full(_: object) -> object:
        return usage._replace(free=1000)

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    with pytest.raises(MaintenanceError, match="MB free"):
        await make_store(schema=schema).start()
    assert read.value("SELECT count(*) FROM sessions") == 1
