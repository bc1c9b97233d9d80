import asyncio
import gc
import logging
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from hassette_executor import (
    Clock,
    CommandExecutor,
    ErrorContext,
    ExecutorSettings,
    ExecutorStoppedError,
    InvokeHandler,
    RepeatedLog,
    current_execution,
)
from hassette_executor.running.threads import ThreadPool
from support.records import MovableClock, forever, invoke
from support.sinks import FaultySink
from support.waiting import eventually, patience

caller: ContextVar[str] = ContextVar("caller", default="unknown")


async def test_sync_handler_runs_in_a_thread_with_the_context_variables_of_the_caller():
    seen: list[tuple[str, str]] = []

    def handler() -> None:
        seen.append((caller.get(), threading.current_thread().name))
        caller.set("the thread")

    caller.set("the caller")
    async with CommandExecutor() as executor:
        await executor.execute(invoke(handler, runs_in="sync"))
    assert seen == [("the caller", "hassette-run-1")]
    assert caller.get() == "the caller"


async def test_threads_are_limited_and_further_calls_wait():
    running = most = 0
    lock, together = threading.Lock(), threading.Barrier(3)

    def handler() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(patience(20))  # three run at once, however late a thread begins
        time.sleep(0.01)
        with lock:
            running -= 1

    async with CommandExecutor(settings=ExecutorSettings(threads=3)) as executor:
        records = await asyncio.gather(*(executor.execute(invoke(handler, runs_in="sync")) for _ in range(12)))
    assert most == 3
    assert {record.status for record in records} == {"success"}


async def test_waiting_for_a_thread_is_waiting_time_and_not_running_time():
    go, began, leave = threading.Event(), threading.Event(), threading.Event()

    def handler() -> None:
        began.set()
        leave.wait(patience(20))

    moved = MovableClock()
    settings = ExecutorSettings(threads=1, timeout_s=0)
    async with CommandExecutor(settings=settings, clock=moved.clock()) as executor:
        first = asyncio.ensure_future(executor.execute(invoke(lambda: go.wait(patience(20)), runs_in="sync")))
        await eventually(executor.running)
        second = asyncio.ensure_future(executor.execute(invoke(handler, runs_in="sync", timeout_s=6_000)))
        await asyncio.sleep(0)
        moved.monotonic_s += 4_000
        go.set()
        await first
        await eventually(began.is_set)
        moved.monotonic_s += 4_000
        await executor.execute(invoke(forever, timeout_s=0.001))  # checks the deadlines of all runs
        leave.set()
        record = await second
    assert record.status == "success", "the deadline counts from the start in the thread"
    assert record.waited_us >= 4_000_000_000
    assert 4_000_000_000 <= record.duration_us < 6_000_000_000


async def test_run_without_a_thread_before_its_deadline_never_runs():
    go = threading.Event()
    ran: list[int] = []
    async with CommandExecutor(settings=ExecutorSettings(threads=1)) as executor:
        first = asyncio.ensure_future(executor.execute(invoke(lambda: go.wait(patience(20)), runs_in="sync")))
        await eventually(executor.running)
        waits = asyncio.ensure_future(executor.execute(invoke(lambda: ran.append(1), runs_in="sync", timeout_s=0.4)))
        await asyncio.sleep(0.3)
        assert len(executor.running()) == 1
        second = await waits
        go.set()
        await first
    assert (second.status, second.duration_us, ran) == ("timed_out", 0, [])
    assert second.waited_us >= 400_000
    assert second.failure.message == "the deadline of 0.4 s passed before a thread became free"


async def test_thread_that_becomes_free_after_the_deadline_does_not_start_the_run():
    first_ends, third_began = threading.Event(), threading.Event()
    ran: list[int] = []
    passed_ns = 0

    def wall_ns() -> int:
        # Called at the end of the sweep in which the deadline passes, before the task handles its cancellation.
        if passed_ns and not third_began.is_set():
            first_ends.set()
            assert third_began.wait(patience(20)), "the thread has skipped the expired run"
        return time.time_ns()

    clock = Clock(wall_ns=wall_ns, monotonic_ns=lambda: time.monotonic_ns() + passed_ns)
    async with CommandExecutor(settings=ExecutorSettings(threads=1), clock=clock) as executor:
        first = asyncio.ensure_future(executor.execute(invoke(lambda: first_ends.wait(patience(20)), runs_in="sync")))
        await eventually(executor.running)
        expiring = invoke(lambda: ran.append(1), runs_in="sync", timeout_s=100)
        second = asyncio.ensure_future(executor.execute(expiring))
        third = asyncio.ensure_future(executor.execute(invoke(third_began.set, runs_in="sync")))
        await asyncio.sleep(0)
        passed_ns = 200 * 10**9
        expired, *_ = await asyncio.gather(second, first, third)
    assert (expired.status, expired.duration_us, ran) == ("timed_out", 0, [])


