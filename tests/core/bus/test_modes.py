"""Each mode handles an event that arrives while the handler still runs. With ``once``, a handler runs once."""

import asyncio
import logging
from typing import Any

import pytest

from hassette_core.roster import AT_ONCE, MAX_WAITING
from hassette_executor import Status
from support.home import Home
from support.waiting import eventually


class Slow:
    """A handler that runs until `go` is set."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.seen: list[str] = []
        self.go = asyncio.Event()

    async def handler(self, event: Any) -> None:
        self.seen.append(event.new_state.state)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go.wait()
        finally:
            self.running -= 1


def overload_lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the log lines about runs that were skipped because too many runs wait."""
    return [record for record in caplog.records if record.message.startswith("Runs are skipped")]


@pytest.fixture
async def slow() -> Slow:
    return Slow()


async def test_parallel_mode_is_the_default_and_runs_a_handler_several_times_at_once(home: Home, slow: Slow) -> None:
    home.bus.on_state_change(slow.handler, "light.hall")
    for state in ("a", "b", "c"):
        home.change("light.hall", state)
    await home.settle()
    assert slow.running == 3
    slow.go.set()
    await home.records(3)
    assert await home.skipped() == {}


async def test_parallel_runs_wait_above_one_limit_and_are_skipped_above_another(
    home: Home, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    home.bus.on_state_change(slow.handler, "light.hall")
    for number in range(AT_ONCE + MAX_WAITING + 7):
        home.change("light.hall", str(number))
    await home.settle()
    assert slow.running == AT_ONCE
    await eventually(lambda: overload_lines(caplog))
    slow.go.set()
    await home.records(AT_ONCE + MAX_WAITING)
    assert slow.most == AT_ONCE
    assert slow.seen == [str(number) for number in range(AT_ONCE + MAX_WAITING)]
    assert await home.skipped() == {"back_pressure": 7}


async def test_single_mode_skips_events_while_the_handler_runs(home: Home, slow: Slow) -> None:
    home.bus.on_state_change(slow.handler, "light.hall", mode="single")
    for state in ("a", "b", "c"):
        home.change("light.hall", state)
    await home.settle()
    slow.go.set()
    await home.records(1)
    home.change("light.hall", "d")
    await home.records(2)
    assert slow.seen == ["a", "d"]
    assert await home.skipped() == {"overlap": 2}


async def test_restart_mode_cancels_the_current_run_and_records_it(home: Home, slow: Slow) -> None:
    home.bus.on_state_change(slow.handler, "light.hall", mode="restart")
    for state in ("a", "b"):
        home.change("light.hall", state)
        await home.settle()
    assert slow.most == 1
    slow.go.set()
    records = await home.records(2)
    assert [record.status for record in records] == [Status.CANCELLED, Status.SUCCESS]
    assert slow.seen == ["a", "b"]


async def test_restart_mode_cancels_a_run_in_which_a_task_group_has_failed(home: Home, slow: Slow) -> None:
    async def fail() -> None:
        raise ValueError("no")

    async def handler(event: Any) -> None:
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail())
        await slow.handler(event)

    home.bus.on_state_change(handler, "light.hall", mode="restart")
    for state in ("a", "b"):
        home.change("light.hall", state)
        await eventually(lambda state=state: slow.seen[-1:] == [state])
    assert slow.running == 1
    slow.go.set()
    assert [record.status for record in await home.records(2)] == [Status.CANCELLED, Status.SUCCESS]


async def test_restart_mode_runs_the_last_event_of_a_burst_and_counts_the_others(home: Home, slow: Slow) -> None:
    home.bus.on_state_change(slow.handler, "light.hall", mode="restart")
    for number in range(10):
        home.change("light.hall", str(number))
    await home.settle()
    slow.go.set()
    records = await home.records()
    skipped = await home.skipped()
    assert slow.seen[-1] == "9"
    assert len(records) + skipped["overlap"] == 10


async def test_queued_mode_runs_events_in_order_one_at_a_time(home: Home, slow: Slow) -> None:
    home.bus.on_state_change(slow.handler, "light.hall", mode="queued")
    for number in range(20):
        home.change("light.hall", str(number))
    slow.go.set()
    await home.records(20)
    assert slow.most == 1
    assert slow.seen == [str(number) for number in range(20)]


