"""`Supervisor`: start the framework's services in dependency order, supervise them, and stop them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from graphlib import TopologicalSorter
from random import Random
from typing import Protocol

from hassette_core.errors import FatalError
from hassette_core.lifecycle.restarts import RestartPolicy
from hassette_core.lifecycle.status import StatusBoard, StatusReport
from hassette_core.lifecycle.supervised_service import ServiceSpec, SupervisedService


class SupervisorObserver(Protocol):
    """Receives the supervisor's events, on the event loop. No method may raise an exception."""

    def status_changed(self, report: StatusReport) -> None:
        """Handle the new status of a service. The board already shows it."""
        ...

    def failed(self, cause: FatalError) -> None:
        """Handle the failure that ends the process. All services are stopped afterwards."""
        ...

    def cancelled(self) -> None:
        """Handle a cancellation of `Supervisor.run` without a request to stop. All services are stopped afterwards."""
        ...


class Supervisor:
    """Starts services in dependency order, restarts crashed services, and stops all services in reverse order.

    The task group of `run` owns every task. When `run` returns, all tasks have ended.

    Args:
        specs: The services, in any order.
        policy: The rules for restarts of services; None for the default.
        stop_budget_s: Seconds for stopping all services. By default, Docker kills a process 10 s after it has requested
            the stop.
        board: Receives the status of each service; None for a new board.
        observer: Receives events; None for no observer.
        monotonic: Returns the time of a crash and of the stop, in seconds.
        sleep: Waits the given number of seconds between attempts.
        random: Source of the jitter in the pauses.

    Attributes:
        board: Shows the status of each service.
        started: Set once every required service has started, and every optional service has started or failed to start.

    Raises:
        ValueError: Two services have the same name, or a service depends on a name that does not exist.
        graphlib.CycleError: Services depend on each other.
    """

    def __init__(
        self,
        specs: Iterable[ServiceSpec],
        *,
        policy: RestartPolicy | None = None,
        stop_budget_s: float = 9.0,
        board: StatusBoard | None = None,
        observer: SupervisorObserver | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        self.board = board or StatusBoard()
        self.started = asyncio.Event()
        self._observer = observer
        self._monotonic = monotonic
        self._stop_budget_s = stop_budget_s
        self._stop_requested = asyncio.Event()
        self._cause: FatalError | None = None
        self._services = [
            SupervisedService(
                spec,
                policy=policy or RestartPolicy(),
                on_change=self._publish,
                on_fatal=self._fail,
                monotonic=monotonic,
                sleep=sleep,
                random=random or Random(),  # noqa: S311  jitter needs no secrecy
            )
            for spec in _in_order(specs)
        ]
        for service in self._services:
            self.board.update(service.status)

    @property
    def stopping(self) -> bool:
        """Whether shutdown has begun."""
        return self._stop_requested.is_set()

    def request_stop(self) -> None:
        """Make `run` stop all services and return. Safe to call at any time, and twice."""
        self._stop_requested.set()

    async def wait_stopping(self) -> None:
        """Wait until shutdown begins."""
        await self._stop_requested.wait()

    async def run(self) -> None:
        """Start all services, wait for a request to stop, and stop all services. Call it only once.

        Raises:
            FatalError: A service raised it, or a required service did not start (`StartFailedError`) or crashed too
                often (`ServiceExhaustedError`). All services have been stopped.
        """
        async with asyncio.TaskGroup() as tasks:
            # The finally clause also stops the services when run() itself is cancelled.
            try:
                await self._start_all(tasks)
                await self._stop_requested.wait()
            except asyncio.CancelledError:
                if not self.stopping and self._observer is not None:
                    self._observer.cancelled()
                raise
            finally:
                self._stop_requested.set()
                await self._stop_all(tasks)
        if self._cause is not None:
            raise self._cause

    async def _start_all(self, tasks: asyncio.TaskGroup) -> None:
        stop = tasks.create_task(self._stop_requested.wait())
        for service in self._services:
            service.begin(tasks)
            attempted = tasks.create_task(service.attempted.wait())
            await asyncio.wait({attempted, stop}, return_when=asyncio.FIRST_COMPLETED)
            attempted.cancel()
            if self.stopping:
                return
        stop.cancel()
        self.started.set()

    async def _stop_all(self, tasks: asyncio.TaskGroup) -> None:
        deadline = self._monotonic() + self._stop_budget_s
        remaining = self._services[::-1]
        for position, service in enumerate(remaining, start=1):
            # Earlier services must not use up the time of the last services, which flush and close the database.
            reserved_s = sum(later.spec.reserve_s for later in remaining[position:])
            await service.end(tasks, max(deadline - self._monotonic() - reserved_s, service.spec.reserve_s))

    def _publish(self, report: StatusReport) -> None:
        self.board.update(report)
        if self._observer is not None:
            self._observer.status_changed(report)

    def _fail(self, cause: FatalError) -> None:
        if self._cause is None:
            self._cause = cause
            if self._observer is not None:
                self._observer.failed(cause)
        self._stop_requested.set()


def _in_order(specs: Iterable[ServiceSpec]) -> list[ServiceSpec]:
    by_name: dict[str, ServiceSpec] = {}
    for spec in specs:
        if spec.service.name in by_name:
            raise ValueError(f"two services are named {spec.service.name!r}")
        by_name[spec.service.name] = spec
    for name, spec in by_name.items():
        if unknown := set(spec.after) - by_name.keys():
            raise ValueError(f"{name} depends on {', '.join(sorted(unknown))}, but no service has that name")
    return [by_name[name] for name in TopologicalSorter({n: s.after for n, s in by_name.items()}).static_order()]
