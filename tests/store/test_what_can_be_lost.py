# ruff: noqa: ASYNC220, ASYNC221, ASYNC251, PT017  nothing else runs on these loops
"""Each row of the table of losses in the README, with real processes, locks, disks and kills."""

import contextlib
import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hassette_store import DatabaseAccessError, DatabaseService, StoreError, backup, check
from support.rows import Batch, Effects, Listener, LogLine, invocation
from support.statistics import assert_statistics_equal_the_rows
from support.stores import Clock, MakeStore, Reader
from support.waiting import patience

pytestmark = pytest.mark.heavy

LINUX = sys.platform == "linux"

WRITER = """
import asyncio, contextlib, itertools, json, os, signal, sys, time
from support import rows
from pathlib import Path
from hassette_store import DatabaseService, StoreError, StoreSettings

@contextlib.asynccontextmanager
async def without_serve(store):
    # `serve` compares the clocks. With a fast clock, it would give the runs other times, and so other ids.
    await store.start()
    try:
        yield
    finally:
        await store.stop()

async def write(path, pause_s, settings, count):
    \"\"\"Write batches of 5 until killed, stopped or done; print the newest id of each stored batch.\"\"\"
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    # With a fast clock, the store counts runs in each second batch, so that some kills come while it counts.
    clock = itertools.count(step=40.0).__next__ if "COUNT_OFTEN" in os.environ else time.monotonic
    store = DatabaseService(Path(path), StoreSettings(**settings), monotonic=clock)
    listener = rows.Listener()
    async with without_serve(store) if "COUNT_OFTEN" in os.environ else store:
        last, failed = await store.last_id(), 0
        if "FAULT_LATER" in os.environ:
            os.environ["FAULT_EVERY"] = os.environ["FAULT_LATER"]  # the disk fails only after the history is open
        for sequence in itertools.count(1) if not count else range(1, count + 1):
            runs = []
            for _ in range(5):
                last = max(last + 1, time.time_ns() // 1_000_000 << 21)
                runs.append(rows.invocation(registration=listener, id=last, started_us=(last >> 21) * 1000 - 3_000))
            running = (rows.Running(1, listener, rows.Event(), runs[0].started_us),)
            batch = rows.Batch(sequence, registered=(listener,), invocations=tuple(runs), running=running)
            while True:
                try:
                    await store.write(batch)
                    break
                except StoreError as error:
                    assert not isinstance(error, ValueError), error
                    failed += 1
                    await asyncio.sleep(0.001)
            # One write, which a kill cannot split. print() may do several.
            os.write(1, f"{last} {failed}\\n".encode())
            if stop.is_set():
                break
            await asyncio.sleep(pause_s)
"""

ONE = "\nasyncio.run(write(sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4])))\n"

# This process imports everything once and then forks once per cycle. A fork is faster than a new start of Python.
FORKING = """
import concurrent.futures.thread, sqlite3, json.decoder
for line in sys.stdin:
    child = os.fork()
    if not child:
        asyncio.run(write(line.strip(), 0.002, {}, 0))
        os._exit(0)
    os.write(1, f"pid {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"gone\\n")
"""


KILLS = int(os.environ.get("HASSETTE_TORTURE_KILLS", "1000"))
TESTS = str(Path(__file__).parents[1])
"""The folder of the package `support`, for PYTHONPATH."""


def run_writer(path: Path, pause_s: float = 0.0, count: int = 0, env: Any = None, **settings: Any) -> Any:
    arguments = [str(path), str(pause_s), json.dumps(settings), str(count)]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER + ONE, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": TESTS, **(env or {})},
    )


def kept_ids(path: Path) -> set[int]:
    db = sqlite3.connect(path)
    try:
        return {row[0] for row in db.execute("SELECT id FROM runs WHERE status_id = 0")}
    finally:
        db.close()


def test_clean_stop_loses_nothing(path: Path, read: Reader) -> None:
    with run_writer(path, 0.002) as writer:
        acknowledged = [int(writer.stdout.readline().split()[0]) for _ in range(50)]
        writer.send_signal(signal.SIGTERM)
        acknowledged += [int(line.split()[0]) for line in writer.stdout]
        assert writer.wait(patience(20)) == 0
    ids = kept_ids(path)
    assert set(acknowledged) <= ids
    assert len(ids) == 5 * len(acknowledged)
    # The session also counts the run in progress.
    assert read.row("SELECT outcome, runs FROM sessions") == {"outcome": "clean", "runs": len(ids) + 1}
    counted = read.row("SELECT sum(success) AS success, sum(interrupted) AS interrupted FROM statistics_hourly")
    assert counted == {"success": len(ids), "interrupted": 1}


