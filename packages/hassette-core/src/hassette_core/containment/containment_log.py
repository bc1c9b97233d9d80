"""`ContainmentLog`: log and record failures of app code outside of runs, each at most once a minute."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

from hassette_core.containment.actor import Actor, subject_of
from hassette_core.errors import describe_error, where_raised
from hassette_executor import RepeatedLog

CONTAINMENT_LOGGER = __name__
"""Name of the logger for failures of app code outside of runs."""
logger = logging.getLogger(CONTAINMENT_LOGGER)

INTERVAL_S = 60.0

RecordEvent = Callable[[str, str, str], None]
"""Records a lifecycle event: kind, subject, detail."""


class ContainmentLog:
    """Logs and records failures of tasks and callbacks that apps have created.

    Args:
        report: Records lifecycle events; None records nothing.
    """

    def __init__(self, report: RecordEvent | None) -> None:
        self._exits = _RecordedLog("app_exit_refused", report)
        self._failures = _RecordedLog("app_task_failed", report)

    def exit_refused(self, actor: Actor | None, error: BaseException) -> str:
        """Log that app code called ``sys.exit()`` or raised `KeyboardInterrupt`. Return a description.

        Args:
            actor: The app whose code raised the exception, if known.
            error: The exception.
        """
        return self._exits.add(actor, "App tried to end the process; only its task or callback has ended", error)

    def failed(self, actor: Actor, error: BaseException) -> None:
        """Log that a task or callback of an app raised an exception that no code of the app handled."""
        self._failures.add(actor, "Task or callback of an app failed", error)


class _RecordedLog(RepeatedLog):
    def __init__(self, kind: str, report: RecordEvent | None) -> None:
        super().__init__(logger, INTERVAL_S)
        self._kind = kind
        self._report = report
        self._error: BaseException | None = None

    def add(self, actor: Actor | None, message: str, error: BaseException) -> str:
        problem = f"{describe_error(error)}{where_raised(error)}"
        app = {} if actor is None else {"app": subject_of(actor), "registration": actor}
        self._error = error
        self.log((actor, problem), logging.ERROR, message, extra={**app, "problem": problem})
        self._error = None  # otherwise the log would keep the exception's frames and their variables alive
        return problem

    def write(self, level: int, message: str, *args: object, extra: Mapping[str, object]) -> None:
        """Write a line with the traceback, and record the failure."""
        if self._error is not None:
            with suppress(Exception):  # an app's logging handler or filter is broken, so the failure cannot be logged
                logger.log(level, message, *args, extra=extra, exc_info=self._error)
        if self._report is not None and "problem" in extra:
            self._report(self._kind, str(extra.get("app", "")), str(extra["problem"]))
