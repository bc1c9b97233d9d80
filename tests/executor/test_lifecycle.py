"""Start and stop of an executor, running runs, ids, announcements, and an idle executor."""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from hassette_executor import (
    Batch,
    Clock,
    CommandExecutor,
    ExecutorLimits,
    ExecutorSettings,
    ExecutorStoppedError,
    MemorySink,
    ServiceCall,
    record_service_call,
)
from hassette_executor.records.ids import COUNTER_BITS, id_at, time_of
from support.loops import manual_loop
from support.records import execute_job, failing, forever, invoke, job, listener, nothing, raising, record
from support.sinks import FaultySink
from support.waiting import eventually, patience

# ---- stopping


@pytest.mark.parametrize("slow_s", [0.02, 0.2])
async def test_stop_during_a_slow_write_loses_nothing(slow_s):
    executor = CommandExecutor(sink := FaultySink("slow", slow_s=slow_s), settings=ExecutorSettings(batch_records=20))
    await executor.start()
    made = [await executor.execute(invoke(nothing)) for _ in range(70)]
    await executor.stop()
    assert sink.records == made
    account = executor.accounting()
    assert (account.executed, account.persisted, account.waiting, account.shed) == (70, 70, 0, {})


async def test_records_left_by_a_hung_sink_at_the_stop_deadline_are_counted_and_logged(caplog):
    executor = CommandExecutor(FaultySink("hang"), settings=ExecutorSettings(stop_timeout_s=0.3))
    await executor.start()
    for _ in range(7):
        await executor.execute(invoke(nothing))
    await executor.stop()
    assert executor.accounting().shed == {"stop_deadline": 7}
    assert [line.lost for line in caplog.records] == [7]


async def test_cancelling_serve_does_not_lose_the_flush():
    executor = CommandExecutor(sink := FaultySink("slow"))
    await executor.start()
    serving = asyncio.ensure_future(executor.serve())
    made = [await executor.execute(invoke(nothing)) for _ in range(7)]
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    await executor.stop()
    assert sink.records == made


async def test_cancelling_stop_does_not_lose_the_flush_and_a_second_stop_waits_for_it():
    executor = CommandExecutor(sink := FaultySink("hang"))
    await executor.start()
    made = [await executor.execute(invoke(nothing)) for _ in range(7)]
    first = asyncio.ensure_future(executor.stop())
    await eventually(lambda: sink.calls)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.ensure_future(executor.stop())
    await asyncio.sleep(0)
    assert not second.done()
    sink.released.set()
    await second
    assert sink.records == made
    await executor.stop()


async def test_run_in_progress_at_the_stop_may_end_and_is_kept():
    executor = CommandExecutor(sink := MemorySink())
    await executor.start()
    running = asyncio.ensure_future(executor.execute(invoke(lambda: asyncio.sleep(0.05))))
    await eventually(executor.running)
    await executor.stop()
    assert running.done()
    assert list(sink.records) == [running.result()]


async def test_run_can_stop_the_executor_without_waiting_for_itself(caplog):
    # A stop that waits for its caller would take the timeout.
    executor = CommandExecutor(sink := MemorySink(), settings=ExecutorSettings(stop_timeout_s=600))
    await executor.start()

    async def shut_down() -> None:
        await executor.stop()
        raise ValueError("after the stop")

    async with asyncio.timeout(patience(3)):
        record = await executor.execute(invoke(shut_down))
    await eventually(lambda: executor.accounting().shed == {"after_stop": 1})
    assert record.status == "error"
    assert not sink.records
    assert {line.getMessage().partition("\n")[0] for line in caplog.records} == {
        "Runs that ended after the stop are lost",
        "hall.main.on_motion failed: ValueError: after the stop",
    }


async def test_run_that_outlives_half_the_stop_timeout_leaves_time_to_flush():
    executor = CommandExecutor(sink := FaultySink("slow"), settings=ExecutorSettings(stop_timeout_s=3))
    await executor.start()
    stuck = asyncio.ensure_future(executor.execute(invoke(forever)))
    await eventually(executor.running)
    made = await executor.execute(invoke(nothing))
    await executor.stop()
    assert sink.records == [made]
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck


