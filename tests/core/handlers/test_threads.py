"""What a sync handler, which runs in a thread, may do with bus and scheduler, and what it is told if it may not."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hassette_core.bus import AppBus, BusService
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_executor import CommandExecutor, Status


async def noop() -> None:
    pass


REGISTRATIONS: dict[str, Callable[[Any], object]] = {
    "run_in": lambda house: house.scheduler.run_in(noop, 5),
    "run_daily": lambda house: house.scheduler.run_daily(noop, "07:00"),
    "on_state_change": lambda house: house.bus.on_state_change("light.hall", handler=noop, duration=5),
    "on": lambda house: house.bus.on("button", handler=noop),
}


@pytest.mark.parametrize("register", REGISTRATIONS.values(), ids=REGISTRATIONS)
async def test_registering_in_a_thread_is_refused_before_anything_is_registered(
    house: Any, register: Callable[[Any], object]
) -> None:
    def in_a_thread() -> None:
        register(house)

    async def on_the_loop() -> None:
        register(house)

    house.bus.on("first", handler=in_a_thread)
    house.fire("first")
    (record,) = await house.records(1)
    assert record.status is Status.ERROR
    assert record.failure.type == "hassette_core.errors.RegistrationError"
    assert "'noop' cannot be registered in a thread" in record.failure.message
    assert "make that handler an `async def`" in record.failure.message
    assert house.planner.upcoming() == []
    assert [listener.registration.name for listener in house.service.listeners("app", "one")] == ["in_a_thread"]
    registered = [registration.name for batch in house.sink.batches for registration in batch.registered]
    assert registered == ["in_a_thread"]

    # Nor is the name taken: done as the message says, it works.
    house.bus.on("second", handler=on_the_loop)
    house.fire("second")
    assert [record.status for record in await house.records(2)] == [Status.ERROR, Status.SUCCESS]


async def test_a_loop_that_a_thread_has_made_for_itself_is_not_ours(house: Any) -> None:
    async def register() -> None:
        house.scheduler.run_in(noop, 5)

    def in_a_loop_of_its_own() -> None:
        asyncio.run(register())

    house.bus.on("button", handler=in_a_loop_of_its_own)
    house.fire("button")
    (record,) = await house.records(1)
    assert "cannot be registered in a thread" in record.failure.message
    assert house.planner.upcoming() == []


def test_before_the_start_anybody_may_register() -> None:
    executor = CommandExecutor()
    bus, planner = BusService(executor, states={}), SchedulerService(executor)
    AppBus(bus, "app", "one").on("button", handler=noop)
    AppScheduler(planner, "app", "one").run_in(noop, 5)
    assert len(bus.listeners("app", "one")) == len(planner.jobs("app", "one")) == 1


async def test_a_sync_handler_may_cancel_and_it_is_done_when_its_run_has_ended(house: Any) -> None:
    job = house.scheduler.run_every(noop, 10, name="job")

    def cancel() -> None:
        job.cancel()
        subscription.cancel()

    subscription = house.bus.on("button", handler=cancel)
    house.fire("button")
    await house.records(1)
    assert not job.active
    assert not subscription.active
    assert await house.retired() == ["job", "cancel"]


async def test_a_sync_handler_may_cancel_all_that_its_app_has(house: Any) -> None:
    house.scheduler.run_every(noop, 10, name="job")

    def cancel_all() -> None:
        house.scheduler.cancel_all()
        house.bus.cancel_all()

    house.bus.on("button", handler=cancel_all)
    house.bus.on("other", handler=noop)
    house.fire("button")
    await house.records(1)
    assert house.planner.upcoming() == []
    assert house.service.listeners("app", "one") == ()


async def test_a_sync_handler_may_have_a_job_run_now(house: Any, calls: list[Any]) -> None:
    async def job() -> None:
        calls.append(threading.current_thread() is threading.main_thread())

    planned = house.scheduler.run_in(job, 100)

    def button() -> None:
        planned.run_now()

    house.bus.on("button", handler=button)
    house.fire("button")
    await house.records(2)
    assert calls == [True]


async def test_every_change_from_a_thread_happens_on_the_event_loop(house: Any, calls: list[Any]) -> None:
    subscription = house.bus.on("button", handler=noop)
    listener = house.service.listeners("app", "one")[0]
    withdraw = listener._withdraw

    def noted(ended: Any) -> None:
        calls.append(threading.current_thread() is threading.main_thread())
        withdraw(ended)

    listener._withdraw = noted
    await asyncio.to_thread(subscription.cancel)
    await house.until(lambda: calls)
    assert calls == [True]


def test_a_thread_that_outlives_the_loop_cancels_nothing_and_hears_no_error() -> None:
    async def start_and_stop() -> Any:
        async with SchedulerService(CommandExecutor()) as planner:
            return AppScheduler(planner, "app", "one").run_in(noop, 100)

    job = asyncio.run(start_and_stop())
    job.cancel()
    assert job.active
