"""`FrameworkLog`: record warnings and errors that are logged outside runs."""

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from hassette_core.clock import TimerClock
from hassette_core.containment import current_app
from hassette_core.logs import FactsFormatter
from hassette_core.recording.budgets import Budgets
from hassette_core.recording.home_recorder import CircumstanceReceiver
from hassette_core.redaction import Redaction
from hassette_executor import FrameworkLogLine, current_execution, redact_and_cut

MAX_LINE: Final = 2_000
"""Number of characters of a recorded line, as for the lines of a run."""
_OUTCOMES: Final = "hassette_executor.outcome"
"""Logger of the outcomes of runs, which the history contains already."""
_MAX_KEY: Final = 200


class FrameworkLog(logging.Handler):
    """Records each warning and error of the process that no run has logged.

    A repeated message is recorded up to 20 times in quick succession, and then once a minute. Further lines are left
    out and counted. The recording of a line records no other line, so a warning of the recording itself cannot repeat
    for ever.

    Args:
        receiver: Records the lines.
        redact: Masks secrets.
        clock: Wall clock and monotonic clock.
    """

    def __init__(self, receiver: CircumstanceReceiver, redact: Redaction, clock: TimerClock) -> None:
        super().__init__(logging.WARNING)
        self._receiver = receiver
        self._redact = redact
        self._clock = clock
        self._describe = FactsFormatter(redact).describe
        self._budgets = Budgets(clock.monotonic_ns, size=20, per_s=1 / 60, total=500, total_per_s=0.2, max_keys=1_000)
        self._recording = threading.local()

    @contextmanager
    def installed(self) -> Generator[None]:
        """Record lines while the ``with`` block runs."""
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Record one line, if no run has logged it."""
        if record.name == _OUTCOMES or getattr(self._recording, "now", False) or current_execution() is not None:
            return
        self._recording.now = True
        try:
            self._record(record)
        except RuntimeError:
            # The event loop was closed meanwhile: the framework has ended, and the line is only in the process's log.
            pass
        except Exception:  # noqa: BLE001  handleError reports a wrong format string or a failing __str__
            self.handleError(record)
        finally:
            self._recording.now = False

    def _record(self, record: logging.LogRecord) -> None:
        if not self._budgets.take(f"{record.name} {record.msg}"[:_MAX_KEY]):
            at_us = self._clock.wall_ns() // 1000
            self._receiver.count_loss("too_many", "framework_log", 1, at_us, at_us)
            return
        message = self._describe(record)
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            message = f"{message} [{type(error).__name__}: {error}]"
        actor = current_app()
        self._receiver.note(
            FrameworkLogLine(
                0,
                record.levelno,
                redact_and_cut(record.name, _MAX_KEY, self._redact),
                redact_and_cut(message, MAX_LINE, self._redact),
                actor[0] if actor else None,
            )
        )
