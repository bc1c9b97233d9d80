"""Present state of the framework: the protocol `LiveFeed` and two implementations.

The framework provides a `LiveFeed` in its process. In other processes, `NoFeed` takes its place. `MemoryFeed` is for
tests. Runs and failures have the shapes of `hassette_store.rows`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from hassette_store.rows import AnyRunRow, RunningRow
from hassette_sync.errors import FollowerTooSlowError

LiveRow = AnyRunRow
"""A run that has just ended."""


class LiveUpcoming(Protocol):
    """Next run of a job."""

    @property
    def app(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def due_us(self) -> int: ...


class LiveTrigger(Protocol):
    """Home Assistant's answer to the triggers of one handler."""

    @property
    def app(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def detail(self) -> str: ...


class LiveServiceState(Protocol):
    """Status of one service of the framework."""

    @property
    def name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def detail(self) -> str: ...


class LiveAccounting(Protocol):
    """Counts of the runs of this process: ``executed == persisted + sum(shed) + waiting``."""

    @property
    def executed(self) -> int: ...
    @property
    def persisted(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def shed(self) -> Mapping[str, int]: ...


class LiveSnapshot(Protocol):
    """State of the framework at one moment.

    Attributes:
        ready: Whether Home Assistant is connected and the apps have started.
        connection: State of the connection to Home Assistant, such as ``connected``; empty if unknown.
    """

    @property
    def ready(self) -> bool: ...
    @property
    def connection(self) -> str: ...
    @property
    def services(self) -> Sequence[LiveServiceState]: ...
    @property
    def running(self) -> Sequence[RunningRow]: ...
    @property
    def upcoming(self) -> Sequence[LiveUpcoming]: ...
    @property
    def triggers(self) -> Sequence[LiveTrigger]: ...
    @property
    def accounting(self) -> LiveAccounting: ...


class LiveFeed(Protocol):
    """Source of runs as they end, and of the present state."""

    def subscribe(self, after: int) -> AbstractAsyncContextManager[AsyncIterator[Sequence[LiveRow]]]:
        """Follow the runs that end after the context is entered.

        Retained runs with an id above ``after`` come first. The iterator may raise an exception of any type if the
        follower is too slow.
        """
        ...

    def snapshot(self) -> LiveSnapshot:
        """Return the present state, without blocking. ``upcoming`` has only the next runs."""
        ...

    def next_run_us(self, app: str, instance: str, name: str) -> int | None:
        """Return the time of the next run of one job, without blocking; None if no run is planned."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAccounting:
    """Plain implementation of `LiveAccounting`."""

    executed: int = 0
    persisted: int = 0
    waiting: int = 0
    shed: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySnapshot:
    """Plain implementation of `LiveSnapshot`, empty by default."""

    ready: bool = False
    connection: str = ""
    services: Sequence[LiveServiceState] = ()
    running: Sequence[RunningRow] = ()
    upcoming: Sequence[LiveUpcoming] = ()
    triggers: Sequence[LiveTrigger] = ()
    accounting: LiveAccounting = MemoryAccounting()


class NoFeed:
    """Feed without runs and with an empty state. A follower waits until it is cancelled."""

    @asynccontextmanager
    async def subscribe(self, after: int) -> AsyncGenerator[AsyncIterator[Sequence[LiveRow]]]:
        """Return an iterator that never yields a run."""
        yield _wait_forever()

    def snapshot(self) -> MemorySnapshot:
        """Return an empty state."""
        return MemorySnapshot()

    def next_run_us(self, app: str, instance: str, name: str) -> None:
        """Return None, because no job is known."""


async def _wait_forever() -> AsyncGenerator[Sequence[LiveRow]]:
    await asyncio.get_running_loop().create_future()
    yield ()


class MemoryFeed:
    """Feed for tests: it retains published runs and delivers them to all followers.

    Args:
        retained: Number of runs that new followers can still receive.
        bound: Number of runs by which a follower may be behind. The feed drops a follower that is further behind.

    Attributes:
        state: State that `snapshot` returns. A test may replace it.
    """

    def __init__(self, retained: int = 1_000, bound: int = 1_000) -> None:
        self.state = MemorySnapshot()
        self._retained: deque[LiveRow] = deque(maxlen=retained)
        self._bound = bound
        self._followers: set[_Follower] = set()

    def publish(self, *rows: LiveRow) -> None:
        """Deliver runs to all followers. The ids must increase."""
        self._retained.extend(rows)
        for follower in self._followers:
            follower.push(rows)

    def snapshot(self) -> MemorySnapshot:
        return self.state

    def next_run_us(self, app: str, instance: str, name: str) -> int | None:
        """Return the time of the next run of one job in `state`."""
        due = [one.due_us for one in self.state.upcoming if (one.app, one.instance, one.name) == (app, instance, name)]
        return min(due, default=None)

    @asynccontextmanager
    async def subscribe(self, after: int) -> AsyncGenerator[AsyncIterator[Sequence[LiveRow]]]:
        """Follow the runs; see `LiveFeed.subscribe`."""
        follower = _Follower(self._bound)
        follower.push([row for row in self._retained if row.id > after])
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)


class _Follower:
    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._waiting: list[LiveRow] = []
        self._has_rows = asyncio.Event()

    def push(self, rows: Sequence[LiveRow]) -> None:
        if rows:
            self._waiting.extend(rows)
            self._has_rows.set()

    def __aiter__(self) -> AsyncIterator[Sequence[LiveRow]]:
        return self

    async def __anext__(self) -> Sequence[LiveRow]:
        await self._has_rows.wait()
        if len(self._waiting) > self._bound:
            raise FollowerTooSlowError(len(self._waiting))
        self._has_rows.clear()
        rows, self._waiting = tuple(self._waiting), []
        return rows
