"""No task is left behind, and none fails in silence."""

import asyncio
from contextvars import ContextVar

import pytest

from hassette_core.handlers import OwnedTasks


def ignore(_: asyncio.Task[None]) -> None:
    pass


async def test_stop_waits_for_what_ends_in_time_and_cancels_the_rest() -> None:
    tasks, go = OwnedTasks(), asyncio.Event()

    async def soon() -> None:
        await go.wait()

    async def never() -> None:
        go.set()
        await asyncio.Event().wait()

    first, second = tasks.start(soon(), ignore), tasks.start(never(), ignore)
    assert await tasks.stop(0.05) == 1
    assert first.done()
    assert not first.cancelled()
    assert second.cancelled()
    assert len(tasks) == 0
    assert await tasks.stop(0.05) == 0


async def test_a_task_does_not_inherit_the_context_of_who_starts_it() -> None:
    whose: ContextVar[str] = ContextVar("whose", default="the service's")
    tasks, seen = OwnedTasks(), list[str]()

    async def look() -> None:
        seen.append(whose.get())

    whose.set("a handler's")
    await tasks.start(look(), ignore)
    assert seen == ["the service's"]


async def test_stop_called_by_one_of_the_tasks_does_not_wait_for_that_one() -> None:
    tasks = OwnedTasks()
    stopped: list[int] = []

    async def stopper() -> None:
        stopped.append(await tasks.stop(5))

    await asyncio.wait_for(tasks.start(stopper(), ignore), 1)
    assert stopped == [0]


async def test_a_task_that_ignores_its_cancellation_is_said_and_not_waited_for_for_ever(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hassette_core.handlers.owned_tasks.CANCEL_S", 0.01)
    tasks, go = OwnedTasks(), asyncio.Event()

    async def stubborn() -> None:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue

    task = tasks.start(stubborn(), ignore)
    assert await tasks.stop(0.01) == 1
    assert "does not end although it was cancelled" in caplog.text
    go.set()
    await task


async def test_a_task_that_fails_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ValueError("not ours")

    ended = asyncio.Event()
    OwnedTasks().start(broken(), lambda _: ended.set())
    await ended.wait()
    assert "could not be handed to the executor" in caplog.text
    assert "not ours" in caplog.text
