"""Copies of a history, and care for it."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hassette_store import (
    BackupError,
    DatabaseInUseError,
    DatabaseService,
    NewerDatabaseError,
    StoreError,
    backup,
    check,
    restore,
    vacuum,
)
from hassette_store.file.ownership import owner_note
from support.rows import Batch, Listener, invocation
from support.stores import MakeStore, RunScript


async def some_runs(store: DatabaseService, count: int, sequence: int = 1) -> None:
    listener = Listener()
    runs = tuple(invocation(sequence * 100_000 + n, listener) for n in range(count))
    await store.write(Batch(sequence, invocations=runs))


def count(path: Path) -> int:
    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT count(*) FROM runs").fetchone()[0]
    finally:
        db.close()


async def test_a_backup_is_whole_and_one_file_while_the_framework_writes(
    store: DatabaseService, tmp_path: Path
) -> None:
    await some_runs(store, 400)
    to = tmp_path / "copy.db"
    told: list[tuple[int, int]] = []
    copying = asyncio.to_thread(backup, store.path, to, progress=lambda left, total: told.append((left, total)))
    await asyncio.gather(copying, some_runs(store, 400, 2))
    assert check(to) == []
    assert count(to) in (400, 800)
    assert told[-1][0] == 0
    assert [one.name for one in sorted(tmp_path.glob("copy.db*"))] == ["copy.db"]  # noqa: ASYNC240
    assert to.read_bytes()[18:20] == b"\x01\x01", "not a file that wants a log beside it"


def test_a_backup_ends_although_a_writer_commits_between_all_its_steps(path: Path, tmp_path: Path) -> None:
    writer = sqlite3.connect(path, isolation_level=None)
    steps: list[int] = []

    def commit(left: int, _: int) -> None:
        steps.append(left)
        assert len(steps) < 1_000, "it starts over at each commit"
        writer.execute("INSERT INTO names (name) VALUES (?)", (f"name {len(steps)}",))

    try:
        backup(path, tmp_path / "copy.db", progress=commit, pages_a_step=1)
    finally:
        writer.close()
    assert steps == list(range(len(steps) - 1, -1, -1))
    assert check(tmp_path / "copy.db") == []


async def test_a_restored_history_is_that_of_the_backup_and_the_other_is_kept(
    make_store: MakeStore, path: Path, tmp_path: Path
) -> None:
    store = make_store()
    await store.start()
    await some_runs(store, 3)
    backup(path, tmp_path / "copy.db")
    await some_runs(store, 5, 2)
    with pytest.raises(DatabaseInUseError):
        restore(path, tmp_path / "copy.db")
    await store.stop()
    kept = restore(path, tmp_path / "copy.db")
    assert kept is not None
    assert (count(path), count(kept)) == (3, 8)
    again = make_store()
    await again.start()
    # The backup was made while a session was open, so that one counts as crashed.
    assert count(path) == 3


def test_a_backup_can_be_restored_where_there_is_nothing(path: Path, tmp_path: Path) -> None:
    assert restore(tmp_path / "new" / "hassette.db", path) is None
    assert check(tmp_path / "new" / "hassette.db") == []


def test_nothing_is_overwritten_and_nothing_is_made_of_nothing(path: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="exists already"):
        backup(path, path)
    with pytest.raises(BackupError, match="no history at"):
        backup(tmp_path / "no.db", tmp_path / "copy.db")
    with pytest.raises(BackupError, match="no backup at"):
        restore(path, tmp_path / "no.db")
    with pytest.raises(BackupError, match="no history at"):
        check(tmp_path / "no.db")
    with pytest.raises(BackupError, match="no history at"):
        vacuum(tmp_path / "no.db")


def test_a_backup_to_a_directory_that_is_not_there_names_it(path: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"there is no directory .*/not/there\. Create it first"):
        backup(path, tmp_path / "not" / "there" / "copy.db")


def test_a_file_that_cannot_be_opened_is_an_error_and_not_a_finding(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("hassette_store.backups.connect_to_read", refuse)
    with pytest.raises(BackupError, match=r"hassette\.db could not be read.*unable to open.*as a user who may"):
        check(path)


def test_a_damaged_backup_is_not_restored(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    with copy.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 8192)
    before = path.read_bytes()
    with pytest.raises(BackupError, match="not whole"):
        restore(path, copy)
    assert path.read_bytes() == before


def test_what_fails_leaves_no_note_that_would_call_a_foreign_file_ours(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "foreign.db"
    db = sqlite3.connect(foreign)
    db.execute("CREATE TABLE mine (a)")
    db.close()
    with pytest.raises(StoreError, match="not a history"):
        vacuum(foreign)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(BackupError, match="MB free"):
        restore(foreign, path)
    assert not owner_note(foreign).exists()


async def test_a_symbolic_link_is_no_way_around_the_owner(store: DatabaseService, path: Path, tmp_path: Path) -> None:
    backup(path, tmp_path / "copy.db")
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(DatabaseInUseError):
        restore(link, tmp_path / "copy.db")
    with pytest.raises(DatabaseInUseError):
        vacuum(link)
    await store.stop()
    vacuum(link)
    restore(link, tmp_path / "copy.db")
    assert link.is_symlink()
    assert check(path) == []


def test_a_newer_backup_is_not_restored(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    db = sqlite3.connect(copy)
    db.execute("UPDATE alembic_version SET version_num = '0999'")
    db.commit()
    db.close()
    with pytest.raises(NewerDatabaseError):
        restore(path, copy)


def test_a_copy_that_does_not_fit_is_not_begun(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(BackupError, match=r"needs .* MB, and .* has 0 MB free"):
        backup(path, tmp_path / "copy.db")
    assert list(tmp_path.glob("copy*")) == []


async def test_check_finds_damage_and_broken_references(store: DatabaseService, path: Path) -> None:
    await some_runs(store, 5)
    assert check(path) == []
    await store.stop()
    db = sqlite3.connect(path)
    db.execute("DELETE FROM listeners")
    db.commit()
    db.close()
    assert "refers to a missing row of listeners" in check(path)[0]
    with path.open("r+b") as file:
        file.seek(40_960)
        file.write(b"\xff" * 40_960)
    assert check(path) != []


async def test_vacuum_gives_the_space_back_and_keeps_everything(make_store: MakeStore, path: Path) -> None:
    store = make_store()
    await store.start()
    for sequence in range(1, 20):
        await some_runs(store, 500, sequence)
    with pytest.raises(DatabaseInUseError):
        vacuum(path)
    await store.stop()
    db = sqlite3.connect(path)
    db.execute("DELETE FROM handler_invocations WHERE id % 10 <> 0")
    db.commit()
    left = db.execute("SELECT count(*) FROM runs").fetchone()[0]
    db.close()
    before, after = vacuum(path)
    assert after < before
    assert count(path) == left
    assert check(path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much memory a process has had")
def test_vacuum_does_not_take_the_whole_history_into_memory(path: Path, spoil: RunScript) -> None:
    spoil(
        "WITH RECURSIVE run (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM run WHERE id < 60000) "
        "INSERT INTO log_lines SELECT id, 0, 0, 20, 1, printf('%.*c', 900, 'x') FROM run"
    )
    program = """
