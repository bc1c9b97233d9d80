import asyncio
import logging
import threading
from functools import partial

import pytest

from hassette_executor import (
    CommandExecutor,
    ErrorContext,
    ExecutionTimeoutError,
    ExecutorSettings,
    HassetteError,
    LifecycleEvent,
    MemorySink,
    Record,
    current_hook_call,
    hook_call,
)
from support.records import failing, invoke, listener, nothing, raising
from support.waiting import eventually, patience


def noting(seen: list[str], name: str):
    async def hook(context: ErrorContext) -> None:
        seen.append(name)

    return hook


async def test_only_the_most_specific_error_hook_runs():
    seen: list[str] = []
    one, other, elsewhere = listener("one"), listener("other"), listener("x", app="garden")
    async with CommandExecutor() as executor:
        executor.hooks.set(noting(seen, "global"))
        executor.hooks.set(noting(seen, "app"), app=("hall", "main"))
        executor.hooks.set(noting(seen, "registration"), registration=one)
        for registration in (one, other, elsewhere):
            await executor.execute(invoke(failing, registration))
        await eventually(lambda: len(seen) == 3)
        executor.hooks.set(None, registration=one)
        executor.hooks.set(None, app=("hall", "main"))
        await executor.execute(invoke(failing, one))
        executor.hooks.set(None)
        await executor.execute(invoke(failing, one))
        await eventually(lambda: len(seen) == 4)
    assert seen == ["registration", "app", "global", "global"]


async def test_hook_gets_the_exception_its_traceback_the_command_and_the_record():
    contexts: list[ErrorContext] = []
    async with CommandExecutor() as executor:
        executor.hooks.set(contexts.append)
        command = invoke(failing)
        record = await executor.execute(command)
        await eventually(lambda: contexts)
    (context,) = contexts
    assert isinstance(context.exception, ValueError)
    assert context.command is command
    assert context.record is record
    assert "in failing" in context.traceback
    assert "ValueError: the sensor did not respond" in context.traceback


async def test_hook_gets_an_execution_timeout_error_with_its_cause():
    contexts: list[ErrorContext] = []
    async with CommandExecutor() as executor:
        executor.hooks.set(contexts.append)
        await executor.execute(invoke(lambda: asyncio.sleep(5), timeout_s=0.01))
        await eventually(lambda: contexts)
    error = contexts[0].exception
    assert isinstance(error, ExecutionTimeoutError)
    assert isinstance(error, TimeoutError)
    assert error.timeout_s == 0.01
    assert isinstance(error.__cause__, asyncio.CancelledError)


async def test_successes_and_cancellations_call_no_hook_but_expected_errors_do():
    contexts: list[ErrorContext] = []
    async with CommandExecutor() as executor:
        executor.hooks.set(contexts.append)
        await executor.execute(invoke(nothing))
        with pytest.raises(asyncio.CancelledError):
            await executor.execute(invoke(raising(asyncio.CancelledError())))
        await executor.execute(invoke(raising(HassetteError("foreseen"))))
        await eventually(lambda: contexts)
    assert [str(context.exception) for context in contexts] == ["foreseen"]


async def test_sync_hook_runs_in_a_thread_and_its_result_is_awaited():
    threads: list[str] = []
    awaited: list[str] = []

    async def later() -> None:
        awaited.append(threading.current_thread().name)

    def hook(context: ErrorContext):
        threads.append(threading.current_thread().name)
        return later()

    async with CommandExecutor() as executor:
        executor.hooks.set(hook)
        await executor.execute(invoke(failing))
        await eventually(lambda: awaited)
    assert threads[0].startswith("hassette-hook")
    assert awaited == [threading.current_thread().name]


async def test_async_hooks_of_every_kind_run_on_the_loop():
    where: list[str] = []

    async def hook(context: ErrorContext, extra: int = 0) -> None:
        where.append(threading.current_thread().name)

    class Hook:
        async def __call__(self, context: ErrorContext) -> None:
            await hook(context)

    async with CommandExecutor() as executor:
        for shape in (hook, partial(hook, extra=1), Hook(), Hook().__call__):
            executor.hooks.set(shape)
            await executor.execute(invoke(failing))
        await eventually(lambda: len(where) == 4)
    assert set(where) == {threading.current_thread().name}


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
async def test_failing_hook_is_logged_and_counted(caplog, error):
    async def hook(context: ErrorContext) -> None:
        raise error

    async with CommandExecutor() as executor:
        executor.hooks.set(hook)
        record = await executor.execute(invoke(failing))
        await eventually(lambda: executor.hooks.failed == 1)
    (line,) = [line for line in caplog.records if line.name == "hassette_executor.running.error_hooks"]
    assert (line.getMessage(), line.record_id, line.levelno) == ("Error hook failed", record.id, logging.ERROR)


