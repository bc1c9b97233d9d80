"""`SchedulerService`: register jobs and run them when they are due."""

from datetime import UTC, tzinfo
from functools import partial
from typing import NamedTuple

from hassette_core.clock import Clock, SystemClock
from hassette_core.handlers import Handler, InjectionPlan, inspect_callable, optional_seconds
from hassette_core.lifecycle import ServiceContext
from hassette_core.roster import Roster
from hassette_core.scheduler.options import DEFAULT_MODE, JobOptions, jitter_s_of, settings_of
from hassette_core.scheduler.place import Place
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
        due_us: When, in microseconds since the Unix epoch.
    """

    app: str
    instance: str
    name: str
    due_us: int


class SchedulerService(ServiceContext):
    """Runs jobs when they are due. A `Service`, and an ``async with`` context.

    Args:
        executor: Runs the jobs.
        clock: Time; the machine's clock by default.
        time_zone: The home's time zone, until `set_place` provides it.
        grace_s: How long running jobs may take to end when the scheduler stops, in seconds; then they are cancelled.

    Attributes:
        name: ``"scheduler"``.
        clock: See above.
    """

    name = "scheduler"

    def __init__(
        self,
        executor: CommandExecutor,
        *,
        clock: Clock | None = None,
        time_zone: tzinfo = UTC,
        grace_s: float = 5.0,
    ) -> None:
        self.clock = clock or SystemClock()
        self._grace_s = grace_s
        self._roster: Roster[PlannedJob] = Roster("job", executor)
        self._timetable = Timetable(self._roster, self.clock, Place(zone=time_zone))

    async def start(self) -> None:
        """Start to run jobs. They may be registered before; those that became due meanwhile run now, once."""
        self._roster.bind()
        self._timetable.start()

    async def serve(self) -> None:
        """Wait until the scheduler is stopped.

        Raises:
            Exception: A schedule failed because of a defect. A restart plans all jobs again.
        """
        await self._timetable.ended.wait()
        if self._timetable.failure is not None:
            raise self._timetable.failure

    async def stop(self) -> None:
        """Start no further job, wait for the running ones, and cancel those that exceed the grace.

        Every run is recorded. Jobs stay registered and continue when the scheduler is started again.
        """
        if self._timetable.stop():
            await self._roster.stop(self._grace_s)
        self._timetable.ended.set()

    @property
    def retires(self) -> bool:
        """True when a job that ends is retired. Apps set it to False while they stop."""
        return self._roster.runner.retires

    @retires.setter
    def retires(self, retires: bool) -> None:
        self._roster.runner.retires = retires

    def add(self, app: str, instance: str, handler: Handler, schedule: Schedule, options: JobOptions) -> PlannedJob:
        """Register a job and plan its first run. Apps use their `AppScheduler`.

        Args:
            app: The app's key.
            instance: The app's instance.
            handler: The callable to run, without arguments.
            schedule: When it runs.
            options: The job's options.

        Raises:
            RegistrationError: The job cannot work, or its name is taken. The message explains how to fix it.
        """
        settings = settings_of(options, schedule)
        info = inspect_callable("handler", handler)
        InjectionPlan(handler, "nothing")  # raises for a parameter without a default
        registration = JobRegistration(
            app=app,
            instance=instance,
            name=options.get("name") or info.name,
            schedule=schedule.describe(),
            handler=info.qualified,
            settings=settings,
            source=info.source,
            runs_in=info.runs_in,
            timeout_s=optional_seconds("timeout", options.get("timeout"), zero=True),
        )
        lane = self._roster.prepare(registration, options.get("mode", DEFAULT_MODE))
        job = PlannedJob(registration, lane, handler, schedule, jitter_s_of(options), self.clock)
        self._timetable.plan_first(job)
        self._roster.add(job, options.get("on_error"))
        self._timetable.add(job)
        return job

    def run_now(self, job: PlannedJob) -> None:
        """Run a job once. Its schedule does not change. May be called in a thread."""
        self._roster.call(partial(self._timetable.run_now, job))

    def cancel(self, job: PlannedJob) -> None:
        """End a job; its runs continue. May be called in a thread."""
        self._roster.call(partial(self._cancel, job))

    def cancel_all(self, app: str, instance: str) -> None:
        """End every job of one app instance; their runs continue. May be called in a thread."""
        self._roster.call(partial(self._cancel_all, app, instance))

    def jobs(self, app: str, instance: str) -> tuple[PlannedJob, ...]:
        """Return the jobs of one app instance."""
        return self._roster.entries_of(app, instance)

    def upcoming(self) -> list[UpcomingJob]:
        """Return the next run of every job that has one, earliest first."""
        found = [
            UpcomingJob(*job.registration.key, job.plan.due_us)
            for job in self._roster.entries()
            if job.plan is not None
        ]
        return sorted(found, key=lambda upcoming: upcoming.due_us)

    def _cancel(self, job: PlannedJob) -> None:
        if job.active:
            self._roster.remove(job)
            job.end()
            self._timetable.remove(job)

    def _cancel_all(self, app: str, instance: str) -> None:
        for job in self.jobs(app, instance):
            self._cancel(job)

    @property
    def place(self) -> Place:
        """The home's time zone and location."""
        return self._timetable.place

    def set_place(
        self, *, time_zone: tzinfo | None = None, latitude: float | None = None, longitude: float | None = None
    ) -> None:
        """Set the home's time zone and location, and plan calendar jobs again if they have changed.

        Args:
            time_zone: None keeps the current one.
            latitude: In degrees, north positive; None keeps the current one.
            longitude: In degrees, east positive; None keeps the current one.
        """
        place = self.place
        self._timetable.move_to(
            Place(
                zone=time_zone or place.zone,
                latitude=place.latitude if latitude is None else latitude,
                longitude=place.longitude if longitude is None else longitude,
            )
        )
