"""Log lines and service calls are attached to the record of their run, within bounds, from tasks and threads."""

import asyncio
import logging
import threading
from contextlib import suppress

import pytest

from hassette_executor import (
    CommandExecutor,
    DependencyError,
    Effects,
    ExecutorSettings,
    LogLine,
    MemorySink,
    ServiceCall,
    is_in_run,
    record_service_call,
)
from hassette_executor.running.effects import GatheredEffects, LateEffects
from hassette_executor.running.execution import MAX_LINE, Execution, ExecutionScope
from support.records import failing, invoke, listener, nothing, raising
from support.sinks import FaultySink
from support.waiting import eventually, patience

app_log = logging.getLogger("apps.hall")


@pytest.fixture(autouse=True)
def _everything_is_logged():
    app_log.setLevel(logging.DEBUG)
    yield
    app_log.setLevel(logging.NOTSET)


def called(service: str = "turn_on") -> ServiceCall:
    return ServiceCall(1, "light", service, '{"entity_id":"light.hall"}', "{}", 900, "01JD", None)


def lines_of(record) -> list[str]:
    return [] if record.effects is None else [line.message for line in record.effects.log_lines]


async def test_failed_run_keeps_every_line_and_a_successful_run_the_important_lines():
    async def talk() -> None:
        app_log.debug("the lamp is %s", "off")
        app_log.warning("the lamp is slow")

    async def talk_and_fail() -> None:
        await talk()
        await failing()

    async def whisper() -> None:
        app_log.info("nothing to see")

    async with CommandExecutor() as executor:
        assert lines_of(await executor.execute(invoke(talk))) == ["the lamp is slow"]
        failed = await executor.execute(invoke(talk_and_fail))
        assert lines_of(failed) == ["the lamp is off", "the lamp is slow"]
        assert (await executor.execute(invoke(whisper))).effects is None
    line = failed.effects.log_lines[0]
    assert (line.level, line.logger, line.at_us > 1_700_000_000_000_000) == (logging.DEBUG, "apps.hall", True)


async def test_level_from_which_lines_are_kept_is_a_setting():
    async def talk() -> None:
        app_log.info("kept")
        app_log.debug("not kept")

    async with CommandExecutor(settings=ExecutorSettings(log_keep_level=logging.INFO)) as executor:
        assert lines_of(await executor.execute(invoke(talk))) == ["kept"]


async def test_lines_are_bounded_in_number_and_debug_lines_never_push_out_a_warning():
    async def chatter(fail: bool) -> None:
        app_log.warning("important")
        for number in range(20):
            app_log.debug("%d", number)
        if fail:
            await failing()

    async with CommandExecutor(settings=ExecutorSettings(log_lines=5)) as executor:
        went_well = await executor.execute(invoke(lambda: chatter(False)))
        failed = await executor.execute(invoke(lambda: chatter(True)))
    assert lines_of(went_well) == ["important"]
    assert lines_of(failed) == ["important", "16", "17", "18", "19"]
    assert failed.effects.dropped_log_lines == 16


async def test_lines_are_bounded_in_size_and_the_newest_stay():
    async def shout() -> None:
        for number in range(10):
            app_log.error("%d%s", number, "!" * 99)

    async with CommandExecutor(settings=ExecutorSettings(log_bytes=250)) as executor:
        record = await executor.execute(invoke(shout))
    assert [line[0] for line in lines_of(record)] == ["8", "9"]
    assert record.effects.dropped_log_lines == 8


async def test_failed_run_whose_lines_were_all_dropped_counts_them():
    async def talk_and_fail() -> None:
        app_log.info("gone")
        await failing()

    async with CommandExecutor(settings=ExecutorSettings(log_lines=0)) as executor:
        record = await executor.execute(invoke(talk_and_fail))
    assert (lines_of(record), record.effects.dropped_log_lines) == ([], 1)


async def test_long_line_is_truncated_and_an_exception_is_named():
    async def talk() -> None:
        app_log.warning("x" * 5_000)
        try:
            await failing()
        except ValueError:
            app_log.exception("it failed")

    async with CommandExecutor() as executor:
        long, named = lines_of(await executor.execute(invoke(talk)))
    assert (len(long), long[-1]) == (MAX_LINE, "…")
    assert named == "it failed [ValueError: the sensor did not respond]"


async def test_secrets_are_masked_in_every_text_of_a_record_before_it_is_truncated():
    async def leaks() -> None:
        app_log.warning("%s hunter22", "x" * (MAX_LINE - 5))
        record_service_call(ServiceCall(1, "notify", "notify", "hunter22", "hunter22", 1, None, "hunter22"))
        raise ValueError("hunter22")

    sink = MemorySink()
    async with CommandExecutor(sink, redact=lambda text: text.replace("hunter22", "•••")) as executor:
        await executor.execute(invoke(leaks))
        executor.report("app_failed", "leaky", "hunter22")
    (record,) = sink.records
    assert record.effects.log_lines[0].message.endswith("x •••")
    call = record.effects.service_calls[0]
    assert (call.target, call.data, call.error) == ("•••", "•••", "•••")
    assert record.failure.message == "•••"
    assert "hunter" not in repr(list(sink.batches))


