"""`AppBus.wait_for` waits for an event or a condition. It leaves no listener behind, and it is not a run."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hassette_core.bus import AppBus
from hassette_core.conditions import above, between, state_is
from hassette_core.errors import RegistrationError, WaitTimeoutError
from hassette_core.events import Event, StateChanged
from hassette_executor import Status
from support.home import Home
from support.records import nothing


async def begin(home: Home, what: Any, **options: Any) -> "asyncio.Task[Event | None]":
    """Start to wait in a task."""
    task = asyncio.create_task(home.bus.wait_for(what, **options))
    await home.settle()
    return task


async def test_event_ends_the_wait(home: Home) -> None:
    task = await begin(home, "button", where=lambda event: event.data["n"] == 2, timeout=10)
    home.fire("button", n=1)
    home.fire("other", n=2)
    await home.settle()
    assert not task.done()
    home.fire("button", n=2)
    home.fire("button", n=3)
    event = await task
    assert event is not None
    assert event.data["n"] == 2
    await home.records(0)
    assert await home.skipped() == {}
    assert home.clock.waiting == 0


async def test_change_that_meets_a_condition_ends_the_wait(home: Home) -> None:
    home.set_state("light.a", "off")
    task = await begin(home, state_is(["light.a", "light.b"], "on"))
    home.change("light.a", "on")
    await home.settle()
    assert not task.done()
    home.change("light.b", "on")
    event = await task
    assert isinstance(event, StateChanged)
    assert event.entity_id == "light.b"
    await home.records(0)


async def test_condition_that_holds_needs_no_event(home: Home) -> None:
    home.set_state("light.a", "on")
    assert await home.bus.wait_for(state_is("light.a", "on"), timeout=1) is None
    assert home.clock.waiting == 0


async def test_condition_on_the_time_is_checked_without_an_event(home: Home) -> None:
    task = await begin(home, between("12:01", "13:00"))
    await home.pass_time(59)
    assert not task.done()
    await home.pass_time(3)
    assert await task is None
    home.set_state("light.a", "on")
    task = await begin(home, state_is("light.a", "on", duration=120))
    await home.pass_time(60, step=5)
    assert await task is None


@pytest.mark.parametrize(
    ("what", "timeout", "text"),
    [
        ("button", 5, "timed out after 5 s while waiting for: an event button"),
        (
            above("sensor.a", 5),
            timedelta(seconds=90),
            "timed out after 1 min 30 s while waiting for: sensor.a is above 5: it was 3",
        ),
    ],
)
async def test_timeout_raises_an_error_that_names_what_was_missing(
    home: Home, what: Any, timeout: Any, text: str
) -> None:
    home.set_state("sensor.a", "3")
    task = await begin(home, what, timeout=timeout)
    await home.pass_time(100, step=5)
    with pytest.raises(WaitTimeoutError) as raised:
        await task
    assert str(raised.value) == text
    assert isinstance(raised.value, TimeoutError)
    assert home.clock.waiting == 0


async def test_cancelled_wait_leaves_nothing_behind(home: Home) -> None:
    for what in ("button", state_is("light.a", "on"), state_is("light.*", "on"), "but*"):
        task = await begin(home, what, timeout=60)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    assert home.clock.waiting == 0
    assert not home.bus_service.has_listeners("button")
    home.fire("button")
    home.change("light.a", "on")


async def test_event_and_cancellation_at_once_do_not_disturb_the_next_wait(home: Home) -> None:
    task = await begin(home, "button")
    home.fire("button")
    task.cancel()
    await asyncio.wait([task])
    again = await begin(home, "button")
    home.fire("button")
    assert await again is not None


async def test_end_of_the_app_cancels_its_waits(home: Home) -> None:
    task = await begin(home, "button", timeout=60)
    home.bus.end()
    await asyncio.wait([task])
    assert task.cancelled()
    with pytest.raises(asyncio.CancelledError, match=r"app\.one has ended"):
        await home.bus.wait_for("button")


async def test_run_that_begins_to_wait_while_its_app_ends_is_cancelled_and_not_failed(home: Home) -> None:
    go = asyncio.Event()

    async def confirm() -> None:
        await go.wait()
        await home.bus.wait_for("answer")

    home.bus.on_event(confirm, "button")
    home.fire("button")
    await home.until(home.executor.running)
    home.bus.end()
    go.set()
    (record,) = await home.records(1)
    assert record.status is Status.CANCELLED


async def test_handler_may_wait_and_its_cancellation_ends_the_wait(home: Home) -> None:
    async def confirm() -> None:
        await home.bus.wait_for("answer", timeout=60)

    home.bus.on_event(confirm, "button", mode="restart")
    home.fire("button")
    await home.settle()
    home.fire("button")
    await home.settle()
    home.fire("answer")
    records = await home.records(2)
    assert [record.status.value for record in records] == ["cancelled", "success"]
    assert home.clock.waiting == 0


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), StopIteration()])
async def test_failed_condition_ends_only_its_wait(home: Home, error: BaseException) -> None:
    def fail(event: Event) -> bool:
        raise error

    other = AppBus(home.bus_service, "other", "one")
    other.on_event(nothing, "button")
    task = await begin(home, "button", where=fail)
    home.fire("button")
    with pytest.raises(Exception, match=r"no|condition failed"):
        await task
    await home.records(1)


@pytest.mark.parametrize(
    ("what", "options", "text"),
    [
        (5, {}, "event_type must be an event type"),
        ("", {}, "event_type must be an event type"),
        ("button", {"timeout": -1}, "timeout must be more than 0"),
        ("button", {"where": "on"}, "where must be a condition"),
        (state_is("light.a", "on"), {"where": lambda: True}, "combine the condition with &"),
        (state_is("light.a", "on") & (lambda event: True), {}, "needs no event"),
    ],
)
async def test_wait_that_cannot_work_is_rejected(home: Home, what: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(RegistrationError, match=text):
        await home.bus.wait_for(what, **options)
