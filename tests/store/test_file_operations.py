# ruff: noqa: ASYNC220  nothing else runs on these loops
"""Random operations on the files of a history, while a real process writes to it or after it was killed.

A separate text file, the ledger, contains each run that a writer tried to write, and each run that the store
acknowledged. Before each start, the test itself reads the pages of the file and of its log to find the readable runs.
After the start, the history must contain all these runs, and no run that was never written.
"""

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from hassette_store import CorruptDatabaseError, DatabaseService, MaintenanceError, backup, restore
from hassette_store.recovery import replacement

ROUNDS = int(os.environ.get("HASSETTE_TORTURE_ROUNDS", "500"))
SEED = int(os.environ.get("HASSETTE_TORTURE_SEED", "20261128"))
TESTS = str(Path(__file__).parents[1])
PAGE = 4096
FRAME = PAGE + 24
DAY_S = 86_400
# After a step of more than a week, the retention would delete the runs that got their times from a wrong clock before a
# kill.
CLOCK_STEPS_D = (-3, -1, 1, 3)
# A flipped byte in the row of a name changes all runs with the name.
FLIPPED = 20_000
FLIPS = 20
INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}

# This process imports everything once and then forks one writer for each line of its input.
WRITER = """
import asyncio, concurrent.futures.thread, itertools, json.decoder, os, shutil, signal, sqlite3, sys, time
from pathlib import Path
from hassette_store import CorruptDatabaseError, DatabaseService, StoreError, StoreSettings
from hassette_store.retention.retention import RetentionSchedule
from support import rows

def report(line):
    os.write(1, f"{line}\\n".encode())

async def write(path, ledger, app, size, step_s, offset_s):
    stop, offset = asyncio.Event(), [offset_s]
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # A copy in this process drops the locks of its connections on the file.
    loop.add_signal_handler(signal.SIGUSR1, lambda: shutil.copyfile(path, path.with_name("copy-in-process.db")))
    loop.add_signal_handler(signal.SIGUSR2, lambda: offset.__setitem__(0, offset[0] + step_s))
    now_us = lambda: time.time_ns() // 1000 + offset[0] * 1_000_000
    store = DatabaseService(path, StoreSettings(heartbeat_s=0.1), now_us=now_us,
                            retention_schedule=RetentionSchedule(first_pass_s=0.05))
    listeners = [rows.Listener(f"on_{app}_{n}", app) for n in range(3)]
    log = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sequence = 0

    async def serve():
        while not stop.is_set():
            try:
                await store.serve()
            except StoreError:
                await store.stop()
                while not stop.is_set():
                    try:
                        await store.start()
                        break
                    except StoreError:
                        await asyncio.sleep(0.01)

    await store.start()
    serving = asyncio.create_task(serve())
    last = await store.last_id()
    report("open")
    while not stop.is_set():
        runs, lines = [], []
        for n in range(size):
            last = max(last + 1, (now_us() // 1000) << 21)
            listener, entity = listeners[last % 3], f"sensor.{app}_{last % 7}"
            trigger = rows.Event(entity_id=entity, new_state=f"run-{last}")
            started_us = (last >> 21) * 1000 - 3_000
            runs.append(rows.invocation(registration=listener, trigger=trigger, id=last, started_us=started_us))
            lines.append(f"{last} {app} {listener.name} {entity}")
        os.write(log, "".join(f"try {line}\\n" for line in lines).encode())
        os.fsync(log)
        sequence += 1
        running = (rows.Running(1, listeners[0], rows.Event(), runs[0].started_us),)
        batch = rows.Batch(sequence, registered=tuple(listeners), invocations=tuple(runs), running=running)
        while not stop.is_set():
            try:
                await store.write(batch)
            except StoreError:
                await asyncio.sleep(0.005)
                continue
            os.write(log, "".join(f"ack {line}\\n" for line in lines).encode())
            os.fsync(log)
            break
        report("batch")
        await asyncio.sleep(0)
    serving.cancel()
    await asyncio.wait([serving])
    await store.stop()

for line in sys.stdin:
    path, ledger, app, size, step_s, offset_s = line.split()
    child = os.fork()
    if not child:
        asyncio.run(write(Path(path), ledger, app, int(size), int(step_s), int(offset_s)))
        os._exit(0)
    report(f"pid {child}")
    os.waitpid(child, 0)
    report("gone")
"""

Facts = tuple[str, str, str]


@dataclass
class Ledger:
    """All runs that a writer tried to write, with app, handler and entity, and the runs that the store acknowledged."""

    file: Path
    tried: dict[int, Facts] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)

    def read(self) -> None:
        for line in self.file.read_text().splitlines() if self.file.exists() else ():
            kind, number, app, name, entity = line.split()
            self.tried[int(number)] = (app, name, entity)
            if kind == "ack":
                self.acknowledged.add(int(number))


