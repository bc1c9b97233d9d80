"""`RunLane`: start, queue or skip a new run of one listener or job while an earlier run is in progress.

The decision depends on the ``mode`` of the listener or job. Home Assistant's automations have the same four modes.
"""

import asyncio
import contextvars
import inspect
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Literal, NamedTuple, cast, get_args

from hassette_core.containment import Actor, app_actor
from hassette_core.errors import RegistrationError
from hassette_core.roster.overflow import Overflow
from hassette_core.roster.owned_tasks import OwnedTasks, Task, TaskStart
from hassette_executor import Command, CommandExecutor, Registration, Trigger

logger = logging.getLogger(__name__)

Mode = Literal["single", "restart", "queued", "parallel"]
"""The rule for a new run while an earlier run is in progress. With ``single``, the lane skips the new run. With
``restart``, the lane cancels the earlier run, and then starts the new run. With ``queued``, the new run starts after
all earlier runs have ended. With ``parallel``, the new run starts at once."""

AT_ONCE = 50
"""Maximum number of runs of one ``parallel`` listener or job that are in progress at once. Further runs wait."""
MAX_WAITING = 1_000
"""Maximum number of waiting runs of one listener or job. Further runs are skipped and counted as ``back_pressure``,
except during a burst if the handler is quick; see `Overflow`."""


IGNORED_S = 5.0
"""A run that is still in progress this many seconds after its cancellation ignores it."""


class _Limits(NamedTuple):
    at_once: int
    waiting: int
    reason: str


_LIMITS: dict[str, _Limits] = {
    "single": _Limits(1, 0, "overlap"),
    "restart": _Limits(1, 1, "overlap"),
    "queued": _Limits(1, MAX_WAITING, "back_pressure"),
    "parallel": _Limits(AT_ONCE, MAX_WAITING, "back_pressure"),
}


def check_mode(option: str, mode: object) -> str:
    """Check the name of a mode and return it.

    Raises:
        RegistrationError: There is no such mode.
    """
    if not isinstance(mode, str) or mode not in _LIMITS:
        raise RegistrationError(f"{option} must be one of {', '.join(get_args(Mode))}, got {mode!r}")
    return mode


class CommandRunner:
    """Runs the commands of bus or scheduler in tasks, and reports skipped runs and ended registrations to the executor.

    Args:
        executor: Runs the commands.
        ignored_s: A cancelled run that is still in progress after this time ignores its cancellation.

    Attributes:
        overflow: Room for the waiting runs of bursts.
        retire_ended: Whether `retire` reports registrations to the executor. See `Roster.retire_ended`.
    """

    def __init__(self, executor: CommandExecutor, *, ignored_s: float = IGNORED_S) -> None:
        self._executor = executor
        self._tasks = OwnedTasks()
        self.overflow = Overflow()
        self.retire_ended = True
        self._ignored_s = ignored_s

    def prepare(self, registration: Registration, on_end: Callable[[Task], None]) -> TaskStart:
        """Return the argument of `start` for the runs of one registration. ``on_end`` gets each task that has ended."""
        return self._tasks.prepare(on_end, app_actor(registration.key))

    def start(self, command: Command, how: TaskStart) -> Task:
        """Run a command in a new task."""
        return self._tasks.start(self._execute(command), how)

    def count_skip(
        self, registration: Registration, reason: str, count: int, trigger: Trigger | None, detail: str
    ) -> None:
        """Count runs that were skipped. The arguments are those of `CommandExecutor.count_skip`."""
        self._executor.count_skip(registration, reason, count, trigger=trigger, detail=detail)

    def retire(self, registration: Registration) -> None:
        """Report that a listener or job is no longer registered, and that its last run has ended."""
        self.overflow.forget(registration)
        self._executor.retire(registration, announce=self.retire_ended)

    def expect_end(self, task: Task, registration: Registration) -> None:
        """Report a cancelled run if it is still in progress after `IGNORED_S`, because the next run waits for it."""
        loop = asyncio.get_running_loop()
        loop.call_later(self._ignored_s, self._check_ended, task, registration, context=contextvars.Context())

    def _check_ended(self, task: Task, registration: Registration) -> None:
        if task.done():
            return
        logger.error(
            "Run ignores its cancellation and is still running; the run that replaces it waits",
            extra={"registration": registration.key, "seconds": self._ignored_s},
        )
        self._executor.report(
            "cancellation_ignored",
            f"{registration.app}.{registration.instance}",
            f"{registration.name} was cancelled because a new run replaces it, and still runs {self._ignored_s:g} s"
            " later, so the new run waits; its code must not catch CancelledError without raising it again",
        )

    async def stop(self, grace_s: float) -> int:
        """Wait up to ``grace_s`` seconds for the runs, then cancel the rest. Return the number of cancelled runs."""
        return await self._tasks.stop(grace_s)

    async def drain(self, actor: Actor, grace_s: float) -> None:
        """Wait until one app instance has no run and no waiting run, at most ``grace_s`` seconds."""
        await self._tasks.drain(actor, grace_s)

    async def cancel(self, actor: Actor) -> int:
        """Cancel the runs of one app instance. Return their number."""
        return await self._tasks.cancel(actor)

    async def _execute(self, command: Command) -> None:
        try:
            await self._executor.execute(command)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException:  # noqa: BLE001  The executor has recorded and logged the failure of this run. A
            # SystemExit or KeyboardInterrupt of a handler would leave the event loop and end the process.
            return


