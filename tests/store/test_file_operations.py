"""Random operations on the files of a history, while a real process writes to it or after it was killed.

A separate text file, the ledger, contains each run that a writer tried to write, and each run that the store
acknowledged. Before each start, the test itself reads the pages of the file and of its log to find the readable runs.
After the start, the history must contain all these runs once, with their values and times, and no run that was never
written. Only a flipped byte may change a value: in the row with the byte or, if it is in the row of a name, in the runs
with the name.
"""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hassette_store import CorruptDatabaseError, DatabaseService, MaintenanceError, backup, restore
from hassette_store.ids import time_of
from hassette_store.recovery import replacement
from support.file_writers import Writers
from support.page_reader import HEADER, PAGE, Flip, current_frames, flip_at, log_of, neighbours_of, readable_runs
from support.run_ledger import Facts, Ledger, StoredRun

pytestmark = pytest.mark.heavy

ROUNDS = int(os.environ.get("HASSETTE_TORTURE_ROUNDS", "500"))
SEED = int(os.environ.get("HASSETTE_TORTURE_SEED", "20261128"))
DAY_S = 86_400
CLOCK_ERRORS_D = (-20_000, -400, -30, -3, -1, 1, 3, 30, 400, 7_000)


def runs_in(path: Path) -> list[StoredRun]:
    """Return the runs of the writers, without the runs in progress that the store interrupted."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT app, registrations.name, entity, new_state, status, named_runs.id FROM named_runs "
            "LEFT JOIN registrations ON registrations.id = registration_id WHERE new_state <> 'on'"
        )
        return [StoredRun(row[0], row[1], row[2], row[3], row[4], time_of(row[5])) for row in rows]


@dataclass
class Round:
    """One round: the files, the writers, the random numbers, and the flipped bytes."""

    path: Path
    writers: Writers
    rng: random.Random
    flips: list[Flip] = field(default_factory=list[Flip])

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
    with contextlib.suppress(MaintenanceError):  # an earlier operation may have damaged the file
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


def flip(round_: Round, file: Path, at: int, start: int) -> None:
    """Flip one bit, and note the rows that it may change.

    Args:
        round_: The round.
        file: The file.
        at: Position of the byte.
        start: Position of the page with the byte.
    """
    with file.open("r+b") as opened:
        opened.seek(start)
        page = opened.read(PAGE).ljust(PAGE, b"\0")
        opened.seek(at)
        flipped = opened.read(1)[0] ^ 1 << round_.rng.randrange(8)
        opened.seek(at)
        opened.write(bytes([flipped]))
    round_.flips.append(flip_at(page, max(at - start, HEADER)))


def overwrite_a_page(round_: Round) -> bool:
    if round_.path.exists() and (pages := round_.path.stat().st_size // PAGE):
        with round_.path.open("r+b") as opened:
            opened.seek(PAGE * round_.rng.randrange(pages))
            opened.write(round_.rng.choice((bytes(PAGE), round_.rng.randbytes(PAGE))))
    return True


def flip_bytes(round_: Round) -> bool:
    size = round_.path.stat().st_size if round_.path.exists() else 0
    for _ in range(round_.rng.choice((1, 3, 20)) if size else 0):
        at = round_.rng.randrange(size)
        flip(round_, round_.path, at, at - at % PAGE)
    return True


def flip_a_byte_in_the_log(round_: Round) -> bool:
    log = log_of(round_.path).read_bytes() if log_of(round_.path).exists() else b""
    if frames := current_frames(log):
        start = round_.rng.choice(frames) + 24
        flip(round_, log_of(round_.path), start + round_.rng.randrange(-24, PAGE), start)
        # After a flip in the last transaction, nothing shows that the transaction was complete.
        commits = [at for at in frames if any(log[at + 4 : at + 8])]
        last = [at + 24 for at in frames if not commits[:-1] or at > commits[-2]]
        if start in last:
            round_.flips += [flip_at(log[at : at + PAGE], HEADER) for at in last]
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
    *(flip_a_byte_in_the_log, overwrite_a_page, write_garbage_to_the_index, swap_the_log, restore_a_backup),
)


def save_files(path: Path) -> None:
    """Copy the file and its log into the directory ``before``, to examine a failure."""
    folder = path.parent / "before"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in (path, log_of(path), path.with_name("hassette.db.owner")):
        if file.exists():
            shutil.copyfile(file, folder / file.name)


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


async def kept_runs(path: Path) -> list[StoredRun]:
    try:
        return runs_in(path)
    except sqlite3.DatabaseError as error:
        # A page was overwritten while the file was open. The framework recovers the file after it finds this.
        replacement.recover(path, str(error), stamp="20260101T000000Z", limit_s=60)
        return runs_in(path)


async def torture(folder: Path, rounds: int, seed: int, *, clock_steps: bool = True) -> None:
    path = folder / "hassette.db"
    ledger = Ledger(folder / "ledger.txt")
    present: set[int] = set()
    runs: dict[int, StoredRun] = {}
    began = time.monotonic()
    with Writers(ledger) as writers:
        for number in range(rounds):
            rng = random.Random(seed * 1_000 + number)
            round_ = Round(path, writers, rng)
            running, stopped = rng.choice(RUNNING), rng.choice((do_nothing, *STOPPED))
            how = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
            known = set(ledger.acknowledged)
            error_s = rng.choice(CLOCK_ERRORS_D) * DAY_S * clock_steps
            # Half of the wrong clocks are wrong from the start. A step then corrects them.
            offset_s = error_s * (rng.random() < (0.5 if running is step_the_clock else 0.2))
            step_s = (-offset_s or error_s) * (running is step_the_clock)
            story = f"round {number} of seed {seed}: {running.__name__}, {how.name}, {stopped.__name__}"
            story += f", clock {offset_s // DAY_S:+} {step_s // DAY_S:+} d"
            print(story)
            writers.start(path, size=rng.choice((1, 5, 40)), offset_s=offset_s, step_s=step_s)
            writers.wait_for_batches(rng.choice((2, 10, 60)))
            may_lose = running(round_)
            if rng.random() < 0.7:
                writers.wait_for_batches(rng.choice((1, 5, 20)))
            writers.end(how)
            may_lose = stopped(round_) or may_lose
            ledger.add_flips(round_.flips)
            readable = readable_runs(path, ledger.tried)
            # If a flipped byte has changed a key, two rows are in the wrong order, and either key may be the wrong one.
            uncertain = {run for one in round_.flips for run in one.on_page}
            uncertain |= neighbours_of(path, {run for one in round_.flips for run in one.runs})
            if not may_lose:
                missing = (present | ledger.acknowledged - known) - readable
                assert not missing, f"{story}: acknowledged runs are lost: {sorted(missing)[:5]}; {len(missing)}"
            save_files(path)
            notes = await start_and_stop(path)
            kept = [(ledger.number_of(run.text), run) for run in await kept_runs(path)]
            runs = {run: stored for run, stored in kept if run is not None}
            lost = readable - runs.keys() - uncertain
            assert not lost, f"{story}: {len(lost)} of {len(readable)} readable runs are lost; {notes}"
            unknown = [stored for run, stored in kept if run is None and not ledger.is_explained(stored)]
            assert not unknown, f"{story}: {len(unknown)} runs were never written: {unknown[:5]}; {notes}"
            counts = Counter(run for run, _ in kept if run not in ledger.suspects)
            twice = [run for run, count in counts.items() if count > 1 and run is not None]
            assert not twice, f"{story}: {len(twice)} runs are in the history twice: {twice[:5]}; {notes}"
            wrong = ledger.wrong_values(runs)
            assert not wrong, f"{story}: {len(wrong)} runs have wrong values: {list(wrong.items())[:5]}; {notes}"
            late = ledger.wrong_times(runs, time.time())
            assert not late, f"{story}: {len(late)} runs have wrong times: {list(late.items())[:5]}; {notes}"
            # A row with a flipped byte in its text was kept, but is not completely readable.
            present = readable_runs(path, ledger.tried)
    seconds, tried, acknowledged = time.monotonic() - began, len(ledger.tried), len(ledger.acknowledged)
    print(f"{rounds} rounds of seed {seed} in {seconds:.0f} s: {tried} runs tried, {acknowledged} acknowledged,")
    print(f"{len(ledger.acknowledged - runs.keys())} of them no longer in the history, {len(ledger.suspects)} suspects")


def test_flipped_byte_of_a_placeholder_explains_only_names_like_it(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            f"PRAGMA page_size = {PAGE}; CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT);"
            "INSERT INTO names VALUES (46, 'sensor.hall_1'), (47, '(lost: 47)');"
        )
    page = path.read_bytes()[PAGE : 2 * PAGE]
    ledger = Ledger(tmp_path / "ledger.txt", tried={1: Facts("hall", "on_hall_1", "sensor.hall_7", 0)})

    def is_wrong(entity: str) -> bool:
        return bool(ledger.wrong_values({1: StoredRun("hall", "on_hall_1", entity, "run-1", "success", 0)}))

    assert not is_wrong("(lost: 47)")
    assert is_wrong("(most: 47)")
    ledger.add_flips([flip_at(page, page.index(b"lost"))])
    assert not is_wrong("(most: 47)")
    assert not is_wrong("lost: 47)")  # the flipped byte may be a length in the row
    assert is_wrong("sensor.hall_1")
    assert is_wrong("(most: 48)")


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_no_readable_run_is_lost_by_a_few_operations_on_the_files(tmp_path: Path) -> None:
    await torture(tmp_path, 25, SEED, clock_steps=False)


@pytest.mark.torture
@pytest.mark.timeout(3_600)
async def test_no_readable_run_is_lost_by_many_operations_on_the_files(tmp_path: Path) -> None:
    await torture(tmp_path, ROUNDS, SEED)
