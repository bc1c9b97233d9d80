"""`Timetable`: start each job when it is due, with one timer for the earliest run."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from hassette_core.clock import ClockDrift, Timer, TimerClock
from hassette_core.moments import Place
from hassette_core.roster import ENDED_AT_ONCE, Roster
from hassette_core.scheduler.agenda import Agenda
from hassette_core.scheduler.kept_jobs import KeptJobs
from hassette_core.scheduler.options import LATE_S
from hassette_core.scheduler.planned_job import Plan, PlannedJob, UpcomingJob
from hassette_core.scheduler.schedules import Interval, Schedule

logger = logging.getLogger(__name__)

WATCH_S = 60.0
"""While there is a calendar job or a persistent timer, the timetable wakes at least once in this many seconds. Then it
checks whether the wall clock was set or the machine was suspended, because the operating system reports neither."""
Watch = Callable[[str, Callable[[], None]], Callable[[], None]]
"""Calls a function at each change of an entity, until the returned function is called. `BusService.watch` is one."""


class Timetable:
    """Plans the runs of all jobs, waits for the earliest run, and starts it.

    Args:
        roster: The registered jobs.
        clock: Wall clock, monotonic clock and timers.
        place: The home's time zone and location.
        watch: Reports changes of entities, for jobs at the time that an entity holds. None for no such reports.
        kept: The persistent timers.

    Attributes:
        place: The home's time zone and location; `set_place` changes it.
        failure: The exception that ended the timetable; None while it works.
        ended: Set when a failure has ended the timetable, or when the scheduler stops.
    """

    def __init__(
        self,
        roster: Roster[PlannedJob],
        clock: TimerClock,
        place: Place,
        *,
        watch: Watch | None = None,
        kept: KeptJobs,
    ) -> None:
        self.place = place
        self.failure: Exception | None = None
        self.ended = asyncio.Event()
        self._roster = roster
        self._clock = clock
        self._drift = ClockDrift(clock)
        self._checked_ns = clock.monotonic_ns()
        self._agenda = Agenda()
        self._clock_jobs = 0
        self._watch = watch
        self._kept = kept
        self._by_entity: dict[str, dict[int, PlannedJob]] = {}
        self._unwatch: dict[str, Callable[[], None]] = {}
        self._timer: Timer | None = None
        self._timer_ns = 0
        self._open = False

    def start(self) -> None:
        """Start jobs from now on. A job that is already due runs now, once."""
        self._open = True
        self.failure = None
        self.ended.clear()
        for job in self._roster.entries():
            self._agenda.put(job)
        self.check_clock()  # the clock may have been set while the timetable was stopped
        for entity_id in tuple(self._by_entity):  # and entities may have changed
            self._entity_changed(entity_id)
        self._arm()

    def stop(self) -> bool:
        """Start no further job. Return False if the timetable was not started."""
        was_open, self._open = self._open, False
        self._disarm()
        return was_open

    def add(self, job: PlannedJob) -> None:
        """Add a job whose first run is planned."""
        self._follow(job)
        self._agenda.put(job)
        self._arm()

    def monotonic_ns(self) -> int:
        """Return the time of the monotonic clock, in nanoseconds."""
        return self._clock.monotonic_ns()

    def suspend(self, job: PlannedJob) -> None:
        """Do not start the planned run of a job, because a newer version replaces its app."""
        job.ticket = 0  # no entry of the agenda has this number
        self._agenda.note_ended(1)

    def change_plan(self, job: PlannedJob, plan: Plan) -> None:
        """Give a job another next run."""
        job.plan = plan
        self._agenda.put(job)
        self._arm()

    def cancel(self, job: PlannedJob) -> None:
        """End a job. Runs in progress continue."""
        if job.active:
            self._end(job)
            self._arm()

    def cancel_all(self, jobs: Sequence[PlannedJob]) -> None:
        """End active jobs. Runs in progress continue."""
        self._roster.end(jobs, self._end)
        if len(jobs) <= ENDED_AT_ONCE or not self._open:
            self._arm()
        else:
            # Arm the timer in the next turn of the event loop, because the agenda then removes the entries of all these
            # jobs.
            self._agenda.note_ended(len(jobs))
            self._disarm()
            self._set_timer(self._clock.monotonic_ns(), 0)

    def _end(self, job: PlannedJob) -> None:
        self._remove(job)
        job.end()

    def run_now(self, job: PlannedJob) -> None:
        """Start a job at once. Its schedule does not change."""
        if job.active and self._open:
            job.run_now()

    def upcoming(self, limit: int) -> list[UpcomingJob]:
        """Return the next runs of the jobs; see `Agenda.upcoming`."""
        return self._agenda.upcoming(limit)

    def set_place(self, place: Place) -> None:
        """Set another time zone or location, and plan all calendar jobs again."""
        if place != self.place:
            self.place = place
            self._replan(self._clock.now(), timedelta())

    def plan_first(self, job: PlannedJob) -> None:
        """Plan the first run of a job, counted from now."""
        self.check_clock()
        job.plan_first(self.place)

    def check_clock(self) -> None:
        """Plan the jobs again if the wall clock was set, or the machine was suspended, since the last check."""
        if not self._open:
            return  # start() will check the clock
        checked_ns, self._checked_ns = self._checked_ns, self._clock.monotonic_ns()
        unchecked = timedelta(microseconds=(self._checked_ns - checked_ns) / 1000)
        jump = self._drift.take_jump()
        if not jump:
            return
        logger.warning("Wall clock was set, or the machine was suspended", extra={"step_s": jump.total_seconds()})
        # The clock may have been set directly after the previous check. No job has started since then, so the times
        # that the clock has shown since then are still due.
        self._replan(self._clock.now() - (unchecked if jump < timedelta() else timedelta()), -jump)

    def _wake(self) -> None:
        self._timer = None
        try:
            self.check_clock()
            # Read the clock only once. Otherwise a job with a very short interval could keep this loop busy for ever.
            now_ns = self._clock.monotonic_ns()
            while (job := self._agenda.take_due(now_ns)) is not None:
                if job.postpone_if_early():
                    self._agenda.put(job)
                else:
                    self._start_due(job)
        except Exception as error:  # noqa: BLE001  asyncio would only log an exception of a timer; serve() raises it
            self._fail(error)
        else:
            self._arm()

    def _start_due(self, job: PlannedJob) -> None:
        plan = job.plan
        assert plan is not None  # the job was in the agenda
        late_s = (self._clock.monotonic_ns() - plan.due_ns) / 1e9
        # Plan the next run first, so that a failure of this run cannot end the series. The first run of some jobs has
        # another schedule than the following ones.
        schedule = job.schedule
        missed = job.plan_next(self.place)
        if job.schedule is not schedule:
            self._unfollow(job, schedule)
            self._follow(job)
        if late_s > LATE_S:
            logger.warning(
                "Job runs late",
                extra={"registration": job.registration.key, "late_s": round(late_s), "missed": missed.runs},
            )
        if job.schedule.recurring:
            self._agenda.put(job)
            job.run_due(plan, missed)
        else:
            # Free the name before the run, so that the handler may register the job again. The registration is retired
            # after the run, even if the run fails.
            self._remove(job)
            job.run_due(plan, missed)
            self._kept.begin(job.timer)
            job.end()

    def _remove(self, job: PlannedJob) -> None:
        self._roster.remove(job)
        self._unfollow(job, job.schedule)

    def _follow(self, job: PlannedJob) -> None:
        """Watch the clock and the entities for a job."""
        self._clock_jobs += _depends_on_clock(job, job.schedule)
        for entity_id in job.schedule.entities():
            self._by_entity.setdefault(entity_id, {})[id(job)] = job
            if self._watch is not None and entity_id not in self._unwatch:
                self._unwatch[entity_id] = self._watch(entity_id, partial(self._entity_changed, entity_id))

    def _unfollow(self, job: PlannedJob, schedule: Schedule) -> None:
        self._clock_jobs -= _depends_on_clock(job, schedule)
        for entity_id in schedule.entities():
            del self._by_entity[entity_id][id(job)]
            if not self._by_entity[entity_id]:
                del self._by_entity[entity_id]
                if (unwatch := self._unwatch.pop(entity_id, None)) is not None:
                    unwatch()

    def _arm(self) -> None:
        """Set the timer for the earliest job, or for the next check of the wall clock."""
        now_ns = self._clock.monotonic_ns()
        due_ns = self._agenda.first_ns()
        if self._clock_jobs:
            watch_ns = now_ns + round(WATCH_S * 1e9)
            due_ns = watch_ns if due_ns is None else min(due_ns, watch_ns)
        if not self._open or due_ns is None:
            self._disarm()
            return
        if self._timer is not None and now_ns < self._timer_ns <= due_ns:
            return  # the current timer fires in time; `_wake` then sets a timer for the rest of the wait
        self._disarm()
        self._set_timer(due_ns, (due_ns - now_ns) / 1e9)

    def _set_timer(self, due_ns: int, delay_s: float) -> None:
        self._timer_ns = due_ns
        self._timer = self._clock.call_later(delay_s, self._wake)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _entity_changed(self, entity_id: str) -> None:
        """Plan the jobs again whose time the entity holds."""
        if not self._open:
            return  # start() plans them again
        try:
            self.check_clock()
            for job in tuple(self._by_entity.get(entity_id, {}).values()):
                job.replan(self.place, self._clock.now(), timedelta())
                self._agenda.put(job)
            self._arm()
        except Exception as error:  # noqa: BLE001  the caller must continue; serve() raises it
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failure = error
        self.ended.set()

    def _replan(self, since: datetime, back: timedelta) -> None:
        for job in self._roster.entries():
            if job.by_calendar:
                job.replan(self.place, since, back)
                self._agenda.put(job)
            else:
                job.redate()
            if job.timer is not None and job.plan is not None:
                self._kept.move_timer(job.timer, job.plan.at)
        self._arm()


def _depends_on_clock(job: PlannedJob, schedule: Schedule) -> bool:
    """Return whether the wall clock decides about a job. The next start plans a persistent timer by the wall clock."""
    return not isinstance(schedule, Interval) or job.timer is not None
