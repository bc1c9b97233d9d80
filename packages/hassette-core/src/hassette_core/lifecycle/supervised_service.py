"""Lifecycle of one supervised service: start, serve, restart after a crash, stop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from hassette_core.errors import FatalError, ServiceExhaustedError, StartFailedError, describe_error
from hassette_core.lifecycle.protocols import DegradableResource, Resource, Service
from hassette_core.lifecycle.restarts import CrashBudget, RestartPolicy
from hassette_core.lifecycle.status import ServiceStatus, StatusReport

logger = logging.getLogger(__name__)

CANCEL_WAIT_S = 0.2
"""Time limit for the tasks of a service to end after their cancellation, in seconds."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service, and the rules for its supervision.

    Attributes:
        service: The service. A resource without ``serve`` is only started and stopped.
        after: Names of the services that start before this one and stop after it.
        required: If True, the process ends when this service cannot start or crashes too often. If False, the other
            services keep running.
        reserve_s: Seconds of the stop budget that are reserved for this service.
    """

    service: Resource | Service
    after: tuple[str, ...] = ()
    required: bool = False
    reserve_s: float = 0.2


class SupervisedService:
    """Runs one service, and restarts it after a crash, until it is stopped or the process must end.

    Args:
        spec: The service and its rules.
        policy: The rules for restarts of the service.
        on_change: Called with every new status.
        on_fatal: Called with the cause when the process must end.
        monotonic: Returns the time of a crash, in seconds.
        sleep: Waits between attempts.
        random: Source of the jitter in the pauses.

    Attributes:
        name: Name of the service.
        spec: The service and its rules.
        status: Newest status of the service.
        attempted: Set once the service has started, or its first attempt to start has failed.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        *,
        policy: RestartPolicy,
        on_change: Callable[[StatusReport], None],
        on_fatal: Callable[[FatalError], None],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        random: Random,
    ) -> None:
        self.name = spec.service.name
        self.spec = spec
        self.status = StatusReport(self.name, ServiceStatus.WAITING, "service_waiting")
        self.attempted = asyncio.Event()
        self._policy = policy
        self._on_change = on_change
        self._on_fatal = on_fatal
        self._monotonic = monotonic
        self._sleep = sleep
        self._random = random
        self._budget = CrashBudget(policy)
        self._failed_starts = 0
        self._has_run = False
        self._serving = False
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Start the service, and keep it running, in a task of the given group."""
        self._task = tasks.create_task(self._supervise(), name=f"supervise {self.name}")

    async def end(self, tasks: asyncio.TaskGroup, allowed_s: float) -> None:
        """Stop the service for good. If the stop takes longer than ``allowed_s`` seconds, cancel the service's tasks.

        ``stop`` is called while ``serve`` still runs, so that the service can finish its work first.
        """
        if self._task is None:
            return
        self._stopping = True
        self._publish(ServiceStatus.STOPPING, "service_stopping")
        if not self._serving:
            # The service is starting, or waits for a retry. Cancel its task first, so that stop() does not run during
            # start().
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=allowed_s)
        stop = tasks.create_task(self._stop_service(), name=f"stop {self.name}")
        await asyncio.wait({stop}, timeout=allowed_s)
        detail = "" if stop.done() else f"did not stop within {allowed_s:.1f} s and was cancelled"
        stop.cancel()
        self._task.cancel()
        await asyncio.wait({stop, self._task}, timeout=CANCEL_WAIT_S)
        self._publish(ServiceStatus.STOPPED, "service_stopped", detail)

    async def _supervise(self) -> None:
        while True:
            started, problem = await self._run_once()
            if problem is None or self._stopping:
                return
            await self._stop_service()
            pause_s = self._pause_after(problem, at_start=not started)
            self.attempted.set()
            if pause_s is None:
                return
            await self._sleep(pause_s)

    async def _run_once(self) -> tuple[bool, str | None]:
        """Start the service and serve once. Return whether the start succeeded, and the problem.

        If the problem is None, the service must not be started again.
        """
        service, started = self.spec.service, False
        if not self._failed_starts:
            self._publish(ServiceStatus.STARTING, "service_starting")
        try:
            await service.start()
            started = True
            self._note_started()
            if not isinstance(service, Service):
                return True, None
            self._serving = True
            await service.serve()
        except FatalError as error:
            self._on_fatal(error)
            return started, None
        except asyncio.CancelledError as error:
            # A client library may cancel its futures when a connection ends. For the current task, this looks like its
            # own cancellation. Without this check, the service would silently stop.
            if _is_being_cancelled():
                raise
            return started, describe_error(error, with_type=False)
        except (Exception, SystemExit) as error:  # a service of a plugin may call sys.exit(), as uvicorn does
            logger.debug("Service failed", exc_info=True, extra={"service": self.name})
            return started, describe_error(error, with_type=isinstance(error, SystemExit))
        finally:
            self._serving = False
        return True, "it ended without a request to stop"

    def _note_started(self) -> None:
        again = self._has_run or self._failed_starts > 0
        self._has_run, self._failed_starts = True, 0
        service = self.spec.service
        if isinstance(service, DegradableResource) and (reason := service.degraded) is not None:
            self._publish(ServiceStatus.DEGRADED, "service_partly_started", reason)
        else:
            self._publish(ServiceStatus.RUNNING, "service_restarted" if again else "service_started")
        self.attempted.set()

    def _pause_after(self, problem: str, *, at_start: bool) -> float | None:
        """Return the pause before the next attempt, in seconds; None if there is no next attempt."""
        required = self.spec.required
        if at_start and not required:
            # Failed starts have no budget, because a missing resource, such as free disk space, may return after days.
            self._failed_starts += 1
            self._publish(ServiceStatus.DEGRADED, "service_degraded", problem)
            return self._policy.pause_s(self._failed_starts, self._random)
        if at_start and not self._has_run:
            self._on_fatal(StartFailedError(self.name, problem))
            return None
        crashes = self._budget.spend(self._monotonic())
        if crashes is not None:
            self._publish(ServiceStatus.RESTARTING, "service_crashed", problem)
            return self._policy.pause_s(crashes, self._random)
        self._publish(ServiceStatus.EXHAUSTED, "service_exhausted", problem)
        if required:
            self._on_fatal(ServiceExhaustedError(self.name, self._policy.budget, self._policy.window_s, problem))
            return None
        self._budget.renew()
        return self._policy.rest_s

    async def _stop_service(self) -> None:
        try:
            await self.spec.service.stop()
        except (Exception, SystemExit):
            # The other services must still stop. The last one is the database.
            logger.exception("Service failed while stopping", extra={"service": self.name})

    def _publish(self, status: ServiceStatus, kind: str, detail: str = "") -> None:
        report = StatusReport(self.name, status, kind, detail)
        if report != self.status:  # a retry that fails in the same way is not reported again
            self.status = report
            self._on_change(report)


def _is_being_cancelled() -> bool:
    """Return whether a request to cancel the current task is pending.

    In ``except CancelledError``, False means that the task itself was not cancelled: a library cancelled a future for
    which the task waited.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
