"""Backup, restore, check and vacuum of a history."""

import asyncio
import functools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from hassette_store import (
    DatabaseInUseError,
    DatabaseService,
    MaintenanceError,
    NewerDatabaseError,
    backup,
    check,
    restore,
    vacuum,
)
from hassette_store.file.owner_note import owner_note
from support.rows import Batch, Listener, invocation
from support.stores import MakeStore, RunScript
from support.unusable_files import make_newer
from support.waiting import patience


def _answer(usage: object, _path: object) -> object:
    return usage


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


async def test_backup_during_writes_is_complete_and_a_single_file(store: DatabaseService, tmp_path: Path) -> None:
    await some_runs(store, 400)
    to = tmp_path / "copy.db"
    progress: list[tuple[int, int]] = []
    copying = asyncio.to_thread(backup, store.path, to, progress=lambda left, total: progress.append((left, total)))
    await asyncio.gather(copying, some_runs(store, 400, 2))
    assert check(to) == []
    assert count(to) in (400, 800)
    assert progress[-1][0] == 0
    assert [one.name for one in sorted(tmp_path.glob("copy.db*"))] == ["copy.db"]  # noqa: ASYNC240
    assert to.read_bytes()[18:20] == b"\x01\x01", "the copy must not be in WAL mode"


def test_backup_ends_although_a_writer_commits_between_its_steps(path: Path, tmp_path: Path) -> None:
    writer = sqlite3.connect(path, isolation_level=None)
    steps: list[int] = []

    def commit(left: int, _: int) -> None:
        steps.append(left)
        assert len(steps) < 1_000, "it starts over at each commit"
        writer.execute("INSERT INTO names (name) VALUES (?)", (f"name {len(steps)}",))

    try:
        backup(path, tmp_path / "copy.db", progress=commit, pages_at_once=1)
    finally:
        writer.close()
    assert steps == list(range(len(steps) - 1, -1, -1))
    assert check(tmp_path / "copy.db") == []


