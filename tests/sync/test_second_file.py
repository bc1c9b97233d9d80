# ruff: noqa: ASYNC240  nothing else runs on these loops
"""While the database file cannot be used, the answers come from the second file, with a notice."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hassette_store import HistoryService
from hassette_sync import DatabaseMissingError, DatabaseUnreadableError, DataSyncService, NewerDatabaseError, TimeRange
from support.rows import Batch, Listener, invocation
from support.unusable_files import (
    make_directory,
    make_foreign_with_a_newer_revision,
    make_foreign_with_the_same_revision,
    make_newer,
    make_text,
    make_upgrade_fail,
)

pytestmark = pytest.mark.heavy

LISTENER = Listener()
EVER = TimeRange(0, 1 << 60)


UNUSABLE = {
    make_newer: "has schema revision 9999, but this hassette-store supports revisions up to",
    make_text: "is not a Hassette history: it is not an SQLite file",
    make_directory: "is not a Hassette history: it is a directory",
    make_foreign_with_the_same_revision: "is not a Hassette history: Hassette's tables do not exist",
    make_foreign_with_a_newer_revision: "is not a Hassette history: Hassette's tables do not exist",
}


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "hassette.db"
    store = HistoryService(path)
    await store.start()
    await store.write(Batch(1, registered=(LISTENER,), invocations=(invocation(1, LISTENER),)))
    await store.stop()
    return path


@pytest.mark.parametrize(("spoil", "reason"), UNUSABLE.items(), ids=[spoil.__name__ for spoil in UNUSABLE])
async def test_second_file_is_shown_while_the_database_file_cannot_be_used(
    path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    usable = path.with_name("usable.db")
    shutil.copyfile(path, usable)
    spoil(path)
    store = HistoryService(path)
    async with DataSyncService(path) as data:
        await store.start()
        second = store.recording_path
        await store.write(Batch(1, invocations=tuple(invocation(n, LISTENER) for n in (2, 3))))
        for _ in range(2):
            assert len((await data.runs(time_range=EVER)).runs) == 2
        status = await data.status()
        assert status.path == str(second)
        assert str(path) in status.notices[0]
        assert reason in status.notices[0]
        assert f"All data here comes from {second.name}" in status.notices[0]
        await store.stop()
        if path.is_dir():
            path.rmdir()
        usable.replace(path)
        await store.start()
        assert store.degraded is None
        assert len((await data.runs(time_range=EVER)).runs) == 3
        assert (await data.status()).path == str(path)
        assert not any("data here" in notice for notice in (await data.status()).notices)
    await store.stop()


async def test_second_file_next_to_a_readable_history_is_named(path: Path) -> None:
    make_upgrade_fail(path)
    path.with_name("hassette.db.owner").unlink()
    store = HistoryService(path)
    await store.start()
    assert store.degraded is not None
    async with DataSyncService(path) as data:
        status = await data.status()
    await store.stop()
    assert status.path == str(path)
    assert f"wrote new runs to {store.recording_path.name}" in status.notices[0]


async def test_unreadable_second_file_does_not_hide_the_error_of_the_database_file(path: Path) -> None:
    make_newer(path)
    path.with_name("hassette-degraded-20260101T000000Z.db").write_text("dear diary")
    async with DataSyncService(path) as data:
        with pytest.raises(NewerDatabaseError):
            await data.runs()


async def test_error_of_a_question_names_the_second_file_if_the_answer_comes_from_it(path: Path) -> None:
    make_newer(path)
    store = HistoryService(path)
    await store.start()
    second = store.recording_path
    await store.stop()
    with closing(sqlite3.connect(second)) as db:
        db.execute("DROP TABLE sessions")
    async with DataSyncService(path) as data:
        with pytest.raises(DatabaseUnreadableError, match=f"The history at {second} cannot be read"):
            await data.status()


async def test_missing_history_without_a_second_file_is_still_missing(tmp_path: Path) -> None:
    async with DataSyncService(tmp_path / "hassette.db") as data:
        with pytest.raises(DatabaseMissingError):
            await data.runs()