async def test_stop_is_safe_before_start_and_after_a_failed_start():
    await CommandExecutor().stop()

    asked = asyncio.Event()

    class Slow(MemorySink):
        async def last_id(self) -> int:
            asked.set()
            await forever()
            return 0

    executor = CommandExecutor(Slow())
    starting = asyncio.ensure_future(executor.start())
    await asked.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await executor.stop()
    async with asyncio.timeout(patience(10)):
        await executor.serve()


async def test_executor_can_be_started_again_after_a_stop():
    executor = CommandExecutor(sink := FaultySink())
    for _ in range(3):
        await executor.start()
        serving = asyncio.ensure_future(executor.serve())
        await executor.execute(invoke(lambda: None, runs_in="sync"))
        await executor.execute(invoke(failing))
        assert not serving.done()
        await executor.stop()
        await serving
    assert len(sink.records) == 6
    assert executor.accounting().persisted == 6


def test_executor_can_be_started_again_in_another_event_loop():
    executor = CommandExecutor(sink := FaultySink())

    async def session() -> None:
        async with executor:
            serving = asyncio.ensure_future(executor.serve())
            made = await executor.execute(invoke(nothing))
            await eventually(lambda: sink.records[-1:] == [made])
            assert not serving.done()
        await serving

    asyncio.run(session())
    asyncio.run(session())
    assert executor.accounting().persisted == 2


async def test_serve_raises_when_a_write_queue_has_ended_and_starting_again_fixes_it():
    executor = CommandExecutor(sink := FaultySink("hang"))
    await executor.start()
    serving = asyncio.ensure_future(executor.serve())
    made = await executor.execute(invoke(nothing))
    await eventually(lambda: sink.calls)
    (writer,) = [task for task in asyncio.all_tasks() if task.get_name() == "hassette-write-queue"]
    writer.cancel()
    with pytest.raises(RuntimeError, match="ended unexpectedly"):
        await serving
    sink.mode = "ok"
    await executor.stop()
    await executor.start()
    assert sink.records == [made]
    await executor.stop()


async def test_defect_in_the_writing_task_is_the_cause_of_the_error_that_serve_raises():
    class UnprintableError(OSError):
        def __str__(self) -> str:
            raise ZeroDivisionError

    class Sink(FaultySink):
        async def write(self, batch: Batch) -> None:
            if self.mode == "fail":
                raise UnprintableError
            await super().write(batch)

    executor = CommandExecutor(sink := Sink("fail"))
    await executor.start()
    made = await executor.execute(invoke(nothing))
    with pytest.raises(RuntimeError) as caught:
        await executor.serve()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    sink.mode = "ok"
    await executor.stop()
    assert sink.records == [made]
    assert executor.accounting().waiting == 0


async def test_each_of_several_sinks_gets_everything_and_a_hung_sink_delays_no_other():
    good, bad = FaultySink(), FaultySink("hang")
    executor = CommandExecutor(good, bad, settings=ExecutorSettings(stop_timeout_s=0.3))
    await executor.start()
    executor.register(listener())
    made = await executor.execute(invoke(nothing))
    await eventually(lambda: good.records == [made])
    await executor.stop()
    assert (executor.accounting(0).persisted, executor.accounting(1).shed) == (1, {"stop_deadline": 1})


async def test_each_of_several_sinks_gets_announcements_from_before_and_after_the_start():
    sinks = FaultySink(), FaultySink()
    before, after = listener("before"), job("after")
    executor = CommandExecutor(*sinks)
    executor.register(before)
    executor.set_session_facts(home_assistant="2025.4.4")
    await executor.start()
    await executor.force_flush()
    executor.register(after)
    executor.retire(before)
    executor.count_skip(after, "misfire", 2)
    executor.report("app_started", "hall.main")
    executor.set_session_facts(reason="SIGTERM")
    await executor.stop()
    for sink in sinks:
        assert sink.stored("registered") == [before, after]
        assert sink.stored("retired") == [before]
        assert [(skip.registration, skip.count) for skip in sink.stored("skipped")] == [(after, 2)]
        assert [(event.kind, event.subject) for event in sink.stored("lifecycle")] == [("app_started", "hall.main")]
        assert sink.stored("session_facts") == [("home_assistant", "2025.4.4"), ("reason", "SIGTERM")]


# ---- state and announcements