async def test_restore_puts_the_backup_in_place_and_keeps_the_replaced_history(
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
    # A session was open when the backup was made, so it counts as crashed.
    assert count(path) == 3


def test_backup_can_be_restored_to_an_empty_place(path: Path, tmp_path: Path) -> None:
    assert restore(tmp_path / "new" / "hassette.db", path) is None
    assert check(tmp_path / "new" / "hassette.db") == []


def test_existing_targets_and_missing_sources_are_rejected(path: Path, tmp_path: Path) -> None:
    with pytest.raises(MaintenanceError, match="exists already"):
        backup(path, path)
    with pytest.raises(MaintenanceError, match="no history at"):
        backup(tmp_path / "no.db", tmp_path / "copy.db")
    with pytest.raises(MaintenanceError, match="no backup at"):
        restore(path, tmp_path / "no.db")
    with pytest.raises(MaintenanceError, match="no history at"):
        check(tmp_path / "no.db")
    with pytest.raises(MaintenanceError, match="no history at"):
        vacuum(tmp_path / "no.db")


def test_backup_to_a_missing_directory_names_it(path: Path, tmp_path: Path) -> None:
    with pytest.raises(MaintenanceError, match=r"there is no directory .*/not/there\. Create it first"):
        backup(path, tmp_path / "not" / "there" / "copy.db")


def test_unreadable_file_is_an_error_and_not_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("hassette_store.backups.connect_to_read", refuse)
    with pytest.raises(MaintenanceError, match=r"hassette\.db could not be read.*unable to open.*as a user who may"):
        check(path)


def test_missing_permission_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("hassette_store.backups.connect_to_read", refuse)
    monkeypatch.setattr("os.access", lambda *_: False)  # root may read everything
    with pytest.raises(MaintenanceError, match=r"hassette\.db could not be read.*: no permission to read it\. Run"):
        check(path)


def test_damaged_backup_is_not_restored(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    with copy.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 8192)
    before = path.read_bytes()
    with pytest.raises(MaintenanceError, match="is damaged"):
        restore(path, copy)
    assert path.read_bytes() == before


def test_database_of_another_program_is_not_a_history(path: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    db = sqlite3.connect(foreign)
    db.execute("CREATE TABLE mine (a)")
    db.close()
    before = path.read_bytes()
    for operation in (lambda: restore(path, foreign), lambda: check(foreign), lambda: vacuum(foreign)):
        with pytest.raises(MaintenanceError, match=r"foreign\.db is not a history of Hassette$"):
            operation()
    assert path.read_bytes() == before


def test_failed_operation_leaves_no_owner_note_next_to_a_foreign_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "foreign.db"
    db = sqlite3.connect(foreign)
    db.execute("CREATE TABLE mine (a)")
    db.close()
    with pytest.raises(MaintenanceError, match="not a history"):
        vacuum(foreign)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", functools.partial(_answer, usage))
    with pytest.raises(MaintenanceError, match="MB free"):
        restore(foreign, path)
    assert not owner_note(foreign).exists()


async def test_symbolic_link_does_not_bypass_the_owner(store: DatabaseService, path: Path, tmp_path: Path) -> None:
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


def test_backup_of_a_newer_version_is_not_restored(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    make_newer(copy)
    with pytest.raises(NewerDatabaseError):
        restore(path, copy)


def test_history_of_a_newer_version_is_backed_up(path: Path, tmp_path: Path) -> None:
    make_newer(path)
    backup(path, tmp_path / "copy.db")
    assert count(tmp_path / "copy.db") == count(path)


def test_copy_without_enough_space_does_not_start(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", functools.partial(_answer, usage))
    with pytest.raises(MaintenanceError, match=r"needs .* MB, but .* has only 0 MB free"):
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


async def test_vacuum_shrinks_the_file_and_keeps_all_rows(make_store: MakeStore, path: Path) -> None:
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
def test_vacuum_does_not_load_the_history_into_memory(path: Path, spoil: RunScript) -> None:
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


async def test_backup_with_broken_references_is_restored(
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
async def test_restore_interrupted_after_any_move_is_finished_or_undone(
    make_store: MakeStore, path: Path, tmp_path: Path, crash_after: Any, moves: int
) -> None:
    store = make_store()
    await store.start()
    await some_runs(store, 3)
    backup(path, tmp_path / "copy.db")
    await some_runs(store, 5, 2)
    await store.stop()
    # After a crash, SQLite leaves a log next to the file. This test creates an empty log, so that all runs are in the
    # file and can be counted there.
    log = path.with_name("hassette.db-wal")
    log.touch()
    with pytest.raises(KeyboardInterrupt), crash_after(moves):
        restore(path, tmp_path / "copy.db")
    again = make_store()
    await again.start()
    # There are three moves before the last one: the copy gets its name, the history moves, and the log of the history
    # moves. If the crash comes after the history has moved, the next start completes the restore from the copy.
    assert count(path) == (8 if moves < 2 else 3)
    if moves >= 2:
        (kept,) = (one for one in path.parent.glob("hassette.db.replaced-*") if not one.name.endswith("-wal"))
        assert count(kept) == 8
    assert not [one for one in path.parent.iterdir() if ".new" in one.name]


def test_restore_below_a_file_reports_the_path(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(MaintenanceError, match=r"could not be restored to .*file.hassette\.db"):
        restore(file / "hassette.db", path)


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="only root can change the user")
async def test_copy_through_a_symbolic_link_never_lacks_the_write_ahead_log() -> None:
    """A user who may not write to the directory cannot read the log, and gets no older copy in its place."""
    code = (
        "import os, sys, pathlib\nfrom hassette_store import StoreError, backup\n"
        "os.chdir('/'); os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: backup(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
        "except StoreError as error: print(error)\n"
        "else: print('copied')\n"
    )
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        path = place / "real" / "hassette.db"
        store = DatabaseService(path)
        await store.start()
        await store.write(Batch(1, invocations=(invocation(),)))
        shutil.copytree(path.parent, place / "killed", ignore=shutil.ignore_patterns("*-shm"))
        await store.stop()
        (place / "out").mkdir()
        (place / "link.db").symlink_to(place / "killed" / "hassette.db")
        for directory, mode in ((place, 0o755), (place / "killed", 0o555), (place / "out", 0o777)):
            directory.chmod(mode)
        for file in (place / "killed").iterdir():
            file.chmod(0o444)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", code, str(place / "link.db"), str(place / "out" / "copy.db")],
            capture_output=True,
            text=True,
            timeout=patience(60),
            check=True,
        )
        assert "could not be copied" in done.stdout
