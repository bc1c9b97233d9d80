import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_executor import (
    Clock,
    CommandExecutor,
    DependencyError,
    ExecutorSettings,
    ExecutorStoppedError,
    HandlerInvocation,
    HassetteError,
    JobExecution,
    MemorySink,
    Status,
)
from hassette_executor.running.classification import classify
from support.loops import manual_loop
from support.records import execute_job, failing, forever, invoke, listener, nothing, raising
from support.waiting import eventually, patience


class PlannedError(HassetteError):
    pass


class UnknownBaseException(BaseException):
    pass


def sync(error: BaseException):
    def handler() -> None:
        raise error

    return handler


SWALLOWED = [
    (ValueError("no"), "error", "exception", True),
    (TimeoutError("the lamp did not answer"), "error", "exception", True),
    (DependencyError("no such state"), "error", "dependency", False),
    (PlannedError("foreseen"), "error", "hassette", False),
]
RAISED = [
    (asyncio.CancelledError(), "cancelled", None),
    (UnknownBaseException("?"), "error", "exit"),
]


@pytest.mark.parametrize("runs_in", ["async", "sync"])
@pytest.mark.parametrize(("error", "status", "kind", "with_frames"), SWALLOWED)
async def test_exception_is_classified_recorded_and_not_raised(error, status, kind, with_frames, runs_in):
    async with CommandExecutor(sink := MemorySink()) as executor:
        call = raising(error) if runs_in == "async" else sync(error)
        record = await executor.execute(invoke(call, runs_in=runs_in))
        assert record.failure is not None
        assert (record.status, record.failure.kind, bool(record.failure.frames)) == (status, kind, with_frames)
        assert bool(record.failure.traceback) is with_frames
        assert record.failure.message == str(error)
    assert list(sink.records) == [record]


@pytest.mark.parametrize("runs_in", ["async", "sync"])
@pytest.mark.parametrize(("error", "status", "kind"), RAISED)
async def test_cancellation_and_unknown_base_exceptions_are_recorded_and_raised_again(error, status, kind, runs_in):
    async with CommandExecutor(sink := MemorySink()) as executor:
        call = raising(error) if runs_in == "async" else sync(error)
        with pytest.raises(type(error)):
            await executor.execute(invoke(call, runs_in=runs_in))
    (record,) = sink.records
    assert (record.status, record.failure.kind if record.failure else None) == (status, kind)


@pytest.mark.parametrize("runs_in", ["async", "sync"])
@pytest.mark.parametrize("error", [KeyboardInterrupt("stop"), SystemExit(3)])
def test_keyboard_interrupt_and_system_exit_are_recorded_and_raised_again(error, runs_in):
    sink = MemorySink()

    async def main() -> None:
        async with CommandExecutor(sink) as executor:
            call = raising(error) if runs_in == "async" else sync(error)
            await executor.execute(invoke(call, runs_in=runs_in))

    with pytest.raises(type(error)):
        asyncio.run(main())
    (record,) = sink.records
    assert record.status is Status.ERROR
    assert record.failure is not None
    assert record.failure.kind == "exit"
    assert record.failure.frames


async def test_run_that_returns_is_a_success_with_its_trigger_and_times():
    async with CommandExecutor(sink := MemorySink()) as executor:
        invocation = await executor.execute(invoke(nothing))
        execution = await executor.execute(execute_job(nothing))
        threaded = await executor.execute(invoke(lambda: None, runs_in="sync"))
    assert (invocation.status, execution.status, threaded.status) == ("success",) * 3
    assert isinstance(invocation, HandlerInvocation)
    assert isinstance(execution, JobExecution)
    assert invocation.trigger.entity_id == "binary_sensor.hall"
    assert execution.trigger.manual
    assert invocation.duration_us >= 0
    assert invocation.waited_us >= 0
    assert invocation.id < execution.id < threaded.id
    assert list(sink.records) == [invocation, execution, threaded]


