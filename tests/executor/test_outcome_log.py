"""The log of failed runs is written in a thread and never blocks the executor."""

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from hassette_executor import (
    CommandExecutor,
    ExecutorLimits,
)
from support.records import failing, invoke
from support.waiting import eventually, patience


class StuckLog(logging.Handler):
    """Blocks the thread that writes, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.go = threading.Event(), threading.Event()
        self.lines: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.began.set()
        self.go.wait(patience(20))
        self.lines.append(record)


@pytest.fixture
def stuck_log() -> Iterator[StuckLog]:
    logger, handler = logging.getLogger("hassette_executor.outcome"), StuckLog()
    logger.addHandler(handler)
    logger.propagate = False
    yield handler
    handler.go.set()
    logger.removeHandler(handler)
    logger.propagate = True


async def test_blocked_log_holds_a_bounded_number_of_records_and_counts_the_rest_in_one_line(stuck_log):
    async with CommandExecutor(limits=ExecutorLimits(outcome_lines=5)) as executor:
        await executor.execute(invoke(failing, name="first"))
        await executor.force_flush()
        await eventually(stuck_log.began.is_set)
        for number in range(20):
            await executor.execute(invoke(failing, name=f"number {number}"))
            await executor.force_flush()
        stuck_log.go.set()
        await eventually(lambda: len(stuck_log.lines) == 1 + 5 + 1)
    last = stuck_log.lines[-1]
    assert len(stuck_log.lines) == 1 + 5 + 1
    assert (last.getMessage(), last.skipped) == ("Log is too slow; some runs have no log line", 15)


async def test_blocked_log_does_not_block_the_stop(stuck_log):
    executor = CommandExecutor()
    async with asyncio.timeout(patience(5)), executor:
        await executor.execute(invoke(failing))
        await executor.force_flush()
        await eventually(stuck_log.began.is_set)
        await executor.execute(invoke(failing, name="later"))
    stuck_log.go.set()
    async with executor:
        await executor.execute(invoke(failing, name="after the restart"))
        await executor.force_flush()
        await eventually(lambda: len(stuck_log.lines) == 3)
    assert [getattr(line, "registration", None) for line in stuck_log.lines] == ["on_motion", "after the restart", None]
    assert stuck_log.lines[-1].skipped == 1


async def test_outcome_log_can_be_switched_off(quiet_outcomes, caplog):
    before = set(threading.enumerate())
    async with CommandExecutor() as executor:
        await executor.execute(invoke(failing))
        await executor.force_flush()
        assert set(threading.enumerate()) <= before, "a thread of an earlier test may end meanwhile"
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR]
