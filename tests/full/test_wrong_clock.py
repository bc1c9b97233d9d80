"""The history is right after a wrong clock was corrected: runs, statistics, sessions and uptime."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from hassette_executor import Clock, CommandExecutor
from hassette_store import DatabaseService, StoreSettings
from hassette_store.retention.retention import RetentionSchedule
from hassette_sync import DataSyncService, RunFilter, TimeRange
from support.records import failing, invoke, listener, nothing
from support.stores import Reader
from support.waiting import eventually

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
YEAR_US = 365 * 24 * HOUR_US
HALL = listener()


class Board:
    """A board with a wall clock that a test sets, also to a wrong time. ``true_us`` is the real time."""

    def __init__(self, true_us: int) -> None:
        self.true_us = true_us
        self.wrong_by_us = 0
        self.booted_us = true_us

    def now_us(self) -> int:
        return self.true_us + self.wrong_by_us

    def monotonic(self) -> float:
        return (self.true_us - self.booted_us) / SECOND_US

    def advance(self, seconds: float) -> None:
        self.true_us += round(seconds * SECOND_US)

    def boot(self, wrong_by_us: int = 0) -> None:
        self.booted_us, self.wrong_by_us = self.true_us, wrong_by_us

    @asynccontextmanager
    async def hassette(
        self, path: Path, schedule: RetentionSchedule | None = None
    ) -> AsyncIterator[tuple[DatabaseService, CommandExecutor]]:
        clock = Clock(wall_ns=lambda: self.now_us() * 1000, monotonic_ns=lambda: (self.true_us - self.booted_us) * 1000)
        store = DatabaseService(
            path,
            StoreSettings(heartbeat_s=0.05),
            now_us=self.now_us,
            monotonic=self.monotonic,
            retention_schedule=schedule,
        )
        async with store, CommandExecutor(store, clock=clock) as executor:
            yield store, executor


async def run(board: Board, executor: CommandExecutor, count: int = 3) -> list[int]:
    """Run a handler that waits once, and a short one `count` times. Return the true times at which the runs ended."""

    async def until_the_executor_has_read_the_clock() -> None:
        # The executor reads the wall clock each time that it looks for long runs.
        await eventually(lambda: abs(executor.running()[0].started_us - board.now_us()) < SECOND_US)

    times: list[int] = []
    board.advance(1)
    await executor.execute(invoke(until_the_executor_has_read_the_clock, HALL))
    times.append(board.true_us)
    for number in range(count):
        board.advance(1)
        await executor.execute(invoke(failing if number == 0 else nothing, HALL))
        times.append(board.true_us)
    executor.report("connection_lost", "home")
    await executor.force_flush()
    return times


def corrections(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        (pending,) = db.execute("SELECT count(*) FROM store_state WHERE name LIKE 'redating%'").fetchone()
        (done,) = db.execute("SELECT count(*) FROM lifecycle_events WHERE kind = 'clock_corrected'").fetchone()
    return 0 if pending else done


def expects_another_time(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        row = db.execute("SELECT 1 FROM store_state WHERE name = 'clock_expected_us'").fetchone()
    return row is not None


async def check(path: Path, times: list[int], board: Board) -> None:
    """Check that the runs have these times, and that everything else agrees with them."""
    whole = TimeRange(times[0] - HOUR_US, board.true_us + HOUR_US)
    async with DataSyncService(path) as data:
        runs = (await data.runs(RunFilter(), whole, limit=500)).runs
        status = await data.status()
        groups = (await data.error_groups(whole)).groups
    assert [one.started_us + one.duration_us for one in reversed(runs)] == pytest.approx(sorted(times), abs=SECOND_US)
    assert [one.id for one in runs] == sorted((one.id for one in runs), reverse=True)
    assert not [notice for notice in status.notices if "future" in notice]
    for group in groups:
        assert times[0] - 5 * SECOND_US <= group.first_seen_us <= group.last_seen_us <= times[-1] + 5 * SECOND_US
    with closing(sqlite3.connect(path)) as db:
        counted = dict(
            db.execute(
                "SELECT hour, sum(success + error + timed_out) FROM statistics_hourly GROUP BY hour HAVING sum(success"
                " + error + timed_out) > 0"
            )
        )
        expected = dict(db.execute("SELECT (id >> 21) / 3600000, count(*) FROM runs GROUP BY 1"))
        days = dict(db.execute("SELECT day, sum(success + error + timed_out) FROM statistics_daily GROUP BY day"))
        (orphans,) = db.execute("SELECT count(*) FROM failures WHERE run_id NOT IN (SELECT id FROM runs)").fetchone()
        events = [at_us for (at_us,) in db.execute("SELECT at_us FROM lifecycle_events")]
    buckets = {hour: counts.total() for hour, counts in Reader(path).latency("hour").items()}
    assert counted == expected == buckets
    assert sum(days.values()) == len(times)
    assert orphans == 0
    assert all(times[0] - HOUR_US <= at_us <= board.true_us + HOUR_US for at_us in events)


@pytest.fixture
def board() -> Board:
    return Board(int(time.time() * SECOND_US) - 14 * HOUR_US)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hassette.db"


async def test_outage_on_a_board_without_a_clock_is_shown(board: Board, path: Path) -> None:
    began_us = board.true_us
    async with board.hassette(path) as (_, executor):
        times = await run(board, executor)
        board.advance(3_600)
    # The power is off for ten hours. The board starts with the time of the last heartbeat.
    board.advance(10 * 3_600)
    board.boot(-10 * HOUR_US + 5 * SECOND_US)
    started_us = board.true_us
    async with board.hassette(path) as (_, executor):
        times += await run(board, executor)
        board.advance(25)
        board.wrong_by_us = 0
        await eventually(lambda: corrections(path) == 1)
        times += await run(board, executor)
        board.advance(3_600)
    await check(path, times, board)
    async with DataSyncService(path) as data:
        newest, first = (await data.sessions(TimeRange(began_us, board.true_us))).sessions
        uptime = await data.uptime(TimeRange(began_us, board.true_us))
    assert newest.started_us == pytest.approx(started_us, abs=6 * SECOND_US)
    assert first.started_us == pytest.approx(began_us, abs=SECOND_US)
    assert uptime.share == pytest.approx(2 / 12, abs=0.01)


@pytest.mark.parametrize("wrong_by_us", [20 * YEAR_US, -50 * YEAR_US, -10 * HOUR_US])
async def test_process_that_restarts_before_the_correction_has_right_times(
    board: Board, path: Path, wrong_by_us: int
) -> None:
    began_us = board.true_us
    async with board.hassette(path) as (_, executor):
        times = await run(board, executor)
        board.advance(3_600)
    board.advance(10 * 3_600)
    board.boot(wrong_by_us)
    booted_us = board.true_us
    for _ in range(2):
        async with board.hassette(path) as (_, executor):
            times += await run(board, executor)
        board.advance(600)
    async with board.hassette(path) as (_, executor):
        times += await run(board, executor)
        board.advance(40)
        board.wrong_by_us = 0
        await eventually(lambda: corrections(path) == 3)
        times += await run(board, executor)
    await check(path, times, board)
    async with DataSyncService(path) as data:
        sessions = (await data.sessions(TimeRange(began_us, board.true_us))).sessions
        uptime = await data.uptime(TimeRange(began_us, booted_us))
    assert [one.started_us >= booted_us - SECOND_US for one in sessions] == [True, True, True, False]
    assert uptime.share == pytest.approx(1 / 11, abs=0.01)


async def test_step_after_a_restart_on_a_machine_that_runs_for_days_moves_nothing(board: Board, path: Path) -> None:
    """A virtual machine may be paused, and its clock then steps ahead."""
    async with board.hassette(path) as (_, executor):
        times = await run(board, executor)
        board.advance(5 * 3_600)
    async with board.hassette(path) as (_, executor):
        times += await run(board, executor)
        board.wrong_by_us, board.booted_us = 0, board.booted_us + HOUR_US // 2
        board.true_us += HOUR_US // 2
        await eventually(lambda: expects_another_time(path))
        times += await run(board, executor)
    await check(path, times, board)
    assert corrections(path) == 0


@pytest.mark.parametrize("wrong_by_us", [20 * YEAR_US, -50 * YEAR_US, 2 * HOUR_US, -3 * HOUR_US])
async def test_board_that_boots_with_a_wrong_time_has_right_times_after_the_correction(
    board: Board, path: Path, wrong_by_us: int
) -> None:
    async with board.hassette(path) as (_, executor):
        times = await run(board, executor)
    board.advance(60)
    board.boot(wrong_by_us)
    async with board.hassette(path) as (_, executor):
        times += await run(board, executor)
        board.advance(40)
        board.wrong_by_us = 0
        await eventually(lambda: corrections(path) == 1)
        times += await run(board, executor)
    await check(path, times, board)


async def test_forty_seconds_in_2046_leave_no_trace(board: Board, path: Path) -> None:
    async with board.hassette(path) as (_, executor):
        times = await run(board, executor)
        board.advance(8 * 3_600)
        times += await run(board, executor)
        board.wrong_by_us = 20 * YEAR_US
        await eventually(lambda: expects_another_time(path))
        times += await run(board, executor)
        board.advance(40)
        board.wrong_by_us = 0
        await eventually(lambda: corrections(path) == 1)
        times += await run(board, executor)
    board.advance(60)
    async with board.hassette(path) as (_, executor):
        times += await run(board, executor)
    await check(path, times, board)


async def test_session_that_ended_with_a_clock_ahead_is_dated_before_the_next_session(board: Board, path: Path) -> None:
    async with board.hassette(path) as (_, executor):
        times = await run(board, executor)
    board.advance(60)
    board.boot(20 * YEAR_US)
    async with board.hassette(path) as (_, executor):
        times += await run(board, executor)
    board.advance(5)
    board.boot()
    async with board.hassette(path, RetentionSchedule(first_pass_s=601)) as (_, executor):
        board.advance(601)
        await eventually(lambda: corrections(path) == 1)
        times += await run(board, executor)
    # The store knows only roughly when the session really was.
    with closing(sqlite3.connect(path)) as db:
        found = [ms * 1000 for (ms,) in db.execute("SELECT id >> 21 FROM runs ORDER BY id")]
        future = db.execute(
            "SELECT count(*) FROM statistics_daily WHERE day > ?", (board.true_us // 86_400 // SECOND_US + 1,)
        )
        assert future.fetchone() == (0,)
    assert found == pytest.approx(sorted(times), abs=12 * SECOND_US)
