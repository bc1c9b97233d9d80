"""`SchedulerService`: register jobs, and run them when they are due."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from functools import partial
from typing import NamedTuple

from hassette_core.clock import SystemClock, TimerClock
from hassette_core.conditions import ConditionContext
from hassette_core.handlers import Handler, InjectionPlan
from hassette_core.lifecycle import AsyncWithService
from hassette_core.moments import Place
from hassette_core.roster import Roster, registration_fields
from hassette_core.scheduler.options import DEFAULT_MODE, JobOptions, jitter_s_of, settings_of
from hassette_core.scheduler.planned_job import PlannedJob
from hassette_core.scheduler.schedules import Schedule
from hassette_core.scheduler.timetable import Timetable
from hassette_executor import CommandExecutor, JobRegistration


class UpcomingJob(NamedTuple):
    """The next run of a job.

    Attributes:
        app: The app's key.
        instance: The app's instance.
        name: The job's name.
        due_us: The time of the run, in microseconds since the Unix epoch.
    """

    app: str
    instance: str
    name: str
    due_us: int


class SchedulerService(AsyncWithService):
    """Runs jobs when they are due. It is a `Service` and an async context manager.

    Args:
        executor: Runs the jobs.
        clock: Wall clock, monotonic clock and timers; the machine's clock by default.
        conditions: Provides the view of conditions; by default, without states. The scheduler sets its place.
        time_zone: Time zone of schedules until `set_place` provides the home's time zone.
        grace_s: Seconds that running jobs have to end when the scheduler stops. After this time, the scheduler cancels
            them.
        redact: Masks secrets in the source code of the handlers.

    Attributes:
        name: ``"scheduler"``.
        clock: Wall clock, monotonic clock and timers.
        roster: The registered jobs.
    """

    name = "scheduler"

    def __init__(
        self,
        executor: CommandExecutor,
        *,
        clock: TimerClock | None = None,
        conditions: ConditionContext | None = None,
        time_zone: tzinfo = UTC,
        grace_s: float = 5.0,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._redact = redact
        self.clock = clock or SystemClock()
        self._grace_s = grace_s
        self.roster: Roster[PlannedJob] = Roster("job", executor)
        self._timetable = Timetable(self.roster, self.clock, Place(zone=time_zone))
        self._conditions = conditions or ConditionContext({}, self.clock)
        self._conditions.place = self.place

    async def start(self) -> None:
        """Run jobs from now on. Jobs may be registered before the start. A job that is already due runs now, once."""
        self.roster.bind()
        self._timetable.start()

    async def serve(self) -> None:
        """Wait until the scheduler is stopped.

        Raises:
            Exception: A schedule failed because of a defect. A restart of the scheduler puts all jobs with a planned
                run back into the agenda.
        """
        await self._timetable.ended.wait()
        if self._timetable.failure is not None:
            raise self._timetable.failure

    async def stop(self) -> None:
        """Start no further run, wait for runs in progress, and cancel runs that do not end in the grace period.

        Every run is recorded. Jobs stay registered and run again when the scheduler is started again.
        """
        if self._timetable.stop():
            await self.roster.stop(self._grace_s)
        self._timetable.ended.set()

    def add(self, app: str, instance: str, handler: Handler, schedule: Schedule, options: JobOptions) -> PlannedJob:
        """Register a job and plan its first run. Apps use their `AppScheduler`.

        Args:
            app: The app's key.
            instance: The app's instance.
            handler: The callable to run, without arguments.
            schedule: The times of its runs.
            options: The job's options.

        Raises:
            RegistrationError: The job cannot work, or its name is taken. The message explains how to fix it.
        """
        settings = settings_of(options, schedule)
        fields = registration_fields(app, instance, handler, options, settings, self._redact)
        kwargs = options.get("kwargs")
        call = InjectionPlan(handler, "nothing", kwargs).bind(None)
        registration = JobRegistration(schedule=schedule.describe(), **fields)
        shared = kwargs is not None and not schedule.recurring
        lane = self.roster.prepare(registration, options.get("mode", DEFAULT_MODE), shared=shared)
        job = PlannedJob(registration, lane, call, schedule, jitter_s_of(options), self.clock)
        self._timetable.plan_first(job)
        self.roster.add(job, options.get("on_error"), shared=shared)
        self._timetable.add(job)
        return job

    def run_now(self, job: PlannedJob) -> None:
        """Run a job once, now. Its schedule does not change. May be called in a thread."""
        self.roster.call(partial(self._timetable.run_now, job))

    def cancel(self, job: PlannedJob) -> None:
        """End a job. Runs in progress continue. May be called in a thread."""
        self.roster.call(partial(self._timetable.cancel, job))

    def cancel_all(self, app: str, instance: str) -> None:
        """End all jobs of one app instance. Runs in progress continue. May be called in a thread."""
        self.roster.call_each(app, instance, self._timetable.cancel)

    def upcoming(self) -> list[UpcomingJob]:
        """Return the next run of every job that has a planned run, in the order of their due times."""
        found = [
            UpcomingJob(*job.registration.key, job.plan.due_us) for job in self.roster.entries() if job.plan is not None
        ]
        return sorted(found, key=lambda upcoming: upcoming.due_us)

    @property
    def place(self) -> Place:
        """The home's time zone and location."""
        return self._timetable.place

    def set_place(
        self,
        *,
        time_zone: tzinfo | None = None,
        latitude: float | None = None,
        longitude: float | None = None,
        elevation: float | None = None,
    ) -> None:
        """Set the home's time zone and location, and plan calendar jobs again if they have changed.

        Args:
            time_zone: None keeps the current time zone.
            latitude: In degrees, north positive; None keeps the current latitude.
            longitude: In degrees, east positive; None keeps the current longitude.
            elevation: In metres above sea level; None keeps the current elevation.
        """
        place = self.place
        self._timetable.set_place(
            Place(
                zone=time_zone or place.zone,
                latitude=place.latitude if latitude is None else latitude,
                longitude=place.longitude if longitude is None else longitude,
                elevation=place.elevation if elevation is None else elevation,
            )
        )
        self._conditions.place = self.place
