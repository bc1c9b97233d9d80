"""The demonstration itself: how it ends, and that no run is left out of its count."""

import asyncio
import time
from pathlib import Path

import pytest

from hassette_core.errors import StartFailedError
from hassette_core.framework import Hassette
from hassette_core.simulation.demo import Demo, DemoOptions, Tally
from hassette_executor import CommandExecutor, EventTrigger, InvokeHandler, ListenerRegistration


async def test_what_ends_a_demonstration_is_told_as_it_is_and_in_no_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Hassette) -> None:
        await asyncio.sleep(0)  # the tally and the others have begun
        raise StartFailedError("bus", "no")

    monkeypatch.setattr(Hassette, "run", fail)
    with pytest.raises(StartFailedError, match=r"^the bus could not start: no$"):
        await Demo(DemoOptions(data_dir=tmp_path, port=0)).run(lambda _: None)


def a_run_that_fails() -> InvokeHandler:
    async def fail() -> None:
        raise ValueError("no")

    registration = ListenerRegistration(app="a", instance="one", name="hear", topic="t", handler="h")
    trigger = EventTrigger("state_changed", "light.a", None, "on")
    return InvokeHandler(registration=registration, call=fail, trigger=trigger, ready_ns=time.monotonic_ns())


@pytest.mark.parametrize("late", [0, 1, 2])
async def test_runs_that_come_while_all_is_being_ended_are_counted_and_none_is_counted_twice(late: int) -> None:
    tally = Tally()
    async with asyncio.timeout(5), CommandExecutor() as executor:
        following = asyncio.create_task(tally.follow(executor.feed))
        await executor.execute(a_run_that_fails())
        await executor.execute(a_run_that_fails())
        while tally.failures.total() < 2:  # noqa: ASYNC110  until it has counted these
            await asyncio.sleep(0)
        following.cancel()
        await asyncio.wait({following})
        for _ in range(late):
            await executor.execute(a_run_that_fails())
        assert await executor.force_flush()
        await tally.catch_up(executor.feed)
        assert executor.feed.subscribers == 0
    assert tally.failures == {"a.one.hear": 2 + late}
    assert tally.statuses == {"error": 2 + late}
