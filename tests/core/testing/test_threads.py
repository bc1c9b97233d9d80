"""Threads and the loop take turns, so that a test always has the same result."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hassette_core import App, AppConfig, SyncApp
from hassette_core.simulation.virtual_loop import VirtualLoop
from hassette_core.testing import HomeUnderTest, NotSettledError


class Lamps(SyncApp[AppConfig]):
    """Sync handlers whose calls trigger other sync handlers of the same app."""

    def on_initialize(self) -> None:
        self.bus.on_event(self.first, "go")
        self.bus.on_event(self.second, "go")
        self.bus.on_state_change(self.follow, "light.*")
        self.scheduler.run_every(self.blink, 60)

    def first(self) -> None:
        self.api.call_service("light", "turn_on", target="light.a")
        self.time.sleep(30)
        self.logger.info("%s", self.states["light.b"].state)
        self.api.call_service("light", "turn_off", target="light.a")

    def second(self) -> None:
        for _ in range(3):
            self.api.call_service("light", "toggle", target="light.b")

    def follow(self) -> None:
        time.sleep(0.0005)  # real time; the home waits for it
        self.api.call_service("switch", "toggle", target="switch.x")

    def blink(self) -> None:
        self.logger.warning("tick")


class Mixed(App[AppConfig]):
    """Async handlers that use threads."""

    async def on_initialize(self) -> None:
        self.bus.on_event(self.work, "go")
        self.bus.on_event(self.plain, "go")

    async def work(self) -> None:
        total = await asyncio.gather(*(asyncio.to_thread(sum, range(number)) for number in range(5)))
        with ThreadPoolExecutor(1) as threads:
            more = await asyncio.get_running_loop().run_in_executor(threads, time.sleep, 0.001)
        self.logger.info("%s %s", total, more)

    def plain(self) -> None:
        self.logger.info("plain")


def play(directory: Path) -> str:
    """Return the timeline of an evening with all kinds of handlers."""
    with HomeUnderTest(directory) as home:
        for entity in ("light.a", "light.b", "switch.x"):
            home.set(entity, "off")
        home.add_app(Lamps)
        home.add_app(Mixed)
        for _ in range(3):
            home.fire("go")
            home.advance(seconds=45)
        home.interrupt(seconds=7)
        home.check_failures()
        assert len(home.runs(Lamps.follow)) > 10
        return str(home.timeline())


def test_same_seed_leads_to_the_same_timeline(tmp_path: Path) -> None:
    timeline = play(tmp_path)
    for _ in range(4):
        other = play(tmp_path)
        assert other == timeline, "\n".join(unified_diff(timeline.splitlines(), other.splitlines(), lineterm=""))
    assert "lamps.first: success, 30 s" in timeline
    assert "warning tick" in timeline
    assert "info [0, 0, 1, 3, 6] None" in timeline


class Direct(App[AppConfig]):
    """A thread that uses asyncio itself, without `SyncApp`."""

    async def on_initialize(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.results: list[int] = []
        self.bus.on_event(self.wait, "go")

    def wait(self) -> None:
        async def later() -> int:
            await asyncio.sleep(100)
            return 1

        self.loop.call_soon_threadsafe(self.results.append, 0)
        self.results.append(asyncio.run_coroutine_threadsafe(later(), self.loop).result())


def test_thread_that_waits_for_a_coroutine_does_not_stop_the_time(home: HomeUnderTest) -> None:
    home.add_app(Direct)
    home.fire("go")
    assert home.app(Direct).results == [0]
    home.advance(seconds=100)
    assert home.app(Direct).results == [0, 1]
    assert home.runs()[0].duration_s == 100


class Sleeper(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_event(self.sleep, "go")

    def sleep(self) -> None:
        time.sleep(3)


def test_blocking_thread_is_shown_in_the_error(tmp_path: Path) -> None:
    home = HomeUnderTest(tmp_path, patience_s=0.3)
    home.add_app(Sleeper)
    with pytest.raises(NotSettledError, match=r"(?s)Thread 'hassette-run-1' is here:.*time.sleep\(3\)"):
        home.fire("go")
    with pytest.raises(NotSettledError):
        home.close()


class Idle:
    """Moves the time of a loop to the next timer, up to a limit."""

    def __init__(self, limit_us: int) -> None:
        self.left_us = limit_us
        self.loop: VirtualLoop

    def takes_call(self, call: Callable[[], object]) -> bool:
        return False

    def loop_is_idle(self, next_timer_us: int | None) -> bool:
        assert next_timer_us is not None, "the loop waits for nothing"
        self.left_us -= next_timer_us
        self.loop.move(next_timer_us)
        return True


def run_virtually(work: Callable[[], Awaitable[Any]]) -> None:
    idle = Idle(10**16)
    idle.loop = VirtualLoop(idle)
    try:
        idle.loop.run_until_complete(work())
    finally:
        idle.loop.close()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=30))
def test_timers_fire_in_order_and_on_time(delays_us: list[int]) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        began, fired = loop.now_us, list[tuple[int, int]]()
        for number, delay_us in enumerate(delays_us):
            loop.call_later(delay_us / 1e6, lambda number=number: fired.append((loop.now_us - began, number)))
        await asyncio.sleep(max(delays_us) / 1e6)
        await asyncio.sleep(0.001)
        assert [delays_us[number] for _, number in fired] == sorted(delays_us)
        assert max(abs(at - delays_us[number]) for at, number in fired) <= 1

    run_virtually(work)


@pytest.mark.parametrize("days", [193, 195, 400, 20_000])
def test_timers_fire_after_years(days: int) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await asyncio.sleep(days * 86_400)
        for _ in range(100):
            due = loop.time() + 1_000_000.1
            await asyncio.sleep(1_000_000.1)
            assert abs(loop.time() - due) <= 2e-6

    run_virtually(work)


def test_log_level_of_apps_is_restored(tmp_path: Path) -> None:
    before = logging.getLogger("hassette.apps").level
    with HomeUnderTest(tmp_path):
        assert logging.getLogger("hassette.apps").level == logging.INFO
    assert logging.getLogger("hassette.apps").level == before