@dataclass
class Writers:
    """The process that forks writers, and the running writer."""

    process: subprocess.Popen[str]
    ledger: Ledger
    pid: int = 0

    def start(self, path: Path, app: str = "hall", size: int = 5, step_s: int = 0, offset_s: int = 0) -> None:
        self._send(f"{path} {self.ledger.file} {app} {size} {step_s} {offset_s}")
        self.pid = int(self._line().split()[1])
        assert self._line() == "open"

    def wait_for_batches(self, count: int) -> None:
        for _ in range(count):
            assert self._line() == "batch"

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self, number: int) -> None:
        os.kill(self.pid, number)
        while self._line() != "gone":
            pass
        self.ledger.read()

    def _send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, "the process that forks writers has ended"
        return line


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def images_of(path: Path) -> Iterator[bytes]:
    """Yield each page of a file and each committed page of its log, whatever else is damaged."""
    content = path.read_bytes() if path.exists() else b""
    yield from (content[at : at + PAGE].ljust(PAGE, b"\0") for at in range(0, len(content), PAGE))
    log = log_of(path).read_bytes() if log_of(path).exists() else b""
    frames = [log[at : at + FRAME] for at in range(32, len(log) - FRAME + 1, FRAME)]
    current = [frame for frame in frames if frame[8:16] == log[16:24]]
    committed = max((number for number, frame in enumerate(current) if any(frame[4:8])), default=-1)
    yield from (frame[24:] for frame in current[: committed + 1])


def number_at(page: bytes, at: int) -> tuple[int, int]:
    number = 0
    for count in range(9):
        byte = page[at + count]
        number = number << 8 | byte if count == 8 else number << 7 | byte & 0x7F
        if byte < 0x80 or count == 8:
            return number, at + count + 1
    raise AssertionError


def column_types() -> list[tuple[str, bool]]:
    """Return the type of each column of a run, and whether it may be NULL."""
    with closing(sqlite3.connect(":memory:")) as db:
        for script in sorted((files("hassette_store") / "migrations" / "sql").iterdir(), key=lambda one: one.name):
            db.executescript(script.read_text())
        rows = db.execute("PRAGMA table_info(handler_invocations)").fetchall()
    # The first column is the key of the row, and is stored as NULL.
    return [("KEY", True), *((row[2], not row[3]) for row in rows[1:])]


def length_of(kind: int, column: tuple[str, bool]) -> int:
    """Return the length of a value, or raise IndexError if the column cannot have such a value."""
    name, may_be_null = column
    if kind == 0 and may_be_null:
        return 0
    if name == "TEXT" and kind >= 13 and kind % 2:
        return (kind - 13) // 2
    if name == "INTEGER" and kind in INTEGERS:
        return INTEGERS[kind]
    raise IndexError


def runs_on(page: bytes, tried: dict[int, Facts], columns: list[tuple[str, bool]]) -> Iterator[int]:
    """Yield the completely readable runs on a page: each row has its key, all its columns, and its own text."""
    if page[0] != 0x0D:
        return
    last = 0
    for number in range(min(int.from_bytes(page[3:5], "big"), 500)):
        try:
            size, at = number_at(page, int.from_bytes(page[8 + 2 * number : 10 + 2 * number], "big"))
            run, at = number_at(page, at)
            row = page[at : at + size]
            header, position = number_at(row, 0)
            left = list(columns)
            length = 0
            while position < header:
                kind, position = number_at(row, position)
                length += length_of(kind, left.pop(0))
        except IndexError:
            continue
        # The store gives other ids to runs that a wrong clock has dated. So the text of a run identifies the run.
        text = re.search(rb"run-(\d{19})", row)
        if text and int(text[1]) in tried and not left and header + length == len(row) == size:
            # A page sorts its rows by key. So if a key is too low, a flipped byte has changed it.
            if run > last:
                yield int(text[1])
            last = run


def readable_runs(path: Path, tried: dict[int, Facts]) -> set[int]:
    columns = column_types()
    return {run for page in images_of(path) for run in runs_on(page, tried, columns)}


def runs_in(path: Path) -> dict[int, tuple[str, str, str, str]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT CAST(substr(new_state, 5) AS INTEGER), app, registrations.name, entity, new_state FROM named_runs "
            "LEFT JOIN registrations ON registrations.id = registration_id WHERE status = 'success'"
        )
        return {number: facts for number, *facts in ((row[0], *row[1:]) for row in rows)}  # type: ignore[misc]


