"""One owner per file, by whatever way one comes to it, and for exactly as long as it owns it."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from hassette_store import DatabaseInUseError, WriteFailedError
from hassette_store.ownership import Ownership, owner_note


async def start_and_stop(make_store: Any, path: Path) -> Any:
    store = make_store(path)
    await store.start()
    await store.stop()
    return store


async def test_a_link_to_a_history_has_the_same_owner(make_store: Any, store: Any, path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(DatabaseInUseError):
        await start_and_stop(make_store, link)
    await store.stop()
    await start_and_stop(make_store, link)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no fork")
def test_a_released_file_is_free_although_a_forked_child_lives_on(path: Path) -> None:
    first = Ownership.take(path)
    assert first._file is not None
    # What a child has after a fork: the same open file.
    childs = os.dup(first._file.fileno())
    try:
        first.release()
        Ownership.take(path).release()
    finally:
        os.close(childs)


@pytest.mark.parametrize("call", ["ftruncate", "write"])
def test_a_note_that_cannot_be_written_leaves_the_file_free(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(WriteFailedError, match=r"hassette\.db\.owner: No space left on device\. Free some space"):
            Ownership.take(path)
    assert not owner_note(path).exists()
    Ownership.take(path).release()


async def test_a_restart_does_not_drop_the_locks_of_this_process(
    make_store: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a file takes all POSIX locks of the process on it back: only SQLite may open the history."""
    opened: list[Path] = []
    really_open = Path.open

    def record(file: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(file)
        return really_open(file, *arguments, **options)

    monkeypatch.setattr(Path, "open", record)
    store = await start_and_stop(make_store, path)
    await store.start()
    assert owner_note(path) in opened
    assert path not in opened
