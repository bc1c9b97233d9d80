"""Schedules: rules that compute the time of the next run. They have no state and read no clock.

There are two kinds of schedule. An *interval* is a number of seconds of the monotonic clock; a change of the wall clock
does not affect an interval. A *calendar* rule describes times of the wall clock. When the wall clock is set or the
place changes, the timetable evaluates all calendar rules again.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from typing import ClassVar, Literal, Protocol

from cronsim import CronSim, CronSimError

from hassette_core.errors import RegistrationError
from hassette_core.handlers import describe_duration
from hassette_core.moments import Place, SunTime

_DAY = timedelta(days=1)
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

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first run (UTC) after a moment.

        Return None if there is no such run, or if the rule needs the location and the location is unknown.
        """
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """A delay or interval in seconds of the monotonic clock.

    Attributes:
        first_s: Seconds until the first run.
        every_s: Seconds between runs; None for a single run.
    """

    first_s: float
    every_s: float | None = None

    @property
    def recurring(self) -> bool:
        """False for a single run."""
        return self.every_s is not None

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        return (
            f"once, after {describe_duration(self.first_s)}"
            if self.every_s is None
            else f"every {describe_duration(self.every_s)}"
        )

    def shortest_gap_s(self) -> float | None:
        return self.every_s


Schedule = Interval | Calendar
"""The times of a job's runs."""


@dataclass(frozen=True, slots=True)
class Once:
    """A rule for a single run.

    Attributes:
        at: The time of the run (aware).
    """

    at: datetime

    recurring: ClassVar[bool] = False

    @property
    def fixed(self) -> bool:
        return True

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        return f"once, at {self.at:%Y-%m-%d %H:%M:%S %Z}".rstrip()

    def shortest_gap_s(self) -> float | None:
        """Return None, because there is only one run."""
        return None

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the time of the run, even if this time has passed.

        If the wall clock is set forward past this time, the job therefore runs late.
        """
        return self.at.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Daily:
    """A time of day, every day.

    Attributes:
        at: The local time. When clocks skip it, the job runs in the first minute after the skipped time. When clocks
            show it twice, the job runs the first time.
    """

    at: time

    recurring: ClassVar[bool] = True

    @property
    def fixed(self) -> bool:
        return True

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        return f"daily at {self.at:%H:%M:%S}" if self.at.second else f"daily at {self.at:%H:%M}"

    def shortest_gap_s(self) -> float | None:
        return _DAY.total_seconds()

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first run after a moment."""
        day = moment.astimezone(place.zone).replace(tzinfo=None) - _DAY
        while (found := place.at(day.date(), self.at)) <= moment:
            day += _DAY
        return found


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
    """

    expression: str

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
        return f"cron {self.expression}"

    def shortest_gap_s(self) -> float | None:
        """Return the shortest gap between the runs of one year.

        The method examines only the first `_SAMPLE_RUNS` runs of the year.
        """
        until = _SAMPLE_START + _SAMPLE_DAYS * _DAY
        first = islice(CronSim(self.expression, _SAMPLE_START), _SAMPLE_RUNS)
        gaps = (after - before for before, after in pairwise(takewhile(lambda run: run < until, first)))
        shortest = min(gaps, default=None)
        return None if shortest is None else shortest.total_seconds()

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first run after a moment."""
        shown = moment.astimezone(place.zone)
        if self.fixed:
            # With a time zone, cronsim applies Debian's rule for fixed times only to expressions of five fields. So
            # compute in local time, and let `Place.moment` apply the rule.
            found = (place.moment(local) for local in CronSim(self.expression, shown.replace(tzinfo=None)))
        else:
            found = (local.astimezone(UTC) for local in CronSim(self.expression, shown))
        # In the second pass of a repeated hour, either generator may yield times of the first pass. Skip them.
        return next((answer for answer in found if answer > moment), None)

    @property
    def fixed(self) -> bool:
        """True if none of the second, minute and hour fields begins with ``*``."""
        return not any(field.startswith("*") for field in self.expression.split()[:-3])


@dataclass(frozen=True, slots=True)
class Sun:
    """Sunrise or sunset, once on every local day on which the sun rises or sets.

    At high latitudes, the sun may set shortly after midnight and again shortly before the next midnight. The job then
    runs at the first sunset of the day. The day is that of the event, even if the offset moves the run to another day.

    Attributes:
        event: ``sunrise`` or ``sunset``.
        offset: Time after the event; negative for a time before the event.
    """

    event: Literal["sunrise", "sunset"]
    offset: timedelta = timedelta()

    recurring: ClassVar[bool] = True

    @property
    def fixed(self) -> bool:
        return True

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        offset_s = self.offset.total_seconds()
        if not offset_s:
            return f"at {self.event}"
        return f"{describe_duration(abs(offset_s))} {'before' if offset_s < 0 else 'after'} {self.event}"

    def shortest_gap_s(self) -> float | None:
        """Return one day. The actual gap differs by a few minutes."""
        return _DAY.total_seconds()

    def day_of(self, run: datetime, place: Place) -> date:
        """Return the local day of the sunrise or sunset to which a run belongs."""
        return (run - self.offset).astimezone(place.zone).date()

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first run after a moment; None if the location is unknown, or the sun does not rise or set."""
        return SunTime(self.event, self.offset).next_after(moment, place, {})
