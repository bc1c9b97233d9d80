"""`OwnedTasks`: the asyncio tasks of one service, so that the stop of the service can end them."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Any, NamedTuple, cast

from hassette_core.containment import ACTOR, FRAMEWORK, Actor, GuardedTask
from hassette_core.roster.origins import ORIGIN, current_origin

logger = logging.getLogger(__name__)

Task = asyncio.Task[Any]


class RunTask(GuardedTask):
    """Task of a run. In contrast to other guarded tasks, it never starts eagerly, so its actor can be set afterwards.

    An ``__init__`` in Python would take a fifth of the 3 µs that the creation and the first step of a task take.
    """

    __slots__ = ()
    __init__ = asyncio.Task.__init__  # pyright: ignore[reportAssignmentType, reportUnknownMemberType, reportUnknownVariableType]  the actor is set later


class TaskStart(NamedTuple):
    """The part of the start of a task that is the same for all runs of one listener or job; see `OwnedTasks.prepare`.

    Attributes:
        actor: The app instance that may cancel the task.
        name: The name of the task.
        context: The context in which the tasks begin: each task gets a copy.
        ended: Called with the task when it has ended.
    """

    actor: Actor
    name: str
    context: contextvars.Context
    ended: Callable[[Task], None]


class OwnedTasks:
    """The tasks of one service. It keeps a reference to each task until the task ends, and `stop` ends all tasks.

    Each task starts in the context (`contextvars`) in which this object was created. Otherwise a task that a handler
    starts would inherit the handler's context. The log lines and service calls of the task would be added to the
    handler's run. After the end of that run, they would count as lost.

    Args:
        cancel_s: Time limit for cancelled tasks to end, in seconds. A task that takes longer is logged.
    """

    def __init__(self, *, cancel_s: float = 1.0) -> None:
        self._cancel_s = cancel_s
        self._context = contextvars.copy_context()
        self._tasks: set[RunTask] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def prepare(self, on_end: Callable[[Task], None], actor: Actor = FRAMEWORK) -> TaskStart:
        """Return the part of `start` that is the same for all runs of one listener or job.

        Args:
            on_end: Called with the task when it has returned, failed or been cancelled.
            actor: The app instance that may cancel the task, and for which it runs. By default, the framework.
        """
        context = self._context.copy()
        if actor:
            context.run(ACTOR.set, actor)
        if (origin := current_origin()) is not None:
            context.run(ORIGIN.set, origin)
        return TaskStart(actor, ".".join(actor) or "framework", context, partial(self._ended, on_end))

    def start(self, work: Coroutine[Any, Any, object], how: TaskStart) -> Task:
        """Start a task.

        Args:
            work: The coroutine to run.
            how: The result of `prepare`.
        """
        loop = self._loop or asyncio.get_running_loop()
        self._loop = loop
        task = RunTask(work, loop=loop, name=how.name, context=how.context.copy())
        task.actor = how.actor
        self._tasks.add(task)
        # One callback, and in this context: each callback would otherwise copy the context of the caller.
        task.add_done_callback(how.ended, context=self._context)
        return task

    async def stop(self, grace_s: float) -> int:
        """Wait for the tasks, and cancel the tasks that take too long. Return the number of cancelled tasks.

        Args:
            grace_s: Time for the tasks to end before they are cancelled, in seconds.
        """
        # If a handler stops the framework, its task must not wait for itself.
        current = asyncio.current_task()
        others = [task for task in self._tasks if task is not current]
        if not others:
            return 0
        _, late = await asyncio.wait(others, timeout=grace_s)
        return await self._cancel(late)

    async def drain(self, actor: Actor, grace_s: float) -> None:
        """Wait until one app instance has no task, also none that starts meanwhile. Stop waiting after ``grace_s``."""
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_s
        while (tasks := self._tasks_of(actor)) and (left_s := until - loop.time()) > 0:
            await asyncio.wait(tasks, timeout=left_s)

    async def cancel(self, actor: Actor) -> int:
        """Cancel the tasks of one app instance. Return their number."""
        return await self._cancel(self._tasks_of(actor))

    async def _cancel(self, tasks: Collection[Task]) -> int:
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=self._cancel_s)
            for task in stuck:
                logger.error("Run ignores its cancellation and is still running", extra={"task": repr(task)})
        return len(tasks)

    def _tasks_of(self, actor: Actor) -> list[Task]:
        current = asyncio.current_task()
        return [task for task in self._tasks if task.actor[:2] == actor and task is not current]

    def _ended(self, on_end: Callable[[Task], None], task: Task) -> None:
        self._tasks.discard(cast("RunTask", task))
        try:
            on_end(task)
        finally:
            self._log_failure(task)

    def _log_failure(self, task: Task) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            # The executor records exceptions of handlers and does not raise them. So this is an error of the framework:
            # the executor has already stopped, or has a defect.
            logger.error("Run could not be passed to the executor", extra={"error": repr(error)}, exc_info=error)
