"""Calls of bus and scheduler from a sync handler, which runs in a thread."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hassette_core.bus import AppBus, BusService
from hassette_core.clock import ManualClock, Timer
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_executor import CommandExecutor, Status


async def noop() -> None:
    pass


REGISTRATIONS: dict[str, Callable[[Any], object]] = {
    "run_in": lambda house: house.scheduler.run_in(noop, 5),
    "run_daily": lambda house: house.scheduler.run_daily(noop, "07:00"),
    "on_state_change": lambda house: house.bus.on_state_change(noop, "light.hall", duration=5),
    "on_event": lambda house: house.bus.on_event(noop, "button"),
}


@pytest.mark.parametrize("register", REGISTRATIONS.values(), ids=REGISTRATIONS)
async def test_a_registration_in_a_thread_is_rejected_and_leaves_nothing_behind(
    house: Any, register: Callable[[Any], object]
) -> None:
    def in_a_thread() -> None:
        register(house)

    async def on_the_loop() -> None:
        register(house)

    house.bus.on_event(in_a_thread, "first")
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

    # The name is still free: the registration works in an async handler.
    house.bus.on_event(on_the_loop, "second")
    house.fire("second")
    assert [record.status for record in await house.records(2)] == [Status.ERROR, Status.SUCCESS]


async def test_a_registration_in_another_event_loop_is_rejected(house: Any) -> None:
    async def register() -> None:
        house.scheduler.run_in(noop, 5)

    def in_another_loop() -> None:
        asyncio.run(register())

    house.bus.on_event(in_another_loop, "button")
    house.fire("button")
    (record,) = await house.records(1)
    assert "cannot be registered in a thread" in record.failure.message
    assert house.planner.upcoming() == []


def test_every_thread_may_register_before_the_start() -> None:
    executor = CommandExecutor()
    bus, planner = BusService(executor, states={}), SchedulerService(executor)
    AppBus(bus, "app", "one").on_event(noop, "button")
    AppScheduler(planner, "app", "one").run_in(noop, 5)
    assert len(bus.listeners("app", "one")) == len(planner.jobs("app", "one")) == 1


async def test_a_sync_handler_may_cancel_and_the_call_takes_effect_by_the_end_of_its_run(house: Any) -> None:
    job = house.scheduler.run_every(noop, 10, name="job")

    def cancel() -> None:
        job.cancel()
        subscription.cancel()

    subscription = house.bus.on_event(cancel, "button")
    house.fire("button")
    await house.records(1)
    assert not job.active
    assert not subscription.active
    assert await house.retired() == ["job", "cancel"]


async def test_a_sync_handler_may_cancel_all_listeners_and_jobs_of_its_app(house: Any) -> None:
    house.scheduler.run_every(noop, 10, name="job")

    def cancel_all() -> None:
        house.scheduler.cancel_all()
        house.bus.cancel_all()

    house.bus.on_event(cancel_all, "button")
    house.bus.on_event(noop, "other")
    house.fire("button")
    await house.records(1)
    assert house.planner.upcoming() == []
    assert house.service.listeners("app", "one") == ()


async def test_a_sync_handler_may_run_a_job_now(house: Any, calls: list[Any]) -> None:
    async def job() -> None:
        calls.append(threading.current_thread() is threading.main_thread())

    planned = house.scheduler.run_in(job, 100)

    def button() -> None:
        planned.run_now()

    house.bus.on_event(button, "button")
    house.fire("button")
    await house.records(2)
    assert calls == [True]


class TimerThreads(ManualClock):
    """A clock that lists the threads that cancel its timers."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[threading.Thread] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        clock, timer = self, super().call_later(delay_s, callback)

        class Noted:
            def cancel(self) -> None:
                clock.threads.append(threading.current_thread())
                timer.cancel()

        return Noted()


async def test_a_cancel_from_a_thread_takes_effect_on_the_event_loop() -> None:
    clock = TimerThreads()
    async with SchedulerService(CommandExecutor(), clock=clock) as planner:
        job = AppScheduler(planner, "app", "one").run_in(noop, 100)
        await asyncio.to_thread(job.cancel)
        async with asyncio.timeout(5):
            while not clock.threads:  # noqa: ASYNC110  the loop runs the call at its next turn
                await asyncio.sleep(0)
    assert clock.threads == [threading.main_thread()]


def test_cancel_after_the_end_of_the_loop_has_no_effect_and_no_error() -> None:
    async def start_and_stop() -> Any:
        async with SchedulerService(CommandExecutor()) as planner:
            return AppScheduler(planner, "app", "one").run_in(noop, 100)

    job = asyncio.run(start_and_stop())
    job.cancel()
    assert job.active
