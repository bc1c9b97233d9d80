"""Runs in progress that waited too long, or that ignore their cancellation."""

import asyncio

from hassette_executor import CommandExecutor, Execution, execution_in
from support.cancellation import ignore_cancellation
from support.records import MovableClock, invoke
from support.waiting import eventually


async def test_run_that_ignores_its_cancellation_is_reported_once_and_recorded_as_timed_out():
    go, reports = asyncio.Event(), []

    moved = MovableClock()
    async with CommandExecutor(clock=moved.clock()) as executor:
        executor.in_flight.report_ignored_cancellations(lambda execution, seconds: reports.append((execution, seconds)))
        run = asyncio.ensure_future(executor.execute(invoke(lambda: ignore_cancellation(go), timeout_s=60)))
        await asyncio.sleep(0)
        await moved.let_deadlines_pass(executor)
        assert reports == []
        for _ in range(2):
            await moved.let_deadlines_pass(executor)
        ((execution, seconds),) = reports
        assert (execution.timeout_s, seconds) == (60, 5)
        go.set()
        record = await run
    assert record.status == "timed_out"
    (line,) = record.effects.log_lines
    assert line.message == "the run goes on 5 s after its deadline, because its code ignores the cancellation"


async def test_ignored_cancellation_without_a_receiver_is_only_a_line_of_the_run():
    go = asyncio.Event()

    moved = MovableClock()
    async with CommandExecutor(clock=moved.clock()) as executor:
        run = asyncio.ensure_future(executor.execute(invoke(lambda: ignore_cancellation(go), timeout_s=60)))
        await asyncio.sleep(0)
        for _ in range(2):
            await moved.let_deadlines_pass(executor)
        go.set()
        assert len((await run).effects.log_lines) == 1


async def test_run_that_begins_late_gets_the_reason_if_there_is_one():
    seen: list[Execution | None] = []

    async def handler() -> None:
        task = asyncio.current_task()
        assert task is not None
        seen.append(execution_in(__import__("contextvars").copy_context()))

    moved = MovableClock()
    async with CommandExecutor(clock=moved.clock()) as executor:
        command = invoke(handler)
        moved.monotonic_s += 10
        executor.in_flight.late_ns = 10**9
        quiet = await executor.execute(command)
        executor.in_flight.explain_waits(lambda execution: None)
        unexplained = await executor.execute(command)
        executor.in_flight.explain_waits(lambda execution: f"because of {execution.command.registration.name}")
        explained = await executor.execute(command)
        await eventually(lambda: not executor.in_flight.executions())
    assert (quiet.effects, unexplained.effects) == (None, None)
    assert [line.message for line in explained.effects.log_lines] == [f"because of {command.registration.name}"]
    assert [each.command for each in seen if each] == [command] * 3
