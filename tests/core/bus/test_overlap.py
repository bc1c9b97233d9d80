"""What happens to an event while the handler still runs; and handlers that run once."""

import asyncio
from typing import Any

import pytest

from hassette_core.handlers import AT_ONCE, MAX_WAITING
from hassette_executor import Status


class Slow:
    """A handler that runs until it is let go."""

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


@pytest.fixture
async def slow() -> Slow:
    return Slow()


async def test_parallel_is_the_default_and_runs_side_by_side(house: Any, slow: Slow) -> None:
    house.bus.on_state_change("light.hall", handler=slow.handler)
    for state in ("a", "b", "c"):
        house.change("light.hall", state)
    await house.settle()
    assert slow.running == 3
    slow.go.set()
    await house.records(3)
    assert await house.skipped() == {}


async def test_parallel_is_bounded_first_by_waiting_then_by_back_pressure(house: Any, slow: Slow) -> None:
    house.bus.on_state_change("light.hall", handler=slow.handler)
    for number in range(AT_ONCE + MAX_WAITING + 7):
        house.change("light.hall", str(number))
    await house.settle()
    assert slow.running == AT_ONCE
    slow.go.set()
    await house.records(AT_ONCE + MAX_WAITING)
    assert slow.most == AT_ONCE
    assert slow.seen == [str(number) for number in range(AT_ONCE + MAX_WAITING)]
    assert await house.skipped() == {"back_pressure": 7}


async def test_single_passes_over_what_comes_while_it_runs(house: Any, slow: Slow) -> None:
    house.bus.on_state_change("light.hall", handler=slow.handler, mode="single")
    for state in ("a", "b", "c"):
        house.change("light.hall", state)
    await house.settle()
    slow.go.set()
    await house.records(1)
    house.change("light.hall", "d")
    await house.records(2)
    assert slow.seen == ["a", "d"]
    assert await house.skipped() == {"overlap": 2}


async def test_restart_cancels_what_runs_and_the_cancelled_run_is_recorded(house: Any, slow: Slow) -> None:
    house.bus.on_state_change("light.hall", handler=slow.handler, mode="restart")
    for state in ("a", "b"):
        house.change("light.hall", state)
        await house.settle()
    assert slow.most == 1
    slow.go.set()
    records = await house.records(2)
    assert [record.status for record in records] == [Status.CANCELLED, Status.SUCCESS]
    assert slow.seen == ["a", "b"]


async def test_restart_within_one_burst_runs_the_last_and_accounts_for_every_event(house: Any, slow: Slow) -> None:
    house.bus.on_state_change("light.hall", handler=slow.handler, mode="restart")
    for number in range(10):
        house.change("light.hall", str(number))
    await house.settle()
    slow.go.set()
    records = await house.records()
    skipped = await house.skipped()
    assert slow.seen[-1] == "9"
    assert len(records) + skipped["overlap"] == 10


async def test_queued_runs_in_order_one_at_a_time(house: Any, slow: Slow) -> None:
    house.bus.on_state_change("light.hall", handler=slow.handler, mode="queued")
    for number in range(20):
        house.change("light.hall", str(number))
    slow.go.set()
    await house.records(20)
    assert slow.most == 1
    assert slow.seen == [str(number) for number in range(20)]


async def test_queued_is_bounded(house: Any, slow: Slow) -> None:
    house.bus.on_state_change("light.hall", handler=slow.handler, mode="queued")
    for number in range(MAX_WAITING + 4):
        house.change("light.hall", str(number))
    slow.go.set()
    await house.records(MAX_WAITING + 1)
    assert await house.skipped() == {"back_pressure": 3}


async def test_cancelling_a_queue_counts_what_waited_and_retires_after_the_last_run(house: Any, slow: Slow) -> None:
    subscription = house.bus.on_state_change("light.hall", handler=slow.handler, mode="queued")
    for state in ("a", "b", "c"):
        house.change("light.hall", state)
    await house.settle()
    subscription.cancel()
    assert await house.retired() == []
    slow.go.set()
    await house.records(1)
    assert await house.retired() == ["handler"]
    assert await house.skipped() == {"back_pressure": 2}


