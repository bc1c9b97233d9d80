"""The write queue alone, on a clock moved by hand: no test here waits for real time."""

from hassette_executor import (
    RunningExecution,
    ShedSummary,
    SkipCount,
)
from support.records import HALL, T0_US, TIDY, listener, record
from support.sinks import FaultySink
from support.write_queue import announce, close, extend, pass_time, records, started


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
    assert (queue.persisted, queue.waiting) == (5, 0)


def test_batch_stored_by_a_failed_write_is_not_stored_twice(loop):
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
    # The pauses double from half a second and reach 30 s after about 7 tries. All later pauses last 15 to 30 s.
    assert 3_600 / 30 <= sink.calls <= 3_600 / 15 + 10


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
    assert (queue.waiting, sink.calls) == (3, 1)
    sink.mode = "ok"
    pass_time(loop, 31)
    assert sink.records == records(3)


def test_rejected_row_is_isolated_and_the_rest_stored_in_order(loop, caplog):
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
    # For each rejected row, the queue halves the batch about seven times, and writes two pieces each time.
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
    assert new not in sink.batches[0].registered, "the new registration is written after the retirement of its key"
    assert old in sink.batches[0].retired
    assert sum(batch.running == () for batch in sink.batches) == 1


def test_announcements_stored_by_a_failed_write_are_not_stored_twice(loop):
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


def test_hung_sink_is_logged_once_per_interval(loop, caplog):
    queue = started(loop, sink := FaultySink("hang"), retry_max_s=30, log_interval_s=60)
    extend(loop, queue, records(3))
    pass_time(loop, 3_600)
    lines = [line for line in caplog.records if line.getMessage().startswith("Sink has not responded for a while")]
    assert len(lines) == 59, "the first line is logged after half a minute"
    assert (lines[-1].waiting, round(lines[-1].seconds, -2)) == (3, 3_600)
    sink.released.set()
    pass_time(loop, 1)
    assert (queue.persisted, loop.count_timers()) == (3, 0)
