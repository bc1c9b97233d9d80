"""Schedules: rules that compute the time of the next run. They have no state and read no clock.

There are two kinds of schedule. An *interval* is a number of seconds of the monotonic clock; a change of the wall clock
does not affect an interval. A *calendar* rule describes times of the wall clock. When the wall clock is set or the
place changes, the timetable evaluates all calendar rules again.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import ClassVar, Protocol

from cronsim import CronSim, CronSimError

from hassette_core.errors import RegistrationError
from hassette_core.handlers import describe_duration
from hassette_core.moments import NO_STATES, DateTime, Days, Moment, Place, StateMap, TimeOfDay
from hassette_core.scheduler.cron_times import next_cron_time

_DAY = timedelta(days=1)
_MAX_SKIPPED_DAYS = 400
"""Number of times of a moment that may be on other days of the week before the search ends."""
_SAMPLE_START = datetime(2024, 1, 1, tzinfo=UTC)
_SAMPLE_DAYS = 366
_SAMPLE_RUNS = 1_500
"""Maximum number of runs of a cron expression that are examined to find the shortest gap."""


class Calendar(Protocol):
    """A rule for times of the wall clock."""

    recurring: ClassVar[bool]
    """False if the rule leads to one run only."""

    @property
    def fixed(self) -> bool:
        """True for fixed times, such as 07:00 or sunset. False for times that follow the clock, such as ``*/15``.

        When the clock is set back a little, a fixed time does not occur again, except together with other times of the
        same rule.
        """
        ...

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        ...

    def shortest_gap_s(self) -> float | None:
        """Return the shortest time between two runs, in seconds; None if there are no two runs within a year.

        Days on which daylight saving time begins or ends are ignored.
        """
        ...

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        """Return the first run (UTC) after a moment.

        Return None if there is no such run, or if the location or the entity that the rule needs is unknown.
        """
        ...

    def entities(self) -> tuple[str, ...]:
        """Return the entities whose states decide about the runs."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """A delay or interval in seconds of the monotonic clock.

    Attributes:
        first_s: Seconds until the first run.
        every_s: Seconds between runs; None for a single run.
        text: The rule as a string, if it should differ from the delay.
    """

    first_s: float
    every_s: float | None = None
    text: str = ""

    @property
    def recurring(self) -> bool:
        """False for a single run."""
        return self.every_s is not None

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        if self.text:
            return self.text
        return (
            f"once, after {describe_duration(self.first_s)}"
            if self.every_s is None
            else f"every {describe_duration(self.every_s)}"
        )

    def shortest_gap_s(self) -> float | None:
        return self.every_s

    def entities(self) -> tuple[str, ...]:
        return ()


Schedule = Interval | Calendar
"""The times of a job's runs."""


@dataclass(frozen=True, slots=True)
class Once:
    """A rule for a single run, when a moment comes next.

    Attributes:
        moment: The moment of the run.
        text: The rule as a string, if it should differ from the moment.
    """

    moment: Moment
    text: str = ""

    recurring: ClassVar[bool] = False

    @property
    def fixed(self) -> bool:
        return True

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        return self.text or f"once, {_at(self.moment)}"

    def shortest_gap_s(self) -> float | None:
        """Return None, because there is only one run."""
        return None

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        """Return the time of the run. A moment with a date that the app gave may have passed.

        If the wall clock is set forward past this time, the job therefore runs late.
        """
        if isinstance(self.moment, DateTime):
            return self.moment.moment(place)
        return self.moment.next_after(moment, place, states)

    def entities(self) -> tuple[str, ...]:
        return self.moment.entities()


@dataclass(frozen=True, slots=True)
class StartAt:
    """A first run at a moment, and then an interval in seconds of the monotonic clock.

    Attributes:
        once: The first run.
        every_s: Seconds between runs.
    """

    once: Once
    every_s: float

    recurring: ClassVar[bool] = True

    @property
    def fixed(self) -> bool:
        return True

    @property
    def interval(self) -> Interval:
        """The schedule after the first run."""
        return Interval(self.every_s, self.every_s, self.describe())

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        return f"every {describe_duration(self.every_s)}, first {_at(self.once.moment)}"

    def shortest_gap_s(self) -> float | None:
        return self.every_s

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        """Return the time of the first run."""
        return self.once.next_after(moment, place, states)

    def entities(self) -> tuple[str, ...]:
        return self.once.entities()


