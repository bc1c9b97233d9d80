"""One job: its schedule, when it is due next, and what an app holds of it."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hassette_core.clock import Clock
from hassette_core.handlers import Lane
from hassette_core.scheduler.place import Place
from hassette_core.scheduler.schedules import Calendar, Interval
from hassette_executor import DueTrigger, JobRegistration

MAX_COUNTED = 1_000
"""How many missed runs of a calendar job are counted one by one; a clock set forward by decades is not walked."""

EARLY = timedelta(milliseconds=1)
"""How much too early by the wall clock a calendar job may begin."""


class Due(NamedTuple):
    """One run that is due.

    Attributes:
        trigger: The same for the record.
        ready_ns: When it became due, by the monotonic clock.
    """

    trigger: DueTrigger
    ready_ns: int


class Plan(NamedTuple):
    """The next run.

    Attributes:
        at: When, by the wall clock (UTC), jitter included.
        base: The moment that the schedule names; the one after it is counted from here. None for an interval.
        due_ns: When, by the monotonic clock.
        base_ns: The same without jitter.
    """

    at: datetime
    base: datetime | None
    due_ns: int
    base_ns: int


class PlannedJob:
    """A job as the scheduler knows it.

    Args:
        registration: What is recorded about it.
        call: What to run.
        schedule: When.
        jitter_s: Each run is put off by a random part of this, in seconds.
        lane: Where its runs go.
        clock: Time.
    """

    def __init__(
        self,
        registration: JobRegistration,
        call: Callable[[], Any],
        schedule: Interval | Calendar,
        jitter_s: float,
        lane: Lane[Due],
        clock: Clock,
    ) -> None:
        self.registration = registration
        self.call = call
        self.schedule = schedule
        self.lane = lane
        self.active = True
        self.plan: Plan | None = None
        self.ticket = 0
        self._jitter_s = jitter_s
        self._clock = clock

    @property
    def by_calendar(self) -> bool:
        """True when the wall clock decides."""
        return not isinstance(self.schedule, Interval)

    def plan_first(self, place: Place) -> None:
        """Plan the first run from now."""
        if isinstance(self.schedule, Interval):
            self.plan = self._interval_plan(self._clock.monotonic_ns() + round(self.schedule.first_s * 1e9))
        else:
            self._plan_calendar(self.schedule.next_after(self._clock.now(), place))

    def plan_next(self, place: Place) -> int:
        """Plan the run after the one that is due. Return how many runs in between have been missed.

        What was missed is not made up for: the run that is due now stands for all of them.
        """
        assert self.plan is not None  # it is due
        if isinstance(self.schedule, Interval):
            return self._next_interval(self.plan, self.schedule)
        assert self.plan.base is not None  # a calendar plan has one
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

    def plan_anew(self, place: Place, last: datetime | None) -> None:
        """Plan a calendar run again because the wall clock was set, or the place has changed.

        Args:
            place: Where.
            last: A moment before which nothing is to run again, or None.
        """
        assert not isinstance(self.schedule, Interval)  # only calendar jobs are planned anew
        now = self._clock.now()
        if self.plan is not None and self.plan.base is not None and self.plan.base <= now:
            if self.plan.at <= now:
                self._plan_calendar(self.plan.base)  # the clock was set forward over it: it is late, and runs now
            else:  # it is due and waits out its jitter: looking on from now would jump over it
                self.plan = self._at(self.plan.at, self.plan.base)
            return
        self._plan_calendar(self.schedule.next_after(now if last is None else max(now, last), place))

    def too_early(self) -> bool:
        """Return whether the wall clock says that the moment has not come yet, and if so wait for the rest.

        Clocks drift apart while NTP slews one of them; over a day that is enough to ring before seven.
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
        left = timedelta(microseconds=(due_ns - self._clock.monotonic_ns()) / 1000)
        return Plan(self._clock.now() + left, None, due_ns, base_ns)

    def _plan_calendar(self, base: datetime | None) -> None:
        if base is None:
            self.plan = None
            return
        self.plan = self._at(base + timedelta(seconds=self._jitter()), base)

    def _at(self, at: datetime, base: datetime) -> Plan:
        due_ns = self._clock.monotonic_ns() + (at - self._clock.now()) // timedelta(microseconds=1) * 1000
        return Plan(at, base, due_ns, due_ns)

    def _jitter(self) -> float:
        return random.uniform(0, self._jitter_s) if self._jitter_s else 0.0  # noqa: S311  spreads load, guards nothing


class Job:
    """What an app holds of a job.

    Args:
        job: The job.
        cancel: Ends it.
        run_now: Runs it once beside its schedule.
    """

    def __init__(
        self, job: PlannedJob, *, cancel: Callable[[PlannedJob], None], run_now: Callable[[PlannedJob], None]
    ) -> None:
        self._job = job
        self._cancel = cancel
        self._run_now = run_now

    @property
    def registration(self) -> JobRegistration:
        """What is recorded about it."""
        return self._job.registration

    @property
    def name(self) -> str:
        """Its name."""
        return self._job.registration.name

    @property
    def active(self) -> bool:
        """False once it is cancelled, or has run if it was to run once."""
        return self._job.active

    @property
    def next_run(self) -> datetime | None:
        """When it runs next (aware, UTC); None when it has ended, or waits for the place of the house to be known."""
        return None if self._job.plan is None or not self._job.active else self._job.plan.at

    def cancel(self) -> None:
        """End it. May be called twice, and by the job itself; a run that has begun goes on.

        Called in a thread, by a sync handler, it is done as soon as the event loop gets to it; so is `run_now`.
        """
        self._cancel(self._job)

    def run_now(self) -> None:
        """Run it once, as soon as possible, beside its schedule, which stays as it is. Its mode applies.

        Does nothing when the job has ended.
        """
        self._run_now(self._job)

    def __repr__(self) -> str:
        return f"<Job {self.name} {self.registration.schedule}{'' if self.active else ', ended'}>"
