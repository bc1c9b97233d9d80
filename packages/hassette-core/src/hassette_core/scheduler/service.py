"""`SchedulerService`: a heap of jobs, one timer for the earliest, and nothing in between."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any, NamedTuple

from hassette_core.clock import Clock, SystemClock, Timer
from hassette_core.errors import RegistrationError
from hassette_core.handlers import InjectionPlan, Lane, Mode, OwnedTasks, OwnLoop, describe_callable
from hassette_core.scheduler.agenda import Agenda
from hassette_core.scheduler.job import Due, PlannedJob
from hassette_core.scheduler.place import Place
from hassette_core.scheduler.schedules import Calendar, Interval
from hassette_core.scheduler.wall_offset import WallOffset
from hassette_executor import CommandExecutor, DueTrigger, ErrorHook, ExecuteJob, JobRegistration

logger = logging.getLogger(__name__)

WATCH_S = 60.0
"""While a calendar job is planned, the timer rings at least this often: nothing else tells that the wall clock was
set, or that the machine has slept."""
REPEAT_GUARD = timedelta(hours=3)
"""When the clock goes back by less than this, what has run before is not run again (Vixie cron's rule)."""
LATE_S = 60.0
"""A run that begins later than this is said in the log."""

_Key = tuple[str, str, str]


class UpcomingJob(NamedTuple):
    """The next run of a job.

    Attributes:
        app: Whose it is.
        instance: Which instance of that app.
        name: The job's name.
        due_us: When, in microseconds since the Unix epoch.
    """

    app: str
    instance: str
    name: str
    due_us: int


class SchedulerService:
    """Jobs, and when they run. A Service by shape: `start`, `serve`, `stop`; also ``async with``.

    Args:
        executor: Runs the jobs.
        clock: Time; the machine's by default.
        time_zone: Where the house is, until `set_place` knows better.
        grace_s: How long running jobs may take to end when the scheduler stops; then they are cancelled.

    Attributes:
        name: ``"scheduler"``.
        retires: Whether a job that ends is retired. False while all apps stop:
            what ends then is there again next time.
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
        self._executor = executor
        self.clock = clock or SystemClock()
        self.place = Place(zone=time_zone)
        self._grace_s = grace_s
        self._jobs: dict[_Key, PlannedJob] = {}
        self._agenda = Agenda()
        self._calendar_jobs = 0
        self._tasks = OwnedTasks()
        self._loop = OwnLoop()
        self._timer: Timer | None = None
        self._armed_ns = 0
        self.retires = True
        self._open = False
        self._offset = WallOffset(self.clock)
        self._crash: Exception | None = None
        self._stopped = asyncio.Event()

    # ---- lifecycle --------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to run jobs. They may be registered before; what was due meanwhile runs now, once."""
        self._loop.take()
        self._open = True
        self._crash = None
        self._stopped.clear()
        self._offset.take()
        for job in self._jobs.values():
            self._agenda.put(job)
        self._arm()

    async def serve(self) -> None:
        """Wait until the scheduler is stopped.

        Raises:
            Exception: A schedule could not be followed, by a defect; starting again plans all jobs as they stand.
        """
        await self._stopped.wait()
        if self._crash is not None:
            raise self._crash

    async def stop(self) -> None:
        """Start nothing more, wait for the running jobs, and cancel those that exceed the grace; each is recorded.

        Jobs stay registered: a scheduler that is started again goes on with them.
        """
        if self._open:
            self._open = False
            self._disarm()
            for job in self._jobs.values():
                job.lane.skip_waiting()
            cancelled = await self._tasks.stop(self._grace_s)
            if cancelled:
                logger.warning(
                    "Jobs were cancelled because the scheduler stops",
                    extra={"cancelled": cancelled, "grace_s": self._grace_s},
                )
        self._stopped.set()

    async def __aenter__(self) -> "SchedulerService":
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    # ---- running ----------------------------------------------------------------------------------------------

    async def run_job(self, job: PlannedJob, due: Due) -> None:
        """Run a job once; called by its lane, in a task of its own."""
        await self._executor.execute(
            ExecuteJob(registration=job.registration, call=job.call, trigger=due.trigger, ready_ns=due.ready_ns)
        )

    def run_now(self, job: PlannedJob) -> None:
        """Run a job once beside its schedule. May be called in a thread."""
        self._loop.call(partial(self._run_now, job))

    def _run_now(self, job: PlannedJob) -> None:
        if job.active and self._open:
            due_us = _microseconds(self.clock.now())
            job.lane.offer(Due(DueTrigger(due_us, manual=True), self.clock.monotonic_ns()))

    def _wake(self) -> None:
        self._timer = None
        try:
            self._notice_a_set_clock()
            # Read once: a job whose next run comes due while this one is started would keep the loop here for ever.
            now_ns = self.clock.monotonic_ns()
            while (job := self._agenda.take_due(now_ns)) is not None:
                if job.too_early():
                    self._agenda.put(job)
                else:
                    self._come_due(job)
        except Exception as error:  # noqa: BLE001  a timer's error would only be logged: serve() raises it instead
            self._crash = error
            self._stopped.set()
        else:
            self._arm()

    def _come_due(self, job: PlannedJob) -> None:
        plan = job.plan
        assert plan is not None  # it was on the heap
        late_s = (self.clock.monotonic_ns() - plan.due_ns) / 1e9
        # Planned before the run: whatever becomes of this run, the series goes on.
        missed = job.plan_next(self.place)
        if missed:
            self._executor.count_skip(job.registration, "misfire", missed)
        if late_s > LATE_S:
            logger.warning(
                "A job runs late",
                extra={"registration": job.registration.key, "late_s": round(late_s), "missed": missed},
            )
        due = Due(DueTrigger(_microseconds(plan.at)), plan.due_ns)
        if job.schedule.recurring:
            self._agenda.put(job)
            job.lane.offer(due)
        else:
            # As with a listener that hears once: gone before the run, retired after it, on every path.
            self._withdraw(job)
            job.lane.offer(due)
            job.lane.close()

    # ---- jobs -------------------------------------------------------------------------------------------------

    def add(
        self,
        app: str,
        instance: str,
        handler: Callable[..., Any],
        schedule: Interval | Calendar,
        *,
        name: str | None,
        mode: Mode,
        timeout_s: float | None,
        jitter_s: float,
        on_error: ErrorHook | None,
        settings: tuple[tuple[str, str], ...],
    ) -> PlannedJob:
        """Register a job and plan its first run; apps do so through their `AppScheduler`.

        Args:
            app: Whose it is.
            instance: Which instance of that app.
            handler: What to run; it takes no arguments.
            schedule: When.
            name: Its name; None for the handler's.
            mode: What to do when it is due and still runs.
            timeout_s: Deadline of one run in seconds; None for the executor's default, 0 for none.
            jitter_s: Each run is put off by a random part of this, in seconds.
            on_error: What to call when a run fails.
            settings: What is recorded about it.

        Raises:
            RegistrationError: It cannot work, or its name is taken; the message says what would do.
        """
        described = describe_callable("handler", handler)
        InjectionPlan(handler, "nothing")
        registration = JobRegistration(
            app=app,
            instance=instance,
            name=name or described.name,
            schedule=schedule.describe(),
            handler=described.qualified,
            settings=settings,
            source=described.source,
            runs_in=described.runs_in,
            timeout_s=timeout_s,
        )
        self._loop.check(f"the job {registration.name!r}")
        self._check_free(registration)

        def skipped(reason: str, count: int) -> None:
            self._executor.count_skip(registration, reason, count)

        def drained() -> None:
            if self.retires:
                self._executor.retire(registration)

        def run(due: Due) -> Any:
            return self.run_job(job, due)

        lane = Lane(mode, self._tasks, run, skipped, drained)
        job = PlannedJob(registration, handler, schedule, jitter_s, lane, self.clock)
        self._notice_a_set_clock()
        job.plan_first(self.place)
        self._executor.register(registration)
        if on_error is not None:
            self._executor.hooks.set(on_error, registration=registration)
        self._jobs[registration.key] = job
        self._calendar_jobs += job.by_calendar
        self._agenda.put(job)
        self._arm()
        return job

    def cancel(self, job: PlannedJob) -> None:
        """End a job; a run that has begun goes on. May be called in a thread."""
        self._loop.call(partial(self._cancel, job))

    def cancel_all(self, app: str, instance: str) -> None:
        """End every job of one app instance. May be called in a thread."""
        self._loop.call(partial(self._cancel_all, app, instance))

    def _cancel_all(self, app: str, instance: str) -> None:
        for job in self.jobs(app, instance):
            self._cancel(job)

    def _cancel(self, job: PlannedJob) -> None:
        if job.active:
            self._withdraw(job)
            job.lane.close()
            self._arm()

    def jobs(self, app: str, instance: str) -> tuple[PlannedJob, ...]:
        """Return the jobs of one app instance."""
        mine = (app, instance)
        return tuple(job for job in self._jobs.values() if (job.registration.app, job.registration.instance) == mine)

    def upcoming(self) -> list[UpcomingJob]:
        """Return the next run of every job that has one, the earliest first."""
        found = [
            UpcomingJob(*job.registration.key, _microseconds(job.plan.at))
            for job in self._jobs.values()
            if job.plan is not None
        ]
        return sorted(found, key=lambda upcoming: upcoming.due_us)

    def set_place(
        self, *, time_zone: tzinfo | None = None, latitude: float | None = None, longitude: float | None = None
    ) -> None:
        """Say where the house is, as soon as that is known; calendar jobs are planned anew if it is news.

        Args:
            time_zone: None leaves it as it is.
            latitude: In degrees, north positive; None leaves it as it is.
            longitude: In degrees, east positive; None leaves it as it is.
        """
        place = Place(
            zone=time_zone or self.place.zone,
            latitude=self.place.latitude if latitude is None else latitude,
            longitude=self.place.longitude if longitude is None else longitude,
        )
        if place != self.place:
            self.place = place
            self._plan_anew(None)

    # ---- the timer and the clock ------------------------------------------------------------------------------

    def _withdraw(self, job: PlannedJob) -> None:
        job.active = False
        job.plan = None
        self._calendar_jobs -= job.by_calendar
        del self._jobs[job.registration.key]

    def _arm(self) -> None:
        """Set the timer for the earliest job, or for the next look at the wall clock."""
        now_ns = self.clock.monotonic_ns()
        due_ns = self._agenda.first_ns()
        if self._calendar_jobs:
            watch_ns = now_ns + round(WATCH_S * 1e9)
            due_ns = watch_ns if due_ns is None else min(due_ns, watch_ns)
        if not self._open or due_ns is None:
            self._disarm()
            return
        if self._timer is not None and now_ns < self._armed_ns <= due_ns:
            return  # it rings early enough, and sets itself anew then
        self._disarm()
        self._armed_ns = due_ns
        self._timer = self.clock.call_later((due_ns - now_ns) / 1e9, self._wake)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _notice_a_set_clock(self) -> None:
        if not self._open:
            return  # start() takes the clocks as they are
        step = self._offset.step()
        if not step:
            return
        logger.warning("The wall clock was set, or the machine has slept", extra={"step_s": step.total_seconds()})
        # Set back a little, what has run between then and now is not to run again.
        back = -step
        self._plan_anew(self.clock.now() + back if timedelta() < back < REPEAT_GUARD else None)

    def _plan_anew(self, last: datetime | None) -> None:
        for job in self._jobs.values():
            if job.by_calendar:
                job.plan_anew(self.place, last)
                self._agenda.put(job)
        self._arm()

    def _check_free(self, registration: JobRegistration) -> None:
        if registration.key not in self._jobs:
            return
        app, instance, name = registration.key
        number = 2
        while (app, instance, f"{name}_{number}") in self._jobs:
            number += 1
        raise RegistrationError(
            f"{app}.{instance} has a job named {name!r} already; its history is found by that name, so cancel that one"
            f' first, or give this one another: name="{name}_{number}"'
        )


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
