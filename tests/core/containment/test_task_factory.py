"""The exit of a task of an app ends only this task. An app cannot end tasks of the framework."""

import asyncio
import gc
import sys
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from hassette_core.containment import ACTOR as ACTOR_VARIABLE
from hassette_core.containment import FRAMEWORK, Actor, acting_for, containing_tasks
from hassette_core.errors import AppExitError
from hassette_core.roster.owned_tasks import OwnedTasks
from support.waiting import eventually

ACTOR = ("hall", "upstairs", "on_motion")
Reports = list[tuple[str, str, str]]


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
async def contained(reports: Reports) -> Any:
    with containing_tasks(lambda kind, subject, detail: reports.append((kind, subject, detail))):
        yield


async def leave() -> None:
    await asyncio.sleep(0)
    sys.exit("bye")


async def stay() -> None:
    await asyncio.Event().wait()


@pytest.mark.usefixtures("contained")
async def test_task_of_an_app_that_calls_sys_exit_fails_and_the_app_is_named(
    reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    with acting_for(ACTOR):
        task = asyncio.create_task(leave(), name="leaving")
    with pytest.raises(
        AppExitError, match=r"hall\.upstairs tried to end the process: SystemExit: bye \(line \d+ of"
    ) as e:
        await task
    assert isinstance(e.value.__cause__, SystemExit)
    assert task.get_name() == "leaving"
    ((kind, subject, detail),) = reports
    assert (kind, subject) == ("app_exit_refused", "hall.upstairs")
    assert "SystemExit: bye" in detail
    (line,) = [line for line in caplog.records if "App tried to end the process" in line.message]
    assert vars(line)["app"] == "hall.upstairs"


@pytest.mark.usefixtures("contained")
async def test_task_group_and_gather_of_an_app_contain_the_exit() -> None:
    with acting_for(ACTOR):
        with pytest.raises(BaseExceptionGroup) as group:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(leave())
        assert isinstance(group.value.exceptions[0], AppExitError)
        with pytest.raises(AppExitError):
            await asyncio.gather(leave(), asyncio.sleep(0))
        with pytest.raises(AppExitError):
            await asyncio.wait_for(asyncio.ensure_future(leave()), 10)


@pytest.mark.usefixtures("contained")
async def test_same_exit_is_recorded_once_a_minute(reports: Reports) -> None:
    with acting_for(ACTOR):
        for _ in range(100):
            with pytest.raises(AppExitError):
                await asyncio.create_task(leave())
    assert len(reports) == 1


async def test_app_cannot_cancel_tasks_of_the_framework_and_runs_of_other_apps(
    reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    runs = OwnedTasks()
    with containing_tasks(lambda *event: reports.append(event)):
        reader = asyncio.create_task(stay(), name="the reader")
        run = runs.start(stay(), runs.prepare(lambda _: None, ("garden", "pond", "on_rain")))
        mine = runs.start(stay(), runs.prepare(lambda _: None, ("hall", "upstairs", "cancel_all")))
        with acting_for(("hall", "upstairs", "cancel_all")):
            background = asyncio.create_task(stay())
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
    await asyncio.wait({mine, background})
    assert mine.cancelled()
    assert background.cancelled()
    assert not reader.cancelling()
    assert not run.cancelling()
    assert "App tried to cancel a task of the framework" in caplog.text
    reader.cancel()
    run.cancel()
    await asyncio.wait({reader, run})
    assert reader.cancelled()
    assert run.cancelled()


async def test_app_cannot_cancel_the_background_tasks_of_other_apps(reports: Reports) -> None:
    with containing_tasks(lambda *event: reports.append(event)):
        with acting_for(("garden", "pond", "on_rain")):
            background = asyncio.create_task(stay())
        with acting_for(ACTOR):
            assert not background.cancel()
        assert not background.cancelling()
        with acting_for(("garden", "pond", "on_sun")):
            assert background.cancel()
    await asyncio.wait({background})
    assert background.cancelled()


WAITS: dict[str, Any] = {
    "await": lambda task: _await(task),
    "gather": lambda task: asyncio.gather(task),
    "gather of a gather": lambda task: asyncio.gather(asyncio.gather(task), stay()),
    "wait": lambda task: asyncio.wait({task}),
    "timeout": lambda task: asyncio.wait_for(task, 600),
    "shield": lambda task: asyncio.shield(task),
}


async def _await(task: asyncio.Task[Any]) -> None:
    await task


@pytest.mark.parametrize("owner", [FRAMEWORK, ("garden", "pond", "on_rain")])
@pytest.mark.parametrize("how", WAITS)
async def test_cancelled_run_does_not_cancel_the_tasks_of_others_that_it_awaits(
    reports: Reports, how: str, owner: Actor
) -> None:
    runs = OwnedTasks()
    with containing_tasks(lambda *event: reports.append(event)):
        with acting_for(owner):
            task = asyncio.create_task(stay())

        async def run() -> None:
            ACTOR_VARIABLE.set(ACTOR)
            await WAITS[how](task)

        waiting = runs.start(run(), runs.prepare(lambda _: None, ACTOR))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()  # by the framework, for example at the deadline of the run
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.cancelling()
        # A gather ends when all its tasks have ended. On Python 3.11, so does wait_for.
        assert waiting.cancelled() or "gather" in how or (how == "timeout" and sys.version_info < (3, 12))
        task.cancel()
        await asyncio.wait({task, waiting})
        assert task.cancelled()
        assert waiting.cancelled()


async def test_run_gets_the_result_of_a_task_of_another_app(reports: Reports) -> None:
    with containing_tasks(lambda *event: reports.append(event)):
        with acting_for(("garden", "pond", "on_rain")):
            task = asyncio.create_task(asyncio.sleep(0, 7))
        with acting_for(ACTOR):
            assert await task == 7
            assert await task == 7


async def test_app_can_cancel_a_task_that_its_thread_has_created(reports: Reports) -> None:
    loop = asyncio.get_running_loop()
    made: list[Future[None]] = []
    with containing_tasks(lambda *event: reports.append(event)):
        thread = threading.Thread(target=lambda: made.append(asyncio.run_coroutine_threadsafe(stay(), loop)))
        thread.start()
        await eventually(lambda: made)
        await asyncio.sleep(0)
        with acting_for(ACTOR):
            made[0].cancel()
        (task,) = (task for task in asyncio.all_tasks() if "stay" in repr(task))
        await asyncio.wait({task})
        assert task.cancelled()


@pytest.mark.usefixtures("contained")
async def test_task_cancelled_before_its_first_step_causes_no_warning() -> None:
    with acting_for(ACTOR):
        task = asyncio.create_task(leave())
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    gc.collect()  # warnings are errors in these tests


@pytest.mark.usefixtures("contained")
async def test_failed_task_that_nothing_awaits_is_logged_with_its_app(
    reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ValueError("no lamp")

    with acting_for(ACTOR):
        asyncio.create_task(fail())  # noqa: RUF006  the app forgets its task
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
    await eventually(lambda: reports)
    ((kind, subject, detail),) = reports
    assert (kind, subject) == ("app_task_failed", "hall.upstairs")
    assert "ValueError: no lamp" in detail
    assert "in fail" in caplog.text  # the traceback


@pytest.mark.usefixtures("contained")
async def test_task_of_an_app_shows_where_it_is() -> None:
    with acting_for(ACTOR):
        task = asyncio.create_task(stay())
    await asyncio.sleep(0)
    assert "stay" in repr(task)
    assert task.get_stack()[0].f_code.co_name == "stay"
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.usefixtures("contained")
async def test_object_that_is_no_coroutine_is_refused_as_by_asyncio() -> None:
    with acting_for(ACTOR), pytest.raises(TypeError, match="coroutine was expected"):
        asyncio.get_running_loop().create_task(3)  # type: ignore[arg-type]


async def test_factory_and_handler_of_the_program_are_used_and_restored(reports: Reports) -> None:
    made: list[str] = []
    handled: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coro.__qualname__)
        return asyncio.Task(coro, loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    loop.set_exception_handler(lambda _, context: handled.append(context["message"]))
    try:
        with containing_tasks(lambda *event: reports.append(event)):
            await asyncio.create_task(asyncio.sleep(0))
            with acting_for(ACTOR):
                task = asyncio.create_task(leave())
            with pytest.raises(AppExitError):
                await task
            loop.call_exception_handler({"message": "of the program"})
        assert loop.get_task_factory() is factory
        assert made == ["sleep", "leave"]
        assert handled == ["of the program"]
    finally:
        loop.set_task_factory(None)
        loop.set_exception_handler(None)


async def test_factory_that_a_program_sets_meanwhile_stays(reports: Reports) -> None:
    loop = asyncio.get_running_loop()

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=loop, **options)

    def handle(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None: ...

    with containing_tasks(lambda *event: reports.append(event)):
        loop.set_task_factory(factory)
        loop.set_exception_handler(handle)
    assert (loop.get_task_factory(), loop.get_exception_handler()) == (factory, handle)
    loop.set_task_factory(None)
    loop.set_exception_handler(None)
