"""`HomeSession`: pass requests of the test to the home, and wait until the home has settled."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hassette_core.simulation.home.model import HomeUser
from hassette_core.simulation.virtual_loop import VirtualClock
from hassette_core.testing.errors import HomeTestError, NotSettledError
from hassette_core.testing.home_thread import Done, HomeThread
from hassette_core.testing.system import SystemUnderTest

T = TypeVar("T")

START = "2026-06-01 12:00"
"""The time of a new home: a Monday at noon."""
TIME_ZONE = "Europe/Amsterdam"
PATIENCE_S = 30.0
KEPT = 100_000
MICROSECOND = timedelta(microseconds=1)


class HomeSession:
    """Base class of `HomeUnderTest`: the thread of the home, and the requests to it.

    In a test with a running event loop, requests return at once, and the test awaits them. In all other tests, requests
    return when the home has settled. Methods that read, such as `HomeUnderTest.calls`, always wait.
    """

    def __init__(self, data_dir: Path, *, seed: int = 1, patience_s: float = PATIENCE_S, kept: int = KEPT) -> None:
        zone = ZoneInfo(TIME_ZONE)
        self._thread = HomeThread(patience_s)
        self._clock = VirtualClock(self._thread.loop, datetime.fromisoformat(START).replace(tzinfo=zone))
        self._unread: list[Done[Any]] = []
        self._users: dict[str, HomeUser] = {}
        self._closed = False
        make = self._thread.submit(lambda: SystemUnderTest(self._thread.loop, self._clock, zone, data_dir, seed, kept))
        self._system: SystemUnderTest = self._thread.wait(make)
        self._thread.wait(self._thread.submit(self._system.open))

    def _do(self, work: Callable[[], Any], moved_us: Callable[[], int] = lambda: 0) -> Done[Any]:
        """Send a request to the home."""
        self._raise_unread()
        done = Done[Any](self._thread, self._thread.submit(work, moved_us))
        if _in_event_loop():
            self._unread.append(done)
        else:
            done.result  # noqa: B018  waits
        return done

    def _move(self, passed: Callable[[], timedelta]) -> Done[None]:
        """Start the framework, and let time pass."""
        self._start()
        return self._do(lambda: None, lambda: passed() // MICROSECOND)

    def _start(self) -> None:
        """Start the framework, unless it runs."""
        if self._system.hassette is None:
            self._do(self._system.start)

    def _read(self, question: Callable[[], T]) -> T:
        """Return an answer of the home, after all earlier requests."""
        if self._closed or self._thread.is_current or self._thread.is_stuck:
            return question()  # the home does not change meanwhile
        answer = self._thread.wait(self._thread.submit(question))
        self._raise_unread()
        return answer

    def _read_flushed(self, question: Callable[[], T]) -> T:
        """Return an answer of the home, with all runs that have ended."""

        async def flush_and_ask() -> T:
            await self._system.flush()
            return question()

        if self._closed or self._thread.is_stuck:
            return question()
        answer: T = self._thread.wait(self._thread.submit(flush_and_ask))
        self._raise_unread()
        return answer

    def _raise_unread(self) -> None:
        """Raise the error of an earlier request that the test did not await."""
        if self._closed:
            raise HomeTestError("the home is closed; use it only within its test")
        ended = [done for done in self._unread if done.ended]
        self._unread = [done for done in self._unread if not done.ended]
        for done in ended:
            if not done.read:
                done.result  # noqa: B018  raises the error, if there is one

    def close(self) -> None:
        """Stop the framework and the simulated home. May be called twice.

        Raises:
            NotSettledError: The home makes no progress. Its threads are left behind.
        """
        if self._closed:
            return
        self._closed = True
        stuck = self._thread.is_stuck
        self._thread.prepare_close()
        try:
            self._thread.wait(self._thread.submit(self._system.close))
        finally:
            self._thread.close()
        if stuck:
            raise NotSettledError("it had made no progress before its end")


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