async def test_parameter_that_cannot_be_provided_is_classified():
    def call():
        raise DependencyError("hall.on_motion wants 'lamp', which is not available")

    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(call))
    assert record.failure is not None
    assert (record.status, record.failure.kind, record.failure.frames) == ("error", "dependency", ())


async def test_async_call_without_an_awaitable_is_a_failed_run():
    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(lambda: None))
    assert record.failure is not None
    assert record.failure.type == "TypeError"


async def test_coroutine_returned_by_a_sync_callable_is_awaited():
    seen: list[int] = []

    async def late() -> None:
        seen.append(1)

    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(late, runs_in="sync"))
    assert (record.status, seen) == ("success", [1])


# ---- deadlines


async def test_run_that_exceeds_its_deadline_times_out_and_shows_where_it_was():
    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(forever, timeout_s=0.02))
    assert record.status == "timed_out"
    assert record.failure is not None
    assert record.failure.kind == "timeout"
    assert record.failure.message == "did not end within its deadline of 0.02 s"
    assert record.failure.cause is None
    assert "in forever" in record.failure.traceback
    assert record.duration_us >= 20_000


async def test_deadline_longer_than_the_sweep_interval_is_enforced():
    async with CommandExecutor(settings=ExecutorSettings(timeout_s=0.3)) as executor:
        record = await executor.execute(invoke(forever))
    assert record.status == "timed_out"
    assert 300_000 <= record.duration_us < 300_000 + patience(10) * 1_000_000


async def test_deadline_of_a_registration_overrides_the_default_and_zero_means_none():
    async with CommandExecutor(settings=ExecutorSettings(timeout_s=0.02)) as executor:
        by_default = await executor.execute(invoke(forever))
        without = asyncio.ensure_future(executor.execute(invoke(lambda: asyncio.sleep(0.06), timeout_s=0)))
        longer = await executor.execute(invoke(lambda: asyncio.sleep(0.06), timeout_s=60))
        assert (await without).status == "success"
    assert (by_default.status, longer.status) == ("timed_out", "success")


async def test_infinite_deadline_does_not_affect_other_deadlines():
    async with CommandExecutor() as executor:
        endless = asyncio.ensure_future(executor.execute(invoke(lambda: asyncio.sleep(0.06), timeout_s=float("inf"))))
        assert (await executor.execute(invoke(forever, timeout_s=0.02))).status == "timed_out"
        assert (await endless).status == "success"


async def test_timeout_error_of_the_handler_is_a_failure_and_not_a_timeout():
    async def handler() -> None:
        async with asyncio.timeout(0.01):
            await forever()

    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(handler, timeout_s=5))
    assert record.failure is not None
    assert (record.status, record.failure.kind, record.failure.type) == ("error", "exception", "TimeoutError")


async def test_handler_that_swallows_its_cancellation_has_timed_out():
    async def stubborn() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(stubborn, timeout_s=0.01))
        assert asyncio.current_task().cancelling() == 0
    assert (record.status, record.failure.frames) == ("timed_out", ())


async def test_exception_in_the_clean_up_is_the_cause_of_the_timeout():
    async def messy() -> None:
        try:
            await forever()
        finally:
            raise ValueError("the valve is stuck")

    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(messy, timeout_s=0.01))
    assert record.status == "timed_out"
    assert record.failure.cause.message == "the valve is stuck"
    assert "the valve is stuck" in record.failure.traceback


async def test_cancellation_from_outside_is_recorded_and_raised_again():
    async with CommandExecutor(sink := MemorySink()) as executor:
        task = asyncio.ensure_future(executor.execute(invoke(forever, timeout_s=60)))
        await eventually(executor.running)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [record.status for record in sink.records] == ["cancelled"]


