"""`report_ignored_cancellations`: record runs that do not end at their deadline."""

import logging

from hassette_executor import CommandExecutor, Execution

logger = logging.getLogger(__name__)


def report_ignored_cancellations(executor: CommandExecutor) -> None:
    """Log and record each run that ignores the cancellation at its deadline. It is listed as in progress until it ends.

    Args:
        executor: The executor of the runs.
    """

    def report(execution: Execution, seconds: float) -> None:
        registration = execution.command.registration
        logger.error(
            "Run ignores its cancellation and is still running after its deadline",
            extra={"registration": registration.key, "deadline_s": execution.timeout_s, "seconds": seconds},
        )
        executor.report(
            "cancellation_ignored",
            f"{registration.app}.{registration.instance}",
            f"{registration.name} was cancelled at its deadline of {execution.timeout_s:g} s, and still runs"
            f" {seconds:g} s later; its code must not catch CancelledError without raising it again",
        )

    executor.in_flight.report_ignored_cancellations(report)