class RunLane:
    """The queue of the runs of one listener or job. It starts, queues or skips each new run, depending on the mode.

    A lane is not a thread: all lanes work on the event loop, and each run is a task.

    Args:
        registration: The listener or job.
        mode: See `Mode`.
        runner: Runs the commands.
    """

    def __init__(self, registration: Registration, mode: Mode, runner: CommandRunner) -> None:
        self._registration = registration
        self._restart = mode == "restart"
        self._limits = _LIMITS[mode]
        self._runner = runner
        self._how = runner.prepare(registration, self._ended)
        self._closed = False
        self._slow = False
        self._ended_runs = 0
        self._running: set[Task] = set()
        self._cancelled: set[Task] = set()
        self._waiting: deque[Command] = deque()

    def offer(self, command: Command) -> None:
        """Start, queue or skip the run of a command, depending on the mode."""
        if len(self._running) < self._limits.at_once:
            self._start(command)
        elif self._restart:
            self._replace(command)
        elif len(self._waiting) < self._limits.waiting or self._may_overflow():
            self._waiting.append(command)
        else:
            self._skip_excess(1, command)

    @property
    def next_step(self) -> Literal["start", "replace", "wait", "skip"]:
        """The decision of `offer` about the next command, without room for a burst."""
        if len(self._running) < self._limits.at_once:
            return "start"
        if self._restart:
            return "replace"
        return "wait" if len(self._waiting) < self._limits.waiting else "skip"

    def skip(self, reason: str, count: int = 1, trigger: Trigger | None = None, detail: str = "") -> None:
        """Count triggers that did not lead to a run.

        Args:
            reason: The reason, such as ``condition``.
            count: Number of triggers.
            trigger: The last one, if it is known.
            detail: One sentence about it, for example which condition did not hold.
        """
        self._runner.count_skip(self._registration, reason, count, trigger, detail)

    def is_quick(self) -> bool:
        """Return whether at least as many runs have ended since the last call as the lane runs at once."""
        quick = self._ended_runs >= self._limits.at_once
        self._ended_runs = 0
        return quick

    def drop_overflow(self) -> None:
        """Skip the waiting runs above the limit.

        After that, the lane uses no overflow until fewer runs than the limit wait.
        """
        self._slow = True
        excess = self._excess
        dropped = [self._waiting.pop() for _ in range(excess)]
        self._runner.overflow.give_back(self, excess, empty=True)
        self._skip_excess(excess, dropped[0])

    def skip_waiting(self) -> None:
        """Skip the waiting commands. Runs in progress continue, and new commands are accepted."""
        if self._waiting:
            self._runner.overflow.give_back(self, self._excess, empty=True)
            self.skip(self._limits.reason, len(self._waiting), self._waiting[-1].trigger)
            self._waiting.clear()

    def _may_overflow(self) -> bool:
        return self._limits.waiting > 0 and not self._slow and self._runner.overflow.take(self)

    @property
    def _excess(self) -> int:
        """Number of waiting commands above the limit."""
        return max(0, len(self._waiting) - self._limits.waiting)

    def _skip_excess(self, count: int, last: Command) -> None:
        self.skip(self._limits.reason, count, last.trigger)
        if self._limits.waiting:  # without a limit (`single`), a skipped run is no sign of overload
            self._runner.overflow.report_dropped(self._registration, count)

    @property
    def idle(self) -> bool:
        """Whether the lane has no run in progress and no waiting run."""
        return not self._running and not self._waiting

    def close(self) -> None:
        """Skip the waiting commands, and retire the registration once its last run has ended."""
        if not self._closed:
            self._closed = True
            self.skip_waiting()
            if not self._running:
                self._runner.retire(self._registration)

    def _replace(self, command: Command) -> None:
        # The new run starts after the old run has ended, so that it never overlaps with the clean-up of the old run.
        self.skip_waiting()
        self._waiting.append(command)
        for task in self._running:
            # A second cancellation would interrupt the clean-up of the handler. `task.cancelling()` does not show the
            # first one: on Python 3.11 and 3.12, it stays above 0 after a failed `asyncio.TaskGroup`.
            if task in self._cancelled:
                continue
            self._cancelled.add(task)
            if inspect.getcoroutinestate(cast("Coroutine[Any, Any, Any]", task.get_coro())) == inspect.CORO_CREATED:
                # A task that is cancelled before its first step never calls the executor, so there is no record. Count
                # this run as skipped.
                self.skip(self._limits.reason)
            task.cancel()
            self._runner.expect_end(task, self._registration)

    def _start(self, command: Command) -> None:
        self._running.add(self._runner.start(command, self._how))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._cancelled.discard(task)
        self._ended_runs += 1
        if waiting := len(self._waiting):
            if waiting > self._limits.waiting:
                self._runner.overflow.give_back(self, 1, empty=waiting == self._limits.waiting + 1)
            self._slow = self._slow and waiting >= self._limits.waiting
            self._start(self._waiting.popleft())
        elif self._closed and not self._running:
            self._runner.retire(self._registration)
