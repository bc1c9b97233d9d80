import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from contextvars import ContextVar

import pytest
from executor_kit import TroubledSink, eventually, invoke, let_deadlines_pass

from hassette_executor import CommandExecutor, ExecutorSettings, ExecutorStoppedError
from hassette_executor.running.threads import HandlerThreads

who: ContextVar[str] = ContextVar("who", default="nobody")


async def test_a_sync_handler_runs_in_a_thread_with_the_caller_s_context_variables():
    seen: list[tuple[str, str]] = []

    def handler() -> None:
        seen.append((who.get(), threading.current_thread().name))
        who.set("the thread")

    who.set("the caller")
    async with CommandExecutor() as executor:
        await executor.execute(invoke(handler, runs_in="sync"))
    assert seen == [("the caller", "hassette-handler-1")]
    assert who.get() == "the caller"


async def test_no_more_threads_run_than_the_limit_and_the_rest_wait_their_turn():
    running = most = 0
    lock, together = threading.Lock(), threading.Barrier(3)

    def handler() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(20)  # three run at once, however late a thread begins
        time.sleep(0.01)
        with lock:
            running -= 1

    async with CommandExecutor(settings=ExecutorSettings(threads=3)) as executor:
        records = await asyncio.gather(*(executor.execute(invoke(handler, runs_in="sync")) for _ in range(12)))
    assert most == 3
    assert {record.status for record in records} == {"success"}


async def test_to_wait_for_a_thread_is_to_wait_and_not_to_run():
    go = threading.Event()
    async with CommandExecutor(settings=ExecutorSettings(threads=1)) as executor:
        first = asyncio.ensure_future(executor.execute(invoke(lambda: go.wait(20), runs_in="sync")))
        await eventually(executor.running)
        command = invoke(lambda: time.sleep(1.4), runs_in="sync", timeout_s=2.5)
        asyncio.get_running_loop().call_later(1.4, go.set)
        second = await executor.execute(command)
        await first
    assert second.status == "success", "its deadline counts from its start, not from when it wanted to start"
    assert second.waited_us >= 1_300_000
    assert 1_400_000 <= second.duration_us < 2_500_000
    assert second.waited_us + second.duration_us > 2_500_000


async def test_a_run_that_gets_no_thread_before_its_deadline_was_never_running_and_never_runs():
    go = threading.Event()
    ran: list[int] = []
    async with CommandExecutor(settings=ExecutorSettings(threads=1)) as executor:
        first = asyncio.ensure_future(executor.execute(invoke(lambda: go.wait(20), runs_in="sync")))
        await eventually(executor.running)
        waits = asyncio.ensure_future(executor.execute(invoke(lambda: ran.append(1), runs_in="sync", timeout_s=0.4)))
        await asyncio.sleep(0.3)
        assert len(executor.running()) == 1
        second = await waits
        go.set()
        await first
    assert (second.status, second.duration_us, ran) == ("timed_out", 0, [])
    assert second.waited_us >= 400_000
    assert second.failure.message == "no thread became free within its deadline of 0.4 s"


async def test_a_thread_that_comes_when_the_deadline_has_passed_does_not_begin(monkeypatch):
    go = threading.Event()
    ran: list[int] = []
    taken: list[bool] = []
    async with CommandExecutor(settings=ExecutorSettings(threads=1)) as executor:
        first = asyncio.ensure_future(executor.execute(invoke(lambda: go.wait(20), runs_in="sync")))
        await eventually(executor.running)
        look, calls = executor._inflight._sweep, executor._threads._calls

        def look_and_block() -> None:
            look()
            if any(execution.expired for execution in executor._executions):
                go.set()
                until = time.monotonic() + 20
                while calls and time.monotonic() < until:  # the thread comes now, before the task has heard of its end
                    time.sleep(0.001)
                taken.append(not calls)

        monkeypatch.setattr(executor._inflight, "_sweep", look_and_block)
        second = await executor.execute(invoke(lambda: ran.append(1), runs_in="sync", timeout_s=0.3))
        await first
    assert taken == [True]
    assert (second.status, second.duration_us, ran) == ("timed_out", 0, [])


async def test_one_thread_serves_runs_that_come_one_after_the_other():
    names: set[str] = set()
    async with CommandExecutor() as executor:
        for _ in range(20):
            await executor.execute(invoke(lambda: names.add(threading.current_thread().name), runs_in="sync"))
            await eventually(lambda: not executor._threads._busy)  # it says so a moment after the news of the end
    assert len(names) == 1


async def test_a_thread_that_outlives_its_deadline_is_counted_until_it_ends():
    began, go = threading.Event(), threading.Event()

    def stuck() -> None:
        began.set()
        go.wait(20)

    async with CommandExecutor() as executor:
        running = asyncio.ensure_future(executor.execute(invoke(stuck, runs_in="sync", timeout_s=60)))
        await eventually(began.is_set)
        let_deadlines_pass(executor)
        assert (await running).status == "timed_out"
        assert executor.leaked_threads == 1
        go.set()
        await eventually(lambda: executor.leaked_threads == 0)


