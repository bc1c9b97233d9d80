"""The end of a demo, and the count of its failed runs."""

import asyncio
import time
from pathlib import Path

import pytest

from hassette_core import Hassette, StartFailedError
from hassette_core.simulation.demo import Demo, DemoOptions, FailureCounter
from hassette_executor import CommandExecutor, EventTrigger, InvokeHandler, ListenerRegistration
from support.waiting import patience


class FailingFramework(Hassette):
    """A framework that fails while it starts."""

    async def run(self) -> None:
        await asyncio.sleep(0)  # lets the other tasks of the demo start
        raise StartFailedError("bus", "no")


async def test_demo_raises_a_fatal_error_unchanged(tmp_path: Path) -> None:
    demo = Demo(DemoOptions(data_dir=tmp_path, port=0), make_framework=FailingFramework)
    with pytest.raises(StartFailedError, match=r"^the bus could not start: no$"):
        await demo.run(lambda _: None)


def failing_run() -> InvokeHandler:
    async def fail() -> None:
        raise ValueError("no")

    registration = ListenerRegistration(app="a", instance="one", name="hear", topic="t", handler="h")
    trigger = EventTrigger("state_changed", "light.a", None, "on")
    return InvokeHandler(registration=registration, call=fail, trigger=trigger, ready_ns=time.monotonic_ns())


@pytest.mark.parametrize("late", [0, 1, 2])
async def test_every_failure_is_counted_once_also_during_the_shutdown(late: int) -> None:
    counter = FailureCounter()
    async with asyncio.timeout(patience(5)), CommandExecutor() as executor:
        following = asyncio.create_task(counter.follow(executor.feed))
        while not executor.feed.has_subscribers:  # noqa: ASYNC110  the feed has no event to wait for
            await asyncio.sleep(0)
        await executor.execute(failing_run())
        await executor.execute(failing_run())
        while counter.failures.total() < 2:  # noqa: ASYNC110  the counter has no event to wait for
            await asyncio.sleep(0)
        following.cancel()
        await asyncio.wait({following})
        for _ in range(late):
            await executor.execute(failing_run())
        assert await executor.force_flush()
        await counter.catch_up(executor.feed)
    assert counter.failures == {"a.one.hear": 2 + late}
