"""The executor and the store together: each run is in the file exactly once."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from hassette_executor import (
    CommandExecutor,
    DueTrigger,
    EventTrigger,
    ExecuteJob,
    ExecutorSettings,
    InvokeHandler,
    JobRegistration,
    ListenerRegistration,
)
from hassette_store import DatabaseService
from support.records import nothing
from support.waiting import patience

RUNS = 5_000
AT_ONCE = 50
TRIGGER = EventTrigger("state_changed", "light.hall", "off", "on", "ctx-1")
LISTENER = ListenerRegistration(app="light", instance="hall", name="on_motion", topic="state_changed.*", handler="on")
JOB = JobRegistration(app="heating", instance="0", name="night", schedule="every 1 s", handler="heating.Night.run")


def command(number: int) -> InvokeHandler | ExecuteJob:
    """Return a command. Every fifth number gives a job."""
    ready_ns = time.monotonic_ns()
    if number % 5 == 0:
        return ExecuteJob(registration=JOB, call=nothing, trigger=DueTrigger(number), ready_ns=ready_ns)
    return InvokeHandler(registration=LISTENER, call=nothing, trigger=TRIGGER, ready_ns=ready_ns)


async def run_all(executor: CommandExecutor) -> list[int]:
    """Run `RUNS` commands, `AT_ONCE` at a time, and return the ids of their records."""
    executor.register(LISTENER)
    executor.register(JOB)
    numbers = iter(range(RUNS))
    ids: list[int] = []

    async def worker() -> None:
        for number in numbers:
            ids.append((await executor.execute(command(number))).id)
            await asyncio.sleep(0)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return ids


def stored(path: Path) -> tuple[list[int], int]:
    """Return the ids in the file, in order, and the number of runs in its statistics."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        ids = db.execute("SELECT id FROM handler_invocations UNION ALL SELECT id FROM job_executions ORDER BY id")
        (counted,) = db.execute("SELECT sum(success) FROM statistics_hourly").fetchone()
        return [number for (number,) in ids], counted


async def test_five_thousand_runs_fifty_at_once_are_all_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    async with DatabaseService(path) as store, CommandExecutor(store) as executor:
        ids = await run_all(executor)
        assert await executor.force_flush(patience(20))
        account = executor.accounting()

    assert (account.executed, account.persisted, account.waiting, account.shed) == (RUNS, RUNS, 0, {})
    assert len(set(ids)) == RUNS
    assert stored(path) == (sorted(ids), RUNS)


async def test_stop_without_an_explicit_flush_loses_no_run(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    async with DatabaseService(path) as store:
        async with CommandExecutor(store) as executor:
            ids = await run_all(executor)
        account = executor.accounting()

    assert (account.persisted, account.waiting, account.shed) == (RUNS, 0, {})
    assert stored(path)[0] == sorted(ids)


@pytest.mark.timeout(120)
async def test_file_that_is_locked_for_a_while_contains_every_run_later(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    settings = ExecutorSettings(retry_min_s=0.05, retry_max_s=0.2)
    async with DatabaseService(path) as store, CommandExecutor(store, settings=settings) as executor:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            ids = await run_all(executor)
            assert not await executor.force_flush(0.5)
            assert executor.accounting().waiting == RUNS
            other.execute("ROLLBACK")
        assert await executor.force_flush(patience(60))
        account = executor.accounting()

    assert (account.persisted, account.waiting, account.shed) == (RUNS, 0, {})
    assert stored(path) == (sorted(ids), RUNS)