@dataclass
class Round:
    """One round: the files, the writers, and the random numbers."""

    path: Path
    writers: Writers
    rng: random.Random

    def copies(self) -> list[Path]:
        return sorted(self.path.parent.glob("copy-*.db"))

    def foreign(self) -> Path:
        """Return the history of another home, after a kill."""
        other = self.path.parent / "other" / "hassette.db"
        other.parent.mkdir(exist_ok=True)
        return other


# Operations on the files. Each returns whether acknowledged runs may be unreadable after the operation.
def do_nothing(_: Round) -> bool:
    return False


def copy(round_: Round) -> bool:
    number = round_.rng.randrange(3)
    if round_.path.exists():
        shutil.copyfile(round_.path, round_.path.with_name(f"copy-{number}.db"))
    return False


def back_up(round_: Round) -> bool:
    to = round_.path.with_name(f"copy-{round_.rng.randrange(3, 6)}.db")
    to.unlink(missing_ok=True)
    backup(round_.path, to)
    return False


def copy_and_open_in_a_shell(round_: Round) -> bool:
    round_.writers.signal(signal.SIGUSR1)
    round_.writers.wait_for_batches(1)
    with closing(sqlite3.connect(round_.path, timeout=0.1)) as db:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return True


def step_the_clock(round_: Round) -> bool:
    round_.writers.signal(signal.SIGUSR2)
    return False


def remove(round_: Round) -> bool:
    round_.path.unlink(missing_ok=True)
    return True


def remove_the_log(round_: Round) -> bool:
    log_of(round_.path).unlink(missing_ok=True)
    return True


def move_away(round_: Round) -> bool:
    if round_.path.exists():
        round_.path.replace(round_.path.with_name("moved.db"))
    return True


def copy_over(round_: Round) -> bool:
    if copies := round_.copies():
        shutil.copyfile(round_.rng.choice(copies), round_.path)
    return True


def move_over(round_: Round) -> bool:
    if copies := round_.copies():
        temporary = round_.path.with_name("temporary")
        shutil.copyfile(round_.rng.choice(copies), temporary)
        temporary.replace(round_.path)
    return True


