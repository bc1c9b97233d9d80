"""`PlannedJob`: a job with the plan of its next run."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from hassette_core.clock import STEP, TimerClock
from hassette_core.handlers import Handler, describe_duration
from hassette_core.moments import Place, StateMap, SunTime
from hassette_core.roster import RunLane
from hassette_core.scheduler.job_condition import JobCondition
from hassette_core.scheduler.options import NO_JITTER, RUN_LATE, Jitter, JobOptions, Misfires
from hassette_core.scheduler.schedules import AtMoment, Calendar, Interval, Schedule, StartAt
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


class MissedRuns(NamedTuple):
    """The due run and the runs that the job has missed, because the machine was suspended or the process was busy.

    Attributes:
        runs: Number of runs between the due run and now.
        late_s: Seconds since the newest of all these runs was due.
    """

    runs: int
    late_s: float


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


class PlannedJob:
    """A job in the scheduler.

    Args:
        registration: Name, schedule and settings, as they are recorded.
        lane: Starts, queues or skips the runs, depending on the mode.
        function: The callable that the app has given.
        call: The callable to run, without arguments.
        options: The options that the app has given.
        schedule: The times of the runs.
        clock: Wall clock and monotonic clock.
        states: The current states, for the moments that entities hold.
        jitter: The random time that is added to each run.
        misfires: The rule for late runs.
        condition: Decides whether a due run starts; None starts every run.

    Attributes:
        arguments: The option ``kwargs``; None without the option.
        group: The name of the group; None for a job without a group.
        active: False once the job is cancelled, or once its only run has started.
        paused: True while due runs are skipped.
        timer: The id of the job's entry in the file of persistent timers; None if it has none.
        number: Number of the job in the order of registration; 0 until it is in the agenda.
        ticket: Number of the current entry in the agenda. Entries with other numbers are void.
    """

    def __init__(
        self,
        registration: JobRegistration,
        lane: RunLane,
        function: Handler,
        call: Handler,
        options: JobOptions,
        schedule: Schedule,
        clock: TimerClock,
        states: StateMap,
        *,
        jitter: Jitter = NO_JITTER,
        misfires: Misfires = RUN_LATE,
        condition: JobCondition | None = None,
    ) -> None:
        kwargs = options.get("kwargs")
        self.registration = registration
        self.function = function
        self.options = options
        self.arguments = None if kwargs is None else dict(kwargs)
        self.group = options.get("group")
        self.schedule = schedule
        self.active = True
        self.paused = False
        self.timer: str | None = None
        self.number = 0
        self.ticket = 0
        self._plan: Plan | None = None
        self._upcoming: UpcomingJob | None = None
        self._lane = lane
        self._call = call
        self._clock = clock
        self._states = states
        self._jitter = jitter
        self._misfires = misfires
        self._condition = condition
        self._last_base: datetime | None = None  # base of the last calendar run that was started
        self._back = timedelta()  # how far the wall clock was set back since then

    @property
    def plan(self) -> Plan | None:
        """The next run; None if no run is planned."""
        return self._plan

    @plan.setter
    def plan(self, plan: Plan | None) -> None:
        self._plan = plan
        self._upcoming = None

    @property
    def shared(self) -> bool:
        """Whether other waiting jobs may have the same name, because the job runs once."""
        return not self.schedule.recurring

    @property
    def by_calendar(self) -> bool:
        """True if the schedule is a rule of the wall clock, False if it is an interval of the monotonic clock."""
        return not isinstance(self.schedule, Interval)

    @property
    def upcoming(self) -> UpcomingJob | None:
        """The next run, for lists; None if no run is planned, or the job is paused."""
        if self._upcoming is None and self._plan is not None and not self.paused:
            registration = self.registration
            self._upcoming = UpcomingJob(
                registration.app, registration.instance, registration.name, microseconds(self._plan.at)
            )
        return None if self.paused else self._upcoming

    def run_due(self, plan: Plan, missed: MissedRuns) -> None:
        """Offer the due run to the lane, unless the job is paused, the run is too late, or its condition is false.

        Missed runs do not run later, because the due run replaces all of them.
        """
        trigger = DueTrigger(microseconds(plan.at))
        late = f"the newest missed run was due {describe_duration(round(missed.late_s))} ago"
        if self.paused:
            self._lane.skip("disabled", missed.runs + 1, trigger, "the job or its group is paused")
        elif self._misfires.rejects(missed.late_s):
            self._lane.skip("misfire", missed.runs + 1, trigger, late)
        else:
            if missed.runs:
                self._lane.skip("misfire", missed.runs, trigger, late)
            if self._condition is None or self._condition.allows(self.registration, self._lane, trigger):
                self._offer(trigger, plan.due_ns)

    @property
    def next_step(self) -> Literal["start", "replace", "wait", "skip"]:
        """The effect of `run_now` at this moment; see `RunLane.next_step`."""
        return self._lane.next_step

    def run_now(self) -> None:
        """Offer a manual run to the lane."""
        self._offer(DueTrigger(microseconds(self._clock.now()), manual=True), self._clock.monotonic_ns())

    def drop_waiting(self) -> None:
        """Skip the waiting runs. The job stays active."""
        self._lane.skip_waiting()

    def deactivate(self) -> bool:
        """Deactivate the job, so that it plans no further run. Return False if runs wait or are in progress."""
        self.active = False
        return self._lane.idle

    def end(self) -> None:
        """Plan no further run. The registration is retired when the last run has ended."""
        self.active = False
        self.plan = None
        self._lane.close()

    def _offer(self, trigger: DueTrigger, ready_ns: int) -> None:
        self._lane.offer(
            ExecuteJob(registration=self.registration, call=self._call, trigger=trigger, ready_ns=ready_ns)
        )

    def plan_first(self, place: Place) -> None:
        """Plan the first run, counted from now."""
        if isinstance(self.schedule, Interval):
            self.plan = self._interval_plan(self._clock.monotonic_ns() + round(self.schedule.first_s * 1e9))
        else:
            self._plan_calendar(self.schedule.next_after(self._clock.now(), place, self._states))

    def plan_next(self, place: Place) -> MissedRuns:
        """Plan the run that follows the due run. Return the runs that were missed between these two."""
        assert self.plan is not None  # the job is due
        if isinstance(self.schedule, Interval):
            return self._next_interval(self.plan, self.schedule)
        assert self.plan.base is not None  # the plan of a calendar job has a base
        self._last_base, self._back = self.plan.base, timedelta()
        if isinstance(self.schedule, StartAt):
            self.schedule = self.schedule.interval
            return self._next_interval(self.plan, self.schedule)
        now, newest, missed = self._clock.now(), self.plan.at, 0
        if not self.schedule.recurring:
            self.plan = None
            return MissedRuns(0, (now - newest).total_seconds())
        found = self.schedule.next_after(self.plan.base, place, self._states)
        while found is not None and found <= now:
            missed, newest = missed + 1, found
            found = self.schedule.next_after(now if missed == MAX_COUNTED else found, place, self._states)
        self._plan_calendar(found)
        return MissedRuns(missed, (now - newest).total_seconds())

    def replan(self, place: Place, since: datetime, back: timedelta) -> None:
        """Plan the next calendar run again, because the wall clock was set or the place has changed.

        Args:
            place: The home's time zone and location.
            since: The new plan must be after this moment. If the plan is before now, the run is late and starts now.
            back: Time by which the wall clock was set back; negative if it was set forward.
        """
        self._back += back
        assert not isinstance(self.schedule, Interval)  # the wall clock does not move an interval
        now = self._clock.now()
        if self.plan is not None and self.plan.base is not None and self.plan.base <= now:
            # Either the run waits only because of its jitter, and a search for the next run after now would skip it.
            # Or the clock was set forward past the planned run, so that the run is late and starts now.
            self.plan = self._at(self.plan.at, self.plan.base)
            return
        lead = timedelta(seconds=self._jitter.lead_s) + STEP
        if self._last_base is not None and timedelta() < self._last_base - since <= lead:
            # The run has started before its scheduled time, because of a negative jitter or a correction of the clock.
            since = self._last_base
        found = self.schedule.next_after(since, place, self._states)
        if found is not None and self._is_unwanted_repetition(self.schedule, found, place):
            assert self._last_base is not None
            found = self.schedule.next_after(self._last_base, place, self._states)
        if isinstance(self.schedule, AtMoment) and isinstance(self.schedule.moment, SunTime) and found is not None:
            found = self._once_a_day(self.schedule, self.schedule.moment, found, now, place)
        self._plan_calendar(found)

    def _once_a_day(
        self, schedule: AtMoment, sun: SunTime, found: datetime, now: datetime, place: Place
    ) -> datetime | None:
        """Return the next run of a sun job. The job runs once per local day even if the home's location has changed.

        A new location or elevation moves a sunset by minutes. If today's sunset moves from the past into the future,
        the job has run today and would run again. If the sunset moves from the future into the past, the job would
        not run today.
        """
        day = sun.day_of(found, place)
        if self._last_base is not None and found > self._last_base and sun.day_of(self._last_base, place) == day:
            return schedule.next_after(found, place, self._states)
        if self.plan is not None and self.plan.base is not None:
            planned_day = sun.day_of(self.plan.base, place)
            earlier = schedule.next_after(now - _DAY, place, self._states)
            if planned_day != day and earlier is not None and sun.day_of(earlier, place) == planned_day:
                return earlier  # this run is late and starts now
        return found

    def _is_unwanted_repetition(self, schedule: Calendar, found: datetime, place: Place) -> bool:
        """Return whether the run was started before, and its time comes again only because the clock was set back."""
        if self._last_base is None or found > self._last_base or not timedelta() < self._back < REPEAT_GUARD:
            return False
        following = schedule.next_after(found, place, self._states)
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

    def _next_interval(self, plan: Plan, schedule: Interval) -> MissedRuns:
        now_ns = self._clock.monotonic_ns()
        if schedule.every_s is None:
            self.plan = None
            return MissedRuns(0, (now_ns - plan.due_ns) / 1e9)
        every_ns = max(1, round(schedule.every_s * 1e9))
        missed = max(0, now_ns - plan.base_ns) // every_ns
        newest_ns = plan.due_ns if not missed else plan.base_ns + missed * every_ns
        self.plan = self._interval_plan(plan.base_ns + (missed + 1) * every_ns)
        return MissedRuns(missed, (now_ns - newest_ns) / 1e9)

    def _interval_plan(self, base_ns: int) -> Plan:
        earliest_s = (self._clock.monotonic_ns() - base_ns) / 1e9
        due_ns = base_ns + round(self._jitter.draw(earliest_s) * 1e9)
        return Plan(self._wall_time(due_ns), None, due_ns, base_ns)

    def _wall_time(self, due_ns: int) -> datetime:
        return self._clock.now() + timedelta(microseconds=(due_ns - self._clock.monotonic_ns()) / 1000)

    def _plan_calendar(self, base: datetime | None) -> None:
        if base is None:
            self.plan = None
        elif self.plan is not None and self.plan.base == base:
            self.plan = self._at(self.plan.at, base)  # keep the random time
        else:
            earliest_s = (self._clock.now() - base).total_seconds()
            self.plan = self._at(base + timedelta(seconds=self._jitter.draw(earliest_s)), base)

    def _at(self, at: datetime, base: datetime) -> Plan:
        due_ns = self._clock.monotonic_ns() + (at - self._clock.now()) // timedelta(microseconds=1) * 1000
        return Plan(at, base, due_ns, due_ns)


def microseconds(moment: datetime) -> int:
    """Return a moment in microseconds since the Unix epoch."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
