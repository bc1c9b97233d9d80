"""Keeps the parts of the framework alive together, and puts them to rest in order."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from graphlib import TopologicalSorter
from random import Random

from hassette_core.errors import FatalError
from hassette_core.lifecycle.keeper import Keeper, Member
from hassette_core.lifecycle.restarts import RestartPolicy
from hassette_core.lifecycle.status import StatusChange


class Supervisor:
    """Starts members in dependency order, serves them together, restarts what crashes, stops all in reverse.

    Every task that it makes is owned by the task group of `run` and has ended when `run` returns.

    Args:
        members: What to keep; any order.
        policy: When to restart, and when to give up; None for the default.
        stop_budget_s: Seconds that stopping may take altogether. Docker kills after 10.
        on_change: Called with every change of status, on the event loop; it must not raise.
        on_fatal: Called with the cause when it is past mending, before anything is stopped; it must not raise.
        on_cut_off: Called when `run` is cancelled although nobody has requested a stop, before anything is stopped;
            it must not raise.
        monotonic: Reads the clock that crashes are counted on, in seconds.
        sleep: Waits the given number of seconds between attempts.
        random: Source of the pauses' jitter.

    Attributes:
        started: Set once every member has been started or, if it is not required, tried.

    Raises:
        ValueError: Two members have one name, or one comes after a name that does not exist.
        graphlib.CycleError: Members wait for each other.
    """

    def __init__(
        self,
        members: Iterable[Member],
        *,
        policy: RestartPolicy | None = None,
        stop_budget_s: float = 9.0,
        on_change: Callable[[StatusChange], None] = lambda _: None,
        on_fatal: Callable[[FatalError], None] = lambda _: None,
        on_cut_off: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        make = partial(
            Keeper,
            policy=policy or RestartPolicy(),
            on_change=on_change,
            on_fatal=self._end,
            monotonic=monotonic,
            sleep=sleep,
            random=random or Random(),  # noqa: S311  jitter needs no secrecy
        )
        self._keepers = [make(member) for member in _in_order(members)]
        self._stop_budget_s = stop_budget_s
        self._on_fatal = on_fatal
        self._on_cut_off = on_cut_off
        self._stop_requested = asyncio.Event()
        self._cause: FatalError | None = None
        self.started = asyncio.Event()

    @property
    def statuses(self) -> tuple[StatusChange, ...]:
        """The newest status of each member, in starting order."""
        return tuple(keeper.status for keeper in self._keepers)

    @property
    def stopping(self) -> bool:
        """Whether the end has begun."""
        return self._stop_requested.is_set()

    def request_stop(self) -> None:
        """Let `run` stop everything and return. Safe to call at any time, and twice."""
        self._stop_requested.set()

    async def run(self) -> None:
        """Start all, serve until a stop is requested, stop all. Runs once.

        Raises:
            FatalError: What ended it, if it was not a request: a fatal cause, a required member that did not start
                (`StartFailedError`) or that crashed too often (`ServiceExhaustedError`). Everything has been stopped.
        """
        async with asyncio.TaskGroup() as owner:
            # The finally also runs when run() itself is cancelled: the parts still get their orderly end.
            try:
                await self._start_all(owner)
                await self._stop_requested.wait()
            except asyncio.CancelledError:
                if not self.stopping:
                    self._on_cut_off()
                raise
            finally:
                self._stop_requested.set()
                await self._stop_all(owner)
        if self._cause is not None:
            raise self._cause

    async def _start_all(self, owner: asyncio.TaskGroup) -> None:
        stop = owner.create_task(self._stop_requested.wait())
        for keeper in self._keepers:
            keeper.begin(owner)
            tried = owner.create_task(keeper.tried.wait())
            await asyncio.wait({tried, stop}, return_when=asyncio.FIRST_COMPLETED)
            tried.cancel()
            if self.stopping:
                return
        stop.cancel()
        self.started.set()

    async def _stop_all(self, owner: asyncio.TaskGroup) -> None:
        deadline = time.monotonic() + self._stop_budget_s
        remaining = self._keepers[::-1]
        for position, keeper in enumerate(remaining, start=1):
            # What comes last (the final flush, the database) is worth most: the early ones cannot use up its time.
            reserved_s = sum(later.member.reserve_s for later in remaining[position:])
            await keeper.end(owner, max(deadline - time.monotonic() - reserved_s, keeper.member.reserve_s))

    def _end(self, cause: FatalError) -> None:
        if self._cause is None:
            self._cause = cause
            self._on_fatal(cause)
        self._stop_requested.set()


def _in_order(members: Iterable[Member]) -> list[Member]:
    by_name: dict[str, Member] = {}
    for member in members:
        if member.part.name in by_name:
            raise ValueError(f"two parts are called {member.part.name!r}")
        by_name[member.part.name] = member
    for name, member in by_name.items():
        if unknown := set(member.after) - by_name.keys():
            raise ValueError(f"{name} comes after {', '.join(sorted(unknown))}, which nobody is called")
    return [by_name[name] for name in TopologicalSorter({n: m.after for n, m in by_name.items()}).static_order()]