async def kill_and_look(path: Path, make_store: MakeStore, clock: Clock, cycles: int) -> None:
    forking = subprocess.Popen(
        [sys.executable, "-c", WRITER + FORKING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": TESTS, "COUNT_OFTEN": "1"},
    )
    assert forking.stdin is not None
    assert forking.stdout is not None
    newest = 0
    try:
        for cycle in range(cycles):
            forking.stdin.write(f"{path}\n")
            forking.stdin.flush()
            pid = int(forking.stdout.readline().split()[1])
            acknowledged = [int(forking.stdout.readline().split()[0]) for _ in range(1 + cycle % 7)]
            # The delay differs from cycle to cycle, so that some kills come during a write, and not only after a write.
            time.sleep(cycle % 5 * 0.0007)
            killed_us = time.time_ns() // 1000
            os.kill(pid, signal.SIGKILL)
            while (line := forking.stdout.readline()) != "gone\n":
                with contextlib.suppress(IndexError, ValueError):
                    acknowledged.append(int(line.split()[0]))
            ids = kept_ids(path)
            assert set(acknowledged) <= ids, "acknowledged runs are stored"
            assert min(acknowledged) > newest
            newest = max(acknowledged)
            assert check(path) == []
            assert_statistics_equal_the_rows(path)
            clock.us = time.time_ns() // 1000
            store = make_store()
            await store.start()
            await store.stop()
            assert_statistics_equal_the_rows(path)
            db = sqlite3.connect(path)
            session = db.execute(
                "SELECT outcome, ended_us FROM sessions WHERE outcome <> 'clean' ORDER BY id DESC LIMIT 1"
            ).fetchone()
            interrupted = db.execute("SELECT count(*) FROM runs WHERE status_id = 4").fetchone()[0]
            db.close()
            assert session[0] == "crashed"
            assert abs(session[1] - killed_us) < 5_000_000
            assert interrupted == cycle + 1
    finally:
        forking.kill()
        forking.communicate()


async def test_sigkill_loses_only_unwritten_batches(path: Path, make_store: MakeStore, clock: Clock) -> None:
    await kill_and_look(path, make_store, clock, 50)


@pytest.mark.torture
@pytest.mark.timeout(3_600)
async def test_many_kills_lose_only_unwritten_batches(path: Path, make_store: MakeStore, clock: Clock) -> None:
    await kill_and_look(path, make_store, clock, KILLS)


@pytest.mark.parametrize("cut", range(7))
async def test_power_loss_never_loses_the_file(store: DatabaseService, path: Path, tmp_path: Path, cut: int) -> None:
    """After a power cut, the file and a part of the log exist. The part may end in the middle of a page."""
    for sequence in range(1, 40):
        await store.write(Batch(sequence, invocations=(invocation(sequence, Listener()),)))
    left = tmp_path / "after" / "hassette.db"
    left.parent.mkdir()
    shutil.copyfile(path, left)
    log = path.with_name("hassette.db-wal").read_bytes()
    kept = {0: 0, 6: len(log)}.get(cut, len(log) * cut // 5 - 1234)
    left.with_name("hassette.db-wal").write_bytes(log[:kept])
    assert check(left) == []
    runs = len(kept_ids(left))
    if cut == 6:
        assert runs == 39
    else:
        assert (0 if cut < 5 else 1) <= runs <= 39
    # Each stored batch is complete, and all batches before it are stored as well.
    db = sqlite3.connect(left)
    sequence, counted = db.execute(
        "SELECT last_sequence, (SELECT coalesce(sum(success), 0) FROM statistics_hourly) FROM sessions"
    ).fetchone() or (0, 0)
    db.close()
    assert (sequence, counted) == (runs, runs)


@pytest.mark.parametrize(("synchronous", "least", "most"), [("full", 20, 10_000), ("normal", 0, 3)])
def test_synchronous_full_syncs_each_batch(
    path: Path, tmp_path: Path, faulty_disk: str, synchronous: str, least: int, most: int
) -> None:
    counter = tmp_path / "syncs"
    counter.touch()
    env = {"LD_PRELOAD": faulty_disk, "FAULT_PATH": "hassette.db", "FAULT_SYNCS": str(counter)}
    with run_writer(path, count=20, env=env, synchronous=synchronous) as writer:
        before = counter.stat().st_size
        writer.stdout.readline()
        writer.communicate(timeout=patience(30))
    syncs = counter.stat().st_size - before
    assert least <= syncs <= most


LOCK = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


async def hold_the_lock(store: DatabaseService, path: Path, read: Reader, seconds: float) -> None:
    with subprocess.Popen([sys.executable, "-c", LOCK, path, str(seconds)], stdout=subprocess.PIPE, text=True) as lock:
        assert lock.stdout is not None
        assert lock.stdout.readline() == "locked\n"
        failed = 0
        for sequence in range(1, 4):
            batch = Batch(sequence, invocations=(invocation(sequence, Listener()),))
            while True:
                try:
                    await store.write(batch)
                    break
                except DatabaseAccessError as error:
                    assert "locked" in str(error)
                    failed += 1
    assert failed >= 1
    assert read.row("SELECT sum(success) AS n, (SELECT count(*) FROM runs) AS rows FROM statistics_hourly") == {
        "n": 3,
        "rows": 3,
    }


async def test_lock_of_another_process_loses_nothing(store: DatabaseService, path: Path, read: Reader) -> None:
    await hold_the_lock(store, path, read, 1.5)


@pytest.mark.torture
async def test_lock_for_30_s_loses_nothing(store: DatabaseService, path: Path, read: Reader) -> None:
    await hold_the_lock(store, path, read, 30)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if not LINUX or os.getuid() != 0:
        pytest.skip("only root may mount a small file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("this machine does not let file systems be mounted")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


async def test_full_disk_loses_nothing_that_is_retried(
    make_store: MakeStore, empty_file: Path, small_disk: Path
) -> None:
    path = Path(shutil.copyfile(empty_file, small_disk / "hassette.db"))
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_200_000)
    store = make_store(path)
    await store.start()
    effects = Effects((LogLine(message="x" * 900),))
    sequence, failed, batch = 0, 0, Batch(0)
    while not failed:
        sequence += 1
        runs = tuple(invocation(sequence * 1_000 + n, Listener(), effects=effects) for n in range(100))
        batch = Batch(sequence, invocations=runs)
        try:
            await store.write(batch)
        except DatabaseAccessError as error:
            assert "full" in str(error)
            failed += 1
    ballast.unlink()
    await store.write(batch)
    await store.stop()
    assert len(kept_ids(path)) == 100 * sequence
    assert check(path) == []


@pytest.mark.parametrize("history", ["none yet", "one from before"])
async def test_full_disk_at_the_start_is_reported_until_it_has_space(
    make_store: MakeStore, empty_file: Path, small_disk: Path, history: str
) -> None:
    path = small_disk / "hassette.db"
    if history == "one from before":
        shutil.copyfile(empty_file, path)
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    store = make_store(path)
    for _ in range(3):
        with pytest.raises(DatabaseAccessError, match=r"hassette\.db.*No space left on device.*Free some space"):
            await store.start()
    assert not path.with_name("hassette.db.owner").exists()
    ballast.unlink()
    await store.start()
    await store.write(Batch(1, invocations=(invocation(1, Listener()),)))
    await store.stop()
    assert len(kept_ids(path)) == 1
    assert check(path) == []


async def test_read_only_disk_loses_nothing_that_is_retried(
    make_store: MakeStore, empty_file: Path, small_disk: Path
) -> None:
    path = Path(shutil.copyfile(empty_file, small_disk / "hassette.db"))
    store = make_store(path)
    await store.start()
    batch = Batch(1, invocations=(invocation(1, Listener()),))
    # The disk cannot be remounted while a file on it is open for writing. So stop the store before the remount.
    await store.stop()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreError, match=r"file system of .* is mounted read-only\. Mount it read-write"):
        await store.start()
    with pytest.raises(StoreError, match=r"file system of .* is mounted read-only\. Mount it read-write"):
        await make_store(small_disk / "data" / "hassette.db").start()
    # Reading works without write permission.
    assert check(path) == []
    backup(path, small_disk.with_name("copy.db"))
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    await store.start()
    await store.write(batch)
    assert len(kept_ids(path)) == 1


# A batch takes about twenty writes, so with these numbers some batches fail and others do not.
@pytest.mark.parametrize("every", [41, 97, 211])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_disk_that_fails_every_nth_write_loses_nothing(
    path: Path, faulty_disk: str, read: Reader, every: int, number: int
) -> None:
    env = {
        "LD_PRELOAD": faulty_disk,
        "FAULT_PATH": "hassette.db",
        "FAULT_LATER": str(every),
        "FAULT_ERRNO": str(number),
    }
    with run_writer(path, count=60, env=env) as writer:
        lines = writer.communicate(timeout=patience(25))[0].splitlines()
    acknowledged = [int(line.split()[0]) for line in lines]
    failed = int(lines[-1].split()[1])
    assert failed > 0, "no write failed"
    assert check(path) == []
    ids = kept_ids(path)
    assert set(acknowledged) <= ids
    assert len(acknowledged) == 60
    assert len(ids) == 300
    assert read.value("SELECT sum(success) FROM statistics_hourly") == 300


@pytest.mark.parametrize("step_s", [-3_600, 3_600])
async def test_clock_step_of_an_hour_loses_nothing(
    make_store: MakeStore, read: Reader, clock: Clock, step_s: int
) -> None:
    store = make_store()
    await store.start()
    await store.write(Batch(1, invocations=(invocation(1, Listener()),)))
    clock.us += step_s * 1_000_000
    run = invocation(registration=Listener(), id=await store.last_id() + 1, started_us=clock.us)
    await store.write(Batch(2, invocations=(run,)))
    await store.stop()
    assert read.value("SELECT count(*) FROM runs") == 2
    assert read.value("SELECT started_us FROM runs ORDER BY id DESC LIMIT 1") == clock.us
    session = read.row("SELECT started_us, ended_us, outcome FROM sessions")
    assert session["ended_us"] >= session["started_us"]
    assert session["outcome"] == "clean"
    again = make_store()
    await again.start()
    assert await again.last_id() == run.id