async def test_one_thread_serves_calls_that_follow_each_other():
    names: set[str] = set()
    threads = ThreadPool(16)
    for _ in range(20):
        await threads.run(lambda: names.add(threading.current_thread().name))
        await eventually(lambda: not threads.busy)  # the thread decrements `busy` after it has reported the result
    assert len(names) == 1
    threads.close()


async def test_thread_that_outlives_its_deadline_is_held_and_logged_until_its_call_ends(caplog):
    began, go = threading.Event(), threading.Event()
    ended: list[str] = []

    def stuck() -> None:
        began.set()
        go.wait(patience(20))
        ended.append("stuck")

    moved = MovableClock()
    async with CommandExecutor(settings=ExecutorSettings(threads=1), clock=moved.clock()) as executor:
        running = asyncio.ensure_future(executor.execute(invoke(stuck, runs_in="sync", timeout_s=60)))
        await eventually(began.is_set)
        await moved.let_deadlines_pass(executor)
        assert (await running).status == "timed_out"
        later = asyncio.ensure_future(executor.execute(invoke(lambda: ended.append("later"), runs_in="sync")))
        await asyncio.sleep(0)
        go.set()
        assert (await later).status == "success"
    assert ended == ["stuck", "later"]
    (line,) = [line for line in caplog.records if line.name == "hassette_executor.executor"]
    assert line.getMessage() == "Hung calls hold all threads that one app may have; further calls of this app wait"


async def test_hung_handlers_of_one_app_do_not_delay_the_handlers_and_hooks_of_another_app():
    began, go = threading.Event(), threading.Event()
    reported: list[str] = []

    def stuck() -> None:
        began.set()
        go.wait(patience(20))

    def stuck_hook(context: ErrorContext) -> None:
        stuck()

    def fails() -> None:
        raise ValueError("no")

    def runs_of(app: str, call: Callable[[], None], **more: Any) -> InvokeHandler:
        return invoke(call, app=app, runs_in="sync", **more)

    moved = MovableClock()
    settings = ExecutorSettings(threads=1, hooks_at_once=1, hook_timeout_s=patience(0.5))
    async with CommandExecutor(settings=settings, clock=moved.clock()) as executor:
        executor.hooks.set(stuck_hook, app=("a", "main"))
        executor.hooks.set(lambda context: reported.append(context.record.registration.app), app=("b", "main"))
        hung = asyncio.ensure_future(executor.execute(runs_of("a", stuck, timeout_s=60)))
        await eventually(began.is_set)
        waits = asyncio.ensure_future(executor.execute(runs_of("b", lambda: None, timeout_s=0)))
        await asyncio.sleep(0)
        began.clear()
        await moved.let_deadlines_pass(executor)
        assert (await hung).status == "timed_out"
        assert (await waits).status == "success", "another thread takes the place of the hung one"
        await eventually(began.is_set)
        await eventually(lambda: executor.hooks.failed == 1)
        for _ in range(3):
            assert (await executor.execute(runs_of("b", lambda: None))).status == "success"
        later = asyncio.ensure_future(executor.execute(runs_of("a", lambda: None)))
        assert (await executor.execute(runs_of("b", fails))).status == "error"
        await eventually(lambda: reported == ["b"])
        assert not later.done()
        executor.renew_threads("a")  # a newer version of the app starts
        assert (await executor.execute(runs_of("a", lambda: None))).status == "success"
        go.set()
        assert (await later).status == "success"


async def test_thread_that_hangs_over_a_close_does_not_count_in_the_reopened_pool():
    began, go = threading.Event(), threading.Event()
    threads = ThreadPool(1)
    stuck = asyncio.ensure_future(threads.run(lambda: (began.set(), go.wait(patience(20))), "a"))
    await eventually(began.is_set)
    threads.close()
    threads.open()
    stuck.cancel()
    await asyncio.wait({stuck})
    assert threads.leaked == 1
    assert await threads.run(lambda: 7, "a") == 7
    go.set()
    await eventually(lambda: threads.leaked == 0)
    threads.close()


