"""Errors in other code lead to no lost record: a broken log handler, an abandoned stop, a lost cancellation."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hassette_executor import Batch, Clock, CommandExecutor, ExecutorSettings, MemorySink, Status
from hassette_executor.delivery.write_queue import WriteQueue
from hassette_executor.running.classification import replaces_cancellation
from support.loops import manual_loop
from support.records import failing, forever, invoke, job, listener, nothing, record, sized
from support.sinks import FaultySink
from support.waiting import eventually

QUICK = ExecutorSettings(flush_interval_s=0.05, retry_min_s=0.05)


@contextmanager
def broken_log(text: str) -> Iterator[None]:
    """Install a log handler that raises when it gets a certain line."""

    class Broken(logging.Handler):
        def emit(self, line: logging.LogRecord) -> None:
            if text in line.getMessage():
                raise OSError("the disk is full")

    handler = Broken()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("text", ["are written again", "could not be written"])
async def test_failing_log_handler_loses_no_record_and_counts_none_twice(text):
    sink = FaultySink("fail")
    executor = CommandExecutor(sink, settings=QUICK)
    with broken_log(text):
        await executor.start()
        await executor.execute(invoke(nothing))
        await eventually(lambda: sink.calls > 1)
        sink.mode = "ok"
        assert await executor.force_flush()
        assert executor.accounting().persisted == len(sink.records) == 1
        await executor.stop()


async def test_failing_log_handler_during_eviction_affects_neither_handlers_nor_other_sinks():
    stuck, well = FaultySink("hang"), FaultySink()
    settings = ExecutorSettings(max_records=20, batch_records=10)
    with broken_log("queue is full"):
        async with CommandExecutor(stuck, well, settings=settings) as executor:
            for _ in range(60):
                await executor.execute(invoke(nothing))
                await eventually(lambda: len(well.records) >= executor.accounting(1).executed - 9)
            stuck.released.set()  # otherwise the stop would wait for this sink
        assert executor.accounting(1).persisted == len(well.records) == 60
        assert executor.accounting(0).waiting == 0


async def test_start_during_a_stop_waits_for_it_and_loses_nothing():
    sink = FaultySink("hang")
    executor = CommandExecutor(sink, settings=ExecutorSettings(stop_timeout_s=5))
    await executor.start()
    await executor.execute(invoke(nothing))
    stop = asyncio.create_task(executor.stop())
    await eventually(lambda: sink.calls)
    stop.cancel()  # the caller stops waiting; the stop continues
    start = asyncio.create_task(executor.start())
    await asyncio.sleep(0)
    assert not start.done()
    sink.released.set()
    await start
    await executor.execute(invoke(nothing))
    await executor.stop()
    assert executor.accounting().shed == {}
    assert len(sink.records) == 2


async def test_writer_that_ignores_its_cancellation_is_replaced_and_its_batch_counted_once():
    began, heeded = asyncio.Event(), asyncio.Event()

    class Stubborn(MemorySink):
        stubborn = True

        async def write(self, batch: Batch) -> None:
            if self.stubborn:
                began.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    await heeded.wait()
            await super().write(batch)

    sink = Stubborn()
    queue = WriteQueue(sink, QUICK)
    first = queue.start()
    queue.extend(*sized([record(1)]))
    await began.wait()
    first.cancel()
    sink.stubborn = False
    second = queue.start()
    assert second is not first
    queue.extend(*sized([record(2)]))
    await queue.flush()
    heeded.set()
    await eventually(first.done)
    assert (queue.persisted, queue.waiting) == (2, 0)
    await queue.close(1)
    assert {kept.id for kept in sink.records} == {record(1).id, record(2).id}


async def test_log_line_is_attached_only_by_the_executor_of_its_run():
    async def talks() -> None:
        logging.getLogger("hall").warning("once")

    async with CommandExecutor(MemorySink()) as one, CommandExecutor(MemorySink()) as other:
        for executor in (one, other):
            kept = await executor.execute(invoke(talks))
            assert kept.effects is not None
            assert [line.message for line in kept.effects.log_lines] == ["once"]


async def test_failure_that_replaces_a_cancellation_is_recorded_and_the_cancellation_is_raised():
    began = asyncio.Event()

    async def cleans_up_badly() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            raise ValueError("cleanup")

    sink = MemorySink()
    async with CommandExecutor(sink) as executor:
        caller = asyncio.create_task(executor.execute(invoke(cleans_up_badly)))
        await began.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await executor.force_flush()
    (kept,) = sink.records
    assert kept.status is Status.ERROR
    assert kept.failure is not None
    assert kept.failure.message == "cleanup"


async def test_failing_clean_up_of_an_inner_run_does_not_swallow_the_deadline_of_the_outer_run():
    went_on = False

    async def inner() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("cleanup")

    async def outer() -> None:
        nonlocal went_on
        await executor.execute(invoke(inner, name="inner"))
        went_on = True

    async with CommandExecutor(MemorySink()) as executor:
        kept = await executor.execute(invoke(outer, timeout_s=0.05))
    assert kept.status is Status.TIMED_OUT
    assert not went_on


async def test_failure_in_a_task_that_was_cancelled_earlier_is_not_raised():
    async with CommandExecutor(MemorySink()) as executor:

        async def caller() -> Status:
            with pytest.raises(asyncio.CancelledError):
                await asyncio.Event().wait()
            return (await executor.execute(invoke(failing))).status

        task = asyncio.create_task(caller())
        await asyncio.sleep(0)
        task.cancel()
        assert await task is Status.ERROR


async def test_failed_task_group_of_an_earlier_run_does_not_cancel_the_caller():
    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(failing())

    async def expires() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    async with CommandExecutor(MemorySink()) as executor:
        kept = [await executor.execute(invoke(call)) for call in (group, expires)]
    assert [record.status for record in kept] == [Status.ERROR, Status.ERROR]


@pytest.mark.parametrize(("between", "found"), [(0, True), (1, True), (40, False)])
async def test_replaced_cancellation_is_found_a_few_failures_back(between, found):
    error: BaseException = asyncio.CancelledError()
    for _ in range(between + 1):
        later = ValueError()
        later.__context__ = error
        error = later
    answers: list[bool] = []

    async def look() -> None:
        task = asyncio.current_task()
        assert task is not None
        answers.append(replaces_cancellation(error))
        task.cancel()
        answers.append(replaces_cancellation(error))

    await asyncio.wait({asyncio.create_task(look())})
    assert answers == [False, found], "if the task is not cancelled, no cancellation is replaced"


def test_run_that_outlives_the_stop_keeps_its_deadline():
    with manual_loop() as loop:

        async def scenario() -> None:
            clock, settings = Clock(monotonic_ns=loop.monotonic_ns), ExecutorSettings(stop_timeout_s=0.2)
            executor = CommandExecutor(MemorySink(), clock=clock, settings=settings)
            await executor.start()
            running = asyncio.create_task(executor.execute(invoke(forever, timeout_s=3)))
            await asyncio.sleep(0)
            await executor.stop()
            assert not running.done()
            assert (await running).status is Status.TIMED_OUT

        loop.run_until_complete(scenario())


async def test_announcements_from_a_thread_are_all_counted():
    sink = FaultySink()
    limited = listener("limited")
    async with CommandExecutor(sink) as executor:

        def in_a_thread() -> None:
            assert threading.current_thread() is not threading.main_thread()
            executor.register(limited)
            for _ in range(3):
                executor.count_skip(limited, "overlap")

        kept = await executor.execute(invoke(in_a_thread, runs_in="sync"))
    assert kept.status is Status.SUCCESS
    skipped: Counter[str] = Counter()
    for skip in sink.stored("skipped"):
        skipped[skip.reason] += skip.count
    assert skipped == {"overlap": 3}
    assert limited in sink.stored("registered")


def test_lone_surrogate_in_a_name_is_replaced_in_the_registration():
    assert listener("scan caf\udce9", topic="a\ud800").key == ("hall", "main", "scan caf?", "a?")
    assert job("gut\xe9").name == "gut\xe9"
