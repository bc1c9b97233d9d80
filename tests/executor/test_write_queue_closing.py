"""Flushing, closing and restarting the write queue."""

import asyncio
import contextlib
import logging

import pytest

from hassette_executor import (
    ExecutorSettings,
    LifecycleEvent,
    MemorySink,
)
from hassette_executor.delivery.flush_schedule import FlushSchedule
from hassette_executor.delivery.write_queue import WriteQueue
from support.records import HALL, T0_US, TIDY, sized
from support.sinks import FaultySink
from support.write_queue import announce, close, extend, flush, pass_time, records, started


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


def test_flush_after_a_step_back_of_the_clock_waits_for_records_with_higher_ids(loop):
    queue = started(loop, sink := FaultySink("slow", slow_s=0.5), batch_records=2)
    earlier, later = records(4, start=100), records(1)
    extend(loop, queue, earlier + later)
    assert flush(loop, queue, 5)
    assert sink.records == earlier + later


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


def test_flush_ends_exactly_when_earlier_announcements_are_stored(loop):
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
        assert not second.done(), "the sink is still writing the registration"
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
        schedule = FlushSchedule(interval_s=1)
        waiting = asyncio.ensure_future(schedule.wait_until_settled(newest_id=1, sequence=1))
        await asyncio.sleep(0)
        assert schedule.has_waiters
        waiting.cancel()
        await asyncio.wait({waiting})
        assert not schedule.has_waiters

    loop.run_until_complete(scenario())


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


def test_sink_that_refuses_all_records_is_retried_silently_and_delays_no_close(loop, caplog):
    queue = started(loop, sink := FaultySink("refuse"), retry_min_s=0.5)
    extend(loop, queue, records(5))
    pass_time(loop, 3_600)
    tried = sink.calls
    assert tried > 10
    assert not caplog.records
    assert close(loop, queue, 10) < 0.1
    assert sink.calls == tried + 1
    assert dict(queue.shed) == {"stop_deadline": 5}


def test_sink_that_no_longer_refuses_records_gets_them_at_the_close(loop):
    queue = started(loop, sink := FaultySink("refuse"), batch_records=2)
    extend(loop, queue, records(5))
    pass_time(loop, 60)
    sink.mode = "ok"
    assert close(loop, queue, 10) < 0.1
    assert sink.records == records(5)


def test_unwritten_counts_of_evicted_records_are_logged_at_the_close(loop, caplog):
    queue = started(loop, FaultySink("fail"), max_records=100, batch_records=10)
    extend(loop, queue, records(300))
    pass_time(loop, 1)
    shed = queue.shed.total()
    close(loop, queue, 2)
    line = caplog.records[-1]
    assert (line.lost, line.lost_counts) == (300 - shed, shed)


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


def test_slow_write_that_ignored_its_cancellation_is_not_reported_after_the_close(loop, caplog):
    class Deaf(FaultySink):
        async def write(self, batch):
            if self.calls == 0:
                self.calls = 1
                while not self.released.is_set():
                    with contextlib.suppress(asyncio.CancelledError):
                        await self.released.wait()
            await super().write(batch)

    async def replace_writer() -> None:
        queue.start().cancel()
        await asyncio.sleep(0)
        queue.start()

    queue = started(loop, sink := Deaf(), retry_min_s=0.5, retry_max_s=1, log_interval_s=1)
    extend(loop, queue, records(1))
    pass_time(loop, 0.6)
    assert sink.calls == 1
    loop.run_until_complete(replace_writer())
    assert close(loop, queue, 5) < 5
    caplog.clear()
    pass_time(loop, 60)
    assert not caplog.records
    sink.released.set()
    pass_time(loop, 1)
