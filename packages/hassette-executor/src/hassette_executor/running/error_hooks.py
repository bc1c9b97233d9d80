"""Error hooks: callables of the user, called when a run has failed."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar, cast

from hassette_executor.commands import Command
from hassette_executor.records.batches import LifecycleEvent
from hassette_executor.records.failures import Failure, format_exception, take_failure
from hassette_executor.records.registrations import Registration
from hassette_executor.records.runs import Record
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.running.execution import enter
from hassette_executor.running.hook_calls import hook_call
from hassette_executor.running.threads import ThreadPool, finish_call
from hassette_executor.settings import ExecutorSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorContext:
    """The argument of an error hook.

    Attributes:
        exception: The exception of the run; an `ExecutionTimeoutError` if the run exceeded its deadline.
        command: The command of the run.
        record: The record of the run. The history shows the run under the same id, `record.id`.
    """

    exception: BaseException
    command: Command
    record: Record

    @property
    def traceback(self) -> str:
        """The traceback of the exception, formatted within bounds when the property is read. Secrets are masked."""
        failure = self.record.failure
        return format_exception(self.exception, failure.redact if failure is not None else str)


ErrorHook = Callable[[ErrorContext], Awaitable[None] | None]
"""An async or sync callable; a sync hook runs in a thread."""


class ExecutionObserver(Protocol):
    """Receives failed runs and lifecycle events as they happen, on the event loop. No method may raise an exception."""

    def run_failed(self, record: Record) -> None:
        """Receive the record of a run that ended as ``error`` or ``timed_out``."""
        ...

    def reported(self, event: LifecycleEvent) -> None:
        """Receive a lifecycle event."""
        ...


class NoObserver:
    """Ignores everything."""

    def run_failed(self, record: Record) -> None:
        """Do nothing."""

    def reported(self, event: LifecycleEvent) -> None:
        """Do nothing."""


K = TypeVar("K")

_in_hook: ContextVar[bool] = ContextVar("hassette_in_error_hook", default=False)


class ErrorHooks:
    """Selects and calls error hooks for runs that end as ``error`` or ``timed_out``.

    The most specific hook is called: the hook of the registration; if there is none, the hook of its app instance; if
    there is none either, the global hook. Each call has a time limit, and the number of calls in progress is limited. A
    hook that fails or exceeds the time limit is logged and counted.

    For two kinds of failed runs, no hook is called: runs that a hook has started, and runs whose exception is not an
    `Exception`, such as ``KeyboardInterrupt`` or ``SystemExit``.

    Attributes:
        refused: How many hooks were not called because too many hooks were running.
        observer: Receives each failed run and each lifecycle event, next to the hooks.
        failed: How many hooks raised, exceeded the time limit, or were cancelled by the stop.

    Example::

        async def notify(context: ErrorContext) -> None:
            print(context.record.registration.name, context.exception)

        executor.hooks.set(notify, app=("lights", "hall"))
    """

    def __init__(self, settings: ExecutorSettings, threads: ThreadPool) -> None:
        self.refused = 0
        self.failed = 0
        self.observer: ExecutionObserver = NoObserver()
        self._settings = settings
        self._threads = threads
        self._by_registration: dict[Registration, ErrorHook] = {}
        self._by_app: dict[tuple[str, str], ErrorHook] = {}
        self._global: ErrorHook | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._closing = False
        self._log = RepeatedLog(logger, settings.log_interval_s)

    def set(
        self, hook: ErrorHook | None, *, registration: Registration | None = None, app: tuple[str, str] | None = None
    ) -> None:
        """Set the hook of a registration or of an app instance. Without `registration` and `app`, set the global hook.

        Args:
            hook: The hook; None removes it.
            registration: Call the hook for failures of this registration.
            app: Call the hook for failures of this ``(app, instance)``.
        """
        if registration is not None:
            _put(self._by_registration, registration, hook)
        elif app is not None:
            _put(self._by_app, app, hook)
        else:
            self._global = hook

    def find(self, registration: Registration) -> ErrorHook | None:
        """Return the hook for failures of a registration; None if there is none."""
        if not (self._by_registration or self._by_app):
            return self._global
        return (
            self._by_registration.get(registration)
            or self._by_app.get((registration.app, registration.instance))
            or self._global
        )

    def call(self, hook: ErrorHook, context: ErrorContext) -> None:
        """Call a hook in a new task; refuse it if too many hooks are running."""
        if _in_hook.get():
            return
        if len(self._running) >= self._settings.hooks_at_once:
            self.refused += 1
            self._log.log(
                "refused",
                logging.WARNING,
                "Error hook was refused: too many error hooks are running",
                extra=_facts(context),
            )
            return
        task = asyncio.create_task(self._run(hook, context), name="hassette-error-hook")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self, timeout_s: float) -> None:
        """Wait for running hooks until the timeout; then cancel, count and log the hooks that are still running."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        if cancelled := tuple(self._running):
            self._closing = True
            for task in cancelled:
                task.cancel()
            self.failed += len(cancelled)
            logger.warning("Error hooks were cancelled by the stop", extra={"hooks": len(cancelled)})
            await asyncio.wait(cancelled, timeout=1)
            self._closing = False

    async def _run(self, hook: ErrorHook, context: ErrorContext) -> None:
        _in_hook.set(True)
        enter(None)  # log lines and service calls of a hook are not effects of the run, whose record is already made
        try:
            with hook_call():
                async with asyncio.timeout(self._settings.hook_timeout_s):
                    await self._invoke(hook, context)
        except BaseException as error:
            # A SystemExit that left this task would end the event loop. The hook may also raise a CancelledError: it
            # may cancel its own task, or await a cancelled task.
            if self._closing and isinstance(error, asyncio.CancelledError):
                raise
            self.failed += 1
            self._log.log(
                ("failed", context.command.registration),
                logging.ERROR,
                "Error hook failed",
                extra={**_facts(context), "error": _describe(error, context.record.failure)},
            )

    async def _invoke(self, hook: ErrorHook, context: ErrorContext) -> None:
        if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None)):  # noqa: B004  not a test of callability
            await cast("Awaitable[None]", hook(context))
        else:
            thread = self._threads.run(partial(hook, context), context.command.registration.app)
            await finish_call(await thread)


def _put(hooks: dict[K, ErrorHook], key: K, hook: ErrorHook | None) -> None:
    if hook is None:
        hooks.pop(key, None)
    else:
        hooks[key] = hook


def _describe(error: BaseException, failed: Failure | None) -> str:
    redact = failed.redact if failed is not None else str
    # `take_failure` reads the message even if its __str__ fails.
    failure = take_failure("exception", error, with_frames=False, redact=redact)
    return f"{failure.type}: {failure.message}"


def _facts(context: ErrorContext) -> dict[str, object]:
    return {"registration": context.command.registration.key, "record_id": context.record.id}
