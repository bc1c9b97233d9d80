"""In a burst of events, no run of a quick handler is skipped. Skipped runs of a slow handler are counted and logged."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from hassette_core.roster import AT_ONCE, MAX_WAITING
from hassette_core.roster.overflow import MAX_OVERFLOW
from support.home import Home
from support.waiting import eventually

BURST = 1_500


def overload_lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.message.startswith("Runs are skipped")]


def burst(home: Home, count: int = BURST, first: int = 0) -> None:
    """Change many entities at once, while no other task runs."""
    for number in range(first, first + count):
        home.change(f"sensor.number_{number}", "1")


async def empty() -> None: ...


async def turns_of_the_loop() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def short_wait() -> None:
    await asyncio.sleep(0.005)


def in_a_thread() -> None:
    time.sleep(0.0005)


@pytest.mark.parametrize("handler", [empty, turns_of_the_loop, short_wait, in_a_thread])
async def test_burst_of_1500_changes_costs_no_run_of_a_quick_handler(
    home: Home, handler: Callable[[], Coroutine[Any, Any, None] | None]
) -> None:
    home.bus.on_state_change(handler, "sensor.*")
    burst(home)
    await home.records(BURST)
    assert await home.skipped() == {}


async def test_burst_costs_no_run_of_a_quick_queued_handler(home: Home) -> None:
    home.bus.on_state_change(empty, "sensor.*", mode="queued")
    burst(home)
    await home.records(BURST)
    assert await home.skipped() == {}


async def test_burst_costs_no_run_of_several_listeners(home: Home) -> None:
    names = [f"listener_{number}" for number in range(5)]
    for name in names:
        home.bus.on_state_change(empty, "sensor.*", name=name)
    burst(home)
    records = await home.records(BURST * len(names))
    assert {record.registration.name for record in records} == set(names)
    assert await home.skipped() == {}


async def test_five_bursts_in_a_row_cost_no_run(home: Home) -> None:
    home.bus.on_state_change(empty, "sensor.*")
    for number in range(5):
        burst(home, first=number * BURST)
        await asyncio.sleep(0)
    await home.records(5 * BURST)
    assert await home.skipped() == {}


async def test_burst_costs_no_run_while_the_event_loop_is_blocked(home: Home) -> None:
    """While the event loop is blocked, no handler can end. This does not mean that the handler is slow."""
    home.bus.on_state_change(empty, "sensor.*")
    burst(home)
    time.sleep(1)  # noqa: ASYNC251  the event loop must be blocked
    await home.records(BURST)
    assert await home.skipped() == {}


async def test_quick_runs_wait_no_longer_than_the_shared_limit(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.bus.on_state_change(empty, "sensor.number_0")
    room = AT_ONCE + MAX_WAITING + MAX_OVERFLOW
    for number in range(room + 3):
        home.change("sensor.number_0", str(number))
    await eventually(lambda: home.executor.accounting().executed == room, 60)
    assert await home.skipped() == {"back_pressure": 3}
    (line,) = overload_lines(caplog)
    assert "sensor.number_0" in str(vars(line)["registration"])


async def test_slow_handler_keeps_its_limit_and_its_skipped_runs_are_logged_once_with_their_number(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    go = asyncio.Event()

    async def hung() -> None:
        await go.wait()

    home.bus.on_state_change(hung, "sensor.*")
    home.bus.on_state_change(empty, "sensor.*")
    burst(home)
    (line,) = await eventually(lambda: overload_lines(caplog))
    skipped = BURST - AT_ONCE - MAX_WAITING
    assert (vars(line)["skipped"], "hung" in str(vars(line)["registration"])) == (skipped, True)
    burst(home, 100, first=BURST)  # the lane is still full
    assert len(overload_lines(caplog)) == 1
    go.set()
    await home.records(AT_ONCE + MAX_WAITING + BURST + 100)
    assert await home.skipped() == {"back_pressure": skipped + 100}


async def test_handler_that_was_slow_may_use_the_shared_room_again(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    go = asyncio.Event()

    async def hung() -> None:
        await go.wait()

    home.bus.on_state_change(hung, "sensor.*")
    burst(home)
    await eventually(lambda: overload_lines(caplog))
    go.set()
    await home.records(AT_ONCE + MAX_WAITING)
    burst(home, first=BURST)
    await home.records(AT_ONCE + MAX_WAITING + BURST)


async def test_stop_during_a_burst_counts_every_waiting_run(home: Home) -> None:
    go = asyncio.Event()

    async def hung() -> None:
        await go.wait()

    home.bus.on_state_change(hung, "sensor.*")
    burst(home)
    await home.bus_service.stop()
    assert await home.skipped() == {"back_pressure": BURST - AT_ONCE}


@pytest.mark.parametrize("mode", ["single", "restart"])
async def test_burst_leaves_the_modes_single_and_restart_as_they_are(
    home: Home, mode: Any, caplog: pytest.LogCaptureFixture
) -> None:
    home.bus.on_state_change(empty, "sensor.*", mode=mode)
    burst(home)
    records = await home.records()
    skipped = await home.skipped()
    assert set(skipped) == {"overlap"}
    assert len(records) + skipped["overlap"] == BURST
    assert overload_lines(caplog) == []
