"""Bounds of the write queue: records and announcements that it evicts, and their counts."""

from hassette_executor import (
    ExecutorLimits,
    LifecycleEvent,
    Record,
    Status,
)
from hassette_executor.records.sizes import PLAIN_BYTES
from support.records import HALL, HOUR_US, T0_US, job, listener, record
from support.sinks import FaultySink
from support.write_queue import announce, extend, pass_time, records, settled, started


def test_successes_of_the_busiest_are_evicted_first_and_failures_stay(loop):
    queue = started(loop, sink := FaultySink("fail"), max_records=160, batch_records=4)
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


def test_runs_that_may_be_stored_are_neither_evicted_nor_sent_again_with_another_number(loop):
    queue = started(loop, sink := FaultySink("keep_then_fail"), max_records=100, batch_records=40)
    extend(loop, queue, records(40))
    pass_time(loop, 0.1)
    sink.mode = "fail"
    extend(loop, queue, records(200, start=41))
    pass_time(loop, 5)
    sink.mode = "ok"
    pass_time(loop, 60)
    assert sink.records[:40] == records(40), "the batch whose outcome was unknown is stored once"
    assert len(sink.records) == len({one.id for one in sink.records}) == queue.persisted
    summarised = sum(count for summary in sink.stored("summaries") for _, count in summary.counts)
    assert (queue.persisted + summarised, dict(queue.shed)) == (240, {"queue_full_count": summarised})


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
        one_shot = job("once")  # `run_in` also registers a job again for each run
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


def test_bound_in_bytes_includes_batches_that_wait_for_a_retry(loop):
    queue = started(loop, FaultySink("fail"), max_bytes=100 * PLAIN_BYTES, batch_records=60)
    extend(loop, queue, records(60))
    pass_time(loop, 1)
    extend(loop, queue, records(39, start=100))
    assert (queue.waiting, queue.shed.total()) == (99, 0)
    extend(loop, queue, records(20, start=200))
    assert queue.waiting == 99, "one place is free, so that the next record causes no eviction"
