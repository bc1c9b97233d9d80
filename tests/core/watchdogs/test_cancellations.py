"""Runs that ignore their cancellation are recorded."""

import asyncio
from functools import partial

from hassette_core.roster import CommandRunner, RunLane
from hassette_core.watchdogs import report_ignored_cancellations
from hassette_executor import CommandExecutor, MemorySink
from support.cancellation import ignore_cancellation
from support.records import MovableClock, invoke
from support.waiting import eventually


async def events(executor: CommandExecutor, sink: MemorySink) -> list[tuple[str, str, str]]:
    assert await executor.force_flush()
    return [(e.kind, e.subject, e.detail) for batch in sink.batches for e in batch.lifecycle]


async def test_run_that_ignores_its_deadline_is_recorded() -> None:
    moved, go = MovableClock(), asyncio.Event()
    async with CommandExecutor(sink := MemorySink(), clock=moved.clock()) as executor:
        report_ignored_cancellations(executor)
        command = invoke(partial(ignore_cancellation, go), timeout_s=60)
        run = asyncio.ensure_future(executor.execute(command))
        await asyncio.sleep(0)
        for _ in range(2):
            await moved.let_deadlines_pass(executor)
        ((kind, subject, detail),) = await events(executor, sink)
        go.set()
        await run
    registration = command.registration
    assert (kind, subject) == ("cancellation_ignored", f"{registration.app}.{registration.instance}")
    assert detail == (
        f"{registration.name} was cancelled at its deadline of 60 s, and still runs 5 s later; its code must not catch"
        " CancelledError without raising it again"
    )


async def test_replaced_run_that_ignores_its_cancellation_is_recorded_and_an_obedient_one_is_not() -> None:
    go, obedient = asyncio.Event(), asyncio.Event()
    async with CommandExecutor(sink := MemorySink()) as executor:
        runner = CommandRunner(executor, ignored_s=0.01)
        command = invoke(partial(ignore_cancellation, go))
        lane = RunLane(command.registration, "restart", runner)
        other = invoke(obedient.wait, name="other")
        other_lane = RunLane(other.registration, "restart", runner)
        for each, its_lane in ((command, lane), (other, other_lane)):
            its_lane.offer(each)
        await asyncio.sleep(0)
        for each, its_lane in ((other, other_lane), (command, lane)):
            its_lane.offer(each)
        while not (found := await events(executor, sink)):
            await eventually(lambda: True)
        obedient.set()
        go.set()
        await eventually(lambda: executor.accounting().executed == 4)
    ((kind, _, detail),) = found
    assert kind == "cancellation_ignored"
    assert detail.startswith(f"{command.registration.name} was cancelled because a new run replaces it, and still runs")
