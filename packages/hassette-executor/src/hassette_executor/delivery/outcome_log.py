"""Outcome log: one log line per run, written in a thread, because formatting tracebacks is slow."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from hassette_executor.records.failures import Failure
from hassette_executor.records.runs import Record, Status
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.running.threads import MakeThreads, ThreadPool

logger = logging.getLogger("hassette_executor.outcome")


class OutcomeLog:
    """Logs the status of each run that has ended.

    The level is debug for successes and cancellations, warning for timeouts, and error for other failures. Errors are
    logged with the traceback, if the record contains one. Repeated failures are logged once per interval, with a count.

    Args:
        interval_s: Seconds between two lines about the same registration and type of failure.
        max_waiting: How many records may wait while the log is slow. Further records are counted in one line.
        monotonic_ns: The clock of the interval.
        make_threads: Creates the thread that writes the lines.
    """

    def __init__(
        self,
        interval_s: float,
        max_waiting: int,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        make_threads: MakeThreads = ThreadPool,
    ) -> None:
        self._repeated = RepeatedLog(logger, interval_s, monotonic_ns)
        self._max_waiting = max_waiting
        self._thread = make_threads(1, "log", None)
        self._waiting: list[Record] = []
        self._skipped = 0
        self._writing: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Accept records again, after `close`."""
        self._thread.open()

    def add(self, records: Sequence[Record], with_details: Sequence[Record]) -> None:
        """Log records in the thread, if the level of the logger includes them. Never waits.

        After `close`, the lines are written on the event loop.

        Args:
            records: All records.
            with_details: The records among them with a failure or effects.
        """
        if logger.isEnabledFor(logging.DEBUG):
            to_log = list(records)
        elif logger.isEnabledFor(logging.ERROR):
            to_log = [record for record in with_details if record.failure is not None]
        else:
            return
        if not to_log:
            return
        if self._thread.closed:
            self._write(to_log)  # few runs end after the stop
            return
        room = max(0, self._max_waiting - len(self._waiting))
        self._waiting += to_log[:room]
        self._skipped += len(to_log[room:])
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write_waiting())

    async def close(self) -> None:
        """Wait up to one second for waiting lines, then stop the thread.

        After that second, `close` does not wait for the log. Records that still wait for their line are counted as
        skipped.
        """
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=1)
        self._thread.close()
        self._skipped += len(self._waiting)
        self._waiting = []

    async def _write_waiting(self) -> None:
        while self._waiting and not self._thread.closed:
            records, self._waiting = self._waiting, []
            skipped, self._skipped = self._skipped, 0
            await self._thread.run(partial(self._write, records, skipped))

    def _write(self, records: Sequence[Record], skipped: int = 0) -> None:
        for record in records:
            self._write_line(record)
        if skipped:
            logger.warning("Log is too slow; some runs have no log line", extra={"skipped": skipped})

    def _write_line(self, record: Record) -> None:
        registration, failure = record.registration, record.failure
        facts = {
            "record_id": record.id,
            "app": registration.app,
            "instance": registration.instance,
            "registration": registration.name,
            "status": record.status.value,
            "duration_us": record.duration_us,
        }
        name = f"{registration.app}.{registration.instance}.{registration.name}"
        if failure is None:
            logger.debug("%s: %s after %d µs", name, record.status.value, record.duration_us, extra=facts)
        elif record.status is Status.TIMED_OUT:
            self._repeated.log((name, "timed_out"), logging.WARNING, "%s %s", name, failure.message, extra=facts)
        else:
            self._repeated.log(
                (name, failure.type),
                logging.ERROR,
                "%s failed: %s: %s%s",
                name,
                failure.type,
                failure.message,
                _LazyTraceback(failure),
                extra=facts,
            )


class _LazyTraceback:
    """A traceback that is formatted when its line is written. Repeated failures without a line are never formatted."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    def __str__(self) -> str:
        return f"\n{traceback}" if (traceback := self._failure.traceback) else ""