@dataclass(frozen=True, slots=True)
class AtMoment:
    """A run each time that a moment comes, on every day or on some days of the week.

    Attributes:
        moment: The moment of the runs.
        days: The local days of the runs; None for every day.
    """

    moment: Moment
    days: Days | None = None

    recurring: ClassVar[bool] = True

    @property
    def fixed(self) -> bool:
        return True

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        at = _at(self.moment)
        if self.days is not None:
            return f"{at} on {self.days.describe()}"
        return f"daily {at}" if isinstance(self.moment, TimeOfDay) else at

    def shortest_gap_s(self) -> float | None:
        """Return one day. The gap between two sunsets differs by a few minutes."""
        return _DAY.total_seconds()

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        """Return the first run after a moment."""
        found = self.moment.next_after(moment, place, states)
        for _ in range(_MAX_SKIPPED_DAYS):
            if found is None or self.days is None or place.day_of(found) in self.days:
                return found
            found = self.moment.next_after(found, place, states)
        return None

    def entities(self) -> tuple[str, ...]:
        return self.moment.entities()


def _at(moment: Moment) -> str:
    text = moment.describe()
    return text if moment.offset else f"at {text}"


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields, or of six fields, where the first field is the second.

    On days on which daylight saving time begins or ends, the rules of Debian's cron apply. An expression has *fixed
    times* if none of its second, minute and hour fields begins with ``*``. A job with fixed times runs like a daily
    job: if clocks show its time twice, it runs only the first time; if clocks skip its time, it runs in the first
    minute after the skipped time. Any other cron job runs in both passes of a repeated hour, and does not run in a
    skipped hour.

    Attributes:
        expression: The expression, such as ``0 7 * * MON-FRI``.
        text: The rule as a string, if it should differ from the expression.
    """

    expression: str
    text: str = ""

    recurring: ClassVar[bool] = True

    def check(self) -> None:
        """Check the expression.

        Raises:
            RegistrationError: The expression is not valid, or it never matches.
        """
        try:
            next(CronSim(self.expression, datetime(2024, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration, AttributeError) as error:
            problem = f" ({error})" if str(error) else ""
            raise RegistrationError(
                "expression must be a cron expression that matches some time, with five fields (minute hour day month"
                " weekday, such as '0 7 * * MON-FRI') or six fields (seconds first),"
                f" got {self.expression!r}{problem}"
            ) from None

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        return self.text or f"cron {self.expression}"

    def shortest_gap_s(self) -> float | None:
        """Return the shortest gap between the runs of one year.

        The method examines only the first `_SAMPLE_RUNS` runs of the year.
        """
        until = _SAMPLE_START + _SAMPLE_DAYS * _DAY
        first = islice(CronSim(self.expression, _SAMPLE_START), _SAMPLE_RUNS)
        gaps = (after - before for before, after in pairwise(takewhile(lambda run: run < until, first)))
        shortest = min(gaps, default=None)
        return None if shortest is None else shortest.total_seconds()

    def entities(self) -> tuple[str, ...]:
        return ()

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        """Return the first run after a moment."""
        if not self.fixed:
            return next_cron_time(self.expression, moment, place.zone)
        # With a time zone, cronsim applies Debian's rule for fixed times only to expressions of five fields. So compute
        # in local time, and let `Place.moment` apply the rule.
        shown = moment.astimezone(place.zone).replace(tzinfo=None)
        found = (place.moment(local) for local in CronSim(self.expression, shown))
        # In the second pass of a repeated hour, there may be times of the first pass. Skip them.
        return next((answer for answer in found if answer > moment), None)

    @property
    def fixed(self) -> bool:
        """True if none of the second, minute and hour fields begins with ``*``."""
        return not any(field.startswith("*") for field in self.expression.split()[:-3])
