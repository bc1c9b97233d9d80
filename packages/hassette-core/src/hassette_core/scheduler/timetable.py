"""`Timetable`: start each job when it is due, with one timer for the earliest."""

import asyncio
import logging
from datetime import datetime, timedelta

from hassette_core.clock import Clock, ClockDrift, Timer
from hassette_core.roster import Roster
from hassette_core.scheduler.agenda import Agenda
from hassette_core.scheduler.place import Place
from hassette_core.scheduler.planned_job import Plan, PlannedJob

logger = logging.getLogger(__name__)

WATCH_S = 60.0
"""While a calendar job is planned, the timer fires at least this often: nothing else reports that the wall clock was
set, or that the machine was suspended."""
REPEAT_GUARD = timedelta(hours=3)
"""When the clock is set back by less than this, runs that have started are not repeated (the rule of Vixie cron)."""
LATE_S = 60.0
"""Runs that start later than this are logged."""


class Timetable:
    """Plans jobs, waits for the earliest, and starts it.

    Args:
        roster: The registered jobs.
        clock: Time.
        place: The home's time zone and location.

    Attributes:
        place: See above; `move_to` changes it.
        failure: The exception that ended the timetable; None while it works.
        ended: Set when a failure has ended the timetable, or by the owner at its stop.
    """

    def __init__(self, roster: Roster[PlannedJob], clock: Clock, place: Place) -> None:
        self.place = place
        self.failure: Exception | None = None
        self.ended = asyncio.Event()
        self._roster = roster
        self._clock = clock
        self._drift = ClockDrift(clock)
        self._agenda = Agenda()
        self._calendar_jobs = 0
        self._timer: Timer | None = None
        self._timer_ns = 0
        self._open = False

    def start(self) -> None:
        """Start jobs from now on. Jobs that became due before run now, once."""
        self._open = True
        self.failure = None
        self.ended.clear()
        self._drift.reset()
        for job in self._roster.entries():
            self._agenda.put(job)
        self._arm()

    def stop(self) -> bool:
        """Start no further job. Return False when it was stopped before."""
        was_open, self._open = self._open, False
        self._disarm()
        return was_open

    def add(self, job: PlannedJob) -> None:
        """Add a job whose first run is planned."""
        self._calendar_jobs += job.by_calendar
        self._agenda.put(job)
        self._arm()

    def remove(self, job: PlannedJob) -> None:
        """Remove a job that has ended."""
        self._calendar_jobs -= job.by_calendar
        self._arm()

    def run_now(self, job: PlannedJob) -> None:
        """Start a job at once. Its schedule does not change."""
        if job.active and self._open:
            job.run_now()

    def move_to(self, place: Place) -> None:
        """Plan all calendar jobs for another time zone or location."""
        if place != self.place:
            self.place = place
            self._replan(None)

    def plan_first(self, job: PlannedJob) -> None:
        """Plan the first run of a job, counted from now."""
        self._check_clock()
        job.plan_first(self.place)

    def _wake(self) -> None:
        self._timer = None
        try:
            self._check_clock()
            # Read the clock once. A job whose next run becomes due while this one starts would keep the loop here.
            now_ns = self._clock.monotonic_ns()
            while (job := self._agenda.take_due(now_ns)) is not None:
                if job.postpone_if_early():
                    self._agenda.put(job)
                else:
                    self._start_due(job)
        except Exception as error:  # noqa: BLE001  a timer's exception would only be logged; serve() raises it
            self.failure = error
            self.ended.set()
        else:
            self._arm()

    def _start_due(self, job: PlannedJob) -> None:
        plan = job.plan
        assert plan is not None  # it was in the agenda
        late_s = (self._clock.monotonic_ns() - plan.due_ns) / 1e9
        # Plan the next run first, so that a failure of this run cannot end the series.
        missed = job.plan_next(self.place)
        if missed:
            job.skip_missed(missed)
        if late_s > LATE_S:
            logger.warning(
                "Job runs late",
                extra={"registration": job.registration.key, "late_s": round(late_s), "missed": missed},
            )
        if job.schedule.recurring:
            self._agenda.put(job)
            job.run(plan)
        else:
            self._run_last(job, plan)

    def _run_last(self, job: PlannedJob, plan: Plan) -> None:
        # The name is free before the run, so that the run may register the job again. The registration is retired
        # after the run, whether it succeeds or not.
        self._roster.remove(job)
        self._calendar_jobs -= job.by_calendar
        job.run(plan)
        job.end()

    def _arm(self) -> None:
        """Set the timer for the earliest job, or for the next check of the wall clock."""
        now_ns = self._clock.monotonic_ns()
        due_ns = self._agenda.first_ns()
        if self._calendar_jobs:
            watch_ns = now_ns + round(WATCH_S * 1e9)
            due_ns = watch_ns if due_ns is None else min(due_ns, watch_ns)
        if not self._open or due_ns is None:
            self._disarm()
            return
        if self._timer is not None and now_ns < self._timer_ns <= due_ns:
            return  # it fires early enough, and is set again then
        self._disarm()
        self._timer_ns = due_ns
        self._timer = self._clock.call_later((due_ns - now_ns) / 1e9, self._wake)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_clock(self) -> None:
        if not self._open:
            return  # start() resets the drift
        jump = self._drift.jump()
        if not jump:
            return
        logger.warning("Wall clock was set, or the machine was suspended", extra={"step_s": jump.total_seconds()})
        # When the clock is set back a little, runs between then and now must not be repeated.
        back = -jump
        self._replan(self._clock.now() + back if timedelta() < back < REPEAT_GUARD else None)

    def _replan(self, last: datetime | None) -> None:
        for job in self._roster.entries():
            if job.by_calendar:
                job.replan(self.place, last)
                self._agenda.put(job)
        self._arm()
