"""`ContainedTasks`: a task factory that contains the tasks of apps and protects the tasks of the framework."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, nullcontext
from contextvars import Context
from typing import Any, cast

from hassette_core.containment.actor import ACTOR, FRAMEWORK, Actor, acting_for, current_app, subject_of
from hassette_core.containment.containment_log import ContainmentLog, RecordEvent
from hassette_core.errors import AppExitError
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

EXITS = (SystemExit, KeyboardInterrupt)
"""The exceptions that asyncio raises through the event loop, so that the loop ends."""

_refused_cancellations = RepeatedLog(logger)
_contained_loops: set[asyncio.AbstractEventLoop] = set()


def on_foreign_loop() -> bool:
    """Return whether the code runs on an event loop of an app, such as that of ``asyncio.run`` in a thread."""
    return bool(_contained_loops) and asyncio.get_running_loop() not in _contained_loops


class GuardedTask(asyncio.Task[Any]):
    """A task of the framework or of one app. No other app can cancel it.

    asyncio passes a cancellation on to the task that the cancelled task awaits. This class does not pass it on from the
    code of one app to a task of the framework or of another app: ``await other_task`` ends, and the other task
    continues.

    Args:
        coro: The coroutine to run.
        actor: The app instance that may cancel the task: it has created the task, or the task is its run or its call.
            By default, no app may cancel the task.
        options: The options of `asyncio.Task`.

    Attributes:
        actor: The app instance that may cancel the task. Empty if no app may cancel it.
    """

    __slots__ = ("actor",)

    def __init__(self, coro: Coroutine[Any, Any, Any], *, actor: Actor = FRAMEWORK, **options: Any) -> None:
        self.actor = actor  # first, because an eager task starts in the next line
        super().__init__(coro, **options)

    def cancel(self, msg: Any | None = None) -> bool:
        """Request a cancellation, unless code of another app makes the request."""
        actor = current_app()
        if self._may_be_ended_by(actor):
            # The next call also cancels the tasks that this task awaits. The framework may cancel each of them, but
            # the code of this app may not. So the request counts as a request of the app.
            with acting_for(self.actor) if self.actor else nullcontext():
                return super().cancel(msg)
        assert actor is not None  # code of the framework may cancel any task
        _refused_cancellations.log(
            actor,
            logging.ERROR,
            "App tried to cancel a task of the framework or of another app; the task continues",
            extra={"app": subject_of(actor), "registration": actor, "task": self.get_name()},
        )
        return False

    def __await__(self) -> Generator[Any, None, Any]:
        if self._may_be_ended_by(current_app()):
            return super().__await__()
        return asyncio.shield(self).__await__()

    def _may_be_ended_by(self, actor: Actor | None) -> bool:
        return actor is None or actor[:2] == self.actor[:2] or self.done()


class ContainedTasks:
    """A task factory for the event loop, see `asyncio.loop.set_task_factory`.

    A task that code of an app creates is contained: an exception that would end the event loop (`SystemExit`,
    `KeyboardInterrupt`) becomes an `AppExitError`, is logged, and is recorded. A task that code of the framework or of
    an app creates is a `GuardedTask`, unless the previous task factory creates it.

    Args:
        report: Records lifecycle events; None if no session has begun.
        previous: The task factory that this one replaces, and which still creates all tasks; None if there is none.
    """

    def __init__(self, report: RecordEvent | None = None, previous: Callable[..., Any] | None = None) -> None:
        self._log = ContainmentLog(report)
        self._previous = previous

    def __call__(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        """Create a task."""
        context = cast("Context | None", options.get("context"))
        actor = ACTOR.get() if context is None else context.get(ACTOR)
        if actor and isinstance(coro, Coroutine):
            coro = _ContainedCoroutine(cast("Coroutine[Any, Any, Any]", coro), actor, self._log)
        if self._previous is not None:
            return self._previous(loop, coro, **options)
        if actor is None:
            return asyncio.Task(coro, loop=loop, **options)
        return GuardedTask(coro, actor=actor, loop=loop, **options)


@contextmanager
def containing_tasks(report: RecordEvent) -> Generator[None]:
    """Contain the tasks of apps on the running event loop during the ``with`` block.

    The code in the block counts as code of the framework. The loop's task factory is `ContainedTasks`. The loop's
    exception handler names the app of a failed task.
    """
    loop = asyncio.get_running_loop()
    factory, handle = loop.get_task_factory(), loop.get_exception_handler()
    ours = ContainedTasks(report, None if isinstance(factory, ContainedTasks) else factory)
    log = ContainmentLog(report)

    def handle_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        actor, error = _actor_of(context), context.get("exception")
        if actor is not None and isinstance(error, BaseException):
            if not isinstance(error, AppExitError):  # it was logged when it was raised
                log.failed(actor, error)
        elif handle is not None:
            handle(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_task_factory(ours)
    loop.set_exception_handler(handle_failure)
    _contained_loops.add(loop)
    try:
        with acting_for(FRAMEWORK):
            yield
    finally:
        _contained_loops.discard(loop)
        # If the program or an app has replaced the factory or the handler meanwhile, keep the replacement.
        if loop.get_task_factory() is ours:
            loop.set_task_factory(factory)
        if loop.get_exception_handler() is handle_failure:
            loop.set_exception_handler(handle)


def _actor_of(context: dict[str, Any]) -> Actor | None:
    """Return the app of a task or callback that asyncio reports as failed."""
    task = context.get("task") or context.get("future")
    coro: object = cast("asyncio.Task[Any]", task).get_coro() if isinstance(task, asyncio.Task) else None
    if isinstance(coro, _ContainedCoroutine):
        return coro.actor
    return current_app()  # from Python 3.12 on, asyncio calls the handler in the context of the callback


class _ContainedCoroutine(Coroutine[Any, Any, Any]):
    """A coroutine that raises an `AppExitError` where the wrapped coroutine would end the event loop.

    This class is not an ``async def`` that awaits the wrapped coroutine: if its task were cancelled before the first
    step, Python would warn that the wrapped coroutine was never awaited.
    """

    def __init__(self, coro: Coroutine[Any, Any, Any], actor: Actor, log: ContainmentLog) -> None:
        self._coro = coro
        self.actor = actor
        self._log = log

    def __getattr__(self, name: str) -> Any:
        # asyncio and debuggers read cr_frame, cr_code and __qualname__ to show where a task is.
        return getattr(self._coro, name)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coro.__await__()

    def send(self, value: Any) -> Any:
        """Continue the coroutine."""
        try:
            return self._coro.send(value)
        except EXITS as error:
            raise self._contained(error) from error

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        """Continue the coroutine with an exception."""
        try:
            return self._coro.throw(typ) if val is None and tb is None else self._coro.throw(typ, val, tb)
        except EXITS as error:
            raise self._contained(error) from error

    def close(self) -> None:
        """End the coroutine."""
        self._coro.close()

    def _contained(self, error: BaseException) -> AppExitError:
        return AppExitError(subject_of(self.actor), self._log.exit_refused(self.actor, error))
