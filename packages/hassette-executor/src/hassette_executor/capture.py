"""Log lines of a run, attached to its record by a handler on the root logger."""

import logging

from hassette_executor.context import Circle, current_execution
from hassette_executor.records import LogLine

MAX_LINE = 2_000
"""Characters kept of one log line."""


class ExecutionLogHandler(logging.Handler):
    """Attaches each log record to the run during which it was logged; records from elsewhere pass by.

    Lines below the loggers' own level never get here: what a run may keep is decided by ordinary `logging`
    configuration first, by `ExecutorSettings` second.

    Args:
        circle: Of which executor's runs. Another executor in the process has a handler of its own.
    """

    def __init__(self, circle: Circle) -> None:
        super().__init__()
        self._circle = circle

    def emit(self, record: logging.LogRecord) -> None:
        """Attach one line."""
        execution = current_execution()
        if execution is None or execution.circle is not self._circle:
            return
        try:
            message = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                error = record.exc_info[1]
                message = f"{message} [{type(error).__name__}: {error}]"
        except Exception:  # noqa: BLE001  a bad format string or __str__ is logging's own business to report
            self.handleError(record)
            return
        message = self._circle.redact(message)
        if len(message) > MAX_LINE:
            message = message[: MAX_LINE - 1] + "…"
        execution.gather().add_line(LogLine(int(record.created * 1_000_000), record.levelno, record.name, message))
