"""`JobCondition`: decide whether a due run starts."""

import logging

from hassette_core.conditions import Condition, ConditionContext
from hassette_core.containment import ACTOR, app_actor
from hassette_core.errors import describe_error
from hassette_core.roster import RunLane
from hassette_executor import DueTrigger, JobRegistration, RepeatedLog


class JobCondition:
    """The condition of one job.

    Args:
        condition: The condition.
        context: Provides the view of the condition.
        log: Logs a failed condition at most once a minute for each job.
    """

    def __init__(self, condition: Condition, context: ConditionContext, log: RepeatedLog) -> None:
        self._condition = condition
        self._context = context
        self._log = log

    def allows(self, registration: JobRegistration, lane: RunLane, trigger: DueTrigger) -> bool:
        """Return whether a due run may start. If the condition does not hold or raises, count the run as not run."""
        token = ACTOR.set(app_actor(registration.key))
        try:
            reason = self._condition.check(self._context.view())
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
        if reason is not None:
            lane.skip("condition", 1, trigger, reason)
        return reason is None