async def test_queued_mode_skips_events_above_its_limit(
    home: Home, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    home.bus.on_state_change(slow.handler, "light.hall", mode="queued")
    for number in range(MAX_WAITING + 4):
        home.change("light.hall", str(number))
    await eventually(lambda: overload_lines(caplog))
    slow.go.set()
    await home.records(MAX_WAITING + 1)
    assert await home.skipped() == {"back_pressure": 3}


async def test_cancelling_a_queue_counts_waiting_runs_and_retires_after_the_last_run(home: Home, slow: Slow) -> None:
    subscription = home.bus.on_state_change(slow.handler, "light.hall", mode="queued")
    for state in ("a", "b", "c"):
        home.change("light.hall", state)
    await home.settle()
    subscription.cancel()
    assert await home.retired() == []
    slow.go.set()
    await home.records(1)
    assert await home.retired() == ["handler"]
    assert await home.skipped() == {"back_pressure": 2}


async def test_stopping_bus_starts_no_waiting_run(home: Home, slow: Slow) -> None:
    """If a waiting run started while the bus stops, it would be cancelled, or a stopped executor would reject it."""
    home.bus.on_state_change(slow.handler, "light.hall", mode="queued")
    for state in ("a", "b", "c"):
        home.change("light.hall", state)
    await home.settle()
    stopping = asyncio.create_task(home.bus_service.stop())
    await home.settle()
    slow.go.set()
    await stopping
    await home.records(1)
    assert slow.seen == ["a"]
    assert await home.skipped() == {"back_pressure": 2}
    await home.bus_service.start()
    home.change("light.hall", "d")
    await home.records(2)


async def test_listener_is_retired_when_its_last_run_has_ended(home: Home) -> None:
    ends: list[asyncio.Event] = []

    async def handler() -> None:
        ends.append(asyncio.Event())
        await ends[-1].wait()

    subscription = home.bus.on_state_change(handler, "light.hall")
    home.change("light.hall", "a")
    home.change("light.hall", "b")
    await home.settle()
    subscription.cancel()
    ends[0].set()
    await home.records(1)
    assert await home.retired() == []
    ends[1].set()
    await home.records(2)
    assert await home.retired() == ["handler"]


async def test_once_listener_runs_once_for_a_burst_of_events(home: Home, slow: Slow) -> None:
    slow.go.set()
    subscription = home.bus.on_state_change(slow.handler, "light.hall", once=True)
    for state in ("a", "b"):
        home.change("light.hall", state)
    assert not subscription.active
    await home.records(1)
    assert slow.seen == ["a"]
    assert await home.retired() == ["handler"]


async def test_once_listener_whose_run_is_cancelled_is_removed_and_retired(home: Home, slow: Slow) -> None:
    subscription = home.bus.on_state_change(slow.handler, "light.hall", once=True)
    home.change("light.hall", "a")
    await home.settle()
    await home.bus_service.stop()
    (record,) = await home.records(1)
    assert record.status is Status.CANCELLED
    assert not subscription.active
    assert await home.retired() == ["handler"]


async def test_once_listener_cancelled_before_its_first_step_is_removed_and_retired(home: Home, slow: Slow) -> None:
    home.bus.on_state_change(slow.handler, "light.hall", once=True)
    before = asyncio.all_tasks()
    home.change("light.hall", "a")
    for task in asyncio.all_tasks() - before:
        task.cancel()
    await home.settle()
    await home.records(0)
    assert await home.retired() == ["handler"]


async def test_once_listener_that_fails_is_removed(home: Home) -> None:
    async def broken() -> None:
        raise ValueError

    home.bus.on_state_change(broken, "light.hall", once=True)
    for state in ("a", "b"):
        home.change("light.hall", state)
    (record,) = await home.records(1)
    assert record.status is Status.ERROR
    assert await home.retired() == ["broken"]


async def test_once_handler_may_register_itself_again(home: Home) -> None:
    runs: list[int] = []

    async def again() -> None:
        runs.append(1)
        if len(runs) < 3:
            home.bus.on_state_change(again, "light.hall", once=True)

    home.bus.on_state_change(again, "light.hall", once=True)
    for state in ("a", "b", "c", "d"):
        home.change("light.hall", state)
        await home.settle()
    await home.records(3)


async def test_debounced_once_listener_runs_once(home: Home, slow: Slow) -> None:
    slow.go.set()
    home.bus.on_state_change(slow.handler, "light.hall", once=True, debounce=1)
    home.change("light.hall", "a")
    await home.pass_time(2)
    home.change("light.hall", "b")
    await home.pass_time(2)
    await home.records(1)


async def test_timer_does_not_inherit_the_execution_of_the_handler_that_set_it(
    home: Home,
) -> None:
    """If a timer inherited the handler's context, log lines would be attached to a run that has ended."""
    from hassette_executor.running.execution import current_execution

    seen: list[object] = []

    def condition(_: object) -> bool:
        seen.append(current_execution())
        return True

    async def outer() -> None:
        home.bus.on_state_change(inner, "light.b", duration=1, changed_to=condition)

    async def inner() -> None: ...

    home.bus.on_state_change(outer, "light.a")
    home.change("light.a", "on")
    await home.records(1)
    home.change("light.b", "on")
    await home.pass_time(2)
    await home.records(2)
    assert seen == [None, None]


async def test_skipped_event_is_kept_with_its_trigger(home: Home, slow: Slow) -> None:
    home.bus.on_state_change(slow.handler, "light.hall", mode="single")
    for state in ("a", "b", "c"):
        home.change("light.hall", state)
    await home.settle()
    slow.go.set()
    await home.records(1)
    assert await home.skipped() == {"overlap": 2}
    not_runs = [one for batch in home.sink.batches for one in batch.not_runs]
    assert [(one.reason, one.trigger and one.trigger[1:4]) for one in not_runs] == [
        ("overlap", ("light.hall", "a", "b")),
        ("overlap", ("light.hall", "b", "c")),
    ]
