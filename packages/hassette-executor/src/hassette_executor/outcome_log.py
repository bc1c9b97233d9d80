"""One log line per run, by the level of its outcome: written away from the event loop, since it formats tracebacks."""

import logging
from collections.abc import Sequence

from hassette_executor.failures import Failure
from hassette_executor.records import Record, Status
from hassette_executor.repeated_log import RepeatedLog

logger = logging.getLogger("hassette_executor.outcome")


class OutcomeLog:
    """Logs how runs ended.

    Successes and cancellations at debug; an exceeded deadline as a warning; a failure as an error, with its traceback
    where the table of design section 5 gives one. What repeats itself is written once per interval with a count.

    Args:
        interval_s: Seconds between two lines about the same registration and kind of failure.
    """

    def __init__(self, interval_s: float) -> None:
        self._repeated = RepeatedLog(logger, interval_s)

    @staticmethod
    def worth_saying(records: Sequence[Record], not_plain: Sequence[Record]) -> list[Record]:
        """Return the records that have a line at the logger's level.

        Args:
            records: All of them.
            not_plain: Those that have a failure or effects.
        """
        if logger.isEnabledFor(logging.DEBUG):
            return list(records)
        if not logger.isEnabledFor(logging.ERROR):
            return []
        return [record for record in not_plain if record.failure is not None]

    def write(self, records: Sequence[Record], unsaid: int = 0) -> None:
        """Write a line for each record; called in a thread.

        Args:
            records: Records that are worth a line.
            unsaid: How many more there were, which the log was too slow for.
        """
        for record in records:
            self._write(record)
        if unsaid:
            logger.warning("Runs have ended without a line: the log could not keep up", extra={"unsaid": unsaid})

    def _write(self, record: Record) -> None:
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
                _TracebackBelow(failure),
                extra=facts,
            )


class _TracebackBelow:
    """A traceback that is formatted only if its line is written: of a burst of failures, that is one."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    def __str__(self) -> str:
        return f"\n{traceback}" if (traceback := self._failure.traceback) else ""