@pytest.mark.parametrize(("cancelled_after_s", "status"), [(58.5, "timed_out"), (59.5, "cancelled")])
def test_cancellation_at_the_same_time_as_the_deadline_is_raised_again(cancelled_after_s, status):
    sink = MemorySink()
    with manual_loop() as loop:

        async def scenario() -> None:
            async with CommandExecutor(sink, clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                task = asyncio.ensure_future(executor.execute(invoke(forever, timeout_s=60)))
                await asyncio.sleep(1)
                loop.call_later(cancelled_after_s, task.cancel)
                loop.advance(100)  # both timers are due now, and their callbacks run one after the other
                with pytest.raises(asyncio.CancelledError):
                    await task

        loop.run_until_complete(scenario())
    assert [record.status for record in sink.records] == [status]


async def test_run_with_a_failed_task_group_times_out():
    async def fails() -> None:
        raise ValueError("no")

    async def handler() -> None:
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fails())
        await asyncio.Event().wait()

    async with CommandExecutor(sink := MemorySink()) as executor:
        await asyncio.wait([asyncio.create_task(executor.execute(invoke(handler, timeout_s=0.02)))])
    assert [record.status for record in sink.records] == ["timed_out"]


async def test_only_the_nested_run_whose_deadline_passed_times_out():
    outer, inner = listener("outer", timeout_s=0.02), listener("inner", timeout_s=60)
    statuses: list[str] = []

    async with CommandExecutor(sink := MemorySink()) as executor:

        async def nesting() -> None:
            try:
                await executor.execute(invoke(forever, inner))
            except asyncio.CancelledError:
                statuses.append("the cancellation went through the inner one")
                raise

        assert (await executor.execute(invoke(nesting, outer))).status == "timed_out"
        inner_first = invoke(lambda: executor.execute(invoke(forever, listener("quick", timeout_s=0.02))), timeout_s=60)
        assert (await executor.execute(inner_first)).status == "success"
    assert statuses == ["the cancellation went through the inner one"]
    ended = [(record.registration.name, record.status) for record in sink.records]
    assert ended == [("inner", "cancelled"), ("outer", "timed_out"), ("quick", "timed_out"), ("on_motion", "success")]


async def test_two_nested_deadlines_at_once_leave_the_task_uncancelled():
    async with CommandExecutor(sink := MemorySink()) as executor:
        inner = invoke(forever, listener("inner", timeout_s=0.02))
        outer = invoke(lambda: executor.execute(inner), listener("outer", timeout_s=0.02))
        record = await executor.execute(outer)
        assert asyncio.current_task().cancelling() == 0
    assert record.status == "timed_out"
    assert len(sink.records) == 2


# ---- the pure function


@given(
    raised=st.sampled_from(
        [
            None,
            ValueError(),
            TimeoutError(),
            DependencyError(),
            HassetteError(),
            asyncio.CancelledError(),
            KeyboardInterrupt(),
            SystemExit(),
            GeneratorExit(),
        ]
    ),
    expired=st.booleans(),
    cancelled=st.booleans(),
)
def test_every_end_of_a_run_has_one_outcome_and_only_cancellations_and_exits_are_raised(raised, expired, cancelled):
    outcome = classify(raised, expired=expired, cancelled=cancelled)
    exits = isinstance(raised, KeyboardInterrupt | SystemExit | GeneratorExit)
    ours = expired and not (cancelled and isinstance(raised, asyncio.CancelledError))
    assert outcome.reraise == (exits or (isinstance(raised, asyncio.CancelledError) and not ours))
    assert (outcome.status == "timed_out") == (ours and not exits)
    assert (outcome.status == "success") == (raised is None and not expired)
    assert (outcome.kind is None) == (outcome.status in {"success", "cancelled"})
    if isinstance(raised, HassetteError) and not expired:
        assert not outcome.with_frames


async def test_nothing_runs_and_nothing_is_recorded_before_start_and_after_stop():
    executor = CommandExecutor(sink := MemorySink())
    with pytest.raises(ExecutorStoppedError, match=r"start\(\)"):
        await executor.execute(invoke(failing))
    await executor.start()
    await executor.stop()
    with pytest.raises(ExecutorStoppedError):
        await executor.execute(invoke(failing))
    assert not sink.records
    assert executor.accounting().executed == 0
