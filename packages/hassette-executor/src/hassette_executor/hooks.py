"""Error hooks: what a person wants done when a run fails."""

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
from hassette_executor.context import enter
from hassette_executor.records import Record, Registration
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.settings import ExecutorSettings
from hassette_executor.threads import HandlerThreads

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorContext:
    """What an error hook is told.

    Attributes:
        exception: What the run raised; an `ExecutionTimeoutError` when it exceeded its deadline.
        command: What was run.
        record: The record made of it; ``record.id`` finds it in the history.
    """

    exception: BaseException
    command: Command
    record: Record

    @property
    def traceback(self) -> str:
        """The full traceback, formatted when asked for."""
        return "".join(traceback.format_exception(self.exception))


ErrorHook = Callable[[ErrorContext], Awaitable[None] | None]
"""Async, or sync; a sync one runs in a thread."""

K = TypeVar("K")

_in_hook: ContextVar[bool] = ContextVar("hassette_in_error_hook", default=False)


class ErrorHooks:
    """Chooses and runs error hooks, for runs that end as ``error`` or ``timed_out``.

    The hook nearest to the failure is the one that runs: the registration's, else its app's, else the global one.
    Each has a time limit, few run at once, and none can do harm: one that fails or hangs is logged and counted, and
    what fails inside of a hook calls no hook.

    Attributes:
        refused: How many were not run because too many were running.
        failed: How many raised, exceeded the time limit, or were cut off by the stop.
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
        """Set the hook of a registration, of an app ``(app, instance)``, or without either the global one.

        Args:
            hook: What to call; None removes the hook.
            registration: Whose failures it is for.
            app: Whose failures it is for.
        """
        if registration is not None:
            _put(self._by_registration, registration, hook)
        elif app is not None:
            _put(self._by_app, app, hook)
        else:
            self._global = hook

    def find(self, registration: Registration) -> ErrorHook | None:
        """Return the hook that a failure of this registration calls."""
        if not (self._by_registration or self._by_app):
            return self._global
        return (
            self._by_registration.get(registration)
            or self._by_app.get((registration.app, registration.instance))
            or self._global
        )

    def call(self, hook: ErrorHook, context: ErrorContext) -> None:
        """Begin to run a hook, beside everything else; refuse if too many are running."""
        if _in_hook.get():
            return
        if len(self._running) >= self._settings.hooks_at_once:
            self.refused += 1
            self._log.log(
                "refused", logging.WARNING, "An error hook was refused: too many are running", extra=_facts(context)
            )
            return
        task = asyncio.create_task(self._run(hook, context), name="hassette-error-hook")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self, timeout_s: float) -> None:
        """Wait for the hooks that run, for as long as the timeout allows; then cancel them, and count and say it."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        if cut_off := tuple(self._running):
            for task in cut_off:
                task.cancel()
            self.failed += len(cut_off)
            logger.warning("Error hooks were cut off by the stop", extra={"hooks": len(cut_off)})
            await asyncio.wait(cut_off, timeout=1)

    async def _run(self, hook: ErrorHook, context: ErrorContext) -> None:
        _in_hook.set(True)
        enter(None)  # what a hook logs or calls is not an effect of the run, whose record is made
        try:
            async with asyncio.timeout(self._settings.hook_timeout_s):
                if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None)):  # noqa: B004  not a test of callability
                    await cast("Awaitable[None]", hook(context))
                elif inspect.isawaitable(outcome := await self._threads.run(partial(hook, context))):
                    await outcome
        except (Exception, asyncio.CancelledError) as error:
            # A hook is somebody's code; its failure must not spread. What it awaits may be cancelled without it.
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            self.failed += 1
            self._log.log(
                ("failed", context.command.registration),
                logging.ERROR,
                "An error hook failed",
                extra={**_facts(context), "error": f"{type(error).__name__}: {error}"},
            )


def _put(hooks: dict[K, ErrorHook], key: K, hook: ErrorHook | None) -> None:
    if hook is None:
        hooks.pop(key, None)
    else:
        hooks[key] = hook


def _facts(context: ErrorContext) -> dict[str, object]:
    return {"registration": context.command.registration.key, "record_id": context.record.id}