async def test_line_that_cannot_be_formatted_affects_neither_the_run_nor_the_record(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)

    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    async def talk() -> None:
        app_log.warning("%d", "not a number")
        try:
            raise UnspeakableError  # noqa: TRY301  the point of it
        except UnspeakableError:
            app_log.exception("it failed")
        app_log.warning("and goes on")

    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(talk))
    assert record.status == "success"
    assert lines_of(record) == ["and goes on"]


async def test_service_calls_are_attached_in_order_and_the_first_stay():
    async def act() -> None:
        for number in range(5):
            record_service_call(called(f"s{number}"))

    async with CommandExecutor(settings=ExecutorSettings(service_calls=3)) as executor:
        record = await executor.execute(invoke(act))
    assert [call.service for call in record.effects.service_calls] == ["s0", "s1", "s2"]
    assert record.effects.dropped_service_calls == 2


async def test_run_with_a_limit_of_no_service_calls_counts_them():
    async with CommandExecutor(settings=ExecutorSettings(service_calls=0)) as executor:
        record = await executor.execute(invoke(lambda: record_service_call(called()), runs_in="sync"))
    assert record.effects == Effects(dropped_service_calls=1)


async def test_effects_outside_of_a_run_are_ignored():
    async with CommandExecutor(sink := MemorySink()) as executor:
        record_service_call(called())
        app_log.warning("a line without a run")
        await executor.execute(invoke(nothing))
    assert sink.records[0].effects is None


async def test_tasks_and_threads_of_a_run_add_to_its_effects():
    async def background(name: str) -> None:
        record_service_call(called(name))

    async def act() -> None:
        await asyncio.create_task(background("task"))
        await asyncio.to_thread(record_service_call, called("thread"))

    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(act))
        in_thread = await executor.execute(invoke(lambda: record_service_call(called("sync")), runs_in="sync"))
    assert [call.service for call in record.effects.service_calls] == ["task", "thread"]
    assert [call.service for call in in_thread.effects.service_calls] == ["sync"]


async def test_concurrent_runs_do_not_mix_their_effects():
    async def act(name: str) -> None:
        for _ in range(3):
            record_service_call(called(name))
            await asyncio.sleep(0)

    async with CommandExecutor() as executor:
        records = await asyncio.gather(
            *(executor.execute(invoke(lambda name=name: act(name), listener(name))) for name in "abcde")
        )
    for record in records:
        assert {call.service for call in record.effects.service_calls} == {record.registration.name}


async def test_nested_run_has_separate_effects():
    async with CommandExecutor() as executor:

        async def outer() -> None:
            record_service_call(called("before"))
            nested = await executor.execute(invoke(lambda: record_service_call(called("inner")), runs_in="sync"))
            assert [call.service for call in nested.effects.service_calls] == ["inner"]
            record_service_call(called("after"))

        record = await executor.execute(invoke(outer))
    assert [call.service for call in record.effects.service_calls] == ["before", "after"]


async def test_outcome_line_of_a_nested_failure_is_not_attached_to_the_outer_run():
    async with CommandExecutor(settings=ExecutorSettings(batch_records=1)) as executor:

        async def outer() -> None:
            for _ in range(3):
                await executor.execute(invoke(failing))
            await asyncio.sleep(0.15)

        assert (await executor.execute(invoke(outer))).effects is None
    assert executor.accounting().executed == 4


async def test_effects_after_the_record_are_counted_as_lost():
    assert not is_in_run()
    go = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def late() -> None:
        await go.wait()
        assert not is_in_run()
        record_service_call(called())
        app_log.warning("too late")
        app_log.warning("much too late")

    async def act() -> None:
        assert is_in_run()
        tasks.append(asyncio.create_task(late()))

    async with CommandExecutor(sink := FaultySink()) as executor:
        record = await executor.execute(invoke(act))
        assert record.effects is None
        go.set()
        await tasks[0]
    losses = {(loss.reason, loss.what): loss.count for loss in sink.stored("losses")}
    assert losses == {("late_effect", "service_calls"): 1, ("late_effect", "log_lines"): 2}


async def test_effects_of_a_thread_during_the_end_of_its_run_are_counted_as_late(monkeypatch):
    inside, go = threading.Event(), threading.Event()
    add = GatheredEffects.add_call

    def slow(self: GatheredEffects, call: ServiceCall) -> None:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            go.wait(patience(10))
        add(self, call)

    monkeypatch.setattr(GatheredEffects, "add_call", slow)
    behind: list[asyncio.Future[None]] = []

    async def handler() -> None:
        behind.append(asyncio.ensure_future(asyncio.to_thread(record_service_call, called())))
        await eventually(inside.is_set)

    async with CommandExecutor(sink := FaultySink()) as executor:
        record = await executor.execute(invoke(handler))
        go.set()
        await behind[0]
    assert record.effects is None
    assert [(loss.what, loss.count) for loss in sink.stored("losses")] == [("service_calls", 1)]


