"""`PlannedJob`: a job with the plan of its next run."""

import random
from datetime import datetime, timedelta
from typing import NamedTuple

from hassette_core.clock import STEP, TimerClock
from hassette_core.handlers import Handler
from hassette_core.moments import Place
from hassette_core.roster import RunLane
from hassette_core.scheduler.schedules import Calendar, Interval, Schedule, Sun
from hassette_executor import DueTrigger, ExecuteJob, JobRegistration

MAX_COUNTED = 1_000
"""Maximum number of missed runs that are counted for a calendar job. Without this limit, the count would take too long
after the wall clock was set forward by decades."""

REPEAT_GUARD = timedelta(hours=3)
"""When the clock is set back by less than this, fixed times do not occur again (the rule of Vixie cron)."""

EARLY = timedelta(milliseconds=1)
"""A calendar job may start this much before its time."""

_DAY = timedelta(days=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Plan(NamedTuple):
    """The next run of a job.

    Attributes:
        at: The time of the run by the wall clock (UTC), including jitter.
        base: The time that the schedule returned, without jitter. The search for the following run starts here. None
            for an interval.
        due_ns: The time of the run by the monotonic clock, including jitter.
        base_ns: For an interval, the time of the run by the monotonic clock, without jitter. For a calendar job, it is
            equal to `due_ns` and is not used.
    """

    at: datetime
    base: datetime | None
    due_ns: int
    base_ns: int

    @property
    def due_us(self) -> int:
        """The time of the run, in microseconds since the Unix epoch."""
        return microseconds(self.at)


class PlannedJob:
    """A job in the scheduler.

    Args:
        registration: Name, schedule and settings, as they are recorded.
        lane: Starts, queues or skips the runs, depending on the mode.
        handler: The callable to run, without arguments.
        schedule: The times of the runs.
        jitter_s: Maximum random delay of each run, in seconds.
        clock: Wall clock and monotonic clock.

    Attributes:
        active: False once the job is cancelled, or once its only run has started.
        plan: The next run; None if no run is planned.
        ticket: Number of the current entry in the agenda. Entries with other numbers are void.
    """

    def __init__(
        self,
        registration: JobRegistration,
        lane: RunLane,
        handler: Handler,
        schedule: Schedule,
        jitter_s: float,
        clock: TimerClock,
    ) -> None:
        self.registration = registration
        self.schedule = schedule
        self.active = True
        self.plan: Plan | None = None
        self.ticket = 0
        self._lane = lane
        self._handler = handler
        self._jitter_s = jitter_s
        self._clock = clock
        self._last_base: datetime | None = None  # base of the last calendar run that was started
        self._back = timedelta()  # how far the wall clock was set back since then

    @property
    def by_calendar(self) -> bool:
        """True if the schedule is a rule of the wall clock, False if it is an interval of the monotonic clock."""
        return not isinstance(self.schedule, Interval)

    def run(self, plan: Plan) -> None:
        """Offer a planned run to the lane."""
        self._offer(DueTrigger(plan.due_us), plan.due_ns)

    def run_now(self) -> None:
        """Offer a manual run to the lane."""
        self._offer(DueTrigger(microseconds(self._clock.now()), manual=True), self._clock.monotonic_ns())

    def skip_missed(self, count: int) -> None:
        """Count missed runs."""
        self._lane.skip("misfire", count)

    def drop_waiting(self) -> None:
        """Skip the waiting runs. The job stays active."""
        self._lane.skip_waiting()

    def end(self) -> None:
        """Plan no further run. The registration is retired when the last run has ended."""
        self.active = False
        self.plan = None
        self._lane.close()

    def _offer(self, trigger: DueTrigger, ready_ns: int) -> None:
        self._lane.offer(
            ExecuteJob(registration=self.registration, call=self._handler, trigger=trigger, ready_ns=ready_ns)
        )

    def plan_first(self, place: Place) -> None:
        """Plan the first run, counted from now."""
        if isinstance(self.schedule, Interval):
            self.plan = self._interval_plan(self._clock.monotonic_ns() + round(self.schedule.first_s * 1e9))
        else:
            self._plan_calendar(self.schedule.next_after(self._clock.now(), place))

    def plan_next(self, place: Place) -> int:
        """Plan the run that follows the due run. Return the number of missed runs between these two.

        Missed runs do not run later, because the due run replaces all of them.
        """
        assert self.plan is not None  # the job is due
        if isinstance(self.schedule, Interval):
            return self._next_interval(self.plan, self.schedule)
        assert self.plan.base is not None  # the plan of a calendar job has a base
        self._last_base, self._back = self.plan.base, timedelta()
        if not self.schedule.recurring:
            self.plan = None
            return 0
        now, missed = self._clock.now(), 0
        found = self.schedule.next_after(self.plan.base, place)
        while found is not None and found <= now:
            missed += 1
            found = self.schedule.next_after(now if missed == MAX_COUNTED else found, place)
        self._plan_calendar(found)
        return missed

    def replan(self, place: Place, since: datetime, back: timedelta) -> None:
        """Plan the next calendar run again, because the wall clock was set or the place has changed.

        Args:
            place: The home's time zone and location.
            since: The new plan must be after this moment. If the plan is before now, the run is late and starts now.
            back: How far the wall clock was set back; negative if it was set forward.
        """
        self._back += back
        assert not isinstance(self.schedule, Interval)  # the wall clock does not move an interval
        now = self._clock.now()
        if self.plan is not None and self.plan.base is not None and self.plan.base <= now:
            if self.plan.at <= now:
                # The clock was set forward past the planned run, so the run is late and starts now.
                self._plan_calendar(self.plan.base)
            else:
                # The scheduled time has passed, and the run waits only because of its jitter. A search for the next
                # run after now would skip this run.
                self.plan = self._at(self.plan.at, self.plan.base)
            return
        found = self.schedule.next_after(since, place)
        if found is not None and self._is_unwanted_repetition(self.schedule, found, place):
            assert self._last_base is not None
            found = self.schedule.next_after(self._last_base, place)
        if isinstance(self.schedule, Sun) and found is not None:
            found = self._once_a_day(self.schedule, found, now, place)
        self._plan_calendar(found)

    def _once_a_day(self, schedule: Sun, found: datetime, now: datetime, place: Place) -> datetime | None:
        """Return the next run of a sun job. The job runs once per local day even if the home's location has changed.

        A new location or elevation moves a sunset by minutes. If today's sunset moves from the past into the future,
        the job has run today and would run again. If the sunset moves from the future into the past, the job would
        not run today.
        """
        day = schedule.day_of(found, place)
        if self._last_base is not None and found > self._last_base and schedule.day_of(self._last_base, place) == day:
            return schedule.next_after(found, place)
        if self.plan is not None and self.plan.base is not None:
            planned_day = schedule.day_of(self.plan.base, place)
            earlier = schedule.next_after(now - _DAY, place)
            if planned_day != day and earlier is not None and schedule.day_of(earlier, place) == planned_day:
                return earlier  # this run is late and starts now
        return found

    def _is_unwanted_repetition(self, schedule: Calendar, found: datetime, place: Place) -> bool:
        """Return whether the run was started before, and its time comes again only because the clock was set back."""
        if self._last_base is None or found > self._last_base or not timedelta() < self._back < REPEAT_GUARD:
            return False
        following = schedule.next_after(found, place)
        if schedule.fixed:
            # If the clock shows several times of a range or a list again, such as 7-22, the job follows the clock.
            return following is None or following > self._last_base
        # If the time between two runs is shorter than the step, the job must not pause until the old time comes again.
        # If it is longer, the job would run twice within that time.
        # A step is measured with two clocks, so a step of one hour may appear to be a little shorter.
        return following is None or following - found > self._back + STEP

    def redate(self) -> None:
        """Compute the wall-clock time of an interval's next run again, because the wall clock was set."""
        if self.plan is not None:
            self.plan = self.plan._replace(at=self._wall_time(self.plan.due_ns))

    def postpone_if_early(self) -> bool:
        """If the wall clock has not reached the planned time yet, plan the rest of the wait and return True.

        NTP may set the wall clock back by a step that is too small to count as a jump (at most
        `hassette_core.clock.STEP`). It may also slow the wall clock down relative to the monotonic clock. In both
        cases, a timer of the monotonic clock fires too early.
        """
        if self.plan is None or self.plan.base is None or self.plan.at - self._clock.now() <= EARLY:
            return False
        self.plan = self._at(self.plan.at, self.plan.base)
        return True

    def _next_interval(self, plan: Plan, schedule: Interval) -> int:
        if schedule.every_s is None:
            self.plan = None
            return 0
        every_ns = max(1, round(schedule.every_s * 1e9))
        late_ns = max(0, self._clock.monotonic_ns() - plan.base_ns)
        missed = late_ns // every_ns
        self.plan = self._interval_plan(plan.base_ns + (missed + 1) * every_ns)
        return missed

    def _interval_plan(self, base_ns: int) -> Plan:
        due_ns = base_ns + round(self._jitter() * 1e9)
        return Plan(self._wall_time(due_ns), None, due_ns, base_ns)

    def _wall_time(self, due_ns: int) -> datetime:
        return self._clock.now() + timedelta(microseconds=(due_ns - self._clock.monotonic_ns()) / 1000)

    def _plan_calendar(self, base: datetime | None) -> None:
        if base is None:
            self.plan = None
            return
        self.plan = self._at(base + timedelta(seconds=self._jitter()), base)

    def _at(self, at: datetime, base: datetime) -> Plan:
        due_ns = self._clock.monotonic_ns() + (at - self._clock.now()) // timedelta(microseconds=1) * 1000
        return Plan(at, base, due_ns, due_ns)

    def _jitter(self) -> float:
        return random.uniform(0, self._jitter_s) if self._jitter_s else 0.0  # noqa: S311  spreads load, not a secret


def microseconds(moment: datetime) -> int:
    """Return a moment in microseconds since the Unix epoch."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
