"""Whose the files are that caring for a history makes, and who may read them."""

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

SOMEBODY = 12_345
Care = Callable[[Path, Path], None]

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
as_root = pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root may give files away")


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
def test_root_does_not_take_a_history_away_from_its_user(path: Path, tmp_path: Path, care: Care) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    os.chown(path, SOMEBODY, SOMEBODY)
    path.chmod(0o600)
    care(path, copy)
    assert facts(path) == (SOMEBODY, SOMEBODY, 0o600)
    assert facts(owner_note(path)) == (SOMEBODY, SOMEBODY, 0o600)
    assert check(path) == []


@as_root
def test_a_history_that_root_restores_where_there_is_none_is_the_directorys_owners(path: Path, tmp_path: Path) -> None:
    place = tmp_path / "new"
    place.mkdir()
    os.chown(place, SOMEBODY, SOMEBODY)
    place.chmod(0o700)
    restore(place / "hassette.db", path)
    assert {facts(file) for file in place.iterdir()} == {(SOMEBODY, SOMEBODY, 0o600)}


@posix
@CARES
def test_a_private_history_stays_private(path: Path, tmp_path: Path, care: Care) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    path.chmod(0o600)
    care(path, copy)
    assert facts(path)[2] == 0o600


@posix
def test_a_backup_is_as_private_as_the_history(path: Path, tmp_path: Path) -> None:
    path.chmod(0o640)
    backup(path, tmp_path / "copy.db")
    assert facts(tmp_path / "copy.db") == facts(path)