def truncate(round_: Round) -> bool:
    if round_.path.exists():
        size = round_.path.stat().st_size
        os.truncate(round_.path, max(0, size - round_.rng.choice((1, PAGE, 3 * PAGE, size // 2))))
    return True


def truncate_the_log(round_: Round) -> bool:
    if log_of(round_.path).exists():
        os.truncate(log_of(round_.path), int(log_of(round_.path).stat().st_size * round_.rng.random()))
    return True


def flip(file: Path, rng: random.Random, count: int, size: int) -> None:
    if size:
        with file.open("r+b") as opened:
            for _ in range(count):
                opened.seek(at := rng.randrange(size))
                byte = opened.read(1)
                opened.seek(at)
                opened.write(bytes([byte[0] ^ 1 << rng.randrange(8)]))


def overwrite_a_page(round_: Round) -> bool:
    if round_.path.exists() and (pages := round_.path.stat().st_size // PAGE):
        with round_.path.open("r+b") as opened:
            opened.seek(PAGE * round_.rng.randrange(pages))
            opened.write(round_.rng.choice((bytes(PAGE), round_.rng.randbytes(PAGE))))
    return True


def flip_bytes(round_: Round) -> bool:
    size = round_.path.stat().st_size if round_.path.exists() else 0
    flip(round_.path, round_.rng, round_.rng.choice((1, 3, 20)), size)
    return True


def flip_bytes_in_the_log(round_: Round) -> bool:
    """Flip one byte, but not in the last transaction, which could otherwise be complete or incomplete."""
    log = log_of(round_.path).read_bytes() if log_of(round_.path).exists() else b""
    starts = [at for at in range(32, len(log) - FRAME + 1, FRAME) if log[at + 8 : at + 16] == log[16:24]]
    ends = [at + FRAME for at in starts if any(log[at + 4 : at + 8])]
    if len(ends) > 1:
        flip(log_of(round_.path), round_.rng, 1, ends[-2])
    return True


def write_garbage_to_the_index(round_: Round) -> bool:
    round_.path.with_name("hassette.db-shm").write_bytes(round_.rng.randbytes(32_768))
    return False


def swap_the_log(round_: Round) -> bool:
    """Replace the log by the log of another home."""
    other = round_.foreign()
    for suffix in ("", "-wal", "-shm", ".owner"):
        other.with_name(other.name + suffix).unlink(missing_ok=True)
    round_.writers.start(other, "kitchen", 3)
    round_.writers.wait_for_batches(round_.rng.choice((2, 20)))
    round_.writers.end(signal.SIGKILL)
    shutil.copyfile(log_of(other), log_of(round_.path))
    return True


def restore_a_backup(round_: Round) -> bool:
    for copied in round_.copies():
        try:
            restore(round_.path, copied)
        except MaintenanceError:
            continue
        break
    return True


Operation = Callable[[Round], bool]
RUNNING: tuple[Operation, ...] = (
    *(
        do_nothing,
        copy,
        back_up,
        copy_and_open_in_a_shell,
        step_the_clock,
        remove,
        remove_the_log,
        move_away,
    ),
    *(copy_over, move_over, truncate, flip_bytes, overwrite_a_page),
)
STOPPED: tuple[Operation, ...] = (
    *(do_nothing, copy, remove, remove_the_log, copy_over, move_over, truncate, truncate_the_log, flip_bytes),
    *(flip_bytes_in_the_log, overwrite_a_page, write_garbage_to_the_index, swap_the_log, restore_a_backup),
)


async def start_and_stop(path: Path) -> list[str]:
    """Start a store as the framework does, and again if the store finds damage. Return the newest incidents."""
    store = DatabaseService(path)
    try:
        await store.start()
    except CorruptDatabaseError:
        await store.start()
    await store.stop()
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT detail FROM lifecycle_events ORDER BY id DESC LIMIT 3")]


def is_written(run: int, ledger: Ledger, *, flipped: bool) -> bool:
    return run in ledger.tried or flipped


async def torture(folder: Path, rounds: int, seed: int, *, clock_steps: bool = True) -> None:
    path = folder / "hassette.db"
    ledger = Ledger(folder / "ledger.txt")
    process: Any = subprocess.Popen(
        [sys.executable, "-c", WRITER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": TESTS},
    )
    writers = Writers(process, ledger)
    present: set[int] = set()
    flipped = False
    try:
        for number in range(rounds):
            rng = random.Random(seed * 1_000 + number)
            round_ = Round(path, writers, rng)
            running, stopped = rng.choice(RUNNING), rng.choice((do_nothing, *STOPPED))
            how = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
            known = set(ledger.acknowledged)
            writers.start(path, size=rng.choice((1, 5, 40)), step_s=rng.choice(CLOCK_STEPS_D) * DAY_S * clock_steps)
            writers.wait_for_batches(rng.choice((2, 10, 60)))
            may_lose = running(round_)
            if process.poll() is None and rng.random() < 0.7:
                writers.wait_for_batches(rng.choice((1, 5, 20)))
            writers.end(how)
            may_lose = stopped(round_) or may_lose
            story = f"round {number} of seed {seed}: {running.__name__}, {how.name}, {stopped.__name__}"
            ledger.read()
            readable = readable_runs(path, ledger.tried)
            if not may_lose:
                missing = (present | ledger.acknowledged - known) - readable
                assert not missing, f"{story}: acknowledged runs are lost: {sorted(missing)[:5]}; {len(missing)}"
            print(story)
            notes = await start_and_stop(path)
            try:
                kept = runs_in(path)
            except sqlite3.DatabaseError as error:
                # A page was overwritten while the file was open. The framework recovers the file after it finds this.
                replacement.recover(path, str(error), stamp="20260101T000000Z", limit_s=60)
                kept = runs_in(path)
            lost = readable - kept.keys()
            # If a flipped byte has changed a key, two rows are in the wrong order, and either key may be the wrong one.
            flips = FLIPS if flip_bytes in (running, stopped) or stopped is flip_bytes_in_the_log else 0
            assert len(lost) <= flips, f"{story}: {len(lost)} of {len(readable)} readable runs are lost; {notes}"
            flipped = flipped or running is flip_bytes or stopped in (flip_bytes, flip_bytes_in_the_log)
            wrong: dict[int, Any] = {}
            for run, facts in kept.items():
                assert is_written(run, ledger, flipped=flipped), f"{story}: run {run} was never written; {notes}"
                written = (*ledger.tried.get(run, ()), f"run-{run}")
                if any(one != two and "(lost" not in str(one) for one, two in zip(facts, written, strict=False)):
                    wrong[run] = facts
            # No reader can notice a flipped byte in a text or in a number. The number may then refer to another name.
            at_most = FLIPPED if flipped else 0
            assert len(wrong) <= at_most, f"{story}: {len(wrong)} runs have wrong values: {wrong}; {notes}"
            # A row with a flipped byte in its text was kept, but is not completely readable.
            present = readable_runs(path, ledger.tried)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_no_readable_run_is_lost_by_a_few_operations_on_the_files(tmp_path: Path) -> None:
    await torture(tmp_path, 25, SEED, clock_steps=False)


@pytest.mark.torture
@pytest.mark.timeout(3_600)
async def test_no_readable_run_is_lost_by_many_operations_on_the_files(tmp_path: Path) -> None:
    await torture(tmp_path, ROUNDS, SEED)
