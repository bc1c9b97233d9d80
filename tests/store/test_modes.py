"""Owner and mode of the files that operations on a history create."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hassette_store import backup, check, restore, vacuum
from hassette_store.file.ownership import Ownership, owner_note
from hassette_store.recovery import replacement
from hassette_store.settings import StoreSettings
from hassette_store.startup.preparation import prepare

OTHER_USER = 12_345
Care = Callable[[Path, Path], None]

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
as_root = pytest.mark.skipif(
    sys.platform == "win32" or os.getuid() != 0, reason="only root may change the owner of a file"
)


def facts(file: Path) -> tuple[int, int, int]:
    stat = file.stat()
    return stat.st_uid, stat.st_gid, stat.st_mode & 0o777


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
def test_private_history_stays_private(path: Path, tmp_path: Path, care: Care) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    path.chmod(0o600)
    care(path, copy)
    assert facts(path)[2] == 0o600


@posix
def test_backup_has_the_mode_of_the_history(path: Path, tmp_path: Path) -> None:
    path.chmod(0o640)
    backup(path, tmp_path / "copy.db")
    assert facts(tmp_path / "copy.db") == facts(path)
