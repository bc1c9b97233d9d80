"""A write-ahead log that belongs to another file hides no row of the file, and its own rows are kept, too."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from hassette_store import backup, check
from hassette_store.clock.check import ClockCheck
from hassette_store.clock.redated import EVENT
from hassette_store.ids import first_id_at
from hassette_store.recovery import replacement
from hassette_store.recovery.redated_runs import remove_former_ids
from hassette_store.recovery.union import RowSource, Union
from hassette_store.retention.retention import RetentionSchedule
from support.retention import AT_ONCE, fill, retention_of
from support.rows import T0_US, Batch, Effects, Event, Listener, LogLine, invocation
from support.stores import Clock, MakeStore, Reader
from support.waiting import eventually

pytestmark = pytest.mark.heavy

FRAME = 4096 + 24


Runs = dict[int, tuple[str, str, str]]
"""App, handler and entity of each run."""


def runs_in(path: Path) -> Runs:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT named_runs.id, app, registrations.name, entity FROM named_runs "
            "JOIN registrations ON registrations.id = registration_id WHERE status = 'success'"
        )
        return {number: (app, name, entity) for number, app, name, entity in rows}


def incidents_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT detail FROM lifecycle_events WHERE kind = 'database_recovered'")]


def copy_with_log(path: Path, to: Path) -> None:
    """Copy a file and its log while a store uses them, as if the process were killed at this moment."""
    to.parent.mkdir(exist_ok=True)
    for suffix in ("", "-wal"):
        shutil.copyfile(path.with_name(path.name + suffix), to.with_name(to.name + suffix))


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


Write = Callable[..., Awaitable[Runs]]


@pytest.fixture
def write(make_store: MakeStore, clock: Clock) -> Write:
    """Return a function that runs one session, and returns its runs as `runs_in` does.

    With ``killed``, the function copies the file and its log to that path before the session is closed.
    """

    async def write(path: Path, batches: int, *, size: int = 5, app: str = "hall", killed: Path | None = None) -> Runs:
        store = make_store(path)
        await store.start()
        listeners = [Listener(f"on_{app}_{number}", app) for number in range(3)]
        written: Runs = {}
        for sequence in range(1, batches + 1):
            clock.advance(1)
            number = (clock.us - T0_US) // 1000
            runs = []
            for place in range(size):
                listener, entity = listeners[place % 3], f"sensor.{app}_{place % 7}"
                run = invocation(number + place, listener, trigger=Event(entity_id=entity))
                written[run.id] = (app, listener.name, entity)
                runs.append(run)
            await store.write(Batch(sequence, invocations=tuple(runs)))
        if killed:
            copy_with_log(path, killed)
        await store.stop()
        return written

    return write


async def start_and_stop(make_store: MakeStore, path: Path) -> None:
    store = make_store(path)
    await store.start()
    await store.stop()
    assert check(path) == []


async def start_with_log_over_copy(
    make_store: MakeStore, write: Write, path: Path, copy: Path, *, batches: int, size: int = 5
) -> tuple[Runs, Runs]:
    """Kill a session, put an older copy in place of its file, and start.

    Return the runs of the session, and all runs after the start.
    """
    killed = copy.parent / "killed" / "hassette.db"
    written = await write(path, batches, size=size, killed=killed)
    shutil.copyfile(copy, killed)
    await start_and_stop(make_store, killed)
    return written, runs_in(killed)


async def test_log_over_a_backup_hides_no_run(make_store: MakeStore, path: Path, tmp_path: Path, write: Write) -> None:
    before = await write(path, 40, size=100)
    backup(path, tmp_path / "copy.db")
    await write(path, 3)
    after, runs = await start_with_log_over_copy(make_store, write, path, tmp_path / "copy.db", batches=12)
    assert before.items() <= runs.items()
    assert after.items() <= runs.items()


async def test_log_of_another_history_hides_no_run_and_changes_no_name(
    make_store: MakeStore, path: Path, empty_file: Path, tmp_path: Path, write: Write
) -> None:
    mine, other = tmp_path / "mine" / "hassette.db", tmp_path / "other" / "hassette.db"
    elsewhere = Path(shutil.copyfile(empty_file, tmp_path / "elsewhere.db"))
    foreign = await write(elsewhere, 12, app="kitchen", killed=other)
    before = await write(path, 40, size=100)
    own = await write(path, 3, killed=mine)
    shutil.copyfile(log_of(other), log_of(mine))
    await start_and_stop(make_store, mine)
    runs = runs_in(mine)
    assert (before | foreign).items() <= runs.items()
    assert runs.items() <= (before | own | foreign).items()


async def test_complete_log_of_a_small_history_does_not_replace_a_large_one(
    make_store: MakeStore, path: Path, tmp_path: Path, write: Write
) -> None:
    """The log contains each page of its history, so a check of the file with the log finds no damage."""
    own = await write(path, 40, size=100)
    other = tmp_path / "other" / "hassette.db"
    other.parent.mkdir()
    killed = tmp_path / "killed" / "hassette.db"
    foreign = await write(other, 2, app="kitchen", killed=killed)
    shutil.copyfile(path, killed)
    await start_and_stop(make_store, killed)
    assert runs_in(killed) == own | foreign


async def test_log_without_its_file_is_read(make_store: MakeStore, path: Path, tmp_path: Path, write: Write) -> None:
    killed = tmp_path / "killed" / "hassette.db"
    other = tmp_path / "other" / "hassette.db"
    other.parent.mkdir()
    written = await write(other, 12, killed=killed)
    killed.unlink()
    await start_and_stop(make_store, killed)
    assert runs_in(killed) == written
    (kept,) = killed.parent.glob("*.damaged-*-wal")
    assert f"hassette.db was missing; its write-ahead log is kept as {kept.name}" in incidents_in(killed)[0]


@pytest.mark.parametrize("size", [0, 100, -(-20 * FRAME), "all but one byte"])
async def test_truncated_log_hides_no_run_of_the_file(
    make_store: MakeStore, path: Path, tmp_path: Path, write: Write, size: int | str
) -> None:
    before = await write(path, 10)
    killed = tmp_path / "killed" / "hassette.db"
    await write(path, 12, killed=killed)
    log = log_of(killed).read_bytes()
    log_of(killed).write_bytes(log[:size] if isinstance(size, int) else log[:-1])
    await start_and_stop(make_store, killed)
    assert before.items() <= runs_in(killed).items()


async def test_damaged_frame_hides_no_run_in_the_frames_after_it(
    make_store: MakeStore, path: Path, tmp_path: Path, write: Write
) -> None:
    before = await write(path, 10)
    killed = tmp_path / "killed" / "hassette.db"
    after = await write(path, 12, killed=killed)
    log = bytearray(log_of(killed).read_bytes())
    log[32 + 3 * FRAME + 1000] ^= 0xFF
    log_of(killed).write_bytes(log)
    sentence = replacement.recover(killed, "a test", stamp="20260101T000000Z", limit_s=60)
    assert runs_in(killed) == before | after
    assert "could not be read completely" not in sentence


@pytest.mark.parametrize("content", [b"", b"x", random.Random(1).randbytes(32_768), bytes(32_768)])
async def test_garbage_in_the_index_of_the_log_hides_no_run(
    make_store: MakeStore, path: Path, tmp_path: Path, write: Write, content: bytes
) -> None:
    killed = tmp_path / "killed" / "hassette.db"
    written = await write(path, 12, killed=killed)
    killed.with_name("hassette.db-shm").write_bytes(content)
    await start_and_stop(make_store, killed)
    assert runs_in(killed) == written
    assert incidents_in(killed) == []


@pytest.mark.parametrize("batches", [0, 1, 400])
async def test_own_log_is_no_damage(
    make_store: MakeStore, path: Path, tmp_path: Path, write: Write, batches: int
) -> None:
    before = await write(path, 10)
    killed = tmp_path / "killed" / "hassette.db"
    after = await write(path, batches, killed=killed)
    await start_and_stop(make_store, killed)
    assert runs_in(killed) == before | after
    assert incidents_in(killed) == []


async def test_log_of_a_session_that_deleted_runs_for_the_size_limit_is_no_damage(
    make_store: MakeStore, path: Path, tmp_path: Path
) -> None:
    """The largest handler has lost runs that are newer than runs of another handler."""
    store = make_store()
    await store.start()
    loud, calm = Listener("loud"), Listener("calm")
    effects = Effects(tuple(LogLine(message="x" * 200) for _ in range(20)))
    await fill(
        store,
        [run for n in range(250) for run in (invocation(2 * n, loud, effects=effects), invocation(2 * n + 1, calm))],
    )
    await store.stop()
    store = make_store(max_size_mb=1, retention_schedule=AT_ONCE)
    await store.start()
    serving = asyncio.create_task(store.serve())
    await eventually(lambda: Reader(path).rows("SELECT 1 FROM store_state WHERE name = 'early:runs'"))
    killed = tmp_path / "killed" / "hassette.db"
    copy_with_log(path, killed)
    serving.cancel()
    await store.stop()
    left = runs_in(killed)
    assert 250 < len(left) < 500
    await start_and_stop(make_store, killed)
    assert runs_in(killed) == left
    assert incidents_in(killed) == []


async def test_rows_that_the_log_still_has_on_freed_pages_are_no_damage(
    make_store: MakeStore, path: Path, tmp_path: Path, write: Write
) -> None:
    """SQLite overwrites freed pages only with ``secure_delete``, which is off in many builds."""
    await write(path, 40, size=100)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        (below,) = db.execute("SELECT max(id) + 1 FROM handler_invocations").fetchone()
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("INSERT INTO store_state VALUES ('all_runs_below', ?)", (below,))
        ids = [id_ for (id_,) in db.execute("SELECT id FROM handler_invocations ORDER BY id")]
        for id_ in ids[::20]:
            db.execute("DELETE FROM handler_invocations WHERE id = ?", (id_,))
        db.execute("DELETE FROM handler_invocations")
        db.execute("DELETE FROM names")
        killed = tmp_path / "killed" / "hassette.db"
        copy_with_log(path, killed)
    await start_and_stop(make_store, killed)
    assert runs_in(killed) == {}
    assert incidents_in(killed) == []


async def test_run_in_progress_is_not_interrupted_by_an_older_state_of_its_session(
    make_store: MakeStore, path: Path, tmp_path: Path, write: Write
) -> None:
    before = await write(path, 10)
    killed = tmp_path / "killed" / "hassette.db"
    after = await write(path, 300, killed=killed)
    replacement.recover(killed, "a test", stamp="20260101T000000Z", limit_s=60)
    assert runs_in(killed) == before | after
    with closing(sqlite3.connect(killed)) as db:
        assert db.execute("SELECT count(*) FROM running_executions").fetchone() == (0,)
        assert db.execute("SELECT sum(success) FROM statistics_hourly").fetchone() == (len(before | after),)
        assert db.execute("SELECT last_sequence FROM sessions ORDER BY id").fetchall() == [(10,), (300,)]


async def write_before_a_correction(make_store: MakeStore, path: Path, clock: Clock, step_s: int) -> None:
    """Run a session that ends before the store has moved its runs by ``step_s``."""
    store = make_store(path)
    await store.start()
    run = (clock.us - T0_US) // 1000
    runs = tuple(invocation(run + n, Listener(f"on_{n % 3}"), duration_us=n) for n in range(400))
    await store.write(Batch(1, invocations=runs))
    check = ClockCheck(clock.now_us, clock.monotonic)
    clock.advance(1)
    check.read()
    clock.step(step_s)
    schedule = RetentionSchedule(first_pass_s=1e9, max_rows=64)
    session_id = store.session_id
    async with retention_of(store, clock, check=check, session_id=session_id, schedule=schedule) as (retention, _):
        await retention.step()
    await store.stop()


async def move_runs(make_store: MakeStore, path: Path, killed: Path) -> None:
    """Run a session that moves the runs of the session before it, and that is killed after that."""
    store = make_store(path, retention_schedule=RetentionSchedule(first_pass_s=1e9, max_rows=64))
    await store.start()
    serving = asyncio.create_task(store.serve())
    moved = f"SELECT count(*) FROM lifecycle_events WHERE kind = '{EVENT}'"
    await eventually(lambda: Reader(path).value(moved) == 1)
    copy_with_log(path, killed)
    serving.cancel()
    await store.stop()


def durations_in(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT duration_us FROM runs WHERE duration_us < 1000 ORDER BY 1")]


@pytest.mark.parametrize("step_s", [-36_000, 36_000, 400 * 86_400])
async def test_log_of_a_session_that_moved_the_runs_of_an_earlier_session_is_no_damage(
    make_store: MakeStore, path: Path, tmp_path: Path, clock: Clock, write: Write, step_s: int
) -> None:
    await write_before_a_correction(make_store, path, clock, step_s)
    killed = tmp_path / "killed" / "hassette.db"
    await move_runs(make_store, path, killed)
    await start_and_stop(make_store, killed)
    assert durations_in(killed) == [*range(400)]
    assert incidents_in(killed) == []


@pytest.mark.parametrize("step_s", [-36_000, 36_000, 400 * 86_400])
async def test_log_of_a_session_that_moved_runs_hides_no_run_of_an_older_copy(
    make_store: MakeStore, path: Path, tmp_path: Path, clock: Clock, step_s: int
) -> None:
    """The copy and the log contain some runs with different ids. The union contains each run once."""
    await write_before_a_correction(make_store, path, clock, step_s)
    shutil.copyfile(path, tmp_path / "copy.db")
    killed = tmp_path / "killed" / "hassette.db"
    await move_runs(make_store, path, killed)
    shutil.copyfile(tmp_path / "copy.db", killed)
    sentence = replacement.recover(killed, "a test", stamp="20260101T000000Z", limit_s=60)
    assert durations_in(killed) == [*range(400)], sentence
    assert Reader(killed).value("SELECT count(*) FROM sessions") == 2


async def test_log_over_a_much_older_copy_gives_no_run_the_name_of_another(
    make_store: MakeStore, path: Path, tmp_path: Path, clock: Clock, write: Write
) -> None:
    """The file was recovered after the copy, so its names have other numbers. The log does not contain the names."""
    await write(path, 3, app="kitchen")
    backup(path, tmp_path / "copy.db")
    recovered = tmp_path / "recovered" / "hassette.db"
    recovered.parent.mkdir()
    await write(recovered, 300, size=3)
    for _ in range(30):
        await write(recovered, 1, size=3)
    copy = tmp_path / "copy.db"
    after, runs = await start_with_log_over_copy(make_store, write, recovered, copy, batches=3, size=3)
    assert after.keys() <= runs.keys()
    wrong = {run: facts for run, facts in runs.items() if facts[0] == "hall" and "kitchen" in f"{facts}"}
    assert wrong == {}


async def test_name_of_another_home_does_not_take_the_number_of_a_lost_name(
    make_store: MakeStore, path: Path, empty_file: Path, tmp_path: Path, write: Write
) -> None:
    elsewhere = Path(shutil.copyfile(empty_file, tmp_path / "elsewhere.db"))
    other, mine = tmp_path / "other" / "hassette.db", tmp_path / "mine" / "hassette.db"
    await write(elsewhere, 12, app="kitchen", killed=other)
    own = await write(path, 40)
    await write(path, 3, killed=mine)
    content = bytearray(mine.read_bytes())
    # The page with the names is lost.
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'names'").fetchone()
    content[(root - 1) * 4096 : root * 4096] = bytes(4096)
    mine.write_bytes(content)
    shutil.copyfile(log_of(other), log_of(mine))
    replacement.recover(mine, "a test", stamp="20260101T000000Z", limit_s=60)
    runs = runs_in(mine)
    assert own.keys() <= runs.keys()
    assert {f"{runs[run][2]}"[:5] for run in own} == {"(lost"}


async def test_run_of_a_log_over_an_older_copy_has_a_name_or_a_placeholder(
    make_store: MakeStore, path: Path, tmp_path: Path, write: Write
) -> None:
    """The copy was made before the app used the entities. Only the lost file contained their names."""
    await write(path, 1, size=1)
    backup(path, tmp_path / "copy.db")
    await write(path, 1, size=7)
    copy = tmp_path / "copy.db"
    after, runs = await start_with_log_over_copy(make_store, write, path, copy, batches=1, size=7)
    assert after.keys() <= runs.keys()
    assert all(
        entity == after[run][2] or "(lost" in f"{entity}" for run, (_, _, entity) in runs.items() if run in after
    )


def test_newer_row_of_a_session_that_cannot_be_stored_does_not_bring_its_runs_in_progress(path: Path) -> None:
    columns = ("id", "started_us", "heartbeat_us", "outcome", "pid", "host", "last_sequence")
    running = ("session_id", "run", "registration_id", "started_us")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        union, first, second = Union(db), RowSource(is_first=True), RowSource(is_first=False)
        union.add(first, "sessions", columns, [(1, 5, 6, "open", 7, "casa", 1)])
        # The damaged row of the second source has no outcome, so the target rejects it.
        union.add(second, "sessions", columns, [(1, 5, 9, None, 7, "casa", 4)])
        union.add(second, "running_executions", running, [(1, 1, 1, T0_US)])
        assert db.execute("SELECT outcome, last_sequence FROM sessions").fetchall() == [("open", 1)]
        assert db.execute("SELECT * FROM running_executions").fetchall() == []


@pytest.mark.parametrize(("new_entity", "kept"), [(17, 1), (8, 2)], ids=["a lost name", "another entity"])
def test_moved_run_without_its_name_is_not_kept_twice(path: Path, new_entity: int, kept: int) -> None:
    """The log belongs to another file, and its names are lost. The file still has the run with its former id."""
    day_us = 86_400_000_000
    former, new = first_id_at(T0_US), first_id_at(T0_US + day_us)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO names (id, name) VALUES (5, 'state_changed'), (7, 'light.hall'), (8, 'light.kitchen')")
        db.execute("INSERT INTO store_state VALUES ('redating_session', 1), ('redating_by_us', ?)", (day_us,))
        for run, entity in ((former, 7), (new, new_entity)):
            db.execute(
                "INSERT INTO handler_invocations (id, listener_id, session_id, status, started_before, duration_us, "
                "waited_us, event_type_id, entity_id) VALUES (?, 1, 1, 0, 0, 3000, 250, 5, ?)",
                (run, entity),
            )
        remove_former_ids(db)
        runs = db.execute("SELECT id, entity_id FROM handler_invocations ORDER BY id DESC").fetchall()
    assert runs[0] == (new, 7 if kept == 1 else new_entity)
    assert len(runs) == kept
