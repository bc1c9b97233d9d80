"""The life of one supervised part: started, served, and started again when it falls."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from hassette_core.errors import FatalError, ServiceExhaustedError, StartFailedError
from hassette_core.lifecycle.protocols import Resource, Service
from hassette_core.lifecycle.restarts import CrashBudget, RestartPolicy
from hassette_core.lifecycle.status import ServiceStatus, StatusChange

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """A part in the supervisor's care.

    Attributes:
        part: The part; one without ``serve`` is only started and stopped.
        after: Names of the parts that must have been started (or tried) before it. It is stopped before them.
        required: Whether the process is pointless without it. Anything else may fail: the rest goes on.
        reserve_s: Seconds of the stop budget that no other part may use up.
    """

    part: Resource | Service
    after: tuple[str, ...] = ()
    required: bool = False
    reserve_s: float = 0.2


class Keeper:
    """Keeps one part alive.

    Args:
        member: The part.
        policy: When to start it again, and when to give up.
        on_change: Called with every change of status.
        on_fatal: Called with the cause, when it is past mending and the process with it.
        monotonic: Reads the clock that crashes are counted on, in seconds.
        sleep: Waits between attempts.
        random: Source of the pauses' jitter.

    Attributes:
        name: The part's name.
        member: The part.
        status: Its newest status.
        tried: Set once it has been started, or the first attempt has failed.
    """

    def __init__(
        self,
        member: Member,
        *,
        policy: RestartPolicy,
        on_change: Callable[[StatusChange], None],
        on_fatal: Callable[[FatalError], None],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        random: Random,
    ) -> None:
        self.name = member.part.name
        self.member = member
        self.status = StatusChange(self.name, ServiceStatus.WAITING, "service_waiting")
        self.tried = asyncio.Event()
        self._policy = policy
        self._on_change = on_change
        self._on_fatal = on_fatal
        self._monotonic = monotonic
        self._sleep = sleep
        self._random = random
        self._budget = CrashBudget(policy)
        self._failed_starts = 0
        self._was_running = False
        self._serving = False
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, owner: asyncio.TaskGroup) -> None:
        """Begin to keep it, in a task of the given group."""
        self._task = owner.create_task(self._keep(), name=f"keep {self.name}")

    async def end(self, owner: asyncio.TaskGroup, allowed_s: float) -> None:
        """Stop it for good, within the given seconds; cut it off if it takes longer.

        ``stop`` is called while ``serve`` still runs, so that the part can finish its work first.
        """
        if self._task is None:
            return
        self._stopping = True
        self._publish(ServiceStatus.STOPPING, "service_stopping")
        if not self._serving:
            # It starts, or waits to be started again. Stopping what is being started at the same time would be a race.
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=allowed_s)
        stop = owner.create_task(self._stop_part(), name=f"stop {self.name}")
        await asyncio.wait({stop}, timeout=allowed_s)
        detail = "" if stop.done() else f"it did not stop within {allowed_s:.1f} s and was cut off"
        stop.cancel()
        self._task.cancel()
        await asyncio.wait({stop, self._task}, timeout=0.2)
        self._publish(ServiceStatus.STOPPED, "service_stopped", detail)

    async def _keep(self) -> None:
        while True:
            running, trouble = await self._live()
            if trouble is None or self._stopping:
                return
            await self._stop_part()
            pause_s = self._judge(trouble, at_start=not running)
            self.tried.set()
            if pause_s is None:
                return
            await self._sleep(pause_s)

    async def _live(self) -> tuple[bool, str | None]:
        """Start and serve it once. Return whether it started, and what went wrong; None if it needs no more care."""
        part, running = self.member.part, False
        if not self._failed_starts:
            self._publish(ServiceStatus.STARTING, "service_starting")
        try:
            await part.start()
            running = True
            self._note_started()
            if not isinstance(part, Service):
                return True, None
            self._serving = True
            await part.serve()
        except FatalError as error:
            self._on_fatal(error)
            return running, None
        except asyncio.CancelledError as error:
            # A client library may cancel its own futures when a connection ends, and that reaches us as if we had
            # been cancelled. Taken for our own end, the part would be gone without a word.
            if _is_being_cancelled():
                raise
            return running, say(error)
        except Exception as error:
            logger.debug("a part failed", exc_info=True, extra={"part": self.name})
            return running, say(error)
        finally:
            self._serving = False
        return True, "it ended by itself"

    def _note_started(self) -> None:
        again = self._was_running or self._failed_starts > 0
        self._was_running, self._failed_starts = True, 0
        self._publish(ServiceStatus.RUNNING, "service_restarted" if again else "service_started")
        self.tried.set()

    def _judge(self, trouble: str, *, at_start: bool) -> float | None:
        """Decide what follows: the pause until the next attempt, in seconds, or None for the end of everything."""
        required = self.member.required
        if at_start and not required:
            # No budget: what it needs (a disk with room, say) may come back after days.
            self._failed_starts += 1
            self._publish(ServiceStatus.DEGRADED, "service_degraded", trouble)
            return self._policy.pause_s(self._failed_starts, self._random)
        if at_start and not self._was_running:
            self._on_fatal(StartFailedError(self.name, trouble))
            return None
        crashes = self._budget.spend(self._monotonic())
        if crashes is not None:
            self._publish(ServiceStatus.RESTARTING, "service_crashed", trouble)
            return self._policy.pause_s(crashes, self._random)
        self._publish(ServiceStatus.EXHAUSTED, "service_exhausted", trouble)
        if required:
            self._on_fatal(ServiceExhaustedError(self.name, self._policy.budget, self._policy.window_s, trouble))
            return None
        self._budget.renew()
        return self._policy.rest_s

    async def _stop_part(self) -> None:
        try:
            await self.member.part.stop()
        except Exception:
            # One part's trouble at the end must not keep the next from its own: the database comes last.
            logger.exception("a part failed while stopping", extra={"part": self.name})

    def _publish(self, status: ServiceStatus, kind: str, detail: str = "") -> None:
        change = StatusChange(self.name, status, kind, detail)
        if change != self.status:  # a retry that failed the same way again is no news
            self.status = change
            self._on_change(change)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def say(error: BaseException) -> str:
    """Return what an error says, in one line; its class's name when it says nothing."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        # Without "[Errno 98]", which tells a person nothing that the words do not.
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(text.split()) or type(error).__name__
