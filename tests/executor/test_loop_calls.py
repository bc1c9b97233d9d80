"""Threads that wait for coroutines on the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from hassette_executor import (
    CalledOnLoopError,
    CommandExecutor,
    ExecutorSettings,
    HassetteError,
    LogLine,
    LoopCalls,
    LoopCallsClosedError,
    ServiceCall,
    ThreadPool,
    current_execution,
    record_service_call,
)
from support.records import MovableClock, forever, invoke
from support.waiting import eventually, patience

who: ContextVar[str] = ContextVar("who", default="unknown")
CALL = ServiceCall(1, "light", "turn_on", "", "", 1, "C1", None)


@pytest.fixture
async def calls() -> AsyncIterator[LoopCalls]:
    found = LoopCalls()
    found.open()
    yield found
    found.close()


async def answer(value: str = "answer") -> str:
    await asyncio.sleep(0)
    return value


async def fail() -> None:
    await asyncio.sleep(0)
    raise ValueError("no")


def in_own_thread(function: Callable[[], object]) -> "asyncio.Future[Any]":
    """Run a function in a thread that belongs to no pool."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001  passed on
            loop.call_soon_threadsafe(future.set_exception, error)
        else:
            loop.call_soon_threadsafe(future.set_result, result)

    threading.Thread(target=work, daemon=True).start()
    return future


async def test_thread_gets_the_result_of_a_coroutine_a_function_and_a_future(calls: LoopCalls):
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    ready.set_result("future")

    def handler() -> list[object]:
        return [
            calls.run("x", answer),
            calls.run("x", lambda: threading.current_thread() is threading.main_thread()),
            calls.run("x", lambda: ready),
        ]

    assert await in_own_thread(handler) == ["answer", True, "future"]


@pytest.mark.parametrize("work", [fail, lambda: (_ for _ in ()).throw(ValueError("no")), lambda: {}["no"]])
async def test_error_of_the_work_is_raised_in_the_thread(calls: LoopCalls, work: Callable[[], Any]):
    with pytest.raises((ValueError, KeyError), match="no"):
        await in_own_thread(lambda: calls.run("x", work))


async def test_work_has_the_context_variables_of_the_thread_and_its_effects_belong_to_the_run(calls: LoopCalls):
    seen: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        seen.append(who.get())
        record_service_call(CALL)

    def handler() -> None:
        who.set("handler")
        calls.run("x", work)

    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(handler, runs_in="sync"))
    assert seen == ["handler"]
    assert [(call.domain, call.service) for call in record.effects.service_calls] == [("light", "turn_on")]


async def test_call_on_the_loop_is_refused_and_after_the_close_too(calls: LoopCalls):
    with pytest.raises(CalledOnLoopError, match=r"self\.api\.x waits for the event loop"):
        calls.run("self.api.x", answer)
    calls.close()
    with pytest.raises(LoopCallsClosedError, match=r"self\.api\.x was called after the app had stopped"):
        await in_own_thread(lambda: calls.run("self.api.x", answer))
    with pytest.raises(LoopCallsClosedError):
        await in_own_thread(lambda: LoopCalls().run("x", answer))
    calls.open()
    assert await in_own_thread(lambda: calls.run("x", answer)) == "answer"


def test_call_after_the_end_of_the_loop_is_refused():
    calls = LoopCalls()

    async def main() -> None:
        calls.open()

    asyncio.run(main())
    with pytest.raises(LoopCallsClosedError):
        calls.run("x", answer)


async def test_thread_with_another_event_loop_may_wait(calls: LoopCalls):
    async def other() -> str:
        return calls.run("x", answer)

    assert await in_own_thread(lambda: asyncio.run(other())) == "answer"


async def test_close_ends_the_calls_of_own_threads_even_if_the_work_ignores_its_cancellation(calls: LoopCalls):
    go = asyncio.Event()
    began = asyncio.Event()

    async def stubborn() -> None:
        began.set()
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue

    waiting = in_own_thread(lambda: calls.run("self.bus.wait_for", stubborn))
    await began.wait()
    calls.close()
    with pytest.raises(LoopCallsClosedError, match=r"self\.bus\.wait_for"):
        await waiting
    go.set()
    await asyncio.sleep(0)


async def test_close_does_not_end_the_call_of_a_run(calls: LoopCalls):
    go, began = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        began.set()
        await go.wait()
        return "went on"

    pool = ThreadPool(1)
    run = asyncio.ensure_future(pool.run(lambda: [calls.run("x", wait), calls.run("x", answer)]))
    await began.wait()
    calls.close()
    go.set()
    assert await run == ["went on", "answer"]
    pool.close()


