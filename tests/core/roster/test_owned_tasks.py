"""Tasks of a service: none is left running, and none fails silently."""

import asyncio
from contextvars import ContextVar

import pytest

from hassette_core.roster.owned_tasks import OwnedTasks
from support.cancellation import ignore_cancellation
from support.waiting import patience


def ignore(_: asyncio.Task[None]) -> None:
    pass


async def test_stop_waits_for_tasks_and_cancels_late_ones() -> None:
    tasks, go = OwnedTasks(), asyncio.Event()

    async def soon() -> None:
        await go.wait()

    async def never() -> None:
        go.set()
        await asyncio.Event().wait()

    first, second = (tasks.start(work(), tasks.prepare(ignore)) for work in (soon, never))
    assert await tasks.stop(patience(0.1)) == 1
    assert first.done()
    assert not first.cancelled()
    assert second.cancelled()
    assert len(tasks) == 0
    assert await tasks.stop(patience(0.1)) == 0


async def test_task_does_not_inherit_the_context_of_its_caller() -> None:
    owner: ContextVar[str] = ContextVar("owner", default="the service's")
    tasks, seen = OwnedTasks(), list[str]()

    async def look() -> None:
        seen.append(owner.get())

    owner.set("a handler's")
    await tasks.start(look(), tasks.prepare(ignore))
    assert seen == ["the service's"]


async def test_stop_does_not_wait_for_the_task_that_calls_it() -> None:
    tasks = OwnedTasks()
    stopped: list[int] = []

    async def stopper() -> None:
        stopped.append(await tasks.stop(5))

    # If stop() waited for this task, the test would exceed its time limit.
    await tasks.start(stopper(), tasks.prepare(ignore))
    assert stopped == [0]


async def test_task_that_ignores_its_cancellation_is_logged_and_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks, go = OwnedTasks(cancel_s=0.01), asyncio.Event()

    task = tasks.start(ignore_cancellation(go), tasks.prepare(ignore))
    assert await tasks.stop(0.01) == 1
    assert "ignores its cancellation" in caplog.text
    go.set()
    await task


async def test_task_that_fails_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ValueError("no bulb")

    tasks, ended = OwnedTasks(), asyncio.Event()
    tasks.start(broken(), tasks.prepare(lambda _: ended.set()))
    await ended.wait()
    assert "could not be passed to the executor" in caplog.text
    assert "no bulb" in caplog.text