async def test_hung_hook_is_cancelled_at_its_time_limit():
    ended: list[str] = []

    async def hook(context: ErrorContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cut off")

    async with CommandExecutor(settings=ExecutorSettings(hook_timeout_s=0.02)) as executor:
        executor.hooks.set(hook)
        await executor.execute(invoke(failing))
        await eventually(lambda: ended)
        await eventually(lambda: executor.hooks.failed == 1)


async def test_hung_sync_hooks_take_no_threads_of_handlers():
    go = threading.Event()
    began: list[ErrorContext] = []

    def hook(context: ErrorContext) -> None:
        began.append(context)
        go.wait(patience(20))

    settings = ExecutorSettings(threads=1, hooks_at_once=2, hook_timeout_s=2)
    async with CommandExecutor(settings=settings) as executor:
        executor.hooks.set(hook)
        for _ in range(2):
            await executor.execute(invoke(failing))
        await eventually(lambda: executor.hooks.failed == 2)
        assert len(began) == 2
        assert (await executor.execute(invoke(lambda: None, runs_in="sync", timeout_s=10))).status == "success"
        go.set()


async def test_hooks_beyond_the_limit_are_refused_and_counted(caplog):
    go = asyncio.Event()

    async def hook(context: ErrorContext) -> None:
        await go.wait()

    async with CommandExecutor(settings=ExecutorSettings(hooks_at_once=2)) as executor:
        executor.hooks.set(hook)
        for _ in range(5):
            await executor.execute(invoke(failing))
        assert executor.hooks.refused == 3
        go.set()
    assert executor.hooks.failed == 0
    lines = [line for line in caplog.records if line.name == "hassette_executor.running.error_hooks"]
    assert [line.getMessage() for line in lines] == ["Error hook was refused: too many error hooks are running"]


async def test_failure_inside_of_a_hook_calls_no_hook():
    calls: list[str] = []
    async with CommandExecutor() as executor:

        async def hook(context: ErrorContext) -> None:
            calls.append("outer")
            await executor.execute(invoke(failing))
            await asyncio.create_task(executor.execute(invoke(failing)))
            calls.append("done")

        executor.hooks.set(hook)
        await executor.execute(invoke(failing))
        await eventually(lambda: "done" in calls)
    assert calls == ["outer", "done"]
    assert executor.accounting().executed == 3


async def test_log_lines_of_a_hook_belong_to_no_run():
    async def hook(context: ErrorContext) -> None:
        logging.getLogger("apps.hall").warning("from the hook")
        done.set()

    done = asyncio.Event()
    async with CommandExecutor() as executor:
        executor.hooks.set(hook)

        async def outer() -> None:
            await executor.execute(invoke(failing))
            await done.wait()

        assert (await executor.execute(invoke(outer))).effects is None


async def test_stop_waits_for_hooks_then_cancels_counts_and_logs_them(caplog):
    async def hook(context: ErrorContext) -> None:
        await asyncio.Event().wait()

    executor = CommandExecutor(settings=ExecutorSettings(stop_timeout_s=0.2))
    await executor.start()
    executor.hooks.set(hook)
    await executor.execute(invoke(failing))
    async with asyncio.timeout(patience(10)):
        await executor.stop()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "hassette-error-hook"]
    assert executor.hooks.failed == 1
    assert [line.hooks for line in caplog.records if line.getMessage().startswith("Error hooks were cancelled")] == [1]


async def test_retiring_a_registration_removes_its_hook():
    seen: list[str] = []
    registration = listener()
    async with CommandExecutor() as executor:
        executor.register(registration)
        executor.hooks.set(noting(seen, "its own"), registration=registration)
        executor.retire(registration)
        assert executor.hooks.find(registration) is None


class UnreadableError(Exception):
    def __str__(self):
        raise SystemExit


