"""What is not history yet: a protocol that the framework's process fulfils, and two feeds beside it.

`NoFeed` says nothing (another process reads the file), `MemoryFeed` is for tests and for looking around.
"""

# ruff: noqa: D102  a protocol's class says what its properties are
import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from hassette_sync.errors import SyncError


class LiveRegistration(Protocol):
    """Whose run: the natural key, without the topic."""

    @property
    def app(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def name(self) -> str: ...


@runtime_checkable
class LiveEventTrigger(Protocol):
    """The event that a handler heard."""

    @property
    def event_type(self) -> str: ...
    @property
    def entity_id(self) -> str | None: ...
    @property
    def old_state(self) -> str | None: ...
    @property
    def new_state(self) -> str | None: ...
    @property
    def context_id(self) -> str | None: ...
    @property
    def parent_id(self) -> str | None: ...
    @property
    def user_id(self) -> str | None: ...


@runtime_checkable
class LiveDueTrigger(Protocol):
    """The moment at which a job was due."""

    @property
    def due_us(self) -> int: ...
    @property
    def manual(self) -> bool: ...


LiveTrigger = LiveEventTrigger | LiveDueTrigger


class LiveFailure(Protocol):
    """What a run raised."""

    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...


class LiveRow(Protocol):
    """A run that has just ended; the fields of a row in the history, by the same names."""

    @property
    def id(self) -> int: ...
    @property
    def registration(self) -> LiveRegistration: ...
    @property
    def trigger(self) -> LiveTrigger: ...
    @property
    def started_us(self) -> int: ...
    @property
    def duration_us(self) -> int: ...
    @property
    def waited_us(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def failure(self) -> LiveFailure | None: ...


class LiveRunning(Protocol):
    """A run that has begun and not ended."""

    @property
    def run(self) -> int: ...
    @property
    def registration(self) -> LiveRegistration: ...
    @property
    def trigger(self) -> LiveTrigger: ...
    @property
    def started_us(self) -> int: ...


class LiveUpcoming(Protocol):
    """A job's next run."""

    @property
    def app(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def due_us(self) -> int: ...


class LiveServiceState(Protocol):
    """One part of the framework and how it is."""

    @property
    def name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def detail(self) -> str: ...


class LiveAccounting(Protocol):
    """Where the runs of this process are: ``executed == persisted + sum(shed) + waiting``."""

    @property
    def executed(self) -> int: ...
    @property
    def persisted(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def shed(self) -> Mapping[str, int]: ...


class LiveSnapshot(Protocol):
    """How things are at this moment.

    Attributes:
        ready: Connected to Home Assistant, apps started.
        connection: ``connected``, ``connecting`` and the like; empty when nobody knows.
    """

    @property
    def ready(self) -> bool: ...
    @property
    def connection(self) -> str: ...
    @property
    def services(self) -> Sequence[LiveServiceState]: ...
    @property
    def running(self) -> Sequence[LiveRunning]: ...
    @property
    def upcoming(self) -> Sequence[LiveUpcoming]: ...
    @property
    def accounting(self) -> LiveAccounting: ...


class LiveFeed(Protocol):
    """The framework's side of "now"."""

    def subscribe(self, after: int) -> AbstractAsyncContextManager[AsyncIterator[Sequence[LiveRow]]]:
        """Follow the runs from entering the context on, those still remembered with an id above ``after`` first.

        Ids increase. The iteration raises (anything) when the follower has fallen too far behind.
        """
        ...

    def snapshot(self) -> LiveSnapshot:
        """Return how things are now; never blocks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """A `LiveAccounting` of plain numbers."""

    executed: int = 0
    persisted: int = 0
    waiting: int = 0
    shed: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A `LiveSnapshot` of plain values; by default one that knows nothing."""

    ready: bool = False
    connection: str = ""
    services: Sequence[LiveServiceState] = ()
    running: Sequence[LiveRunning] = ()
    upcoming: Sequence[LiveUpcoming] = ()
    accounting: LiveAccounting = Accounting()


class FollowerTooSlowError(SyncError):
    """A follower of `MemoryFeed` has fallen behind."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"The follower was dropped: it fell {waiting} runs behind.")


class NoFeed:
    """Nothing is live: a follower waits until it is cancelled, a snapshot knows nothing."""

    @asynccontextmanager
    async def subscribe(self, after: int) -> AsyncGenerator[AsyncIterator[Sequence[LiveRow]]]:
        """Follow nothing."""
        yield _silence()

    def snapshot(self) -> Snapshot:
        """Return a snapshot that knows nothing."""
        return Snapshot()


async def _silence() -> AsyncGenerator[Sequence[LiveRow]]:
    await asyncio.get_running_loop().create_future()
    yield ()


class MemoryFeed:
    """A feed for tests: what is published is remembered and goes to every follower.

    Args:
        retained: How many runs are remembered for those who come back.
        bound: How many runs a follower may be behind before it is dropped.

    Attributes:
        state: What `snapshot` returns; set it.
    """

    def __init__(self, retained: int = 1_000, bound: int = 1_000) -> None:
        self.state = Snapshot()
        self._retained: deque[LiveRow] = deque(maxlen=retained)
        self._bound = bound
        self._followers: set[_Follower] = set()

    def publish(self, *rows: LiveRow) -> None:
        """Hand runs that have just ended to every follower; their ids go up."""
        self._retained.extend(rows)
        for follower in self._followers:
            follower.push(rows)

    def snapshot(self) -> Snapshot:
        """Return `state`."""
        return self.state

    @asynccontextmanager
    async def subscribe(self, after: int) -> AsyncGenerator[AsyncIterator[Sequence[LiveRow]]]:
        """Follow; see `LiveFeed.subscribe`."""
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
        self._news = asyncio.Event()

    def push(self, rows: Sequence[LiveRow]) -> None:
        if rows:
            self._waiting.extend(rows)
            self._news.set()

    def __aiter__(self) -> AsyncIterator[Sequence[LiveRow]]:
        return self

    async def __anext__(self) -> Sequence[LiveRow]:
        await self._news.wait()
        if len(self._waiting) > self._bound:
            raise FollowerTooSlowError(len(self._waiting))
        self._news.clear()
        rows, self._waiting = tuple(self._waiting), []
        return rows
