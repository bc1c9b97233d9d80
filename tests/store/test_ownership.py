"""One owner per file, by whatever way one comes to it, and for exactly as long as it owns it."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from hassette_store import DatabaseInUseError, UnusableFileError, WriteFailedError
from hassette_store.file import ownership as ownership_module
from hassette_store.file.ownership import Ownership, followed, owned, owner_note


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


@pytest.fixture
def next_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Ownership]:
    """Somebody who takes the file in the very moment in which it becomes free."""
    owners: list[Ownership] = []
    unlock = ownership_module._unlock

    def unlock_and_be_followed(file: Any) -> None:
        unlock(file)
        if not owners:
            owners.append(Ownership.take(path))

    monkeypatch.setattr(ownership_module, "_unlock", unlock_and_be_followed)
    return owners


def test_a_note_is_taken_away_before_others_may_own_the_file(path: Path, next_owner: list[Ownership]) -> None:
    with pytest.raises(WriteFailedError), owned(path):
        raise WriteFailedError(path, OSError("no room"))
    assert owner_note(path).exists()
    with pytest.raises(DatabaseInUseError, match=f"process {os.getpid()}"):
        Ownership.take(path)
    next_owner[0].release()


async def test_a_foreign_file_that_is_refused_is_nobodys_and_the_next_owner_is_the_only_one(
    make_store: Any, path: Path, next_owner: list[Ownership]
) -> None:
    path.write_bytes(b"something else, and more than a hundred bytes of it" * 100)  # noqa: ASYNC240  nothing else runs
    with pytest.raises(UnusableFileError, match="it is not an SQLite database"):
        await make_store().start()
    with pytest.raises(DatabaseInUseError):
        Ownership.take(path)
    next_owner[0].disown()
    assert not owner_note(path).exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows takes no open file away")
def test_a_note_that_went_between_its_opening_and_its_locking_is_made_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = ownership_module._lock
    note = owner_note(path)

    def lock_too_late(file: Any) -> None:
        monkeypatch.setattr(ownership_module, "_lock", lock)
        note.unlink()
        lock(file)

    monkeypatch.setattr(ownership_module, "_lock", lock_too_late)
    first = Ownership.take(path)
    with pytest.raises(DatabaseInUseError):
        Ownership.take(path)
    first.release()


@pytest.mark.parametrize("call", ["is_symlink", "exists", "resolve"])
async def test_a_directory_that_this_user_may_not_look_into_is_named(
    make_store: Any, path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """As below a directory of another user's; the tests run as root, who may look everywhere."""

    def refuse(file: Path, *_: Any) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))

    link = path.with_name("link.db")
    link.symlink_to(path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, call, refuse)
        with pytest.raises(UnusableFileError, match=r"link\.db: it cannot be looked into \(Permission") as raised:
            followed(link)
        assert raised.value.__cause__
        with pytest.raises(UnusableFileError, match="cannot be looked into"):
            await make_store(link).start()


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="only root can become nobody")
def test_the_directory_that_is_closed_to_this_user_is_named() -> None:
    code = (
        "import os, sys, pathlib\n"
        "from hassette_store import StoreSettings, StoreError\n"
        "from hassette_store.startup.preparation import prepare\n"
        "os.chdir('/'); os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: prepare(pathlib.Path(sys.argv[1]), StoreSettings(), lambda: 0)\n"
        "except StoreError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        closed = Path(place) / "closed"
        closed.mkdir(0o700)
        for path in (closed / "h.db", closed / "below" / "further" / "h.db"):
            ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
            assert f"{closed} cannot be looked into (Permission denied)" in ran.stdout, ran


@pytest.mark.skipif(os.name != "posix", reason="Windows has no fork")
def test_a_forked_child_that_outlives_its_killed_parent_does_not_own_the_file(path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from hassette_store.file.ownership import Ownership

ownership = Ownership.take(Path(sys.argv[1]))
if os.fork():
    os.wait()
else:
    print("forked", flush=True)
    sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin, parent.stdout:
        assert parent.stdout.readline() == "forked\n"
        with pytest.raises(DatabaseInUseError, match=f"process {parent.pid}"):
            Ownership.take(path)
        parent.kill()
        parent.wait()
        Ownership.take(path).release()


def test_a_file_system_that_locks_no_files_is_named_and_nobody_is_said_to_own_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network share without its lock service."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patch:
        patch.setattr(ownership_module, "_lock", refuse)
        with pytest.raises(UnusableFileError, match="its file system locks no files"):
            Ownership.take(path)
    assert not owner_note(path).exists()
    Ownership.take(path).release()
