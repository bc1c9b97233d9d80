"""Owner and mode of the files that operations on a history create."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hassette_store import backup, check, restore, vacuum
from hassette_store.file.owner_note import owner_note
from hassette_store.file.ownership import Ownership
from hassette_store.recovery import replacement
from hassette_store.settings import StoreSettings
from hassette_store.startup.preparation import prepare
from support.rows import Batch, Listener, invocation
from support.stores import MakeStore

OTHER_USER = 12_345
Care = Callable[[Path, Path], None]

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
as_root = pytest.mark.skipif(
    sys.platform == "win32" or os.getuid() != 0, reason="only root may change the owner of a file"
)


def facts(file: Path) -> tuple[int, int, int]:
    stat = file.stat()
    return stat.st_uid, stat.st_gid, stat.st_mode & 0o777


def modes_in(directory: Path) -> set[int]:
    return {facts(file)[2] for file in directory.iterdir()}


def restored(path: Path, copy: Path) -> None:
    restore(path, copy)


def rewritten(path: Path, copy: Path) -> None:
    vacuum(path)


def recovered(path: Path, copy: Path) -> None:
    with Ownership.take(path):
        replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=10)


def put_back(path: Path, copy: Path) -> None:
    with Ownership.take(path):
        replacement.put_back(copy, path)


def started(path: Path, copy: Path) -> None:
    prepare(path, StoreSettings(), lambda: 0).ownership.release()


CARES = pytest.mark.parametrize("care", [restored, rewritten, recovered, put_back, started])


@as_root
@CARES
def test_operations_of_root_keep_the_owner_of_the_history(path: Path, tmp_path: Path, care: Care) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    os.chown(path, OTHER_USER, OTHER_USER)
    path.chmod(0o600)
    care(path, copy)
    assert facts(path) == (OTHER_USER, OTHER_USER, 0o600)
    assert facts(owner_note(path)) == (OTHER_USER, OTHER_USER, 0o600)
    assert check(path) == []


@as_root
def test_new_history_restored_by_root_has_the_owner_of_its_directory(path: Path, tmp_path: Path) -> None:
    place = tmp_path / "new"
    place.mkdir()
    os.chown(place, OTHER_USER, OTHER_USER)
    place.chmod(0o700)
    restore(place / "hassette.db", path)
    assert {facts(file) for file in place.iterdir()} == {(OTHER_USER, OTHER_USER, 0o600)}


@posix
@CARES
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666])
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_only_the_owner_can_read_the_history_after_any_operation(
    path: Path, tmp_path: Path, care: Care, mode: int, umask: int
) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    path.chmod(mode)
    before = os.umask(umask)
    try:
        care(path, copy)
    finally:
        os.umask(before)
    assert modes_in(path.parent) == {0o600}


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_new_history_and_its_log_can_be_read_by_their_owner_only(
    make_store: MakeStore, tmp_path: Path, umask: int
) -> None:
    path = tmp_path / "a" / "b" / "hassette.db"
    before = os.umask(umask)
    try:
        store = make_store(path)
        await store.start()
        await store.write(Batch(1, invocations=(invocation(1, Listener()),)))
        backup(path, tmp_path / "copy.db")
    finally:
        os.umask(before)
    assert {file.name for file in path.parent.iterdir()} == {
        "hassette.db", "hassette.db-wal", "hassette.db-shm", "hassette.db.owner"
    }  # fmt: skip
    assert modes_in(path.parent) == {0o600}
    assert [facts(place)[2] for place in (path.parent, path.parent.parent, tmp_path / "copy.db")] == [
        0o700, 0o700, 0o600
    ]  # fmt: skip


@posix
async def test_start_makes_an_existing_history_and_all_its_copies_private(make_store: MakeStore, path: Path) -> None:
    store = make_store()
    await store.start()
    await store.write(Batch(1, invocations=(invocation(1, Listener()),)))
    for suffix in ("-wal", "-shm", ".damaged-20260101T000000Z", ".damaged-20260101T000000Z-wal", ".replaced-1"):
        path.with_name(path.name + suffix).touch()
    neighbour = path.with_name("notes.txt")
    neighbour.touch(0o644)
    for file in path.parent.iterdir():
        file.chmod(0o644)
    path.parent.chmod(0o755)
    await store.stop()
    await store.start()
    assert facts(neighbour)[2] == 0o644
    neighbour.unlink()
    assert modes_in(path.parent) == {0o600}
    assert facts(path.parent)[2] == 0o755


@posix
async def test_damaged_history_and_its_log_are_private_after_they_were_moved_aside(
    make_store: MakeStore, path: Path
) -> None:
    store = make_store()
    await store.start()
    await store.stop()
    with path.open("r+b") as file:
        file.write(b"\0" * 4096)
    path.with_name("hassette.db-wal").write_bytes(b"x" * 100)
    for file in path.parent.iterdir():
        file.chmod(0o666)
    await store.start()
    assert any(".damaged-" in file.name and file.name.endswith("-wal") for file in path.parent.iterdir())
    assert modes_in(path.parent) == {0o600}


@posix
def test_backup_can_be_read_by_its_owner_only(path: Path, tmp_path: Path) -> None:
    path.chmod(0o640)
    backup(path, tmp_path / "copy.db")
    assert facts(tmp_path / "copy.db")[2] == 0o600