async def test_a_bus_that_stops_begins_none_of_the_runs_that_wait(house: Any, slow: Slow) -> None:
    """What began in the grace would run beside nobody, and be refused by an executor that has stopped, too."""
    house.bus.on_state_change("light.hall", handler=slow.handler, mode="queued")
    for state in ("a", "b", "c"):
        house.change("light.hall", state)
    await house.settle()
    stopping = asyncio.create_task(house.service.stop())
    await house.settle()
    slow.go.set()
    await stopping
    await house.records(1)
    assert slow.seen == ["a"]
    assert await house.skipped() == {"back_pressure": 2}
    await house.service.start()
    house.change("light.hall", "d")
    await house.records(2)


async def test_a_listener_is_retired_when_the_last_of_its_runs_has_ended(house: Any) -> None:
    ends: list[asyncio.Event] = []

    async def handler() -> None:
        ends.append(asyncio.Event())
        await ends[-1].wait()

    subscription = house.bus.on_state_change("light.hall", handler=handler)
    house.change("light.hall", "a")
    house.change("light.hall", "b")
    await house.settle()
    subscription.cancel()
    ends[0].set()
    await house.records(1)
    assert await house.retired() == []
    ends[1].set()
    await house.records(2)
    assert await house.retired() == ["handler"]


async def test_once_runs_one_time_even_when_events_come_in_one_burst(house: Any, slow: Slow) -> None:
    slow.go.set()
    subscription = house.bus.on_state_change("light.hall", handler=slow.handler, once=True)
    for state in ("a", "b"):
        house.change("light.hall", state)
    assert not subscription.active
    await house.records(1)
    assert slow.seen == ["a"]
    assert await house.retired() == ["handler"]


async def test_a_once_listener_whose_run_is_cancelled_is_removed_and_retired(house: Any, slow: Slow) -> None:
    subscription = house.bus.on_state_change("light.hall", handler=slow.handler, once=True)
    house.change("light.hall", "a")
    await house.settle()
    await house.service.stop()
    (record,) = await house.records(1)
    assert record.status is Status.CANCELLED
    assert not subscription.active
    assert await house.retired() == ["handler"]


async def test_a_once_listener_cancelled_before_its_first_step_is_removed_and_retired(house: Any, slow: Slow) -> None:
    house.bus.on_state_change("light.hall", handler=slow.handler, once=True)
    house.change("light.hall", "a")
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if "BusService._dispatch" in repr(task.get_coro()):
            task.cancel()
    await house.settle()
    await house.records(0)
    assert await house.retired() == ["handler"]


async def test_a_once_listener_that_fails_is_removed(house: Any) -> None:
    async def broken() -> None:
        raise ValueError

    house.bus.on_state_change("light.hall", handler=broken, once=True)
    for state in ("a", "b"):
        house.change("light.hall", state)
    (record,) = await house.records(1)
    assert record.status is Status.ERROR
    assert await house.retired() == ["broken"]


async def test_a_once_handler_may_register_itself_again(house: Any) -> None:
    runs: list[int] = []

    async def again() -> None:
        runs.append(1)
        if len(runs) < 3:
            house.bus.on_state_change("light.hall", handler=again, once=True)

    house.bus.on_state_change("light.hall", handler=again, once=True)
    for state in ("a", "b", "c", "d"):
        house.change("light.hall", state)
        await house.settle()
    await house.records(3)


async def test_a_debounced_once_listener_runs_one_time(house: Any, slow: Slow) -> None:
    slow.go.set()
    house.bus.on_state_change("light.hall", handler=slow.handler, once=True, debounce=1)
    house.change("light.hall", "a")
    await house.pass_time(2)
    house.change("light.hall", "b")
    await house.pass_time(2)
    await house.records(1)


async def test_a_handler_that_registers_a_debounced_listener_does_not_lend_it_its_execution(house: Any) -> None:
    """A timer that inherits a handler's context would attach its log lines to a run that is long over."""
    from hassette_executor.context import current_execution

    seen: list[object] = []

    def question(_: object) -> bool:
        seen.append(current_execution())
        return True

    async def outer() -> None:
        house.bus.on_state_change("light.b", handler=inner, duration=1, changed_to=question)

    async def inner() -> None: ...

    house.bus.on_state_change("light.a", handler=outer)
    house.change("light.a", "on")
    await house.records(1)
    house.change("light.b", "on")
    await house.pass_time(2)
    await house.records(2)
    assert seen == [None, None]
