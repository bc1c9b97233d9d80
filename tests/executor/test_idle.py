"""An idle executor sets no timer and never wakes up."""

import asyncio
from typing import Any

import pytest

from hassette_executor import (
    Batch,
    Clock,
    CommandExecutor,
    ExecutorSettings,
    MemorySink,
)
from support.loops import manual_loop
from support.records import T0_US, failing, forever, invoke, nothing
from support.sinks import FaultySink
from support.waiting import eventually


async def test_idle_executor_never_wakes_up(monkeypatch: pytest.MonkeyPatch):
    async with CommandExecutor(FaultySink()) as executor:
        serving = asyncio.ensure_future(executor.serve())
        for call in (nothing, failing, lambda: asyncio.sleep(0.3)):
            await executor.execute(invoke(call, timeout_s=5))
        await executor.force_flush()
        await assert_silence(monkeypatch)
        assert not serving.done()
    await serving


async def assert_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if the loop is used within a second.

    The check is repeated a few times. Work of earlier runs, such as a log line in its thread, ends after a moment.
    Periodic work would be found in every second.
    """
    requests = requests_to(asyncio.get_running_loop(), monkeypatch)
    for _ in range(8):
        requests.clear()
        await asyncio.sleep(1.2)
        if len(requests) == 2:  # both belong to the sleep of this test: its timer, and its end
            monkeypatch.undo()
            return
    pytest.fail("the idle loop is still used within a second:\n" + "\n".join(requests))


async def test_long_run_does_not_wake_up_the_executor(monkeypatch: pytest.MonkeyPatch):
    go = asyncio.Event()
    async with CommandExecutor(sink := FaultySink()) as executor:
        long = asyncio.ensure_future(executor.execute(invoke(go.wait, timeout_s=600)))
        await eventually(lambda: any(batch.running for batch in sink.batches))
        await assert_silence(monkeypatch)
        await executor.execute(invoke(nothing, timeout_s=0.01))
        assert (await executor.execute(invoke(forever, timeout_s=0.05))).status == "timed_out"
        go.set()
        await long
        await eventually(lambda: sink.batches[-1].running == () or any(b.running == () for b in sink.batches))


def test_quick_run_in_a_quiet_home_sets_one_timer_for_all_of_its_steps():
    with manual_loop() as loop:

        async def scenario() -> None:
            sink = MemorySink()
            async with CommandExecutor(sink, clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                for number in range(3):
                    await executor.execute(invoke(nothing))
                    await asyncio.sleep(0)
                    assert loop.count_timers() == 1
                    await asyncio.sleep(0.45)
                    assert len(sink.records) == number
                    await asyncio.sleep(0.1)
                    assert len(sink.records) == number + 1
                    assert loop.count_timers() == 0

        loop.run_until_complete(scenario())


def test_record_after_a_full_batch_waits_for_the_timer_of_the_first_record():
    with manual_loop() as loop:

        async def scenario() -> None:
            sink = MemorySink()
            settings = ExecutorSettings(batch_records=5, flush_interval_s=0.5)
            clock = Clock(wall_ns=lambda: T0_US * 1000 + loop.monotonic_ns(), monotonic_ns=loop.monotonic_ns)
            async with CommandExecutor(sink, settings=settings, clock=clock) as executor:
                for pause_s in (0.1, 0.1, 0.06, 0.04, 0.1, 0):
                    await executor.execute(invoke(nothing))
                    await asyncio.sleep(pause_s)
                assert len(sink.records) == 5, "the fifth record completes a batch"
                await asyncio.sleep(0.09)
                assert len(sink.records) == 5
                await asyncio.sleep(0.02)
                assert len(sink.records) == 6

        loop.run_until_complete(scenario())


def test_end_of_the_last_run_in_a_quiet_home_leaves_no_timer_of_the_sweeper():
    with manual_loop() as loop:

        async def scenario() -> None:
            async with CommandExecutor(clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                await executor.execute(invoke(lambda: asyncio.sleep(0.1)))
                assert loop.count_timers() == 1  # for the write
                await asyncio.sleep(0.05)
                failing_later = asyncio.ensure_future(executor.execute(invoke(failing_after_a_moment)))
                await asyncio.sleep(0)
                assert loop.count_timers() == 3  # the write, the sweeper, and the sleep of the run
                await failing_later
                assert loop.count_timers() == 1

        loop.run_until_complete(scenario())


async def failing_after_a_moment() -> None:
    await asyncio.sleep(0.05)
    raise ValueError("the sensor did not respond")


def test_end_of_a_long_run_is_reported_although_a_short_run_has_set_and_cancelled_the_timer():
    with manual_loop() as loop:

        async def scenario() -> None:
            sink = FaultySink()
            go = asyncio.Event()
            async with CommandExecutor(sink, clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                long = asyncio.ensure_future(executor.execute(invoke(go.wait)))
                await asyncio.sleep(1)
                assert [len(batch.running) for batch in sink.batches if batch.running is not None] == [1]
                short = asyncio.ensure_future(executor.execute(invoke(lambda: asyncio.sleep(0.1))))
                await asyncio.sleep(0.05)
                go.set()
                await long
                await short
                await asyncio.sleep(1)
                assert [batch.running for batch in sink.batches if batch.running is not None][1:] == [()]

        loop.run_until_complete(scenario())


def executions_at(times_s: list[float]) -> list[tuple[float, int]]:
    """Execute runs at these times. Return when batches were written, and how many runs each of them has."""
    written: list[tuple[float, int]] = []
    with manual_loop() as loop:

        class Timed(MemorySink):
            async def write(self, batch: Batch) -> None:
                written.append((round(loop.time() - began, 3), batch.run_count))

        async def scenario() -> None:
            clock = Clock(wall_ns=lambda: T0_US * 1000 + loop.monotonic_ns(), monotonic_ns=loop.monotonic_ns)
            async with CommandExecutor(Timed(), clock=clock) as executor:
                nonlocal began
                began = loop.time()
                for time_s in times_s:
                    await asyncio.sleep(began + time_s - loop.time())
                    await executor.execute(invoke(nothing))
                await asyncio.sleep(1)

        began = 0.0
        loop.run_until_complete(scenario())
    return written


def test_last_run_of_the_flush_interval_starts_the_write_without_a_separate_wake_up():
    assert executions_at([0, 0.2, 0.4, 0.6, 0.8, 1]) == [(0.4, 3), (1, 3)]
    assert executions_at([0, 0.3, 0.5, 0.8]) == [(0.3, 2), (0.8, 2)]


def test_run_before_others_of_the_same_interval_does_not_start_the_write():
    assert executions_at([0.05 * number for number in range(8)]) == [(0.5, 8)]
    assert executions_at([0, 0.2, 0.29]) == [(0.5, 3)]


def test_run_after_the_flush_interval_begins_a_new_one():
    assert executions_at([0, 0.6]) == [(0.5, 1), (1.1, 1)]


def test_new_subscriber_does_not_wait_for_the_flush_interval():
    with manual_loop() as loop:

        async def scenario() -> None:
            async with CommandExecutor(clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                first = await executor.execute(invoke(nothing))
                began = loop.time()
                async with executor.feed.subscribe(after=0) as subscription:
                    assert await anext(subscription) == (first,)
                    assert loop.time() == began
                    second = await executor.execute(invoke(nothing))
                    assert await anext(subscription) == (second,)
                    assert loop.time() - began < 0.15

        loop.run_until_complete(scenario())


def test_record_is_written_in_time_although_a_subscriber_came():
    with manual_loop() as loop:

        async def scenario() -> None:
            sink = MemorySink()
            async with CommandExecutor(sink, clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                record = await executor.execute(invoke(nothing))
                await asyncio.sleep(0.45)
                async with executor.feed.subscribe():
                    await asyncio.sleep(0.1)
                    assert list(sink.records) == [record]

        loop.run_until_complete(scenario())


def test_short_deadline_is_kept_directly_after_a_quick_run():
    with manual_loop() as loop:

        async def scenario() -> None:
            async with CommandExecutor(clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                began = loop.time()
                await executor.execute(invoke(nothing))
                assert (await executor.execute(invoke(forever, timeout_s=0.05))).status == "timed_out"
                assert loop.time() - began < 0.1

        loop.run_until_complete(scenario())


def requests_to(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with each request to the loop from now on."""
    requests: list[str] = []

    def watch(name: str) -> None:
        real = getattr(loop, name)

        def noted(*args: Any, **options: Any) -> Any:
            requests.append(f"{name}{args}")
            return real(*args, **options)

        monkeypatch.setattr(loop, name, noted)

    for name in ("call_soon", "call_soon_threadsafe", "call_at"):
        watch(name)
    return requests


def test_sweeper_sets_no_timer_while_nothing_runs():
    with manual_loop() as loop:

        async def scenario() -> None:
            async with CommandExecutor(clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                await executor.execute(invoke(nothing))
                assert loop.count_timers() > 0
                await asyncio.sleep(1)
                assert loop.count_timers() == 0

        loop.run_until_complete(scenario())