async def test_force_flush_returns_whether_everything_was_settled():
    async with CommandExecutor(sink := FaultySink("hang"), settings=ExecutorSettings(stop_timeout_s=0.3)) as executor:
        await executor.execute(invoke(nothing))
        assert executor.accounting().waiting == 1
        assert not await executor.force_flush(0.02)
        sink.released.set()
        assert await executor.force_flush()
        assert executor.accounting().waiting == 0


async def test_running_returns_runs_in_progress_oldest_first():
    first, second = listener("first"), job("second")
    async with CommandExecutor(settings=ExecutorSettings(stop_timeout_s=0.2)) as executor:
        assert executor.running() == ()
        tasks = [asyncio.ensure_future(executor.execute(invoke(forever, first)))]
        await eventually(executor.running)
        tasks.append(asyncio.ensure_future(executor.execute(execute_job(forever, second))))
        await eventually(lambda: len(executor.running()) == 2)
        one, two = executor.running()
        assert (one.registration, two.registration) == (first, second)
        assert one.run < two.run
        assert one.started_us <= two.started_us
        assert two.trigger.manual
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert executor.running() == ()


def test_long_run_is_in_the_batches_until_its_end_and_a_short_run_never_is():
    sink = FaultySink()
    with manual_loop() as loop:

        async def scenario() -> None:
            async with CommandExecutor(sink, clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                go = asyncio.Event()
                running = asyncio.ensure_future(executor.execute(invoke(go.wait, listener("long"))))
                await asyncio.sleep(0.2)
                # The sweeper looks at the short run while it runs: it is too young to be reported.
                await executor.execute(invoke(lambda: asyncio.sleep(0.1), listener("short")))
                await asyncio.sleep(1)
                assert [run.registration.name for run in sink.stored("running")] == ["long"]
                assert loop.count_timers() == 1, "the deadline of the long run"
                go.set()
                await running
                await asyncio.sleep(1)
                assert [batch.running for batch in sink.batches if batch.running is not None][-1] == ()

        loop.run_until_complete(scenario())


def test_long_run_leaves_the_list_at_its_end_although_nothing_else_runs():
    sink = FaultySink()
    with manual_loop() as loop:

        async def scenario() -> None:
            async with CommandExecutor(sink, clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                await executor.execute(invoke(lambda: asyncio.sleep(60)))
                await asyncio.sleep(1)
                lists = [batch.running for batch in sink.batches if batch.running is not None]
                assert [len(running) for running in lists] == [1, 0]

        loop.run_until_complete(scenario())


async def test_failures_of_different_kinds_have_a_line_each(caplog):
    async with CommandExecutor() as executor:
        for error in (ValueError("one"), KeyError("two"), ValueError("three")):
            await executor.execute(invoke(raising(error)))
    lines = [line.getMessage() for line in caplog.records if line.name == "hassette_executor.outcome"]
    assert [text.split(" failed: ")[1].split(":")[0] for text in lines] == ["ValueError", "KeyError"]


async def test_last_list_of_running_runs_is_empty_after_the_stop():
    # Otherwise a run that ends just before the stop would be "interrupted" after a clean session.
    executor = CommandExecutor(sink := FaultySink())
    await executor.start()
    go = asyncio.Event()
    running = asyncio.ensure_future(executor.execute(invoke(go.wait)))
    await eventually(lambda: any(batch.running for batch in sink.batches))
    go.set()
    await running
    await executor.stop()
    assert [batch.running for batch in sink.batches if batch.running is not None][-1] == ()


async def test_skips_are_counted_by_registration_and_reason_in_their_hour():
    one, two = listener("one"), job("two")
    async with CommandExecutor(sink := FaultySink()) as executor:
        executor.count_skip(one, "rate_limited")
        executor.count_skip(one, "rate_limited", 3)
        executor.count_skip(one, "overlap")
        executor.count_skip(two, "misfire")
    skips: Counter[tuple[object, str]] = Counter()
    for skip in sink.stored("skipped"):  # in two hours, if an hour has just begun
        skips[skip.registration, skip.reason] += skip.count
    assert skips == {(one, "rate_limited"): 4, (one, "overlap"): 1, (two, "misfire"): 1}
    assert all(skip.hour_us % 3_600_000_000 == 0 for skip in sink.stored("skipped"))


async def test_announcements_before_the_start_are_written_without_a_run():
    executor = CommandExecutor(sink := FaultySink())
    executor.register(hall := listener())
    executor.report("app_started", "hall.main", "in 3 ms")
    executor.set_session_facts(home_assistant="2025.4.4")
    await executor.start()
    await eventually(lambda: sink.batches)
    await executor.stop()
    assert sink.stored("registered") == [hall]
    (event,) = sink.stored("lifecycle")
    assert (event.kind, event.subject, event.detail, event.id > 0) == ("app_started", "hall.main", "in 3 ms", True)
    assert sink.stored("session_facts") == [("home_assistant", "2025.4.4")]


async def test_retiring_a_replaced_registration_announces_nothing():
    old, new = listener("same"), listener("same")
    async with CommandExecutor(sink := FaultySink()) as executor:
        executor.register(old)
        executor.register(new)
        executor.retire(old)
        await executor.force_flush()
        assert sink.stored("registered") == [new]
        assert sink.stored("retired") == []
        executor.retire(new)
    assert sink.stored("retired") == [new]


# ---- ids


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
        await executor.execute(invoke(lambda: asyncio.sleep(5), timeout_s=0.01))  # sets the timer: the clock is read
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


# ---- idle executor


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

    Work started by earlier runs, such as a log line in its thread, ends a moment later. Periodic work happens in every
    second.
    """
    requests = requests_to(asyncio.get_running_loop(), monkeypatch)
    for _ in range(8):
        requests.clear()
        await asyncio.sleep(1.2)
        if len(requests) == 2:  # the sleep of this test: its timer, and the end of it
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


async def test_two_executors_can_use_a_sink_one_after_the_other():
    sink = MemorySink()
    for _ in range(2):
        async with CommandExecutor(sink) as executor:
            for _ in range(3):
                await executor.execute(invoke(nothing))
        assert executor.accounting().persisted == 3
    assert len(sink.records) == 6


async def test_late_effects_during_the_stop_are_logged(caplog):
    go = asyncio.Event()
    background: list[asyncio.Task[None]] = []

    async def calls_late() -> None:
        await go.wait()
        record_service_call(ServiceCall(1, "light", "turn_on", "{}", "{}", 9, None, None))

    async def leaves_a_task() -> None:
        background.append(asyncio.create_task(calls_late()))

    async with CommandExecutor(sink := FaultySink("hang")) as executor:
        await executor.execute(invoke(leaves_a_task))
        stopping = asyncio.ensure_future(executor.stop())
        await eventually(lambda: sink.calls)
        go.set()
        await background[0]
        sink.released.set()
        await stopping
    assert caplog.records[-1].getMessage() == "Announcements after the stop wait for the next start"
    assert caplog.records[-1].waiting == {"losses": 1}


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


async def test_sink_that_raises_a_cancelled_error_at_the_start_does_not_block_automations(caplog):
    class Unwilling(MemorySink):
        async def last_id(self) -> int:
            raise asyncio.CancelledError

    async with CommandExecutor(sink := Unwilling()) as executor:
        made = await executor.execute(invoke(nothing))
    assert list(sink.records) == [made]
    assert caplog.records[0].getMessage() == "Sink did not return its last id; new ids may be lower than its stored ids"


async def test_sink_that_never_returns_its_last_id_does_not_block_automations(caplog):
    class Silent(FaultySink):
        async def last_id(self) -> int:
            await asyncio.Event().wait()
            return 0

    limits = ExecutorLimits(last_id_s=0.02)
    async with asyncio.timeout(patience(5)), CommandExecutor(Silent(), limits=limits) as executor:
        assert (await executor.execute(invoke(nothing))).status == "success"
    lines = [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING]
    assert lines == ["Sink did not return its last id; new ids may be lower than its stored ids"]


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
        assert set(threading.enumerate()) == before
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR]


def test_record_of_each_kind_has_the_key_of_its_registration():
    assert record(1).registration.key == ("hall", "main", "on_motion", "state_changed.binary_sensor.hall")
    assert record(1, registration=job()).registration.key == ("hall", "main", "tidy")


def test_commands_before_the_start_are_refused_with_an_explanation():
    with pytest.raises(ExecutorStoppedError, match="accepts no commands"):
        asyncio.run(CommandExecutor().execute(invoke(nothing)))
