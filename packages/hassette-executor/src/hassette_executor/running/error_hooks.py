"""Error hooks: callables of the user that run when a run fails."""

import asyncio
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from hassette_executor.commands import Command
from hassette_executor.records.registrations import Registration
from hassette_executor.records.runs import Record
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.running.execution import enter
from hassette_executor.running.threads import HandlerThreads
from hassette_executor.settings import ExecutorSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorContext:
    """The argument of an error hook.

    Attributes:
        exception: The exception of the run; an `ExecutionTimeoutError` if it exceeded its deadline.
        command: The command that was run.
        record: The record of the run; ``record.id`` finds it in the history.
    """

    exception: BaseException
    command: Command
    record: Record

    @property
    def traceback(self) -> str:
        """The full traceback, formatted on access."""
        return "".join(traceback.format_exception(self.exception))


ErrorHook = Callable[[ErrorContext], Awaitable[None] | None]
"""An async or sync callable; a sync hook runs in a thread."""

K = TypeVar("K")

_in_hook: ContextVar[bool] = ContextVar("hassette_in_error_hook", default=False)


class ErrorHooks:
    """Selects and runs error hooks for runs that end as ``error`` or ``timed_out``.

    The most specific hook runs: the hook of the registration, else of its app, else the global hook. Each hook has a
    time limit and few run at the same time. A hook that fails or hangs is logged and counted; failures inside of a hook
    call no hook.

    Attributes:
        refused: How many hooks were not run because too many were running.
        failed: How many raised, exceeded the time limit, or were cancelled by the stop.

    Example:
        async def notify(context: ErrorContext) -> None:
            print(context.record.registration.name, context.exception)

        executor.hooks.set(notify, app=("lights", "hall"))
    """

    def __init__(self, settings: ExecutorSettings, threads: HandlerThreads) -> None:
        self.refused = 0
        self.failed = 0
        self._settings = settings
        self._threads = threads
        self._by_registration: dict[Registration, ErrorHook] = {}
        self._by_app: dict[tuple[str, str], ErrorHook] = {}
        self._global: ErrorHook | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._log = RepeatedLog(logger, settings.log_interval_s)

    def set(
        self, hook: ErrorHook | None, *, registration: Registration | None = None, app: tuple[str, str] | None = None
    ) -> None:
        """Set the hook of a registration or of an app instance; without either, the global hook.

        Args:
            hook: The hook; None removes it.
            registration: Call it for failures of this registration.
            app: Call it for failures of this ``(app, instance)``.
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
        """Start a hook in a task; refuse it if too many are running."""
        if _in_hook.get():
            return
        if len(self._running) >= self._settings.hooks_at_once:
            self.refused += 1
            self._log.log(
                "refused", logging.WARNING, "Error hook was refused: too many are running", extra=_facts(context)
            )
            return
        task = asyncio.create_task(self._run(hook, context), name="hassette-error-hook")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self, timeout_s: float) -> None:
        """Wait for running hooks as long as the timeout allows; then cancel, count and log them."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        if cancelled := tuple(self._running):
            for task in cancelled:
                task.cancel()
            self.failed += len(cancelled)
            logger.warning("Error hooks were cancelled by the stop", extra={"hooks": len(cancelled)})
            await asyncio.wait(cancelled, timeout=1)

    async def _run(self, hook: ErrorHook, context: ErrorContext) -> None:
        _in_hook.set(True)
        enter(None)  # log lines and calls of a hook are no effects of the run; its record is complete
        try:
            async with asyncio.timeout(self._settings.hook_timeout_s):
                if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None)):  # noqa: B004  not a test of callability
                    await cast("Awaitable[None]", hook(context))
                elif inspect.isawaitable(outcome := await self._threads.run(partial(hook, context))):
                    await outcome
        except (Exception, asyncio.CancelledError) as error:
            # A failing hook must not affect anything else. A CancelledError may come from something that it awaits.
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            self.failed += 1
            self._log.log(
                ("failed", context.command.registration),
                logging.ERROR,
                "Error hook failed",
                extra={**_facts(context), "error": f"{type(error).__name__}: {error}"},
            )


def _put(hooks: dict[K, ErrorHook], key: K, hook: ErrorHook | None) -> None:
    if hook is None:
        hooks.pop(key, None)
    else:
        hooks[key] = hook


def _facts(context: ErrorContext) -> dict[str, object]:
    return {"registration": context.command.registration.key, "record_id": context.record.id}
