"""A file has one owner, on any path to it, until the owner releases it or ends."""

import asyncio
import errno
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

import pytest

from hassette_store import DatabaseAccessError, DatabaseInUseError, DatabaseService, UnusableFileError
from hassette_store.file.location import resolve_links
from hassette_store.file.owner_note import owner_note
from hassette_store.file.ownership import FileLock, Ownership, owned
from hassette_store.settings import StoreSettings
from hassette_store.startup.preparation import prepare
from support.stores import MakeStore
from support.waiting import patience


async def start_and_stop(make_store: MakeStore, path: Path) -> Any:
    store = make_store(path)
    await store.start()
    await store.stop()
    return store


async def test_link_to_a_history_has_the_same_owner(
    make_store: MakeStore, store: DatabaseService, path: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(DatabaseInUseError):
        await start_and_stop(make_store, link)
    await store.stop()
    await start_and_stop(make_store, link)


class SharedWithChild(FileLock):
    """A lock on a file that a forked child shares. A second descriptor of the open file stands for the child."""

    def acquire(self, file: IO[str]) -> None:
        super().acquire(file)
        self.descriptor = os.dup(file.fileno())


@pytest.mark.skipif(os.name != "posix", reason="Windows has no fork")
def test_released_file_is_free_while_a_forked_child_runs(path: Path) -> None:
    lock = SharedWithChild()
    first = Ownership.take(path, lock=lock)
    try:
        first.release()
        Ownership.take(path).release()
    finally:
        os.close(lock.descriptor)


@pytest.mark.parametrize("call", ["ftruncate", "write"])
def test_file_stays_free_if_its_note_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(
            DatabaseAccessError, match=r"hassette\.db\.owner: No space left on device\. Free some space"
        ):
            Ownership.take(path)
    assert not owner_note(path).exists()
    Ownership.take(path).release()


async def test_restart_does_not_drop_the_locks_of_this_process(
    make_store: MakeStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a process closes a file, it loses all its POSIX locks on that file. So only SQLite may open the history."""
    opened: list[Path] = []
    really_open: Any = Path.open

    def record(file: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(file)
        return really_open(file, *arguments, **options)

    monkeypatch.setattr(Path, "open", record)
    store = await start_and_stop(make_store, path)
    await store.start()
    assert owner_note(path) in opened
    assert path not in opened


class TakenAtOnce(FileLock):
    """A lock that another owner takes as soon as the lock is released for the first time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.next_owner: Ownership | None = None

    def release(self, file: IO[str]) -> None:
        super().release(file)
        if self.next_owner is None:
            self.next_owner = Ownership.take(self.path)


def test_owner_note_is_removed_before_the_lock_is_released(path: Path) -> None:
    lock = TakenAtOnce(path)
    with pytest.raises(DatabaseAccessError), owned(path, lock=lock):
        raise DatabaseAccessError(path, OSError("no space"))
    assert owner_note(path).exists()
    with pytest.raises(DatabaseInUseError, match=f"process {os.getpid()}"):
        Ownership.take(path)
    assert lock.next_owner is not None
    lock.next_owner.release()


def test_rejected_foreign_file_can_have_another_owner_at_once(path: Path) -> None:
    lock = TakenAtOnce(path)
    path.write_bytes(b"another program's file, which is longer than a hundred bytes" * 100)
    with pytest.raises(UnusableFileError, match="it is not an SQLite database"):
        prepare(path, StoreSettings(), lambda: 0, lock=lock)
    with pytest.raises(DatabaseInUseError):
        Ownership.take(path)
    assert lock.next_owner is not None
    lock.next_owner.remove_note_and_release()
    assert not owner_note(path).exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows does not remove open files")
def test_note_removed_between_opening_and_locking_is_created_again(path: Path) -> None:
    class RemovedBeforeLock(FileLock):
        removed = False

        def acquire(self, file: IO[str]) -> None:
            if not self.removed:
                self.removed = True
                owner_note(path).unlink()
            super().acquire(file)

    first = Ownership.take(path, lock=RemovedBeforeLock())
    with pytest.raises(DatabaseInUseError):
        Ownership.take(path)
    first.release()


@pytest.mark.parametrize(("where", "call"), [(Path, "stat"), (os.path, "realpath")])
async def test_directory_without_access_is_an_error(
    make_store: MakeStore, path: Path, monkeypatch: pytest.MonkeyPatch, where: object, call: str
) -> None:
    """The test simulates a directory of another user, because the tests run as root, which may read any directory."""

    def refuse(file: Path, *_: Any, **__: Any) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))

    link = path.with_name("link.db")
    link.symlink_to(path)
    with monkeypatch.context() as patch:
        patch.setattr(where, call, refuse)
        with pytest.raises(UnusableFileError, match=r"link\.db: it cannot be entered \(Permission") as raised:
            resolve_links(link)
        assert raised.value.__cause__
        with pytest.raises(UnusableFileError, match="cannot be entered"):
            await make_store(link).start()


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="only root can change the user")
def test_error_names_the_directory_without_access() -> None:
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
            ran = subprocess.run(
                [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=patience(60)
            )
            assert f"{closed} cannot be entered (Permission denied)" in ran.stdout, ran


@pytest.mark.skipif(os.name != "posix", reason="Windows has no fork")
def test_forked_child_of_a_killed_owner_does_not_own_the_file(path: Path) -> None:
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


def test_file_system_without_locks_is_reported_and_leaves_no_note(path: Path) -> None:
    class NoLocks(FileLock):
        """A network share without a lock service."""

        def acquire(self, file: IO[str]) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with pytest.raises(UnusableFileError, match="its file system does not support locks"):
        Ownership.take(path, lock=NoLocks())
    assert not owner_note(path).exists()
    Ownership.take(path).release()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_service_starts_in_another_event_loop_after_a_cancelled_start(path: Path, steps: int) -> None:
    store = DatabaseService(path)

    async def cancel_start() -> None:
        starting = asyncio.create_task(store.start())
        for _ in range(steps):
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        # `stop` is not called. `asyncio.run` waits for the thread of the start, which then owns the file.

    async def start_again() -> None:
        async with asyncio.timeout(patience(10)):
            await store.start()
            await store.stop()

    asyncio.run(cancel_start())
    asyncio.run(start_again())


async def test_service_starts_after_its_start_and_its_stop_were_cancelled(path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def now_us() -> int:
        if threading.current_thread() is not threading.main_thread():  # the thread that prepares the file
            entered.set()
            leave.wait(patience(10))
        return 1_800_000_000_000_000

    store = DatabaseService(path, now_us=now_us)
    starting = asyncio.create_task(store.start())
    await asyncio.to_thread(entered.wait, patience(10))
    starting.cancel()
    await asyncio.wait({starting})
    stopping = asyncio.create_task(store.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.wait({stopping})
    restarting = asyncio.create_task(store.start())
    await asyncio.sleep(0)
    leave.set()
    async with asyncio.timeout(patience(10)):
        await restarting
        await store.stop()