async def test_handlers_that_wait_for_each_other_need_no_more_threads_than_one(calls: LoopCalls):
    executor = CommandExecutor(settings=ExecutorSettings(threads=1))
    depths: list[int] = []

    def handler(depth: int) -> None:
        depths.append(depth)
        if depth < 30:
            calls.run("x", lambda: executor.execute(invoke(lambda: handler(depth + 1), runs_in="sync")))

    async with executor:
        record = await executor.execute(invoke(lambda: handler(0), runs_in="sync", timeout_s=patience(20)))
        assert record.status == "success"
        assert depths == list(range(31))
        await eventually(lambda: executor.threads_at_work == 0)
        await executor.execute(invoke(lambda: None, runs_in="sync"))
        left = [thread for thread in threading.enumerate() if thread.name.startswith("hassette-run")]
        await eventually(lambda: sum(thread.is_alive() for thread in left) <= 1)


async def test_two_hundred_handlers_wait_at_once(calls: LoopCalls):
    go = asyncio.Event()
    arrived = 0

    async def wait() -> None:
        nonlocal arrived
        arrived += 1
        if arrived == 200:
            go.set()
        await go.wait()

    async with CommandExecutor(settings=ExecutorSettings(threads=4)) as executor:
        runs = [executor.execute(invoke(lambda: calls.run("x", wait), runs_in="sync")) for _ in range(200)]
        assert {record.status for record in await asyncio.gather(*runs)} == {"success"}


async def test_threads_of_a_pool_are_bounded_even_if_all_wait(calls: LoopCalls):
    go, arrived = asyncio.Event(), 0

    async def wait() -> None:
        nonlocal arrived
        arrived += 1
        await go.wait()

    pool = ThreadPool(2, most=5)
    runs = [asyncio.ensure_future(pool.run(lambda: calls.run("x", wait))) for _ in range(9)]
    await eventually(lambda: arrived == 5)
    assert (pool.busy, pool.parked, pool.at_work) == (9, 5, 4)
    go.set()
    await asyncio.gather(*runs)
    assert arrived == 9
    pool.close()


async def test_thread_that_waits_is_not_at_work_and_is_at_work_again_before_it_continues(calls: LoopCalls):
    pool, began, go, leave = ThreadPool(1), asyncio.Event(), asyncio.Event(), threading.Event()

    async def wait() -> None:
        began.set()
        await go.wait()

    run = asyncio.ensure_future(pool.run(lambda: (calls.run("x", wait), leave.wait(patience(20)))))
    await asyncio.sleep(0)
    assert pool.at_work == 1
    await began.wait()
    await asyncio.sleep(0)
    assert pool.at_work == 0
    go.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert pool.at_work == 1
    leave.set()
    await run
    pool.close()


@pytest.mark.parametrize("swallows", [False, True])
async def test_run_that_is_cancelled_while_its_thread_waits_ends_with_its_thread(calls: LoopCalls, swallows: bool):
    began = asyncio.Event()
    ended: list[str] = []

    async def wait() -> None:
        began.set()
        await forever()

    def handler() -> None:
        try:
            calls.run("x", wait)
        except asyncio.CancelledError:
            ended.append(calls.run("x", lambda: answer("clean-up")))
            if not swallows:
                raise

    async with CommandExecutor() as executor:
        run = asyncio.ensure_future(executor.execute(invoke(handler, runs_in="sync")))
        await began.wait()
        run.cancel()
        await asyncio.wait({run})
        assert ended == ["clean-up"]
        assert run.cancelled() is not swallows
        await eventually(lambda: executor.threads_at_work == 0)


async def test_run_that_exceeds_its_deadline_while_its_thread_waits_shows_the_line_that_waited(calls: LoopCalls):
    moved, began = MovableClock(), asyncio.Event()

    async def wait() -> None:
        began.set()
        await forever()

    def handler() -> None:
        calls.run("x", wait)

    async with CommandExecutor(clock=moved.clock()) as executor:
        run = asyncio.ensure_future(executor.execute(invoke(handler, runs_in="sync", timeout_s=60)))
        await began.wait()
        await moved.let_deadlines_pass(executor)
        record = await run
        assert record.status == "timed_out"
        assert [frame.function.rpartition(".")[2] for frame in record.failure.frames][:1] == ["handler"]


