"""`JobCondition`: decide whether a due run starts."""

import logging

from hassette_core.clock import TimerClock
from hassette_core.conditions import Condition, ConditionContext
from hassette_core.containment import ACTOR
from hassette_core.errors import describe_error
from hassette_core.roster import RunLane
from hassette_executor import DueTrigger, JobRegistration, RepeatedLog

logger = logging.getLogger(__name__)


class JobConditions:
    """Checks the conditions of all jobs, and logs failed conditions at most once a minute for each job.

    Args:
        context: Provides the view of conditions.
        clock: Measures the minute.
    """

    def __init__(self, context: ConditionContext, clock: TimerClock) -> None:
        self._context = context
        self._log = RepeatedLog(logger, monotonic_ns=clock.monotonic_ns)

    def holds(self, condition: Condition, registration: JobRegistration, lane: RunLane, trigger: DueTrigger) -> bool:
        """Return whether a condition holds. If it does not hold or raises, count the run as not run."""
        token = ACTOR.set(registration.key)
        try:
            view = self._context.view()
            holds = condition.holds(view)
            detail = "" if holds else condition.explain(view)
        except BaseException as error:  # noqa: BLE001  A condition is code of the app. Its exception, even a
            # SystemExit, concerns this job only.
            lane.skip("predicate_failed", 1, trigger, describe_error(error))
            self._log.log(
                registration.key,
                logging.WARNING,
                "Condition of a job failed; the run is skipped and the job stays registered",
                extra={"registration": registration.key, "error": describe_error(error)},
            )
            return False
        finally:
            ACTOR.reset(token)
        if not holds:
            lane.skip("condition", 1, trigger, detail)
        return holds


class JobCondition:
    """The condition of one job.

    Args:
        condition: The condition.
        checks: Checks it.
    """

    def __init__(self, condition: Condition, checks: JobConditions) -> None:
        self._condition = condition
        self._checks = checks

    def allows(self, registration: JobRegistration, lane: RunLane, trigger: DueTrigger) -> bool:
        """Return whether a due run may start. Otherwise count it as not run."""
        return self._checks.holds(self._condition, registration, lane, trigger)
