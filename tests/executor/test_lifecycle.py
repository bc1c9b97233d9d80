"""Start, stop and restart of an executor, with one sink or several."""

import asyncio
import logging
from contextlib import suppress

import pytest

from hassette_executor import (
    Batch,
    CommandExecutor,
    ExecutorLimits,
    ExecutorSettings,
    ExecutorStoppedError,
    MemorySink,
    Record,
    ServiceCall,
    record_service_call,
)
from support.records import failing, forever, invoke, job, listener, nothing, record
from support.sinks import FaultySink
from support.waiting import eventually, patience


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


async def test_run_in_progress_at_the_stop_may_end_and_is_stored():
    executor = CommandExecutor(sink := MemorySink())
    await executor.start()
    running = asyncio.ensure_future(executor.execute(invoke(lambda: asyncio.sleep(0.05))))
    await eventually(executor.running)
    await executor.stop()
    assert running.done()
    assert list(sink.records) == [running.result()]


async def test_run_can_stop_the_executor_without_waiting_for_itself(caplog):
    # If the stop waited for the run that calls it, the stop would take the whole timeout.
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


def test_record_of_each_kind_has_the_key_of_its_registration():
    assert record(1).registration.key == ("hall", "main", "on_motion", "state_changed.binary_sensor.hall")
    assert record(1, registration=job()).registration.key == ("hall", "main", "tidy")


def test_commands_before_the_start_are_refused_with_an_explanation():
    with pytest.raises(ExecutorStoppedError, match="accepts no commands"):
        asyncio.run(CommandExecutor().execute(invoke(nothing)))


async def test_flush_waits_for_the_new_write_when_an_older_write_ends_late():
    class Deaf:
        """Each write ignores its cancellation until its gate is opened. The first write then fails."""

        def __init__(self) -> None:
            self.gates: list[asyncio.Event] = []
            self.stored: list[Record] = []

        async def last_id(self) -> int:
            return 0

        async def write(self, batch: Batch) -> None:
            self.gates.append(gate := asyncio.Event())
            first = len(self.gates) == 1
            while not gate.is_set():
                with suppress(asyncio.CancelledError):
                    await gate.wait()
            if first:
                raise OSError("the old connection was lost")
            self.stored += batch.records()

    executor = CommandExecutor(sink := Deaf(), settings=ExecutorSettings(flush_interval_s=0.1, stop_timeout_s=0.2))
    await executor.start()
    await executor.execute(invoke(nothing))
    await eventually(lambda: len(sink.gates) == 1)
    await executor.stop()
    await executor.start()
    made = await executor.execute(invoke(nothing))
    flushing = asyncio.ensure_future(executor.force_flush(patience(10)))
    await eventually(lambda: len(sink.gates) == 2)
    sink.gates[0].set()
    await asyncio.wait({flushing}, timeout=0.1)
    assert not flushing.done()
    sink.gates[1].set()
    assert await flushing
    assert sink.stored == [made]
    await executor.stop()


@pytest.mark.parametrize("stop_first", [True, False])
def test_executor_works_again_after_its_stop_was_cancelled_by_the_end_of_the_loop(stop_first):
    executor = CommandExecutor(sink := FaultySink("slow", slow_s=0.2))

    async def end_during_the_stop() -> Record:
        await executor.start()
        made = await executor.execute(invoke(nothing))
        stopping = asyncio.ensure_future(executor.stop())
        await eventually(lambda: sink.calls)
        assert not stopping.done()
        return made  # `asyncio.run` cancels all tasks, also the task of the stop

    async def run_again() -> Record:
        if stop_first:
            await executor.stop()
        await executor.start()
        serving = asyncio.ensure_future(executor.serve())
        made = await executor.execute(invoke(nothing))
        assert await executor.force_flush(patience(10))
        assert not serving.done()
        await executor.stop()
        await serving
        return made

    made = [asyncio.run(end_during_the_stop()), asyncio.run(run_again())]
    assert sink.records == made
    assert executor.accounting().shed == {}
