"""Sessions: start, heartbeat, outcome, crash and restart."""

import json
import os
import socket
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from hassette_store import CorruptDatabaseError, DatabaseService, StoreError
from hassette_store.retention.retention import RetentionSchedule
from support.rows import T0_US, Batch, Due, Event, Job, Listener, Running, invocation, run_id
from support.stores import Clock, MakeStore, Reader, RunScript


async def crash(store: DatabaseService) -> None:
    """Stop a store, and then restore the content that its files had before the stop, as if the process had crashed."""
    files = [store.path, store.path.with_name(store.path.name + "-wal")]
    contents = [file.read_bytes() for file in files]
    await store.stop()
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)


async def test_session_is_open_until_stop_and_clean_afterwards(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    store = make_store()
    await store.start()
    opened = read.row("SELECT * FROM sessions")
    assert (opened["outcome"], opened["ended_us"], opened["runs"]) == ("open", None, 0)
    assert (opened["pid"], opened["host"]) == (os.getpid(), socket.gethostname())
    clock.advance(60)
    await store.write(Batch(1, invocations=(invocation(1, Listener()), invocation(2, Listener(), "error"))))
    clock.advance(1)
    await store.stop()
    closed = read.row("SELECT * FROM sessions")
    assert (closed["outcome"], closed["ended_us"] - closed["started_us"]) == ("clean", 61_000_000)
    assert (closed["runs"], closed["failures"]) == (2, 1)
    assert (closed["first_id"], closed["last_id"]) == (run_id(1_000), run_id(2_000))


async def test_session_ends_with_the_outcome_and_reason_from_the_framework(make_store: MakeStore, read: Reader) -> None:
    store = make_store()
    await store.start()
    await store.write(Batch(1, session_facts=(("home_assistant", "2026.11.1"), ("time_zone", "Europe/Berlin"))))
    await store.write(Batch(2, session_facts=(("outcome", "failed"), ("reason", "bad token"))))
    await store.stop()
    row = read.row("SELECT outcome, reason, facts FROM sessions")
    assert (row["outcome"], row["reason"]) == ("failed", "bad token")
    assert json.loads(row["facts"])["home_assistant"] == "2026.11.1"
    assert json.loads(row["facts"])["sqlite"] == sqlite3.sqlite_version


async def test_each_batch_is_a_heartbeat(store: DatabaseService, read: Reader, clock: Clock) -> None:
    clock.advance(30)
    await store.write(Batch(1))
    assert read.value("SELECT heartbeat_us - started_us FROM sessions") == 30_000_000


async def test_open_session_crashed_at_its_last_heartbeat(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    store = make_store()
    await store.start()
    clock.advance(10)
    await store.write(Batch(1))
    clock.advance(500)
    await crash(store)
    await make_store().start()
    crashed, now = read.rows("SELECT * FROM sessions ORDER BY id")
    assert (crashed["outcome"], crashed["ended_us"]) == ("crashed", T0_US + 10_000_000)
    assert "without closing" in crashed["reason"]
    assert (now["outcome"], now["started_us"]) == ("open", T0_US + 510_000_000)


async def test_crashed_session_does_not_end_before_its_start_when_the_clock_went_back(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    store = make_store()
    await store.start()
    clock.us -= 3_600_000_000
    await store.write(Batch(1))
    await crash(store)
    await make_store().start()
    assert read.value("SELECT ended_us - started_us FROM sessions WHERE outcome = 'crashed'") == 0


async def test_runs_in_progress_at_a_crash_are_interrupted(make_store: MakeStore, read: Reader, clock: Clock) -> None:
    store = make_store()
    await store.start()
    listener, job = Listener(), Job()
    await store.write(Batch(1, invocations=(invocation(1, listener),)))
    clock.advance(5)
    running = (
        Running(7, listener, Event(new_state="open"), T0_US + 1_000_000),
        Running(8, job, Due(T0_US + 1_999_000, True), T0_US + 2_000_000),
    )
    await store.write(Batch(2, running=running))
    last_id = await store.last_id()
    await crash(store)
    again = make_store()
    await again.start()
    handler, of_job = read.rows("SELECT * FROM named_runs WHERE status = 'interrupted' ORDER BY id")
    assert (handler["new_state"], handler["started_us"], handler["duration_us"]) == (
        "open",
        T0_US + 1_000_000,
        4_000_000,
    )
    assert (of_job["due_us"], of_job["manual"], of_job["session_id"]) == (T0_US + 1_999_000, 1, 1)
    assert handler["id"] > last_id
    assert await again.last_id() == of_job["id"]
    assert read.value("SELECT sum(interrupted) FROM statistics_hourly") == 2
    assert read.value("SELECT sum(interrupted) FROM statistics_daily") == 2
    assert read.value("SELECT count(*) FROM running_executions") == 0
    assert read.row("SELECT runs, last_id FROM sessions WHERE id = 1") == {"runs": 3, "last_id": of_job["id"]}


async def test_new_list_of_runs_in_progress_replaces_the_old_one(store: DatabaseService, read: Reader) -> None:
    def run(number: int) -> Any:
        return Running(number, Listener(), Event(), T0_US)

    await store.write(Batch(1, running=(run(1), run(2))))
    await store.write(Batch(2, running=None))
    assert read.value("SELECT count(*) FROM running_executions") == 2
    await store.write(Batch(3, running=(run(2),)))
    assert read.value("SELECT run FROM running_executions") == 2
    await store.write(Batch(4, running=()))
    assert read.value("SELECT count(*) FROM running_executions") == 0


async def test_runs_in_progress_at_a_clean_stop_are_interrupted(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    store = make_store()
    await store.start()
    listener, job = Listener(), Job()
    await store.write(Batch(1, invocations=(invocation(1, listener, "error"),)))
    running = (
        Running(7, listener, Event(new_state="open"), T0_US + 1_000_000),
        Running(8, job, Due(T0_US + 1_999_000, True), T0_US + 2_000_000),
    )
    await store.write(Batch(2, running=running, session_facts=(("outcome", "clean"), ("reason", "SIGTERM"))))
    clock.advance(5)
    await store.stop()
    session = read.row("SELECT outcome, reason, runs, failures, ended_us, last_id FROM sessions")
    handler, of_job = read.rows("SELECT * FROM named_runs WHERE status = 'interrupted' ORDER BY id")
    assert session == {
        "outcome": "clean",
        "reason": "SIGTERM",
        "runs": 3,
        "failures": 3,
        "ended_us": T0_US + 5_000_000,
        "last_id": of_job["id"],
    }
    assert (handler["new_state"], handler["started_us"], handler["duration_us"]) == (
        "open",
        T0_US + 1_000_000,
        4_000_000,
    )
    assert (of_job["due_us"], of_job["manual"], of_job["duration_us"]) == (T0_US + 1_999_000, 1, 3_000_000)
    for table in ("statistics_hourly", "statistics_daily"):
        assert read.row(f"SELECT sum(interrupted) AS i, sum(error) AS e FROM {table}") == {"i": 2, "e": 1}
    # The next session does not count the interrupted runs again.
    await make_store().start()
    assert read.value("SELECT count(*) FROM runs") == 3
    assert read.value("SELECT count(*) FROM running_executions") == 0


async def test_clean_stop_without_runs_in_progress_interrupts_nothing(make_store: MakeStore, read: Reader) -> None:
    store = make_store()
    await store.start()
    await store.write(Batch(1, running=(Running(1, Listener(), Event(), T0_US),)))
    await store.write(Batch(2, invocations=(invocation(1, Listener()),), running=()))
    await store.stop()
    assert read.row("SELECT outcome, runs, failures FROM sessions") == {"outcome": "clean", "runs": 1, "failures": 0}
    assert read.value("SELECT sum(interrupted) FROM statistics_daily") == 0


async def test_restart_of_the_service_does_not_interrupt_runs(
    make_store: MakeStore, read: Reader, clock: Clock, spoil: RunScript
) -> None:
    store = make_store(retention_schedule=RetentionSchedule(first_pass_s=0))
    await store.start()
    await store.write(Batch(1, running=(Running(1, Listener(), Event(), T0_US),)))
    spoil("DROP TABLE skips_hourly")
    clock.advance(601)
    with pytest.raises(CorruptDatabaseError):
        await store.serve()
    await store.stop()
    assert read.value("SELECT count(*) FROM runs") == 0
    await store.start()
    await store.write(Batch(2, running=(Running(1, Listener(), Event(), T0_US),)))
    await store.stop()
    assert read.value("SELECT count(*) FROM runs WHERE status_id = 4") == 1


async def test_registration_that_does_not_return_after_a_restart_is_retired(
    make_store: MakeStore, read: Reader
) -> None:
    store = make_store()
    await store.start()
    await store.write(Batch(1, registered=(Listener("stays"), Listener("goes"))))
    await store.stop()
    store = make_store()
    await store.start()
    await store.write(Batch(1, registered=(Listener("stays"),)))
    assert [row["name"] for row in read.rows("SELECT name FROM listeners WHERE retired_us IS NULL")] == ["stays"]


async def test_restarted_service_resumes_its_session(make_store: MakeStore, read: Reader) -> None:
    store = make_store()
    await store.start()
    batch = Batch(1, registered=(Listener(),), invocations=(invocation(1, Listener()),))
    await store.write(batch)
    await store.stop()
    await store.start()
    await store.write(batch)
    assert read.row("SELECT count(*) AS n, max(outcome) AS o, sum(runs) AS r FROM sessions") == {
        "n": 1,
        "o": "open",
        "r": 1,
    }
    assert read.value("SELECT retired_us FROM listeners") is None


async def test_last_id_counts_deleted_rows(make_store: MakeStore) -> None:
    store = make_store()
    await store.start()
    assert await store.last_id() == 0
    await store.write(Batch(1, invocations=(invocation(9, Listener()),)))
    await store.stop()
    with sqlite3.connect(store.path) as other:
        other.execute("DELETE FROM handler_invocations")
    other.close()
    again = make_store()
    await again.start()
    assert await again.last_id() == run_id(9_000)


async def test_stop_may_be_called_at_any_time_and_repeatedly(make_store: MakeStore, read: Reader) -> None:
    store = make_store()
    await store.stop()
    await store.start()
    await store.start()
    await store.stop()
    await store.stop()
    assert read.value("SELECT count(*) FROM sessions") == 1


async def test_context_manager_serves_and_closes_the_session(path: Path, read: Reader) -> None:
    async with DatabaseService(path) as store:
        await store.write(Batch(1))
    assert read.value("SELECT outcome FROM sessions") == "clean"


async def test_failed_start_leaves_no_thread_and_no_lock(make_store: MakeStore, spoil: RunScript) -> None:
    before = threading.active_count()
    store = make_store()
    spoil("CREATE TRIGGER refuse BEFORE INSERT ON sessions BEGIN SELECT RAISE(ABORT, 'refused'); END")
    with pytest.raises(StoreError, match="refused"):
        await store.start()
    spoil("DROP TRIGGER refuse")
    await make_store().start()
    # The thread pool may have grown. A leaked thread of aiosqlite would keep the process from ending.
    assert len([one for one in threading.enumerate() if "_connection_worker" in one.name]) <= 1
    assert threading.active_count() <= before + 3