@pytest.mark.parametrize(
    "error", [SystemExit(0), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), UnreadableError()]
)
@pytest.mark.parametrize("in_thread", [False, True])
async def test_hook_that_exits_is_logged_and_ends_nothing_else(error, in_thread, caplog):
    async def exiting(_: ErrorContext) -> None:
        raise error

    def exiting_in_a_thread(_: ErrorContext) -> None:
        raise error

    async with CommandExecutor() as executor:
        executor.hooks.set(exiting_in_a_thread if in_thread else exiting)
        await executor.execute(invoke(failing))
        await eventually(lambda: executor.hooks.failed == 1)
    (line,) = [line for line in caplog.records if line.message == "Error hook failed"]
    assert type(error).__name__ in vars(line)["error"]


async def test_hook_that_cancels_its_own_task_is_logged(caplog):
    async def cancelling(_: ErrorContext) -> None:
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    async with CommandExecutor() as executor:
        executor.hooks.set(cancelling)
        await executor.execute(invoke(failing))
        await eventually(lambda: executor.hooks.failed == 1)
    assert "Error hook failed" in caplog.text


@pytest.mark.parametrize("length", range(1_970, 2_000, 5))
async def test_secret_in_the_error_of_a_hook_is_masked_before_the_error_is_cut(
    caplog: pytest.LogCaptureFixture, length: int
) -> None:
    async def hook(_: ErrorContext) -> None:
        raise ValueError("x" * length + "hunter22 swordfish" + "y" * 2_000)

    async with CommandExecutor(redact=lambda text: text.replace("hunter22 swordfish", "•••")) as executor:
        executor.hooks.set(hook)
        await executor.execute(invoke(failing))
        await eventually(lambda: executor.hooks.failed)
    (line,) = [line for line in caplog.records if line.message == "Error hook failed"]
    assert "hunter" not in vars(line)["error"]


class Observer:
    """Notes failed runs and lifecycle events."""

    def __init__(self) -> None:
        self.failed: list[Record] = []
        self.kinds: list[str] = []

    def run_failed(self, record: Record) -> None:
        self.failed.append(record)

    def reported(self, event: LifecycleEvent) -> None:
        self.kinds.append(event.kind)


async def test_observer_receives_failed_runs_and_lifecycle_events() -> None:
    async with CommandExecutor(MemorySink()) as executor:
        await executor.execute(invoke(failing))
        executor.report("app_started", "hall.one")
        executor.hooks.observer = observer = Observer()
        executor.hooks.set(lambda context: None)
        await executor.execute(invoke(nothing))
        record = await executor.execute(invoke(failing))
        executor.report("app_failed", "hall.one")
    assert observer.failed == [record]
    assert observer.kinds[:1] == ["app_failed"]


@pytest.mark.parametrize("runs_in", ["async", "sync"])
async def test_hook_that_other_code_lets_fail_counts_as_failed(runs_in: str, caplog: pytest.LogCaptureFixture):
    def fail(context: ErrorContext) -> None:
        call = current_hook_call()
        assert call is not None
        assert call.fail(HassetteError("first"))
        assert call.fail(HassetteError("second"))

    async def fail_async(context: ErrorContext) -> None:
        fail(context)

    async with CommandExecutor() as executor:
        executor.hooks.set(fail if runs_in == "sync" else fail_async)
        await executor.execute(invoke(failing))
        await eventually(lambda: executor.hooks.failed == 1)
    (line,) = [line for line in caplog.records if line.message == "Error hook failed"]
    assert vars(line)["error"] == "hassette_executor.errors.HassetteError: first"


def test_hook_call_that_has_ended_cannot_fail():
    assert current_hook_call() is None
    with hook_call() as call:
        assert current_hook_call() is call
    assert current_hook_call() is None
    with pytest.raises(ValueError, match="of the hook"), hook_call() as failed:
        raise ValueError("of the hook")
    for ended in (call, failed):
        assert ended.fail(HassetteError("too late")) is False


def test_exception_of_a_hook_comes_before_the_failure_by_other_code():
    def run(error: Exception | None) -> None:
        with hook_call() as call:
            call.fail(HassetteError("by other code"))
            if error is not None:
                raise error

    with pytest.raises(ValueError, match="of the hook"):
        run(ValueError("of the hook"))
    with pytest.raises(HassetteError, match="by other code"):
        run(None)
