"""The write queue alone, on a clock moved by hand: no test here waits for real time."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from hassette_executor import (
    Clock,
    ExecutorLimits,
    ExecutorSettings,
    LifecycleEvent,
    MemorySink,
    Record,
    RunningExecution,
    ShedSummary,
    SkipCount,
    Status,
)
from hassette_executor.delivery.flush_waiters import FlushWaiters
from hassette_executor.delivery.write_queue import WriteQueue
from hassette_executor.records.sizes import PLAIN_BYTES
from support.loops import ManualLoop, manual_loop
from support.records import HALL, HOUR_US, T0_US, TIDY, job, listener, record, sized
from support.sinks import FaultySink


@pytest.fixture
def loop() -> Iterator[ManualLoop]:
    with manual_loop() as loop:
        yield loop


def pass_time(loop: ManualLoop, seconds: float) -> None:
    loop.run_until_complete(asyncio.sleep(seconds))


def started(loop: ManualLoop, sink: Any, limits: ExecutorLimits | None = None, **settings: Any) -> WriteQueue:
    async def start() -> WriteQueue:
        queue = WriteQueue(
            sink,
            ExecutorSettings(**settings),
            limits,
            Clock(wall_ns=lambda: T0_US * 1000, monotonic_ns=loop.monotonic_ns),
        )
        queue.start()
        await asyncio.sleep(0)
        return queue

    return loop.run_until_complete(start())


def extend(loop: ManualLoop, queue: WriteQueue, records: list[Record]) -> None:
    async def put() -> None:
        queue.extend(*sized(records))

    loop.run_until_complete(put())


def announce(loop: ManualLoop, queue: WriteQueue, kind: str, *args: Any) -> None:
    async def put() -> None:
        getattr(queue.builder, kind)(*args)
        queue.schedule_flush()

    loop.run_until_complete(put())


def records(count: int, start: int = 1, **more: Any) -> list[Record]:
    return [record(number, **more) for number in range(start, start + count)]


def settled(queue: WriteQueue) -> int:
    return queue.persisted + queue.shed.total()


# ---- batching


def test_records_are_written_within_the_flush_interval_and_not_before(loop):
    queue = started(loop, sink := FaultySink())
    extend(loop, queue, records(3))
    pass_time(loop, 0.3)
    assert (sink.calls, queue.waiting) == (0, 3)
    pass_time(loop, 0.2)
    assert (sink.calls, queue.waiting, queue.persisted) == (1, 0, 3)
    assert sink.records == records(3)


def test_full_batch_does_not_wait_for_the_interval(loop):
    queue = started(loop, sink := FaultySink(), batch_records=10)
    extend(loop, queue, records(25))
    pass_time(loop, 0)
    pass_time(loop, 0)
    assert [len(batch.invocations) for batch in sink.batches] == [10, 10]
    pass_time(loop, 0.5)
    assert [len(batch.invocations) for batch in sink.batches] == [10, 10, 5]


def test_full_batches_do_not_flush_later_records_early(loop):
    queue = started(loop, FaultySink(), batch_records=10)
    extend(loop, queue, records(10))
    pass_time(loop, 0.1)
    extend(loop, queue, records(3, start=20))
    pass_time(loop, 0.2)
    assert queue.persisted == 10


def test_both_kinds_of_runs_share_a_batch_in_their_order(loop):
    queue = started(loop, sink := FaultySink())
    mixed = [record(1), record(2, registration=TIDY), record(3), record(4, registration=TIDY)]
    extend(loop, queue, mixed)
    pass_time(loop, 1)
    (batch,) = sink.batches
    assert (len(batch.invocations), len(batch.executions)) == (2, 2)
    assert sink.records == mixed


def test_idle_queue_sets_no_timer_and_writes_nothing(loop):
    queue = started(loop, sink := FaultySink())
    extend(loop, queue, records(3))
    pass_time(loop, 1)
    calls = sink.calls
    assert loop.count_timers() == 0
    pass_time(loop, 3_600)
    assert sink.calls == calls


def test_announcements_are_written_without_runs(loop):
    queue = started(loop, sink := FaultySink())
    announce(loop, queue, "register", HALL)
    announce(loop, queue, "count_skip", HALL, T0_US, "overlap", 2)
    announce(loop, queue, "count_skip", HALL, T0_US, "overlap", 3)
    announce(loop, queue, "set_facts", {"time_zone": "UTC"})
    pass_time(loop, 1)
    (batch,) = sink.batches
    assert batch.registered == (HALL,)
    assert [(skip.registration, skip.reason, skip.count) for skip in batch.skipped] == [(HALL, "overlap", 5)]
    assert batch.session_facts == (("time_zone", "UTC"),)
    assert batch.running is None


# ---- retrying


def test_failed_batch_is_retried_with_the_same_number(loop):
    sequences: list[int] = []

    class Recording(FaultySink):
        async def write(self, batch):
            sequences.append(batch.sequence)
            await super().write(batch)

    queue = started(loop, sink := Recording("fail"))
    extend(loop, queue, records(3))
    pass_time(loop, 1)
    extend(loop, queue, records(2, start=10))
    pass_time(loop, 10)
    assert (queue.persisted, queue.waiting) == (0, 5)
    sink.mode = "ok"
    pass_time(loop, 31)
    first, second = sorted(set(sequences))
    assert second == first + 1
    assert sequences == sorted(sequences)
    assert sink.records == [*records(3), *records(2, start=10)]
    assert (queue.persisted, queue.waiting, queue.failures) == (5, 0, 0)


def test_batch_that_was_kept_although_the_write_failed_is_not_kept_twice(loop):
    queue = started(loop, sink := FaultySink("keep_then_fail"))
    extend(loop, queue, records(3))
    pass_time(loop, 5)
    sink.mode = "ok"
    pass_time(loop, 31)
    assert sink.records == records(3)
    assert queue.persisted == 3


def test_retries_back_off_to_the_longest_pause_and_never_spin(loop):
    queue = started(loop, sink := FaultySink("fail"), retry_min_s=0.5, retry_max_s=30)
    extend(loop, queue, records(3))
    pass_time(loop, 3_600)
    # Doubling from half a second takes about 7 tries to get to 30 s; from then on pauses last 15 to 30 s.
    assert 3_600 / 30 <= sink.calls <= 3_600 / 15 + 10
    assert queue.failures == sink.calls


def test_new_records_do_not_shorten_the_pause_before_a_retry(loop):
    queue = started(loop, sink := FaultySink("fail"), batch_records=10, max_records=10_000)
    for second in range(300):
        extend(loop, queue, records(20, start=second * 20))
        pass_time(loop, 1)
    assert sink.calls < 40
    assert queue.waiting == 6_000


def test_long_outage_is_logged_once_per_interval(loop, caplog):
    queue = started(loop, sink := FaultySink("fail"), log_interval_s=60, max_records=100, batch_records=50)
    for second in range(300):
        extend(loop, queue, records(20, start=second * 20))
        pass_time(loop, 1)
    sink.mode = "ok"
    pass_time(loop, 40)
    lines = [line.msg.partition(" (")[0] for line in caplog.records]
    assert lines.count("Records could not be written; they stay in memory and are retried") <= 6
    assert lines.count("Write queue is full; records are evicted but still count in the totals") <= 6
    assert lines.count("Sink stores records again") == 1
    assert len(lines) <= 13
    assert caplog.records[-1].failed_writes > 5


def test_sink_that_fails_and_recovers_is_logged_once_per_interval(loop, caplog):
    queue = started(loop, sink := FaultySink(), log_interval_s=60, retry_min_s=0.1, retry_max_s=0.1)
    for second in range(50):
        sink.mode = "fail"
        extend(loop, queue, records(2, start=second * 20))
        pass_time(loop, 0.6)
        sink.mode = "ok"
        pass_time(loop, 0.4)
    assert queue.waiting == 0
    assert len(caplog.records) == 2


def test_sink_that_raises_a_cancelled_error_is_retried(loop):
    queue = started(loop, sink := FaultySink("cancel"))
    extend(loop, queue, records(3))
    pass_time(loop, 0.5)
    assert (queue.waiting, queue.failures) == (3, 1)
    sink.mode = "ok"
    pass_time(loop, 31)
    assert sink.records == records(3)


# ---- rejected rows


def test_rejected_row_is_isolated_and_the_rest_kept_in_order(loop, caplog):
    queue = started(loop, sink := FaultySink())
    bad = {record(17).id, record(63).id}
    sink.rejects = lambda item: getattr(item, "id", None) in bad
    extend(loop, queue, records(100))
    announce(loop, queue, "register", HALL)
    pass_time(loop, 5)
    assert [kept.id for kept in sink.records] == [kept.id for kept in records(100) if kept.id not in bad]
    assert (queue.persisted, queue.waiting, dict(queue.shed)) == (98, 0, {"rejected_row": 2})
    assert sink.stored("registered") == [HALL]
    assert sum(count for summary in sink.stored("summaries") for _, count in summary.counts) == 2
    assert [(loss.reason, loss.what, loss.count) for loss in sink.stored("losses")] == [("rejected_row", "runs", 2)]
    # Halving a hundred down to one row takes about seven cuts; each writes two pieces.
    assert sink.calls < 50
    assert caplog.records[0].row == repr(HALL.key)


def test_rejected_announcement_is_isolated_and_logged(loop, caplog):
    queue = started(loop, sink := FaultySink())
    bad = listener("poison")
    sink.rejects = lambda item: item is bad
    extend(loop, queue, records(4))
    announce(loop, queue, "register", HALL)
    announce(loop, queue, "register", bad)
    announce(loop, queue, "register", TIDY)
    announce(loop, queue, "set_running", (RunningExecution(1, HALL, ("x",), T0_US),))
    pass_time(loop, 5)
    assert sink.records == records(4)
    assert sink.stored("registered") == [HALL, TIDY]
    assert [run.run for run in sink.stored("running")] == [1]
    assert [(loss.reason, loss.what, loss.count) for loss in sink.stored("losses")] == [
        ("rejected_row", "registered", 1)
    ]
    assert caplog.records[0].row == "registered"


def test_rejected_list_of_running_runs_is_isolated(loop):
    queue = started(loop, sink := FaultySink())
    running = (RunningExecution(1, HALL, ("x",), T0_US),)
    sink.rejects = lambda item: item == running
    announce(loop, queue, "set_running", running)
    announce(loop, queue, "register", HALL)
    pass_time(loop, 5)
    assert sink.stored("registered") == [HALL]
    assert [loss.what for loss in sink.stored("losses")] == ["running"]


def test_sink_that_rejects_everything_is_not_retried_for_ever(loop):
    queue = started(loop, sink := FaultySink())
    sink.rejects = lambda item: True
    extend(loop, queue, records(8))
    announce(loop, queue, "register", HALL)
    pass_time(loop, 60)
    calls = sink.calls
    pass_time(loop, 600)
    assert (queue.waiting, dict(queue.shed)) == (0, {"rejected_row": 8})
    assert sink.calls == calls < 60
    assert loop.count_timers() == 0


def test_rejected_skips_and_summaries_count_the_runs_they_represent(loop, caplog):
    queue = started(loop, sink := FaultySink())
    sink.rejects = lambda item: isinstance(item, (SkipCount, ShedSummary))
    queue.builder.count_shed("queue_full_count", records(7))
    announce(loop, queue, "count_skip", HALL, T0_US, "overlap", 5)
    pass_time(loop, 5)
    losses = {(loss.what, loss.count) for loss in sink.stored("losses")}
    assert losses == {("runs", 7), ("skipped", 5), ("summaries", 7)}
    assert [line.getMessage() for line in caplog.records] == ["Announcement was rejected by the sink and is lost"]
    assert caplog.records[0].lost == 5


# ---- eviction


def test_successes_of_the_busiest_are_evicted_first_and_failures_stay(loop):
    queue = started(loop, sink := FaultySink("fail"), max_records=160, batch_records=40)
    chatty, rare = listener("chatty"), listener("rare")
    sent: list[Record] = []
    for number in range(1_000):
        registration = rare if number % 50 == 7 else chatty
        status = Status.ERROR if number % 10 == 3 else Status.CANCELLED if number % 100 == 5 else Status.SUCCESS
        sent.append(record(number, status, registration=registration, duration_us=100 + number))
        extend(loop, queue, sent[-1:])
        assert queue.waiting <= 160
        pass_time(loop, 0.01)
    sink.mode = "ok"
    pass_time(loop, 60)
    kept = sink.records
    assert kept == [one for one in sent if one in kept]
    errors = [one for one in sent if one.status is Status.ERROR]
    assert [one for one in kept if one.status is Status.ERROR] == errors
    assert all(one in kept for one in sent if one.registration is rare and one.status is Status.SUCCESS)
    assert settled(queue) == 1_000
    assert set(queue.shed) == {"queue_full_count"}
    counts: dict[Status, int] = {}
    for summary in sink.stored("summaries"):
        for status, count in summary.counts:
            counts[status] = counts.get(status, 0) + count
    for one in kept:
        counts[one.status] = counts.get(one.status, 0) + 1
    assert counts == {status: sum(one.status is status for one in sent) for status in counts}
    total_us = sum(summary.total_us for summary in sink.stored("summaries")) + sum(one.duration_us for one in kept)
    assert total_us == sum(one.duration_us for one in sent)
    losses = [loss for loss in sink.stored("losses") if loss.what == "runs"]
    assert sum(loss.count for loss in losses) == queue.shed.total()


def test_bound_of_one_keeps_one_record(loop):
    queue = started(loop, FaultySink("fail"), max_records=1)
    extend(loop, queue, records(3))
    assert (queue.waiting, dict(queue.shed)) == (1, {"queue_full_count": 2})


def test_bound_in_bytes_evicts_with_its_reason(loop):
    queue = started(loop, sink := FaultySink("fail"), max_bytes=300 * 100)
    extend(loop, queue, records(90))
    assert not queue.shed
    extend(loop, queue, records(20, start=100))
    assert set(queue.shed) == {"queue_full_bytes"}
    assert queue.waiting <= 100
    sink.mode = "ok"
    pass_time(loop, 5)
    assert settled(queue) == 110


def test_healthy_sink_gets_many_times_the_bound_in_bytes_without_eviction(loop):
    queue = started(loop, sink := FaultySink(), max_bytes=100 * PLAIN_BYTES, batch_records=50)
    sent = records(2_000)
    for start in range(0, len(sent), 80):
        extend(loop, queue, sent[start : start + 80])
        pass_time(loop, 1)
    assert (sink.records, dict(queue.shed)) == (sent, {})


def test_announcements_survive_eviction_during_an_outage_within_bounds(loop):
    queue = started(loop, sink := FaultySink("fail"), max_records=100, batch_records=20)
    for number in range(2_000):
        one_shot = job("once")  # registered again for each run, as `run_in` does
        announce(loop, queue, "register", one_shot)
        extend(loop, queue, [record(number, registration=one_shot)])
        announce(loop, queue, "count_skip", one_shot, T0_US, "misfire", 1)
        announce(loop, queue, "retire", one_shot)
        if number % 2 == 0:
            pass_time(loop, 0.5)
    announce(loop, queue, "set_facts", {"reason": "test"})
    sink.mode = "ok"
    pass_time(loop, 60)
    assert settled(queue) == 2_000
    assert sum(skip.count for skip in sink.stored("skipped")) == 2_000
    assert len(sink.stored("skipped")) < 10
    assert len(sink.stored("summaries")) < 10
    assert sum(count for summary in sink.stored("summaries") for _, count in summary.counts) == queue.shed.total()
    assert len(sink.stored("registered")) < 10
    assert sink.stored("retired")[-1] is one_shot
    assert sink.stored("session_facts") == [("reason", "test")]


def test_lifecycle_events_are_bounded_and_the_oldest_counted(loop):
    queue = started(loop, sink := FaultySink(), ExecutorLimits(lifecycle_events=5))
    events = [LifecycleEvent(number, T0_US + number, "connection_lost", "home", "") for number in range(8)]
    for event in events:
        queue.builder.report(event)
    announce(loop, queue, "set_facts", {})
    pass_time(loop, 1)
    assert sink.stored("lifecycle") == events[3:]
    assert [(loss.what, loss.count, loss.last_us) for loss in sink.stored("losses")] == [("lifecycle", 3, T0_US + 2)]


# ---- registrations


def test_registration_that_replaces_an_unwritten_retirement_is_not_retired(loop):
    queue = started(loop, sink := FaultySink())
    announce(loop, queue, "retire", listener("a"))
    announce(loop, queue, "register", new := listener("a"))
    pass_time(loop, 1)
    assert (sink.stored("registered"), sink.stored("retired")) == ([new], [])


def test_registration_that_replaces_another_is_not_retired_with_it(loop):
    queue = started(loop, sink := FaultySink("fail"), max_records=10, batch_records=5)
    old, new, gone = listener("a"), listener("a"), listener("gone")
    announce(loop, queue, "register", old)
    announce(loop, queue, "retire", old)
    announce(loop, queue, "retire", gone)
    announce(loop, queue, "set_running", ())
    pass_time(loop, 1)  # tried once, now waiting for a retry
    announce(loop, queue, "register", new)
    extend(loop, queue, records(30))  # over the bound: runs that wait for a retry can be evicted
    sink.mode = "ok"
    pass_time(loop, 60)
    assert sink.stored("registered") == [old, new]
    assert sink.stored("retired") == [old, gone]
    assert new not in sink.batches[0].registered, "it is registered after its key was retired"
    assert old in sink.batches[0].retired
    assert sum(batch.running == () for batch in sink.batches) == 1


# ---- flushing and closing


def flush(loop: ManualLoop, queue: WriteQueue, timeout_s: float) -> bool:
    async def wait() -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await queue.flush()
        except TimeoutError:
            return False
        return True

    return loop.run_until_complete(wait())


def test_flush_writes_at_once_and_returns_when_everything_is_settled(loop):
    queue = started(loop, sink := FaultySink("slow"))
    extend(loop, queue, records(3))
    before = loop.time()
    assert flush(loop, queue, 5)
    assert loop.time() - before < 0.1
    assert sink.records == records(3)
    assert flush(loop, queue, 0)  # nothing to do


def test_flush_waits_for_an_announcement_that_is_being_written(loop):
    queue = started(loop, sink := FaultySink("hang"))
    announce(loop, queue, "register", HALL)
    pass_time(loop, 1)
    assert not flush(loop, queue, 1)
    sink.released.set()
    assert flush(loop, queue, 1)
    assert sink.stored("registered") == [HALL]


def test_flush_does_not_wait_for_later_records(loop):
    queue = started(loop, sink := FaultySink("slow", slow_s=0.5), batch_records=10)

    async def scenario() -> None:
        queue.extend(*sized(records(10)))
        flushing = asyncio.ensure_future(queue.flush())
        await asyncio.sleep(0.1)
        queue.extend(*sized(records(10, start=100)))
        await flushing

    loop.run_until_complete(scenario())
    assert sink.records == records(10)
    assert queue.waiting == 10


def test_flush_ends_exactly_when_earlier_announcements_are_kept(loop):
    queue = started(loop, sink := FaultySink("slow", slow_s=0.5))

    async def scenario() -> None:
        queue.extend(*sized(records(3)))
        first = asyncio.ensure_future(queue.flush())
        await asyncio.sleep(0.1)  # the records are being written
        queue.builder.register(HALL)
        second = asyncio.ensure_future(queue.flush())
        await asyncio.sleep(0.6)
        assert first.done()
        assert sink.records == records(3)
        assert not second.done(), "the registration is in the sink's hands"
        queue.builder.register(TIDY)
        await second

    loop.run_until_complete(scenario())
    assert sink.stored("registered") == [HALL]
    pass_time(loop, 2)
    assert sink.stored("registered") == [HALL, TIDY]


def test_flush_during_an_outage_writes_at_once_and_respects_its_timeout(loop):
    queue = started(loop, sink := FaultySink("fail"))
    extend(loop, queue, records(3))
    pass_time(loop, 1)
    calls = sink.calls
    assert not flush(loop, queue, 0.01)
    assert sink.calls == calls + 1
    sink.mode = "ok"
    assert flush(loop, queue, 1)
    assert sink.records == records(3)


def test_cancelled_flush_is_forgotten_while_the_sink_hangs(loop):
    async def scenario() -> None:
        waiters = FlushWaiters()
        waiting = asyncio.ensure_future(waiters.wait(newest_id=1, sequence=1))
        await asyncio.sleep(0)
        assert waiters
        waiting.cancel()
        await asyncio.wait({waiting})
        assert not waiters

    loop.run_until_complete(scenario())


def close(loop: ManualLoop, queue: WriteQueue, timeout_s: float) -> float:
    before = loop.time()
    loop.run_until_complete(queue.close(timeout_s))
    return loop.time() - before


@pytest.mark.parametrize("slow_s", [0.02, 0.2, 5])
@pytest.mark.parametrize("deadline_s", [0.1, 1, 60])
def test_closing_during_slow_writes_loses_nothing_or_counts_and_logs_it(loop, caplog, slow_s, deadline_s):
    queue = started(loop, sink := FaultySink("slow", slow_s=slow_s), batch_records=10)
    extend(loop, queue, records(95))
    announce(loop, queue, "set_facts", {"reason": "SIGTERM"})
    took = close(loop, queue, deadline_s)
    lost = 95 - len(sink.records)
    assert took <= deadline_s + 0.01
    assert (queue.persisted, queue.waiting, queue.shed["stop_deadline"]) == (95 - lost, 0, lost)
    assert sink.records == records(95)[: 95 - lost]
    if 10 * slow_s < deadline_s:
        assert lost == 0
        assert sink.stored("session_facts") == [("reason", "SIGTERM")]
        assert not caplog.records
    elif lost:
        (line,) = caplog.records
        assert (line.levelno, line.lost) == (logging.ERROR, lost)
    close(loop, queue, 1)
    assert loop.count_timers() == 0


def test_closing_during_an_outage_retries_with_short_pauses(loop):
    queue = started(loop, sink := FaultySink("fail"), retry_min_s=0.5, retry_max_s=30)
    extend(loop, queue, records(5))
    pass_time(loop, 3_600)
    loop.call_later(3, setattr, sink, "mode", "ok")
    assert close(loop, queue, 10) < 4
    assert sink.records == records(5)


def test_unwritten_counts_of_evicted_records_are_logged_at_the_close(loop, caplog):
    queue = started(loop, FaultySink("fail"), max_records=100, batch_records=10)
    extend(loop, queue, records(300))
    pass_time(loop, 1)
    shed = queue.shed.total()
    close(loop, queue, 2)
    line = caplog.records[-1]
    assert (line.lost, line.lost_counts) == (300 - shed, shed)


def test_week_of_skip_counts_is_bounded_and_no_count_is_lost(loop):
    queue = started(loop, sink := FaultySink("fail"), ExecutorLimits(skip_counts=50))
    reasons = ("overlap", "misfire")
    for hour in range(168):
        for reason in reasons:
            announce(loop, queue, "count_skip", HALL, T0_US + hour * HOUR_US, reason, 3)
    assert queue.builder.announcement_counts() == {"skipped": 168 * 2 * 3}
    sink.mode = "ok"
    pass_time(loop, 60)
    skips = sink.stored("skipped")
    assert len(skips) == 50
    assert {reason: sum(skip.count for skip in skips if skip.reason == reason) for reason in reasons} == dict.fromkeys(
        reasons, 168 * 3
    )
    assert max(skip.hour_us for skip in skips) == T0_US + 167 * HOUR_US


def test_each_registration_keeps_its_skip_count_within_one_hour(loop):
    queue = started(loop, sink := FaultySink(), ExecutorLimits(skip_counts=5))
    for number in range(12):
        announce(loop, queue, "count_skip", listener(f"handler_{number}"), T0_US, "overlap", 1)
    pass_time(loop, 60)
    assert [skip.count for skip in sink.stored("skipped")] == [1] * 12


def test_unwritten_announcements_at_the_close_are_logged_and_held_until_the_next_start(loop, caplog):
    queue = started(loop, sink := FaultySink("fail"))
    announce(loop, queue, "count_skip", HALL, T0_US, "overlap", 5)
    announce(loop, queue, "report", LifecycleEvent(1, T0_US, "connection_lost", "home", ""))
    announce(loop, queue, "set_facts", {"reason": "SIGTERM"})
    pass_time(loop, 1)
    announce(loop, queue, "count_loss", "late_effect", "log_lines", 3, T0_US, T0_US)
    caplog.clear()
    close(loop, queue, 2)
    line = caplog.records[-1]
    assert line.getMessage().startswith("Announcements were not written before the stop deadline")
    assert line.waiting == {"lifecycle": 1, "skipped": 5, "losses": 3, "session_facts": 1}
    announce(loop, queue, "count_skip", HALL, T0_US, "overlap", 2)
    line = caplog.records[-1]
    assert line.getMessage() == "Announcements after the stop wait for the next start"
    assert line.waiting["skipped"] == 7
    sink.mode = "ok"

    async def start() -> None:
        queue.start()

    loop.run_until_complete(start())
    pass_time(loop, 1)
    assert [skip.count for skip in sink.stored("skipped")] == [5, 2]


def test_announcements_that_were_kept_although_the_write_failed_are_not_kept_twice(loop):
    queue = started(loop, sink := FaultySink("keep_then_fail"), max_records=10, batch_records=5)
    announce(loop, queue, "count_skip", HALL, T0_US, "overlap", 5)
    extend(loop, queue, records(3))
    pass_time(loop, 1)
    sink.mode = "fail"
    extend(loop, queue, records(30, start=100))  # over the bound: runs that wait for a retry can be evicted
    pass_time(loop, 10)
    close(loop, queue, 1)
    sink.mode = "ok"

    async def start() -> None:
        queue.start()

    loop.run_until_complete(start())
    pass_time(loop, 1)
    assert [skip.count for skip in sink.stored("skipped")] == [5]


def test_bound_in_bytes_includes_batches_that_wait_for_a_retry(loop):
    queue = started(loop, FaultySink("fail"), max_bytes=100 * PLAIN_BYTES, batch_records=60)
    extend(loop, queue, records(60))
    pass_time(loop, 1)
    extend(loop, queue, records(39, start=100))
    assert (queue.waiting, queue.shed.total()) == (99, 0)
    extend(loop, queue, records(20, start=200))
    assert queue.waiting == 99, "a little is free, so that the next few need no look"


def test_hung_sink_is_logged_once_per_interval(loop, caplog):
    queue = started(loop, sink := FaultySink("hang"), retry_max_s=30, log_interval_s=60)
    extend(loop, queue, records(3))
    pass_time(loop, 3_600)
    lines = [line for line in caplog.records if line.getMessage().startswith("Sink has not responded for a while")]
    assert len(lines) == 59, "the first after half a minute"
    assert (lines[-1].waiting, round(lines[-1].seconds, -2)) == (3, 3_600)
    sink.released.set()
    pass_time(loop, 1)
    assert (queue.persisted, loop.count_timers()) == (3, 0)


def test_records_after_the_close_are_counted_and_logged(loop, caplog):
    queue = started(loop, sink := FaultySink())
    close(loop, queue, 1)
    extend(loop, queue, records(2))
    extend(loop, queue, records(2))
    pass_time(loop, 5)
    assert (dict(queue.shed), queue.waiting, sink.calls) == ({"after_stop": 4}, 0, 0)
    assert [line.lost for line in caplog.records] == [2]


def test_sink_that_ignores_its_cancellation_does_not_change_the_account(loop):
    class Deaf(FaultySink):
        async def write(self, batch):
            for _ in range(5):
                try:
                    await asyncio.sleep(10)
                except asyncio.CancelledError:
                    continue
            await super().write(batch)

    queue = started(loop, sink := Deaf())
    extend(loop, queue, records(3))
    announce(loop, queue, "register", HALL)
    pass_time(loop, 1)
    assert close(loop, queue, 2) <= 3.01
    assert (queue.persisted, queue.waiting, dict(queue.shed)) == (0, 0, {"stop_deadline": 3})
    pass_time(loop, 200)
    assert sink.records == records(3)
    assert sink.calls == 1, "a closed queue writes no more"
    assert (queue.persisted, queue.waiting, dict(queue.shed)) == (0, 0, {"stop_deadline": 3})


def test_cancelled_writer_is_replaced_at_the_close(loop):
    queue = started(loop, sink := FaultySink("hang"))
    extend(loop, queue, records(3))
    pass_time(loop, 1)
    queue.start().cancel()
    pass_time(loop, 0)
    sink.mode = "ok"
    close(loop, queue, 5)
    assert sink.records == records(3)
    assert queue.persisted == 3


def test_closed_queue_can_be_started_again(loop):
    queue = started(loop, sink := FaultySink())
    extend(loop, queue, records(3))
    close(loop, queue, 5)

    async def start() -> None:
        queue.start()

    loop.run_until_complete(start())
    extend(loop, queue, records(3, start=10))
    pass_time(loop, 1)
    assert sink.records == [*records(3), *records(3, start=10)]
    first, second = (batch.sequence for batch in sink.batches)
    assert second == first + 1


def test_closing_releases_flushes(loop):
    queue = started(loop, FaultySink("fail"))
    extend(loop, queue, records(3))

    async def scenario() -> None:
        flushing = asyncio.ensure_future(queue.flush())
        cancelled = asyncio.ensure_future(queue.flush())
        await asyncio.sleep(0)
        cancelled.cancel()
        await queue.close(1)
        await flushing

    loop.run_until_complete(scenario())
    assert queue.shed == {"stop_deadline": 3}


def test_queue_that_was_never_started_closes_and_counts(loop):
    async def scenario() -> WriteQueue:
        queue = WriteQueue(MemorySink(), ExecutorSettings())
        queue.extend(*sized(records(2)))
        await queue.close(1)
        return queue

    queue = loop.run_until_complete(scenario())
    assert queue.shed == {"stop_deadline": 2}
