"""Jobs that continue after a reload of their app."""

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hassette_core.handlers import Handler
from hassette_core.roster import Roster
from hassette_core.scheduler.planned_job import Plan, PlannedJob
from hassette_core.scheduler.timetable import Timetable
from hassette_executor import ErrorHook, JobRegistration

logger = logging.getLogger(__name__)

Rebind = Callable[[Handler], Handler | None]


class SuspendedJob(NamedTuple):
    """A job of the older version of an app, and its next run."""

    job: PlannedJob
    plan: Plan


class CarriedJobs:
    """Jobs for a single run that an app has taken over from its older version.

    The newer version has no `Job` object for them, so it cannot cancel them. They end when it registers a job of the
    same name.

    Args:
        roster: The registered jobs.
        timetable: Plans and ends the jobs.
    """

    def __init__(self, roster: Roster[PlannedJob], timetable: Timetable) -> None:
        self._roster = roster
        self._timetable = timetable
        self._jobs: dict[tuple[str, ...], list[PlannedJob]] = {}

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def end_replaced(self, registration: JobRegistration, kwargs: Mapping[str, object] | None, *, shared: bool) -> None:
        """End the jobs that a new job replaces.

        Args:
            registration: The registration of the new job.
            kwargs: Its arguments.
            shared: Whether several jobs may share its name. Then only jobs with equal arguments end.
        """
        for job in self._jobs.pop(registration.key, []):
            if job.active and (not shared or equal_arguments(job.arguments, kwargs)):
                self._timetable.cancel(job)
            elif job.active:
                self._keep(job)

    def carry_over(self, jobs: Sequence[SuspendedJob], rebind: Rebind) -> None:
        """Continue suspended jobs; see `SchedulerService.carry_over`."""
        now_ns = self._timetable.monotonic_ns()
        current = self._roster.entries()
        for old, plan in jobs:
            found = [each for each in current if _same(each, old)]
            if not found:
                # A recurring job is missing in the newer version, so it ends.
                if not old.schedule.recurring:
                    self._continue(old, plan, rebind)
            elif old.schedule.recurring and found[0].schedule.describe() == old.schedule.describe():
                (new, *_) = found
                # A time of day is planned again from the code, unless it has passed during the reload.
                earlier = new.plan is None or plan.due_ns < new.plan.due_ns
                if earlier and (not new.by_calendar or plan.due_ns <= now_ns):
                    self._timetable.change_plan(new, plan)

    def _continue(self, old: PlannedJob, plan: Plan, rebind: Rebind) -> None:
        """Register a job of the older version again, with the method of the newer version as its handler."""
        registration = old.registration
        handler = _rebound(old.handler, rebind)
        if handler is None:
            logger.warning(
                "Timer of an app ends with its reload, because its handler is not a method of the app",
                extra={"registration": registration.key, "handler": registration.handler},
            )
            return
        job = old.carried_over(self._roster.prepare(registration, "parallel", shared=old.shared), handler)
        job.active = True
        job.plan = plan
        self._roster.add(job, _rebound_hook(old.on_error, rebind), shared=old.shared)
        self._timetable.add(job)
        self._keep(job)

    def _keep(self, job: PlannedJob) -> None:
        self._jobs = {key: active for key, jobs in self._jobs.items() if (active := [j for j in jobs if j.active])}
        self._jobs.setdefault(job.registration.key, []).append(job)


def _same(new: PlannedJob, old: PlannedJob) -> bool:
    if new.registration.key != old.registration.key:
        return False
    return old.schedule.recurring or equal_arguments(new.arguments, old.arguments)


def equal_arguments(one: Mapping[str, object] | None, other: Mapping[str, object] | None) -> bool:
    """Return whether two jobs have equal ``kwargs``."""
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001  a value of the app cannot be compared, such as an array: no other value is equal
        return False


def _rebound(handler: Handler, rebind: Rebind) -> Handler | None:
    if not isinstance(handler, functools.partial):
        return rebind(handler)
    found = rebind(handler.func)
    return None if found is None else functools.partial(found, *handler.args, **handler.keywords)


def _rebound_hook(hook: ErrorHook | None, rebind: Rebind) -> ErrorHook | None:
    """Return the error hook of a continued job. A hook that is no method does not belong to the older object."""
    function: object = getattr(hook, "func", hook)  # a partial has the attribute
    return _rebound(hook, rebind) if hook is not None and inspect.ismethod(function) else hook
