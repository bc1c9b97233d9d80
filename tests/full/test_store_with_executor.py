"""The executor and the store together: runs, failures, calls and jobs are in the file."""

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from hassette_executor import (
    CommandExecutor,
    DueTrigger,
    ExecuteJob,
    ExecutorSettings,
    JobRegistration,
    RecordSink,
    ServiceCall,
    record_service_call,
)
from hassette_store import DatabaseService, check
from support.records import invoke, listener
from support.waiting import patience


def first_row(path: Path, sql: str) -> Any:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchone()
    finally:
        db.close()


async def test_store_is_a_record_sink(tmp_path: Path) -> None:
    assert isinstance(DatabaseService(tmp_path / "hassette.db"), RecordSink)


async def test_five_thousand_executions_are_all_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"

    async def nothing() -> None:
        await asyncio.sleep(0)

    async with DatabaseService(path) as store, CommandExecutor(store) as executor:
        registration = listener()
        executor.register(registration)

        async def many() -> None:
            for _ in range(100):
                await executor.execute(invoke(nothing, registration))

        await asyncio.gather(*(many() for _ in range(50)))
        executor.set_session_facts(reason="SIGTERM", outcome="clean")
    assert first_row(path, "SELECT count(*), count(DISTINCT id) FROM runs WHERE status_id = 0") == (5_000, 5_000)
    assert first_row(path, "SELECT sum(success) FROM statistics_hourly") == (5_000,)
    assert first_row(path, "SELECT outcome, reason, runs, lost_runs FROM sessions") == ("clean", "SIGTERM", 5_000, 0)
    assert check(path) == []


async def test_failure_call_and_job_are_stored_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"

    async def fails() -> None:
        record_service_call(ServiceCall(1, "light", "turn_on", "{}", "", 5, "CTX", None))
        raise LookupError("light.hall is gone")

    async def works() -> None:
        pass

    async with DatabaseService(path) as store, CommandExecutor(store) as executor:
        failed = await executor.execute(invoke(fails, listener()))
        job = JobRegistration(app="hall", instance="main", name="tidy", schedule="every 30 s", handler="Hall.tidy")
        due = DueTrigger(time.time_ns() // 1000)
        await executor.execute(ExecuteJob(registration=job, call=works, trigger=due, ready_ns=time.monotonic_ns()))
    assert first_row(path, "SELECT run_id, type, message FROM run_failures") == (
        failed.id,
        "LookupError",
        "light.hall is gone",
    )
    assert "in test_failure_call" in first_row(path, "SELECT sample_traceback FROM run_failures")[0]
    assert first_row(path, "SELECT run_id, service, context_id FROM run_service_calls") == (
        failed.id,
        "light.turn_on",
        "CTX",
    )
    assert first_row(path, "SELECT due_us FROM runs WHERE kind = 'job'") == (due.due_us,)


async def test_run_after_a_restart_has_its_true_time_although_the_clock_was_ahead(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"

    async def nothing() -> None:
        pass

    ids: list[int] = []
    for _ in range(2):
        async with DatabaseService(path) as store, CommandExecutor(store) as executor:
            ids.append((await executor.execute(invoke(nothing, listener()))).id)
        db = sqlite3.connect(path)
        # Change the file as if the clock had been an hour ahead.
        db.execute("UPDATE sessions SET last_id = last_id + (3600000 << 21)")
        db.commit()
        db.close()
    assert ids[0] < ids[1] < ids[0] + (600_000 << 21)
    assert first_row(path, "SELECT count(*) FROM runs") == (2,)


async def test_lock_of_another_connection_delays_records_and_loses_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "hassette.db"

    async def nothing() -> None:
        pass

    settings = ExecutorSettings(retry_min_s=0.05, retry_max_s=0.2)
    async with DatabaseService(path) as store, CommandExecutor(store, settings=settings) as executor:
        registration = listener()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        runs = 0
        async with asyncio.timeout(patience(30)):
            while not any("could not be written" in message for message in caplog.messages):
                await executor.execute(invoke(nothing, registration))
                runs += 1
                await asyncio.sleep(0.005)
        other.execute("ROLLBACK")
        other.close()
    assert first_row(path, "SELECT count(*) FROM runs") == (runs,)
    assert first_row(path, "SELECT sum(success) FROM statistics_hourly") == (runs,)
