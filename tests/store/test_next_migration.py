"""The first migration after a release. A copy of the package with one more revision passes the migration tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hassette_store.file.schema import LATEST_REVISION
from support.waiting import patience

ROOT = Path(__file__).parents[2]
NEXT_REVISION = f"{int(LATEST_REVISION) + 1:04d}"
COPIED = (
    "pyproject.toml",
    "scripts/freeze_schema.py",
    "tests/conftest.py",
    "tests/support",
    "tests/store",
    "tests/sync/test_released_schemas.py",
    "tests/sync/test_second_file.py",
    "packages/hassette-store/src",
    "packages/hassette-sync/src",
)
SQL = "-- A column for a test.\nALTER TABLE sessions ADD COLUMN mood TEXT;\n"
VERSION = f'''"""Revision {NEXT_REVISION}: a column for a test."""

from hassette_store.migrations.scripts import run_script

revision = "{NEXT_REVISION}"
down_revision = "{LATEST_REVISION}"


def upgrade() -> None:
    """Run the SQL file of this revision."""
    run_script("{NEXT_REVISION}_mood.sql")
'''


def copy_with_next_migration(to: Path) -> None:
    """Copy the package and its tests, and follow docs/adding-a-column.md."""
    for name in COPIED:
        source, target = ROOT / name, to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    (to / "scripts" / "support").symlink_to("../tests/support")
    store = to / "packages" / "hassette-store" / "src" / "hassette_store"
    (store / "migrations" / "sql" / f"{NEXT_REVISION}_mood.sql").write_text(SQL)
    (store / "migrations" / "versions" / f"{NEXT_REVISION}_mood.py").write_text(VERSION)
    schema = store / "file" / "schema.py"
    old = f'LATEST_REVISION: Final = "{LATEST_REVISION}"'
    assert old in schema.read_text()
    schema.write_text(schema.read_text().replace(old, f'LATEST_REVISION: Final = "{NEXT_REVISION}"'))


@pytest.mark.long
@pytest.mark.timeout(400)
def test_tests_of_migrations_pass_with_one_more_revision(tmp_path: Path) -> None:
    copy_with_next_migration(tmp_path)
    sources = [str(tmp_path / "packages" / package / "src") for package in ("hassette-store", "hassette-sync")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sources)}
    freeze = [sys.executable, "scripts/freeze_schema.py"]
    tests = [
        *("tests/store/test_upgrades.py", "tests/store/test_schema.py", "tests/store/test_salvage.py"),
        *("tests/store/test_recovery.py", "tests/store/test_writing.py", "tests/sync/test_released_schemas.py"),
        *("tests/store/test_second_file.py", "tests/sync/test_second_file.py"),
    ]
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long", *tests]
    for command in (freeze, run):
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=patience(350), check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    frozen = sorted(file.stem for file in (tmp_path / "tests" / "store" / "released").glob("*.sql"))
    assert frozen[-2:] == [LATEST_REVISION, NEXT_REVISION]
