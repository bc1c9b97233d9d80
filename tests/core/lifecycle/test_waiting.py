"""Waiting for events, and work that a service can cancel."""

import asyncio

import pytest

from hassette_core.lifecycle import CancellableWork, first_set, wait_while_running
from support.waiting import eventually


async def test_first_set_event_is_returned_even_if_it_is_cleared_at_once() -> None:
    early, late = asyncio.Event(), asyncio.Event()
    waiting = asyncio.ensure_future(first_set(early, late))
    await asyncio.sleep(0)  # it starts its tasks
    await asyncio.sleep(0)  # its tasks wait for the events
    late.set()
    late.clear()
    assert await waiting is late


async def test_first_argument_is_returned_if_several_events_are_set() -> None:
    first, second = asyncio.Event(), asyncio.Event()
    first.set()
    second.set()
    assert await first_set(first, second) is first


async def test_cancelled_wait_for_events_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    waiting = asyncio.ensure_future(first_set(asyncio.Event(), asyncio.Event()))
    await asyncio.sleep(0)
    waiting.cancel()
    await eventually(lambda: asyncio.all_tasks() == before)
    assert waiting.cancelled()


async def test_wait_ends_with_the_error_of_the_task() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await wait_while_running(asyncio.Event(), asyncio.ensure_future(fail()))


async def test_wait_ends_when_the_event_is_set_and_the_task_runs_on() -> None:
    event = asyncio.Event()
    task = asyncio.ensure_future(asyncio.Event().wait())
    event.set()
    await wait_while_running(event, task)
    assert not task.done()
    task.cancel()


async def test_cancelled_work_does_not_cancel_the_caller_of_run() -> None:
    work = CancellableWork()
    serving = asyncio.ensure_future(work.run(asyncio.sleep(3600), "work"))
    await asyncio.sleep(0)
    await work.cancel()
    await work.cancel()
    assert await serving is None


async def test_work_ends_when_the_caller_of_run_is_cancelled() -> None:
    ended = asyncio.Event()

    async def sleep() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    serving = asyncio.ensure_future(CancellableWork().run(sleep(), "work"))
    await eventually(lambda: any(task.get_name() == "work" for task in asyncio.all_tasks()))
    serving.cancel()
    await asyncio.wait((serving,))
    assert (serving.cancelled(), ended.is_set()) == (True, True)


async def test_error_of_the_work_is_raised_by_run() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await CancellableWork().run(fail(), "work")
