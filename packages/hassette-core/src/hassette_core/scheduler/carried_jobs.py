"""Jobs that continue after a reload of their app."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hassette_core.handlers import Handler
from hassette_core.roster import Roster
from hassette_core.scheduler.planned_job import Plan, PlannedJob
from hassette_core.scheduler.timetable import Timetable
from hassette_executor import JobRegistration

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
        cancel: Ends a job.
    """

    def __init__(self, cancel: Callable[[PlannedJob], None]) -> None:
        self._cancel = cancel
        self._jobs: dict[tuple[str, ...], list[PlannedJob]] = {}

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def add(self, job: PlannedJob) -> None:
        """Add a job."""
        self._jobs = {key: active for key, jobs in self._jobs.items() if (active := [j for j in jobs if j.active])}
        self._jobs.setdefault(job.registration.key, []).append(job)

    def end_replaced(self, registration: JobRegistration, kwargs: Mapping[str, object] | None) -> None:
        """End the jobs that a new job replaces.

        Args:
            registration: The registration of the new job.
            kwargs: Its arguments, if several jobs may share its name. Then only a job with equal arguments ends.
        """
        for job in self._jobs.pop(registration.key, []):
            if job.active and (kwargs is None or _arguments(job.handler) == kwargs):
                self._cancel(job)
            elif job.active:
                self.add(job)


def carry_over(
    roster: Roster[PlannedJob],
    timetable: Timetable,
    carried: CarriedJobs,
    jobs: Sequence[SuspendedJob],
    rebind: Rebind,
) -> None:
    """Continue suspended jobs; see `SchedulerService.carry_over`."""
    now_ns = timetable.monotonic_ns()
    current = roster.entries()
    for old, plan in jobs:
        registration = old.registration
        found = [each for each in current if _same(each, old)]
        if not found:
            if old.schedule.recurring:
                continue  # the newer version does not have this job
            handler = _rebound(old.handler, rebind)
            if handler is None:
                logger.warning(
                    "Timer of an app ends with its reload, because its handler is not a method of the app",
                    extra={"registration": registration.key, "handler": registration.handler},
                )
                continue
            shared = _arguments(old.handler) is not None
            job = old.carried_over(roster.prepare(registration, "parallel", shared=shared), handler)
            job.active = True
            job.plan = plan
            roster.add(job, None, shared=shared)
            timetable.add(job)
            carried.add(job)
        elif old.schedule.recurring and found[0].schedule.describe() == old.schedule.describe():
            (new, *_) = found
            # A time of day is planned again from the code, unless it has passed during the reload.
            if (new.plan is None or plan.due_ns < new.plan.due_ns) and (not new.by_calendar or plan.due_ns <= now_ns):
                timetable.change_plan(new, plan)


def _same(new: PlannedJob, old: PlannedJob) -> bool:
    if new.registration.key != old.registration.key:
        return False
    return old.schedule.recurring or _arguments(new.handler) == _arguments(old.handler)


def _arguments(handler: Handler) -> Mapping[str, object] | None:
    return handler.keywords if isinstance(handler, functools.partial) else None


def _rebound(handler: Handler, rebind: Rebind) -> Handler | None:
    if not isinstance(handler, functools.partial):
        return rebind(handler)
    found = rebind(handler.func)
    return None if found is None else functools.partial(found, *handler.args, **handler.keywords)