import re, sys
from pathlib import Path
from hassette_store import vacuum

def most_kib():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))

before = most_kib()
vacuum(Path(sys.argv[1]))
print(most_kib() - before)
"""
    grown = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True).stdout
    assert path.stat().st_size > 60_000_000
    assert int(grown) < 30_000


async def test_a_copy_that_lacks_what_a_row_refers_to_is_restored_as_whole_as_it_is(
    make_store: MakeStore, path: Path, tmp_path: Path, spoil: RunScript
) -> None:
    store = make_store()
    await store.start()
    await some_runs(store, 3)
    await store.stop()
    spoil("DELETE FROM names")
    assert "refers to a missing row of names" in check(path)[0]
    backup(path, tmp_path / "copy.db")
    restore(path, tmp_path / "copy.db")
    assert count(path) == 3


@pytest.mark.parametrize("moves", range(4))
async def test_a_restore_that_a_crash_cuts_after_any_move_is_finished_or_forgotten(
    make_store: MakeStore, path: Path, tmp_path: Path, crash_after: Any, moves: int
) -> None:
    store = make_store()
    await store.start()
    await some_runs(store, 3)
    backup(path, tmp_path / "copy.db")
    await some_runs(store, 5, 2)
    await store.stop()
    # As SQLite leaves it beside a file that nobody closed; there is nothing in it, so that the runs can be counted.
    log = path.with_name("hassette.db-wal")
    log.touch()
    with pytest.raises(KeyboardInterrupt), crash_after(moves):
        restore(path, tmp_path / "copy.db")
    again = make_store()
    await again.start()
    # The copy gets its name, the history goes, its log goes after it: from then on, the copy takes its place.
    assert count(path) == (8 if moves < 2 else 3)
    if moves >= 2:
        (kept,) = (one for one in path.parent.glob("hassette.db.replaced-*") if not one.name.endswith("-wal"))
        assert count(kept) == 8
    assert not [one for one in path.parent.iterdir() if ".new" in one.name]


def test_a_restore_below_what_is_no_directory_says_what_is_in_the_way(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(BackupError, match=r"could not be restored to .*file.hassette\.db"):
        restore(file / "hassette.db", path)