async def test_call_of_a_run_that_has_ended_is_cancelled(calls: LoopCalls):
    began, go = threading.Event(), threading.Event()
    seen: list[BaseException] = []

    def handler() -> None:
        began.set()
        go.wait(patience(20))  # a library that cannot be cancelled
        try:
            calls.run("x", answer)
        except asyncio.CancelledError as error:
            seen.append(error)

    pool = ThreadPool(1)
    run = asyncio.ensure_future(pool.run(handler))
    await eventually(began.is_set)
    run.cancel()
    await asyncio.wait({run})
    assert pool.leaked == 1
    go.set()
    await eventually(lambda: seen and not pool.leaked)
    pool.close()


@pytest.mark.parametrize("cancelled_twice", [False, True])
async def test_thread_that_goes_on_after_its_cancellation_is_abandoned(calls: LoopCalls, cancelled_twice: bool):
    began, caught, go = asyncio.Event(), threading.Event(), threading.Event()

    async def wait() -> None:
        began.set()
        await forever()

    def handler() -> None:
        try:
            calls.run("x", wait)
        except asyncio.CancelledError:
            caught.set()
            go.wait(patience(20))

    pool = ThreadPool(1)
    run = asyncio.ensure_future(pool.run(handler))
    await began.wait()
    run.cancel()
    await eventually(caught.is_set)
    if cancelled_twice:
        run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert pool.leaked == 1
    go.set()
    await eventually(lambda: not pool.leaked)
    pool.close()


async def test_thread_that_waits_again_is_cancelled_again_when_it_is_abandoned(calls: LoopCalls):
    began: list[int] = []
    ended = threading.Event()

    async def wait() -> None:
        began.append(1)
        await forever()

    def handler() -> None:
        try:
            calls.run("x", wait)
        except asyncio.CancelledError:
            try:
                calls.run("x", wait)
            finally:
                ended.set()

    pool = ThreadPool(1)
    run = asyncio.ensure_future(pool.run(handler))
    await eventually(lambda: len(began) == 1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert len(began) == 2
    await eventually(lambda: ended.is_set() and not pool.leaked)
    pool.close()


async def test_reopened_pool_ignores_the_waiting_threads_of_the_old_pool(calls: LoopCalls):
    go, began = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        began.set()
        await go.wait()
        return await answer()

    pool = ThreadPool(1)
    old = asyncio.ensure_future(pool.run(lambda: [calls.run("x", wait), calls.run("x", answer)]))
    await began.wait()
    pool.close()
    pool.open()
    go.set()
    assert await old == ["answer", "answer"]
    assert await pool.run(lambda: calls.run("x", answer)) == "answer"
    await eventually(lambda: (pool.busy, pool.parked) == (0, 0))
    pool.close()


async def test_run_fails_with_the_first_problem_although_its_callable_returns():
    class ForgottenError(HassetteError):
        pass

    def handler() -> None:
        execution = current_execution()
        assert execution is not None
        assert execution.fail(ForgottenError("first"))
        assert execution.fail(ForgottenError("second"))
        kept.append(execution)

    kept: list[Any] = []
    hooked: list[str] = []
    async with CommandExecutor() as executor:
        executor.hooks.set(lambda context: hooked.append(str(context.exception)))
        record = await executor.execute(invoke(handler, runs_in="sync"))
        assert (record.status, record.failure.kind, record.failure.message) == ("error", "hassette", "first")
        assert kept[0].fail(ForgottenError("late"))  # the run has failed already
        await eventually(lambda: hooked == ["first"])


async def test_run_that_has_ended_with_success_cannot_fail():
    kept: list[Any] = []
    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(lambda: kept.append(current_execution()), runs_in="sync"))
        assert record.status == "success"
        assert not kept[0].fail(HassetteError("late"))


async def test_run_that_raises_or_adds_lines_keeps_its_own_failure():
    def handler() -> None:
        execution = current_execution()
        assert execution is not None
        execution.fail(HassetteError("problem"))
        execution.scope.effects_of(execution).add_line(LogLine(1, 40, "app", "line"))
        raise ValueError("its own")

    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(handler, runs_in="sync"))
    assert (record.failure.type, record.failure.message) == ("ValueError", "its own")
    assert [line.message for line in record.effects.log_lines] == ["line"]


async def test_cancelled_error_of_the_handler_itself_leaks_no_thread():
    def handler() -> None:
        raise asyncio.CancelledError

    pool = ThreadPool(1)
    with pytest.raises(asyncio.CancelledError):
        await pool.run(handler)
    await eventually(lambda: (pool.busy, pool.leaked) == (0, 0))
    pool.close()
