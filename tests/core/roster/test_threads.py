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
from support.home import Home
from support.records import nothing
from support.waiting import eventually

REGISTRATIONS: dict[str, Callable[[Any], object]] = {
    "run_in": lambda home: home.scheduler.run_in(nothing, 5),
    "run_daily": lambda home: home.scheduler.run_daily(nothing, "07:00"),
    "on_state_change": lambda home: home.bus.on_state_change(nothing, "light.hall", duration=5),
    "on_event": lambda home: home.bus.on_event(nothing, "button"),
}


@pytest.mark.parametrize("register", REGISTRATIONS.values(), ids=REGISTRATIONS)
async def test_registration_in_a_thread_is_rejected_and_leaves_nothing_behind(
    home: Home, register: Callable[[Any], object]
) -> None:
    def in_a_thread() -> None:
        register(home)

    async def on_the_loop() -> None:
        register(home)

    home.bus.on_event(in_a_thread, "first")
    home.fire("first")
    (record,) = await home.records(1)
    assert record.status is Status.ERROR
    assert record.failure.type == "hassette_core.errors.RegistrationError"
    assert "'nothing' cannot be registered in a thread" in record.failure.message
    assert "make that handler an `async def`" in record.failure.message
    assert home.scheduler_service.upcoming() == []
    (listener,) = home.bus_service.roster.entries_of("app", "one")
    assert listener.registration.name == "in_a_thread"
    registered = [registration.name for batch in home.sink.batches for registration in batch.registered]
    assert registered == ["in_a_thread"]

    # The rejected registration did not take the name, so an async handler can still use it.
    home.bus.on_event(on_the_loop, "second")
    home.fire("second")
    assert [record.status for record in await home.records(2)] == [Status.ERROR, Status.SUCCESS]


async def test_registration_in_another_event_loop_is_rejected(home: Home) -> None:
    async def register() -> None:
        home.scheduler.run_in(nothing, 5)

    def in_another_loop() -> None:
        asyncio.run(register())

    home.bus.on_event(in_another_loop, "button")
    home.fire("button")
    (record,) = await home.records(1)
    assert "cannot be registered in a thread" in record.failure.message
    assert home.scheduler_service.upcoming() == []


def test_every_thread_may_register_before_the_start() -> None:
    executor = CommandExecutor()
    bus, planner = BusService(executor, states={}), SchedulerService(executor)
    AppBus(bus, "app", "one").on_event(nothing, "button")
    AppScheduler(planner, "app", "one").run_in(nothing, 5)
    assert len(bus.roster.entries_of("app", "one")) == len(planner.roster.entries_of("app", "one")) == 1


async def test_sync_handler_may_cancel_and_the_call_takes_effect_by_the_end_of_its_run(home: Home) -> None:
    job = home.scheduler.run_every(nothing, 10, name="job")

    def cancel() -> None:
        job.cancel()
        subscription.cancel()

    subscription = home.bus.on_event(cancel, "button")
    home.fire("button")
    await home.records(1)
    assert not job.active
    assert not subscription.active
    assert await home.retired() == ["job", "cancel"]


async def test_sync_handler_may_cancel_all_listeners_and_jobs_of_its_app(home: Home) -> None:
    home.scheduler.run_every(nothing, 10, name="job")

    def cancel_all() -> None:
        home.scheduler.cancel_all()
        home.bus.cancel_all()

    home.bus.on_event(cancel_all, "button")
    home.bus.on_event(nothing, "other")
    home.fire("button")
    await home.records(1)
    assert home.scheduler_service.upcoming() == []
    assert home.bus_service.roster.entries_of("app", "one") == ()


async def test_sync_handler_may_run_a_job_now(home: Home, calls: list[Any]) -> None:
    async def job() -> None:
        calls.append(threading.current_thread() is threading.main_thread())

    planned = home.scheduler.run_in(job, 100)

    def button() -> None:
        planned.run_now()

    home.bus.on_event(button, "button")
    home.fire("button")
    await home.records(2)
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


async def test_cancel_from_a_thread_takes_effect_on_the_event_loop() -> None:
    clock = TimerThreads()
    async with SchedulerService(CommandExecutor(), clock=clock) as planner:
        job = AppScheduler(planner, "app", "one").run_in(nothing, 100)
        await asyncio.to_thread(job.cancel)
        await eventually(lambda: clock.threads)
    assert clock.threads == [threading.main_thread()]


def test_cancel_after_the_end_of_the_loop_has_no_effect_and_no_error() -> None:
    async def start_and_stop() -> Any:
        async with SchedulerService(CommandExecutor()) as planner:
            return AppScheduler(planner, "app", "one").run_in(nothing, 100)

    job = asyncio.run(start_and_stop())
    job.cancel()
    assert job.active
