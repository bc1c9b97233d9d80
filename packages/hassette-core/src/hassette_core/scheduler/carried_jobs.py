"""Jobs that continue after a reload of their app."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from hassette_core.conditions import Where
from hassette_core.errors import RegistrationError
from hassette_core.handlers import Handler, name_of
from hassette_core.roster import Roster
from hassette_core.scheduler.options import JobOptions
from hassette_core.scheduler.planned_job import Plan, PlannedJob
from hassette_core.scheduler.schedules import Schedule
from hassette_core.scheduler.timetable import Timetable
from hassette_executor import JobRegistration

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
                self.keep(job)

    def carry_over(self, jobs: Sequence[SuspendedJob]) -> list[SuspendedJob]:
        """Continue suspended jobs in the jobs of the newer version; see `SchedulerService.carry_over`.

        Returns:
            The jobs that run once and that the newer version has not registered. The caller registers them again.
        """
        now_ns = self._timetable.monotonic_ns()
        left: list[SuspendedJob] = []
        for old, plan in jobs:
            found = [each for each in self._roster.entries_with_key(*old.registration.key) if _same(each, old)]
            if not found:
                # A recurring job is missing in the newer version, so it ends. `SchedulerService.restore` has already
                # registered the persistent timers again, without those that the newer version has replaced.
                if not old.schedule.recurring and old.timer is None:
                    left.append(SuspendedJob(old, plan))
            elif old.schedule.recurring and _equal_times(found[0].schedule, old.schedule):
                (new, *_) = found
                # A time of day is planned again from the code, unless it has passed during the reload.
                earlier = new.plan is None or plan.due_ns < new.plan.due_ns
                if earlier and (not new.by_calendar or plan.due_ns <= now_ns):
                    self._timetable.change_plan(new, plan)
        return left

    def keep(self, job: PlannedJob) -> None:
        """End a job that was registered again when the app registers a job of the same name."""
        self._jobs.setdefault(job.registration.key, []).append(job)

    def forget_ended(self) -> None:
        """Forget the jobs that have ended meanwhile."""
        self._jobs = {key: active for key, jobs in self._jobs.items() if (active := [j for j in jobs if j.active])}


def _same(new: PlannedJob, old: PlannedJob) -> bool:
    """Return whether a job of the newer version, which has the same name, replaces an old job."""
    return old.schedule.recurring or not new.shared or equal_arguments(new.arguments, old.arguments)


def _equal_times(new: Schedule, old: Schedule) -> bool:
    """Return whether two schedules have the same text, such as ``every 10 min``. The time of the first run may differ.

    Nearly all schedules of a reloaded app are equal, and a comparison takes a tenth of the time of two texts.
    """
    return new == old or new.describe() == old.describe()


def equal_arguments(one: Mapping[str, object] | None, other: Mapping[str, object] | None) -> bool:
    """Return whether two jobs have equal ``kwargs``."""
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001  a value of the app cannot be compared, such as an array: no other value is equal
        return False


def rebound(job: PlannedJob, rebind: Rebind) -> tuple[Handler, Schedule, JobOptions]:
    """Return the handler, the schedule and the options with which the newer version of an app continues a job.

    Raises:
        RegistrationError: The handler is not a method of the newer version.
    """
    handler = _rebound(job.function, rebind)
    if handler is None:
        name = name_of(job.function)
        raise RegistrationError(f"handler must be a method of the newer version of the app, got {name}")
    # The newer version has registered its jobs. This job must not end them.
    options: JobOptions = {**job.options, "replace": False}
    where, hook = options.get("where"), options.get("on_error")
    if inspect.ismethod(where):
        options["where"] = cast("Where", rebind(where) or where)
    # A hook that is no method does not belong to the older object.
    if hook is not None and inspect.ismethod(getattr(hook, "func", hook)):  # a partial has the attribute `func`
        options["on_error"] = _rebound(hook, rebind)
    return handler, job.schedule, options


def _rebound(function: Callable[..., Any], rebind: Rebind) -> Handler | None:
    if not isinstance(function, functools.partial):
        return rebind(function)
    found = rebind(function.func)
    return None if found is None else functools.partial(found, *function.args, **function.keywords)