def test_effects_after_take_are_late():
    late = LateEffects()
    gathered = GatheredEffects(ExecutorSettings(), late)
    gathered.add_call(called())
    assert gathered.take(all_lines=False).service_calls == (called(),)
    gathered.add_line(LogLine(1, logging.WARNING, "apps.hall", "too late"))
    gathered.add_call(called())
    assert late.take() == {"log_lines": 1, "service_calls": 1}


async def test_first_effect_during_the_end_of_its_run_is_late():
    class Leaving(set):
        def __contains__(self, execution: object) -> bool:
            there = super().__contains__(execution)
            self.discard(execution)
            return there

    scope = ExecutionScope(ExecutorSettings())
    execution = Execution(invoke(nothing), 0, scope)
    scope.executions = Leaving({execution})
    assert scope.effects_of(execution) is scope.late


async def test_successful_run_counts_dropped_warnings_but_no_debug_lines():
    async def chatty() -> None:
        app_log.warning("once")
        for number in range(1_000):
            app_log.debug("%s", number)

    async def warns() -> None:
        for number in range(12):
            app_log.warning("%s", number)

    async with CommandExecutor(settings=ExecutorSettings(log_lines=10)) as executor:
        assert (await executor.execute(invoke(chatty))).effects.dropped_log_lines == 0
        assert (await executor.execute(invoke(warns))).effects.dropped_log_lines == 2
    async with CommandExecutor(settings=ExecutorSettings(log_lines=0)) as executor:
        assert (await executor.execute(invoke(warns))).effects.dropped_log_lines == 12


async def test_limit_of_log_lines_counts_bytes_and_not_characters():
    async def handler() -> None:
        for _ in range(100):
            app_log.warning("€" * 100)

    async with CommandExecutor(settings=ExecutorSettings(log_bytes=3_000)) as executor:
        record = await executor.execute(invoke(handler))
    assert (len(lines_of(record)), record.effects.dropped_log_lines) == (10, 90)


async def test_threads_that_start_to_log_at_once_share_the_effects_of_their_run():
    gate = threading.Barrier(4)

    def log(number: int) -> None:
        gate.wait(patience(5))
        app_log.warning("%d", number)

    async def act() -> None:
        await asyncio.gather(*(asyncio.to_thread(log, number) for number in range(4)))

    async with CommandExecutor() as executor:
        for _ in range(20):
            record = await executor.execute(invoke(act))
            assert sorted(lines_of(record)) == ["0", "1", "2", "3"]


async def test_stop_removes_the_log_handler():
    before = list(logging.getLogger().handlers)
    async with CommandExecutor():
        assert len(logging.getLogger().handlers) == len(before) + 1
    assert logging.getLogger().handlers == before


async def test_outcomes_are_logged_by_status_in_a_thread(caplog):
    caplog.set_level(logging.DEBUG, "hassette_executor.outcome")
    async with CommandExecutor() as executor:
        for _ in range(3):
            await executor.execute(invoke(failing))
        await executor.execute(invoke(lambda: asyncio.sleep(5), listener("slow", timeout_s=0.01)))
        await executor.execute(invoke(nothing, listener("fine")))
        errors = {"missing": DependencyError(), "cancelled": asyncio.CancelledError(), "exit": SystemExit()}
        for name, error in errors.items():
            with suppress(asyncio.CancelledError, SystemExit):
                await executor.execute(invoke(raising(error), listener(name)))
        await executor.force_flush()
        await eventually(lambda: len(caplog.records) >= 6)
    lines = {line.registration: line for line in caplog.records if line.name == "hassette_executor.outcome"}
    assert {name: line.levelname for name, line in lines.items()} == {
        "on_motion": "ERROR",
        "slow": "WARNING",
        "fine": "DEBUG",
        "missing": "ERROR",
        "cancelled": "DEBUG",
        "exit": "ERROR",
    }
    assert "ValueError: the sensor did not respond\nTraceback" in lines["on_motion"].getMessage()
    assert lines["on_motion"].threadName != threading.current_thread().name
    assert "deadline of 0.01 s" in lines["slow"].getMessage()


async def test_secret_in_the_name_of_a_logger_or_a_service_is_masked() -> None:
    async def handler() -> None:
        logging.getLogger("app.hunter22").warning("it ran")
        record_service_call(ServiceCall(1, "notify", "hunter22", "", "", 1, None, None))

    sink = MemorySink()
    async with CommandExecutor(sink, redact=lambda text: text.replace("hunter22", "•••")) as executor:
        await executor.execute(invoke(handler))
    effects = sink.records[0].effects
    assert effects is not None
    assert effects.log_lines[0].logger == "app.•••"
    assert effects.service_calls[0].service == "•••"