async def test_run_that_waited_long_for_a_thread_is_reported_as_running_once_it_has_one():
    began, leave, end = threading.Event(), threading.Event(), threading.Event()

    def stuck() -> None:
        began.set()
        leave.wait(patience(10))

    moved = MovableClock()
    settings = ExecutorSettings(threads=1)
    async with CommandExecutor(sink := FaultySink(), settings=settings, clock=moved.clock()) as executor:
        first = asyncio.ensure_future(executor.execute(invoke(stuck, runs_in="sync", timeout_s=600)))
        await eventually(began.is_set)
        await moved.let_deadlines_pass(executor)
        assert (await first).status == "timed_out"
        waiting = invoke(lambda: end.wait(patience(10)), name="waiting", runs_in="sync", timeout_s=0)
        second = asyncio.ensure_future(executor.execute(waiting))
        await asyncio.sleep(0)
        moved.monotonic_s += 3_600
        leave.set()
        try:
            await eventually(lambda: [run.registration.name for run in sink.stored("running")] == ["waiting"])
        finally:
            end.set()
        await second


async def test_call_cancelled_before_it_began_never_runs_and_is_not_leaked():
    go = threading.Event()
    ran: list[int] = []
    threads = ThreadPool(1)
    first = asyncio.ensure_future(threads.run(lambda: go.wait(patience(20))))
    waiting = asyncio.ensure_future(threads.run(lambda: ran.append(1)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert threads.leaked == 0
    go.set()
    await first
    await threads.run(lambda: None)
    assert ran == []
    threads.close()


async def test_cancelled_calls_leave_nothing_behind_and_one_line_reports_that_no_thread_is_left(caplog):
    class Heavy:
        def __call__(self) -> None:
            raise AssertionError("it must not run")

    began, go = threading.Event(), threading.Event()

    def stuck() -> None:
        began.set()
        go.wait(patience(20))

    threads = ThreadPool(1, log=RepeatedLog(logging.getLogger("pool"), 60))
    running = asyncio.ensure_future(threads.run(stuck))
    await eventually(began.is_set)
    running.cancel()
    await asyncio.wait({running})
    assert threads.leaked == 1
    alive: list[weakref.ref[Heavy]] = []
    for _ in range(3):
        heavy = Heavy()
        alive.append(weakref.ref(heavy))
        waiting = asyncio.ensure_future(threads.run(heavy))
        del heavy
        await asyncio.sleep(0.01)  # a new thread looks at the call, and may not run it
        assert threads.busy == 2
        waiting.cancel()
        await asyncio.wait({waiting})
        del waiting
    await eventually(lambda: gc.collect() >= 0 and [one() for one in alive] == [None] * 3)
    assert threads.busy == 1
    go.set()
    await eventually(lambda: threads.leaked == 0)
    (line,) = caplog.records
    assert line.getMessage() == "Hung calls hold all threads that one app may have; further calls of this app wait"
    assert line.threads == 1
    threads.close()


async def test_call_cancelled_after_it_has_ended_is_not_leaked():
    # The thread decrements `leaked` only while it ends a call. A call that is counted later would stay counted.
    threads = ThreadPool(1)
    ended = threading.Event()
    running = asyncio.ensure_future(threads.run(ended.set))
    await asyncio.sleep(0)
    assert ended.wait(patience(20))
    deadline = time.monotonic() + patience(20)
    while threads.busy and time.monotonic() < deadline:  # without await: the event loop must not process the result
        time.sleep(0.001)  # noqa: ASYNC251  see above
    assert not threads.busy
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert threads.leaked == 0
    threads.close()


async def test_stop_iteration_in_a_thread_is_a_failed_run():
    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(lambda: next(iter(())), runs_in="sync", timeout_s=5))
    assert (record.status, record.failure.type) == ("error", "RuntimeError")
    assert "StopIteration" in record.failure.message


async def test_failure_in_a_thread_has_no_frames_of_the_executor_and_leaves_no_cycle():
    class Heavy:
        pass

    alive: list[weakref.ref[Heavy]] = []

    def handler() -> None:
        heavy = Heavy()
        alive.append(weakref.ref(heavy))
        raise ValueError("no")

    gc.disable()
    try:
        async with CommandExecutor() as executor:
            record = await executor.execute(invoke(handler, runs_in="sync"))
            await eventually(lambda: alive[0]() is None)
    finally:
        gc.enable()
    assert [frame.function.rpartition(".")[2] for frame in record.failure.frames] == ["handler"]


async def test_closed_pool_refuses_calls_and_a_reopened_pool_starts_new_threads():
    began, go = threading.Event(), threading.Event()
    threads = ThreadPool(1)
    stuck = asyncio.ensure_future(threads.run(lambda: (began.set(), go.wait(patience(20)))))
    await eventually(began.is_set)
    threads.close()
    threads.close()
    with pytest.raises(ExecutorStoppedError):
        await threads.run(lambda: None)
    threads.open()
    threads.open()
    assert await threads.run(lambda: 7) == 7  # although the old pool's only thread is stuck
    go.set()
    await stuck
    assert await threads.run(lambda: 8) == 8
    threads.close()


async def test_thread_that_cannot_be_started_fails_only_its_run(monkeypatch):
    threads = ThreadPool(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no more threads")))
        with pytest.raises(RuntimeError, match="no more threads"):
            await threads.run(lambda: None)
    assert await threads.run(lambda: 7) == 7
    threads.close()


def test_process_with_a_leaked_thread_ends():
    program = textwrap.dedent("""
        import asyncio, threading, time
        from hassette_executor import *
        def stuck(): time.sleep(600)
        async def main():
            async with CommandExecutor(settings=ExecutorSettings(stop_timeout_s=1)) as executor:
                registration = ListenerRegistration(
                    app="a", instance="b", name="c", topic="d", handler="e", runs_in="sync", timeout_s=3)
                record = await executor.execute(InvokeHandler(
                    registration=registration, call=stuck, trigger=EventTrigger("x"), ready_ns=0))
                held = [one.name for one in threading.enumerate() if one.name.startswith("hassette-run")]
                print(record.status, *held)
        asyncio.run(main())
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=patience(50), check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "timed_out hassette-run-1")


def test_thread_of_a_closed_loop_ends_quietly():
    go = threading.Event()
    stuck: list[threading.Thread] = []

    def handler() -> None:
        stuck.append(threading.current_thread())
        go.wait(patience(40))

    async def main() -> None:
        moved = MovableClock()
        async with CommandExecutor(clock=moved.clock()) as executor:
            running = asyncio.ensure_future(executor.execute(invoke(handler, runs_in="sync", timeout_s=60)))
            await eventually(lambda: stuck)
            await moved.let_deadlines_pass(executor)
            assert (await running).status == "timed_out"

    asyncio.run(main())
    (thread,) = stuck
    assert thread.is_alive()
    go.set()
    thread.join(patience(20))
    assert not thread.is_alive()


@pytest.mark.parametrize("generator", [lambda: (each for each in [1]), lambda: forever_yielding()])
async def test_plain_handler_that_returns_a_generator_has_failed(generator: object):
    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(generator, runs_in="sync"))  # type: ignore[arg-type]
    assert record.failure is not None
    assert record.failure.message == (
        "the function returned a generator, which has run nothing: write a `for` loop in place of the generator"
    )


async def forever_yielding():
    while True:
        yield


class Tracked:
    """A result that notes whether the run was in progress when it was deleted."""

    def __init__(self, deleted: list[bool]) -> None:
        self._deleted = deleted

    def __del__(self) -> None:
        self._deleted.append(current_execution() is not None)


async def test_result_of_a_plain_handler_is_deleted_during_its_run():
    deleted: list[bool] = []
    async with CommandExecutor() as executor:
        for _ in range(200):
            await executor.execute(invoke(lambda: Tracked(deleted), runs_in="sync"))
            assert deleted.pop() is True


async def test_hung_calls_of_an_owner_do_not_delay_its_calls_after_a_renewal_up_to_half_of_all_threads():
    go = threading.Event()
    threads = ThreadPool(1, most=4)

    async def hang() -> None:
        began = threading.Event()
        stuck = asyncio.ensure_future(threads.run(lambda: (began.set(), go.wait(patience(20))), "a"))
        await eventually(began.is_set)
        stuck.cancel()
        await asyncio.wait({stuck})

    await hang()
    waits = asyncio.ensure_future(threads.run(lambda: 6, "a"))
    await threads.run(lambda: None, "b")
    assert not waits.done()
    threads.renew("a")
    assert await threads.run(lambda: 7, "a") == 7
    await hang()
    threads.renew("a")
    last = asyncio.ensure_future(threads.run(lambda: 8, "a"))
    await threads.run(lambda: None, "b")
    assert not last.done()
    go.set()
    assert (await waits, await last) == (6, 8)
    await eventually(lambda: threads.leaked == 0)
