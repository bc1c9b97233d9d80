"""A sink is down for a minute while five hundred runs end each second."""

import asyncio
import logging
import random
import time
from collections import Counter
from math import ceil

import pytest

from hassette_executor import Clock, CommandExecutor, ExecutorSettings, Record, Status
from hassette_executor.delivery.write_queue import WriteQueue
from hassette_executor.records.sketch import bucket_of
from support.loops import manual_loop
from support.records import failing, invoke, listener, nothing, percentile, record, sized
from support.sinks import FaultySink
from support.waiting import eventually

PER_SECOND, SECONDS = 500, 60
LISTENERS = [*[listener("motion")] * 3, listener("door"), listener("lamp")]


def a_minute_of_runs() -> list[Record]:
    chance = random.Random(20261123)
    return [
        record(
            number * 1000 // PER_SECOND,
            Status.ERROR if chance.random() < 0.02 else Status.SUCCESS,
            registration=chance.choice(LISTENERS),
            duration_us=int(chance.lognormvariate(8, 1.5)),
        )._replace(id=(1_795_392_000_000 << 21) + number)
        for number in range(PER_SECOND * SECONDS)
    ]


def through_the_outage(max_records: int, caplog) -> tuple[list[Record], FaultySink, WriteQueue]:
    """Queue a minute of runs while the sink is down, then let the sink recover. The clock is moved by hand."""
    sent = a_minute_of_runs()
    with manual_loop() as loop:

        async def scenario() -> tuple[FaultySink, WriteQueue]:
            sink = FaultySink("fail")
            queue = WriteQueue(
                sink, ExecutorSettings(max_records=max_records), clock=Clock(monotonic_ns=loop.monotonic_ns)
            )
            queue.start()
            for start in range(0, len(sent), 50):
                queue.extend(*sized(sent[start : start + 50]))
                assert start + 50 == queue.persisted + queue.shed.total() + queue.waiting
                assert queue.waiting <= max_records
                await asyncio.sleep(50 / PER_SECOND)
            assert sink.calls < 15
            sink.mode = "ok"
            await asyncio.sleep(60)
            await queue.close(5)
            return sink, queue

        return sent, *loop.run_until_complete(scenario())


def test_outage_below_the_bound_loses_nothing(caplog):
    sent, sink, queue = through_the_outage(50_000, caplog)
    assert sink.records == sent
    assert (queue.persisted, dict(queue.shed)) == (len(sent), {})
    lines = Counter(line.msg.partition(" (")[0] for line in caplog.records)
    assert lines["Records could not be written; they stay in memory and are retried"] <= 2


def test_outage_above_the_bound_keeps_totals_p95_and_failures(caplog):
    sent, sink, queue = through_the_outage(1_000, caplog)
    assert len(sent) == len(sink.records) + queue.shed.total()
    summaries = sink.stored("summaries")
    for which in set(LISTENERS):
        mine = [one for one in sent if one.registration is which]
        counts = Counter(one.status for one in sink.records if one.registration is which)
        buckets = Counter(bucket_of(one.duration_us) for one in sink.records if one.registration is which)
        for summary in summaries:
            if summary.registration is which:
                counts.update(dict(summary.counts))
                buckets.update(dict(summary.buckets))
        assert counts == Counter(one.status for one in mine)
        durations = sorted(one.duration_us for one in mine)
        assert percentile(buckets, 0.95) == pytest.approx(durations[ceil(0.95 * len(durations)) - 1], rel=0.01)
    errors = [one for one in sent if one.status is Status.ERROR]
    assert 500 < len(errors) < 900  # all errors fit into the queue
    assert [one for one in sink.records if one.status is Status.ERROR] == errors
    lines = Counter(line.msg.partition(" (")[0] for line in caplog.records)
    assert lines["Write queue is full; records are evicted but still count in the totals"] <= 2
    assert lines["Records could not be written; they stay in memory and are retried"] <= 2
    assert lines["Sink stores records again"] == 1
    assert sum(lines.values()) <= 5


@pytest.mark.torture
@pytest.mark.timeout(180)
@pytest.mark.parametrize("max_records", [50_000, 1_000])
async def test_outage_in_real_time_loses_no_count_and_uses_little_cpu(caplog, quiet_outcomes, max_records):
    executor = CommandExecutor(sink := FaultySink("fail"), settings=ExecutorSettings(max_records=max_records))
    await executor.start()
    ended = Counter()
    began, cpu = time.monotonic(), time.process_time()
    while (passed := time.monotonic() - began) < SECONDS:
        while ended.total() < passed * PER_SECOND:
            fails = ended.total() % 50 == 7
            await executor.execute(invoke(failing if fails else nothing, LISTENERS[ended.total() % 5]))
            ended[Status.ERROR if fails else Status.SUCCESS] += 1
        await asyncio.sleep(0.02)
    assert time.process_time() - cpu < 0.5 * SECONDS
    quiet, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(20)  # nothing runs any more, only the retry loop
    assert (time.process_time() - cpu) / (time.monotonic() - quiet) < 0.01
    sink.mode = "ok"
    await eventually(lambda: executor.accounting().waiting == 0, 60)
    await executor.stop()
    account = executor.accounting()
    assert account.executed == account.persisted + sum(account.shed.values()) == ended.total()
    assert bool(account.shed) is (max_records == 1_000)
    for summary in sink.stored("summaries"):
        ended.subtract(dict(summary.counts))
    assert +ended == Counter(one.status for one in sink.records)
    lines = Counter(line.msg.partition(" (")[0] for line in caplog.records if line.levelno >= logging.WARNING)
    assert all(count <= (time.monotonic() - began) / 60 + 1 for count in lines.values())
