"""`SchedulerService`: register jobs, and run them when they are due."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path

from hassette_core.clock import SystemClock, TimerClock
from hassette_core.conditions import ConditionContext, as_condition
from hassette_core.containment import check_may_control
from hassette_core.errors import describe_error
from hassette_core.handlers import Handler, InjectionPlan
from hassette_core.lifecycle import AsyncWithService
from hassette_core.moments import Place
from hassette_core.roster import Roster, registration_fields
from hassette_core.scheduler.carried_jobs import CarriedJobs, SuspendedJob, equal_arguments, rebound
from hassette_core.scheduler.job_condition import JobCondition
from hassette_core.scheduler.kept_file import KeptFile
from hassette_core.scheduler.kept_jobs import KeptJobs, PausedKind
from hassette_core.scheduler.options import DEFAULT_MODE, NO_JITTER, JobOptions, jitter_of, misfires_of, settings_of
from hassette_core.scheduler.parsing import ScheduleParser
from hassette_core.scheduler.persistence import (
    check_persistent,
    is_replaced,
    kept_timer,
    restored_options,
    restored_schedule,
)
from hassette_core.scheduler.planned_job import PlannedJob, UpcomingJob
from hassette_core.scheduler.schedules import Schedule
from hassette_core.scheduler.timetable import Timetable, Watch
from hassette_executor import CommandExecutor, JobRegistration, RepeatedLog

logger = logging.getLogger(__name__)
UPCOMING = 50
"""Number of the next runs that pages show."""


class SchedulerService(AsyncWithService):
    """Runs jobs when they are due. It is a `Service` and an async context manager.

    Args:
        executor: Runs the jobs.
        clock: Wall clock, monotonic clock and timers; the machine's clock by default.
        conditions: Provides the states and the view of conditions; by default, without states. The scheduler sets its
            place.
        watch: Reports changes of entities, for jobs at the time that an entity holds.
        kept_in: The file for paused jobs and persistent timers. None keeps them only in memory.
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
        watch: Watch | None = None,
        kept_in: Path | None = None,
        time_zone: tzinfo = UTC,
        grace_s: float = 5.0,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._executor = executor
        self._redact = redact
        self.clock = clock or SystemClock()
        self._grace_s = grace_s
        self.roster: Roster[PlannedJob] = Roster("job", executor)
        self._kept = KeptJobs()
        self._file = None if kept_in is None else KeptFile(kept_in, self._kept, self.clock, executor.report)
        self._saving: asyncio.Future[None] | None = None
        self._timetable = Timetable(self.roster, self.clock, Place(zone=time_zone), watch=watch, kept=self._kept)
        self._carried = CarriedJobs(self.roster, self._timetable)
        self._conditions = conditions or ConditionContext({}, self.clock)
        self._conditions.place = self.place
        self._log = RepeatedLog(logger, monotonic_ns=self.clock.monotonic_ns)

    async def start(self) -> None:
        """Run jobs from now on. Jobs may be registered before the start. A job that is already due runs now, once."""
        self.roster.bind()
        if self._file is not None:
            self._file.load()
        self._timetable.start()

    async def serve(self) -> None:
        """Wait until the scheduler is stopped.

        Raises:
            Exception: A schedule failed because of a defect. A restart of the scheduler puts all jobs with a planned
                run back into the agenda.
        """
        saving = None if self._file is None else asyncio.ensure_future(self._file.serve())
        try:
            await self._timetable.ended.wait()
        finally:
            if saving is not None:
                saving.cancel()
        if self._timetable.failure is not None:
            raise self._timetable.failure

    async def stop(self) -> None:
        """Start no further run, wait for runs in progress, and cancel runs that do not end in the grace period.

        Every run is recorded. Jobs stay registered and run again when the scheduler is started again.
        """
        if self._timetable.stop():
            await self.roster.stop(self._grace_s)
        self._timetable.ended.set()
        if self._file is not None:
            await asyncio.sleep(0)  # timers whose run has begun in this turn of the loop are forgotten in the next turn
            await self._file.close()

    def add(
        self,
        app: str,
        instance: str,
        handler: Handler,
        schedule: Schedule,
        options: JobOptions,
        *,
        restored: bool = False,
    ) -> PlannedJob:
        """Register a job and plan its first run. Apps use their `AppScheduler`.

        Args:
            app: The app's key.
            instance: The app's instance.
            handler: The callable to run, without arguments.
            schedule: The times of its runs.
            options: The job's options.
            restored: Whether it is the timer of an earlier start, whose time contains the jitter already.

        Raises:
            RegistrationError: The job cannot work, or its name is taken. The message explains how to fix it.
        """
        where = options.get("where")
        condition = None if where is None else as_condition("where", where, has_event=False)
        if condition is not None and not inspect.ismethod(where):
            options = {**options, "where": condition}  # a generator is read once
        settings = settings_of(options, schedule)
        fields = registration_fields(app, instance, handler, options, settings, self._redact)
        persist = options.get("persist", False)
        if persist:
            options = check_persistent(handler, schedule, options)
            self._kept.check_timer(app, instance)
        kwargs = options.get("kwargs")
        call = InjectionPlan(handler, "nothing", kwargs).bind(None)
        registration = JobRegistration(schedule=schedule.describe(), **fields)
        shared = not schedule.recurring
        if self._carried:
            self._carried.end_replaced(registration, kwargs, shared=shared)
        if options.get("replace", False):
            for other in self.roster.entries_with_key(*registration.key):
                if not shared or kwargs is None or equal_arguments(other.arguments, kwargs):
                    self.cancel(other)
        lane = self.roster.prepare(registration, options.get("mode", DEFAULT_MODE), shared=shared)
        job = PlannedJob(
            registration,
            lane,
            handler,
            call,
            options,
            schedule,
            self.clock,
            self._conditions.view().states,
            jitter=NO_JITTER if restored else jitter_of(options),
            misfires=misfires_of(options),
            condition=None if condition is None else JobCondition(condition, self._conditions, self._log),
        )
        self._timetable.plan_first(job)
        if persist:
            job.timer = self._kept.add_timer(kept_timer(handler, job, options, self.place))
        job.paused = self._kept.is_paused(app, instance, registration.name, job.group)
        self.roster.add(job, options.get("on_error"), shared=shared)
        self._timetable.add(job)
        return job

    def restore(self, app: str, instance: str, owner: object, registered: Sequence[PlannedJob]) -> None:
        """Register the persistent timers of an app instance that an earlier start has kept.

        A timer that the app has replaced, or whose method is gone, is dropped.

        Args:
            app: The app's key.
            instance: The app's instance.
            owner: The object of the app. Its methods are the handlers.
            registered: The jobs that the app has registered since its start, also those that have ended.
        """
        new = {job.timer for job in registered} | {job.timer for job in self.roster.entries_of(app, instance)}
        for timer_id, timer in self._kept.timers_of(app, instance):
            if timer_id in new:
                continue
            self._kept.remove_timer(timer_id)
            if is_replaced(timer, self._redact(timer.name), registered):
                continue
            try:
                handler = getattr(owner, timer.method)
                self.add(app, instance, handler, restored_schedule(timer), restored_options(timer), restored=True)
            except Exception as error:  # noqa: BLE001  `getattr` may call code of the app. One timer must not end the app
                self._drop(app, instance, f"{timer.name!r} of the method {timer.method}", error)

    def _drop(self, app: str, instance: str, timer: str, error: Exception) -> None:
        subject = f"{app}.{instance}"
        detail = f"the timer {timer} cannot be registered again: {describe_error(error)}"
        logger.warning("Timer cannot be registered again and is dropped", extra={"app": subject, "problem": detail})
        self._executor.report("timer_dropped", subject, detail)

    def jobs(self, app: str, instance: str, *, name: str | None = None, group: str | None = None) -> list[PlannedJob]:
        """Return the jobs of one app instance. Pages and commands find a job by its name.

        Args:
            app: The app's key.
            instance: The app's instance.
            name: Only the jobs with this name. Jobs that run once may share a name.
            group: Only the jobs of this group.
        """
        return [
            job
            for job in self.roster.entries_of(app, instance)
            if (name is None or job.registration.name == name) and (group is None or job.group == group)
        ]

    def set_paused(self, app: str, instance: str, kind: PausedKind, name: str, paused: bool) -> None:
        """Pause or resume a job or a group, also for the next start. May be called in a thread.

        Args:
            app: The app's key.
            instance: The app's instance.
            kind: ``job`` or ``group``.
            name: Name of the job or group.
            paused: False resumes it.

        Raises:
            RegistrationError: The app instance has too many pauses.
            RehearsalError: An app that rehearses calls this for an app that acts.
        """
        check_may_control((app, instance), f"{'pause' if paused else 'resume'} the {kind} {name}")
        if paused:
            self._kept.check_pause(app, instance, kind, name)

        def change() -> None:
            self._kept.set_paused(app, instance, kind, name, paused)
            for job in self.roster.entries_of(app, instance):
                job.paused = self._kept.is_paused(app, instance, job.registration.name, job.group)

        self.roster.call(change)

    def parser(self) -> ScheduleParser:
        """Return a parser for the times of a registration."""
        return ScheduleParser(self.clock.now(), self.place, self._conditions.view().states)

    def take_plans(self, app: str, instance: str) -> list[SuspendedJob]:
        """Start no further run of the jobs of an app instance, because a newer version replaces it. Return the jobs."""
        jobs = [SuspendedJob(job, job.plan) for job in self.roster.entries_of(app, instance) if job.plan is not None]
        for job, _ in jobs:
            self._timetable.suspend(job)
        return jobs

    def carry_over(self, jobs: Sequence[SuspendedJob], rebind: Callable[[Handler], Handler | None]) -> None:
        """Continue suspended jobs in the newer version of their app, which has registered its jobs.

        A recurring job that the newer version has registered, too, keeps the due times of its interval, and a run that
        became due meanwhile starts now. A job that runs once and that the newer version has not registered keeps its
        time. It ends when the app registers a job of the same name. It is dropped with a warning if the newer version
        cannot run it.

        Args:
            jobs: The result of `take_plans`.
            rebind: Returns the method of the newer version for a handler of the older version; None if there is none.
        """
        continued: list[PlannedJob] = []
        for old, plan in self._carried.carry_over(jobs):
            app, instance, name, *_ = old.registration.key
            try:
                job = self.add(app, instance, *rebound(old, rebind))
            except Exception as error:  # noqa: BLE001  as in `restore`
                self._drop(app, instance, repr(name), error)
            else:
                self._timetable.change_plan(job, plan)
                continued.append(job)
        self._carried.forget_ended()
        for job in continued:
            self._carried.keep(job)

    def run_now(self, job: PlannedJob) -> None:
        """Run a job once, now. Its schedule does not change. May be called in a thread.

        Raises:
            RehearsalError: As for `set_paused`.
        """
        check_may_control(job.registration.key, f"run the job {job.registration.name}")
        self.roster.call(partial(self._timetable.run_now, job))

    def cancel(self, job: PlannedJob) -> None:
        """End a job. Runs in progress continue. May be called in a thread.

        Raises:
            RehearsalError: As for `set_paused`.
        """
        check_may_control(job.registration.key, f"cancel the job {job.registration.name}")

        def end() -> None:
            self._forget(job)
            self._timetable.cancel(job)

        self.roster.call(end)

    def cancel_all(self, app: str, instance: str, *, group: str | None = None, keep_timers: bool = False) -> None:
        """End all jobs of one app instance. Runs in progress continue. May be called in a thread.

        Args:
            app: The app's key.
            instance: The app's instance.
            group: Only the jobs of this group.
            keep_timers: Whether `restore` registers the persistent timers again at the next start of the instance.

        Raises:
            RehearsalError: As for `set_paused`.
        """
        check_may_control((app, instance), "cancel the jobs")

        def end() -> None:
            jobs = self.jobs(app, instance, group=group)
            if not keep_timers:
                for job in [job for job in jobs if job.timer is not None]:
                    self._forget(job)
            self._timetable.cancel_all(jobs)

        if keep_timers:
            self._timetable.check_clock()  # the file has the times by the wall clock
        self.roster.call(end)

    def keep_for_next_start(self, job: PlannedJob) -> None:
        """End a job with a persistent timer, which `restore` registers again at the next start of its app instance."""
        self._timetable.cancel(job)
        if self._file is not None and self._timetable.ended.is_set():
            # `stop` has written the file, and handlers that are still running in their grace period add timers.
            self._saving = asyncio.ensure_future(self._file.save())

    def _forget(self, job: PlannedJob) -> None:
        self._kept.remove_timer(job.timer)

    def upcoming(self, limit: int = UPCOMING) -> list[UpcomingJob]:
        """Return the next runs of the jobs that are not paused, soonest first, at most ``limit``."""
        return self._timetable.upcoming(limit)

    def next_run_us(self, app: str, instance: str, name: str) -> int | None:
        """Return the time of the next run of a job, or of the jobs that share the name; None if no run is planned."""
        jobs = self.roster.entries_with_key(app, instance, name)
        return min([job.upcoming.due_us for job in jobs if job.upcoming is not None], default=None)

    def paused_jobs(self) -> list[PlannedJob]:
        """Return the jobs that are paused, alone or with their group."""
        owners = self._kept.owners_with_pauses()
        return [job for owner in owners for job in self.roster.entries_of(*owner) if job.paused]

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
