"""Ids of records: order, time and continuation after a restart."""

import asyncio
import threading
import time

import pytest

from hassette_executor import (
    Clock,
    CommandExecutor,
    MemorySink,
)
from hassette_executor.records.ids import COUNTER_BITS, id_at, time_of
from support.records import failing, invoke, nothing
from support.sinks import FaultySink


async def test_ids_are_strictly_increasing_and_ordered_by_the_end_of_the_run():
    async with CommandExecutor(sink := MemorySink()) as executor:
        slow = asyncio.ensure_future(executor.execute(invoke(lambda: asyncio.sleep(0.01))))
        quick = [await executor.execute(invoke(nothing)) for _ in range(3)]
        assert (await slow).id > quick[-1].id > quick[0].id
    ids = [one.id for one in sink.records]
    assert ids == sorted(set(ids))
    for one in sink.records:
        assert abs(time_of(one.id) - one.started_us - one.duration_us) <= 1_000


async def test_ids_continue_when_the_clock_goes_back_a_second():
    back_ns = 0
    async with CommandExecutor(MemorySink(), clock=Clock(wall_ns=lambda: time.time_ns() - back_ns)) as executor:
        before = await executor.execute(invoke(nothing))
        back_ns = 5_000_000_000
        await executor.execute(invoke(lambda: asyncio.sleep(5), timeout_s=0.01))  # setting a timer reads the clock
        after = [await executor.execute(invoke(call)) for call in (nothing, failing, nothing)]
    assert [one.id for one in after] == [before.id + 2, before.id + 3, before.id + 4]


@pytest.mark.parametrize("ahead_s", [60, 86_400, 20 * 366 * 86_400])
async def test_runs_after_a_clock_that_was_ahead_have_their_true_time(ahead_s: int):
    ahead_ns = 0
    async with CommandExecutor(
        sink := MemorySink(), clock=Clock(wall_ns=lambda: time.time_ns() + ahead_ns)
    ) as executor:
        for ahead_ns in (0, ahead_s * 1_000_000_000, 0, ahead_s * 1_000_000_000, 0):
            await executor.execute(invoke(lambda: asyncio.sleep(5), timeout_s=0.01))  # setting a timer reads the clock
            executor.report("connection_lost", "home")
            for call in (nothing, failing, nothing):
                record = await executor.execute(invoke(call))
                assert abs(time_of(record.id) - (time.time_ns() + ahead_ns) // 1000) < 5_000_000
                assert abs(time_of(record.id) - record.started_us - record.duration_us) <= 1_000
    ids = [one.id for one in sink.records] + [event.id for batch in sink.batches for event in batch.lifecycle]
    assert len(ids) == len(set(ids)) == 25


async def test_ids_of_both_times_differ_when_the_clock_repeats_a_minute():
    """The clock goes back again and again, so that runs get ids of the same milliseconds."""
    now_ns = time.time_ns()
    offset_ns = 0
    async with CommandExecutor(sink := MemorySink(), clock=Clock(wall_ns=lambda: now_ns + offset_ns)) as executor:
        for _ in range(20):
            for offset_ns in (0, 30_000_000_000):  # noqa: B007  the clock reads it
                await executor.execute(invoke(lambda: asyncio.sleep(5), timeout_s=0.01))
                for _ in range(5):
                    await executor.execute(invoke(nothing))
    ids = [one.id for one in sink.records]
    assert len(ids) == len(set(ids)) == 20 * 2 * 6


async def test_ids_continue_from_the_highest_id_of_any_sink(caplog):
    last = id_at(time.time_ns() // 1000 + 5_000_000)
    failing_sink = FaultySink("fail")
    async with CommandExecutor(FaultySink(), FaultySink(last_id=last), failing_sink) as executor:
        assert (await executor.execute(invoke(nothing))).id == last + 1
        failing_sink.mode = "ok"
    assert caplog.records[0].getMessage() == "Sink did not return its last id; new ids may be lower than its stored ids"
    assert caplog.records[0].error == "OSError: database is locked"


async def test_last_id_of_a_clock_that_was_ahead_does_not_date_new_runs():
    last = id_at(4_000_000_000_000_000)
    async with CommandExecutor(FaultySink(last_id=last)) as executor:
        record = await executor.execute(invoke(nothing))
    assert abs(time_of(record.id) - time.time_ns() // 1000) < 5_000_000
    assert record.id & (1 << COUNTER_BITS) - 1 != 0, "the id differs from an id of the same millisecond before"


def test_id_contains_its_time_to_the_millisecond():
    at_us = 1_795_392_000_123_456
    assert time_of(id_at(at_us)) == 1_795_392_000_123_000
    assert time_of(id_at(at_us) + (1 << COUNTER_BITS) - 1) == 1_795_392_000_123_000
    assert id_at(4_102_444_800_000_000).bit_length() <= 63


async def test_only_the_event_loop_assigns_ids():
    async with CommandExecutor(sink := FaultySink()) as executor:
        thread = threading.Thread(target=executor.report, args=("app_failed", "hall"))
        thread.start()
        thread.join()
        record = await executor.execute(invoke(nothing))
    (event,) = sink.stored("lifecycle")
    assert event.id > record.id
