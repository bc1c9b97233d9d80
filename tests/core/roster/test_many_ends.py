"""The end of very many listeners or jobs: it takes effect at once, and does not hold the event loop."""

import asyncio
import sys
from typing import Any

import pytest

from hassette_core.roster import ENDED_AT_ONCE
from support.home import Home
from support.records import nothing

MANY = 8 * ENDED_AT_ONCE


def listen(home: Home, handler: Any, **options: Any) -> None:
    for number in range(MANY):
        home.bus.on_state_change(handler, f"light.l{number}", name=f"l{number}", **options)


def change_all(home: Home, state: str) -> None:
    for number in range(MANY):
        home.change(f"light.l{number}", state)


async def turns_until_settled(home: Home) -> int:
    """Return how many turns the event loop makes until the ended listeners and jobs are removed."""
    settling = asyncio.gather(home.bus_service.roster.settle(), home.scheduler_service.roster.settle())
    turns = 0
    while not settling.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_no_ended_listener_receives_an_event_while_they_are_removed(home: Home, calls: list[Any]) -> None:
    listen(home, lambda: calls.append(1))
    subscription = home.bus.on_event(nothing, "button")
    home.bus.cancel_all()
    change_all(home, "on")
    assert not subscription.active
    assert home.bus_service.roster.entries_of("app", "one") == ()
    assert home.bus_service.roster.entries() == []
    turns_of_removal, turns_afterwards = await turns_until_settled(home), await turns_until_settled(home)
    assert turns_of_removal > turns_afterwards
    change_all(home, "off")
    await home.settle()
    assert calls == []
    assert await home.records() == []
    assert len(await home.retired()) == MANY + 1


async def test_names_of_ended_listeners_are_free_at_once(home: Home, calls: list[Any]) -> None:
    listen(home, nothing)
    home.bus.cancel_all()
    listen(home, lambda: calls.append(1))
    change_all(home, "on")
    await home.until(lambda: len(calls) == MANY)
    await home.records(MANY)
    assert await home.retired() == []  # each retirement was reported before the registration of the same name
    assert len(home.bus_service.roster.entries_of("app", "one")) == MANY


@pytest.mark.parametrize("options", [{"debounce": 10}, {"duration": 10}], ids=["debounce", "duration"])
async def test_events_that_ended_listeners_held_lead_to_no_run(home: Home, options: dict[str, Any]) -> None:
    listen(home, nothing, **options)
    change_all(home, "on")
    home.bus.cancel_all()
    await home.pass_time(20, step=10)
    assert await home.records() == []
    # A change that did not last is no skipped run.
    assert await home.skipped() == ({"rate_limited": MANY} if "debounce" in options else {})


async def test_runs_that_wait_in_ended_listeners_do_not_start(home: Home) -> None:
    blocked = asyncio.Event()
    listen(home, blocked.wait, mode="queued")
    change_all(home, "on")
    change_all(home, "off")
    home.bus.cancel_all()
    blocked.set()
    assert len(await home.records(MANY)) == MANY
    assert await home.skipped() == {"back_pressure": MANY}
    assert len(await home.retired()) == MANY


async def test_second_end_of_very_many_listeners_continues_the_first(home: Home) -> None:
    listen(home, nothing)
    home.bus.cancel_all()
    home.bus.on_state_change(nothing, "light.last", name="last")
    home.bus.cancel_all()
    await home.bus_service.roster.settle()
    assert len(await home.retired()) == MANY + 1


async def test_no_ended_job_runs_while_they_are_removed(home: Home) -> None:
    jobs = [home.scheduler.run_every(nothing, 5 + number, name=f"j{number}") for number in range(MANY)]
    home.scheduler.cancel_all()
    assert home.scheduler.jobs() == ()
    assert home.scheduler_service.upcoming() == []
    assert {(job.active, job.next_run) for job in jobs} == {(False, None)}
    turns_of_removal, turns_afterwards = await turns_until_settled(home), await turns_until_settled(home)
    assert turns_of_removal > turns_afterwards
    assert len(await home.retired()) == MANY
    later = home.scheduler.run_in(nothing, 7, name="j1")
    await home.pass_time(20)
    (record,) = await home.records()
    assert record.registration is later.registration


async def test_stop_of_the_bus_removes_the_ended_listeners(home: Home) -> None:
    listen(home, nothing)
    home.bus.cancel_all()
    await home.bus_service.stop()
    assert await turns_until_settled(home) <= 2
    assert len(await home.retired()) == MANY


def test_end_of_very_many_listeners_without_an_event_loop_is_complete() -> None:
    home = Home()
    listen(home, nothing)
    home.bus.cancel_all()
    asyncio.run(home.bus_service.roster.settle())
    listen(home, nothing)
    assert len(home.bus_service.roster.entries()) == MANY


def calls_for_reload(count: int, *, recurring: bool) -> int:
    """Return how many functions a reload calls for the jobs of an app that replace each other by name."""
    home = Home()

    async def job() -> None: ...

    def register() -> None:
        for number in range(count):
            if recurring:
                home.scheduler.run_every(job, 600, name=f"j{number}", replace=True)
            else:
                home.scheduler.run_in(job, 600, name=f"j{number}", replace=True)

    register()
    calls = 0

    def count_call(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count_call)
    try:
        plans = home.scheduler_service.take_plans("app", "one")
        home.scheduler.cancel_all()
        if recurring:
            register()
        home.scheduler_service.carry_over(plans, lambda handler: handler)
    finally:
        sys.setprofile(None)
    assert len(home.scheduler.jobs()) == count
    return calls


@pytest.mark.parametrize("recurring", [True, False], ids=["recurring", "once"])
def test_work_of_a_reload_grows_with_the_number_of_jobs_and_not_with_its_square(recurring: bool) -> None:
    assert calls_for_reload(1_000, recurring=recurring) < 3 * calls_for_reload(500, recurring=recurring)
