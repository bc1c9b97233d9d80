"""Ids of records: order, time and continuation after a restart."""

import asyncio
import threading
import time

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


async def test_ids_continue_when_the_clock_goes_back_a_day():
    back_ns = 0
    async with CommandExecutor(MemorySink(), clock=Clock(wall_ns=lambda: time.time_ns() - back_ns)) as executor:
        before = await executor.execute(invoke(nothing))
        back_ns = 86_400_000_000_000
        await executor.execute(invoke(lambda: asyncio.sleep(5), timeout_s=0.01))  # setting a timer reads the clock
        after = [await executor.execute(invoke(call)) for call in (nothing, failing, nothing)]
    assert after[0].started_us < before.started_us - 80_000_000_000
    assert [one.id for one in after] == [before.id + 2, before.id + 3, before.id + 4]


async def test_ids_continue_from_the_highest_id_of_any_sink(caplog):
    last = id_at(4_000_000_000_000_000)
    failing_sink = FaultySink("fail")
    async with CommandExecutor(FaultySink(), FaultySink(last_id=last), failing_sink) as executor:
        assert (await executor.execute(invoke(nothing))).id == last + 1
        failing_sink.mode = "ok"
    assert caplog.records[0].getMessage() == "Sink did not return its last id; new ids may be lower than its stored ids"
    assert caplog.records[0].error == "OSError: database is locked"


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