async def test_a_run_that_waited_long_for_a_leaked_thread_is_reported_as_running_once_it_has_it():
    began, leave, end = threading.Event(), threading.Event(), threading.Event()

    def stuck() -> None:
        began.set()
        leave.wait(10)

    executor = CommandExecutor(sink := TroubledSink(), settings=ExecutorSettings(threads=1))
    async with executor:
        first = asyncio.ensure_future(executor.execute(invoke(stuck, runs_in="sync", timeout_s=600)))
        await eventually(began.is_set)
        let_deadlines_pass(executor)
        assert (await first).status == "timed_out"
        waits = asyncio.ensure_future(
            executor.execute(invoke(lambda: end.wait(10), name="patient", runs_in="sync", timeout_s=0))
        )
        await eventually(lambda: executor._executions)
        for execution in executor._executions:
            execution.started_ns -= 3_600 * 10**9
        executor._inflight._sweep()
        leave.set()
        try:
            await eventually(lambda: [run.registration.name for run in sink.said("running")] == ["patient"])
        finally:
            end.set()
        await waits


async def test_a_call_cancelled_before_its_thread_began_never_runs_and_is_not_leaked():
    go = threading.Event()
    ran: list[int] = []
    threads = HandlerThreads(1)
    first = asyncio.ensure_future(threads.run(lambda: go.wait(20)))
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


async def test_calls_given_up_before_they_began_leave_nothing_behind_and_that_no_thread_is_left_is_said_once(caplog):
    class Heavy:
        def __call__(self) -> None:
            raise AssertionError("it must not run")

    began, go = threading.Event(), threading.Event()

    def stuck() -> None:
        began.set()
        go.wait(20)

    async with CommandExecutor(settings=ExecutorSettings(threads=1)) as executor:
        running = asyncio.ensure_future(executor.execute(invoke(stuck, runs_in="sync", timeout_s=60)))
        await eventually(began.is_set)
        let_deadlines_pass(executor)
        assert (await running).status == "timed_out"
        alive: list[weakref.ref[Heavy]] = []
        for _ in range(3):
            heavy = Heavy()
            alive.append(weakref.ref(heavy))
            command = invoke(heavy, runs_in="sync", timeout_s=0.02)
            del heavy
            assert (await executor.execute(command)).status == "timed_out"
            del command
        await eventually(lambda: gc.collect() >= 0 and [one() for one in alive] == [None] * 3)
        assert (len(executor._threads._calls), executor._threads._busy) == (0, 1)
        go.set()
        await eventually(lambda: executor.leaked_threads == 0)
    (line,) = [line for line in caplog.records if line.name == "hassette_executor.executor"]
    assert line.getMessage().startswith("All threads are held by calls that did not end in time")
    assert line.threads == 1


async def test_a_call_cancelled_after_its_thread_has_ended_is_not_leaked():
    # What would break: the thread has counted itself out already, so the count would never come back to zero.
    threads = HandlerThreads(1)
    ended = threading.Event()
    running = asyncio.ensure_future(threads.run(ended.set))
    await asyncio.sleep(0)
    assert ended.wait(20)
    deadline = time.monotonic() + 20
    while threads._busy and time.monotonic() < deadline:  # the loop must not run, or it would hear of the end
        time.sleep(0.001)  # noqa: ASYNC251  see above
    assert not threads._busy
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert threads.leaked == 0
    threads.close()


async def test_stop_iteration_out_of_a_thread_is_an_error_and_no_hang():
    async with CommandExecutor() as executor:
        record = await executor.execute(invoke(lambda: next(iter(())), runs_in="sync", timeout_s=5))
    assert (record.status, record.failure.type) == ("error", "RuntimeError")
    assert "StopIteration" in record.failure.message


async def test_a_failure_in_a_thread_is_told_without_our_own_frames_and_leaves_no_cycle_behind():
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


async def test_a_pool_takes_no_calls_when_closed_and_new_threads_when_opened_again():
    began, go = threading.Event(), threading.Event()
    threads = HandlerThreads(1)
    stuck = asyncio.ensure_future(threads.run(lambda: (began.set(), go.wait(20))))
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


async def test_a_thread_that_cannot_be_started_fails_its_own_run_only(monkeypatch):
    threads = HandlerThreads(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no more threads")))
        with pytest.raises(RuntimeError, match="no more threads"):
            await threads.run(lambda: None)
    assert await threads.run(lambda: 7) == 7
    threads.close()


def test_a_process_with_a_leaked_thread_ends():
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
                print(record.status, executor.leaked_threads)
        asyncio.run(main())
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "timed_out 1")


def test_a_thread_whose_loop_is_gone_ends_quietly():
    go = threading.Event()
    stuck: list[threading.Thread] = []

    def handler() -> None:
        stuck.append(threading.current_thread())
        go.wait(40)

    async def main() -> None:
        async with CommandExecutor() as executor:
            running = asyncio.ensure_future(executor.execute(invoke(handler, runs_in="sync", timeout_s=60)))
            await eventually(lambda: stuck)
            let_deadlines_pass(executor)
            assert (await running).status == "timed_out"

    asyncio.run(main())
    (thread,) = stuck
    assert thread.is_alive()
    go.set()
    thread.join(20)
    assert not thread.is_alive()
