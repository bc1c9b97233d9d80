"""`ConditionFailures`: report the failed conditions of listeners."""

import logging
from collections.abc import Callable

from hassette_core.clock import TimerClock
from hassette_core.errors import describe_error
from hassette_core.roster import RunLane
from hassette_executor import EventTrigger, ListenerRegistration, RepeatedLog

logger = logging.getLogger(__name__)


class ConditionFailures:
    """Counts failed conditions as skipped runs, and logs them at most once a minute for each listener.

    Args:
        clock: Measures the minute.
        redact: Masks secrets in the error.
    """

    def __init__(self, clock: TimerClock, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._log = RepeatedLog(logger, monotonic_ns=clock.monotonic_ns)

    def report(
        self, registration: ListenerRegistration, lane: RunLane, error: BaseException, trigger: EventTrigger | None
    ) -> None:
        """Report that a condition of a listener raised an exception."""
        lane.skip("predicate_failed", 1, trigger, self._redact(describe_error(error)))
        self._log.log(
            registration.key,
            logging.WARNING,
            "Condition of a listener failed; the event is skipped and the listener stays registered",
            extra={"registration": registration.key, "error": describe_error(error)},
        )
