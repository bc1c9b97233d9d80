"""Schedules: pure rules that compute the next run, without clocks and jobs.

There are two kinds. An *interval* counts seconds of the monotonic clock; a change of the wall clock does not move it. A
*calendar* rule names moments of the wall clock and is evaluated again when that clock or the place changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from typing import ClassVar, Literal, Protocol

from astral import Observer
from astral.sun import sunrise, sunset
from cronsim import CronSim, CronSimError

from hassette_core.errors import RegistrationError
from hassette_core.handlers import describe_duration
from hassette_core.scheduler.place import Place, at_time

_DAY = timedelta(days=1)
MAX_DARK_DAYS = 400
"""How many days ahead to search for a sunrise or sunset. Beyond the polar circles there may be none for months."""
_SAMPLE_START = datetime(2024, 1, 1, tzinfo=UTC)
_SAMPLE_DAYS = 366
_SAMPLE_RUNS = 1_500
"""How many runs of a cron expression to examine for the shortest gap: those of a year, but at most this many."""


class Calendar(Protocol):
    """A rule of the wall clock."""

    recurring: ClassVar[bool]
    """False when the rule names one moment only."""

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        ...

    def shortest_gap_s(self) -> float | None:
        """Return the shortest time between two runs, in seconds; None when there are no two runs within a year.

        Days on which clocks change are ignored.
        """
        ...

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first run (UTC) after a moment; None without one, or while the place is unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """A delay or interval in seconds of the monotonic clock.

    Attributes:
        first_s: Seconds until the first run.
        every_s: Seconds between runs; None for one run only.
    """

    first_s: float
    every_s: float | None = None

    @property
    def recurring(self) -> bool:
        """False for one run only."""
        return self.every_s is not None

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        return (
            f"once, after {describe_duration(self.first_s)}"
            if self.every_s is None
            else f"every {describe_duration(self.every_s)}"
        )

    def shortest_gap_s(self) -> float | None:
        """Return the interval."""
        return self.every_s


Schedule = Interval | Calendar
"""When a job runs."""


@dataclass(frozen=True, slots=True)
class Once:
    """A rule that names one moment.

    Attributes:
        at: The moment (aware).
    """

    at: datetime

    recurring: ClassVar[bool] = False

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        return f"once, at {self.at:%Y-%m-%d %H:%M:%S %Z}".rstrip()

    def shortest_gap_s(self) -> float | None:
        """Return None, because there is only one run."""
        return None

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the moment, also when it has passed: when the clock is set forward past it, the job runs late."""
        return self.at.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Daily:
    """A time of day, every day.

    Attributes:
        at: The local time. When clocks skip it, the job runs at the first minute after the gap. When they show it
            twice, the job runs at the first.
    """

    at: time

    recurring: ClassVar[bool] = True

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        return f"daily at {self.at:%H:%M:%S}" if self.at.second else f"daily at {self.at:%H:%M}"

    def shortest_gap_s(self) -> float | None:
        """Return one day."""
        return _DAY.total_seconds()

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first run after a moment."""
        day = moment.astimezone(place.zone).replace(tzinfo=None) - _DAY
        while (found := place.moment(at_time(day, self.at))) <= moment:
            day += _DAY
        return found


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields, or of six with seconds first.

    When clocks change, it follows Debian's cron. An expression with fixed times (no field before the day starts with a
    star) runs like a daily job: once for a time that clocks show twice, and at the first minute after the gap for a
    time that they skip. Any other expression follows the clock: it runs twice in a repeated hour, and not in a skipped
    one.

    Attributes:
        expression: The expression, such as ``0 7 * * MON-FRI``.
    """

    expression: str

    recurring: ClassVar[bool] = True

    def check(self) -> None:
        """Check the expression.

        Raises:
            RegistrationError: It is not a cron expression, or it never matches.
        """
        try:
            next(CronSim(self.expression, datetime(2024, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration, AttributeError) as error:
            problem = f" ({error})" if str(error) else ""
            raise RegistrationError(
                "expression must be a cron expression of five fields (minute hour day month weekday, such as"
                " '0 7 * * MON-FRI') or six, with seconds first, that matches some time,"
                f" got {self.expression!r}{problem}"
            ) from None

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        return f"cron {self.expression}"

    def shortest_gap_s(self) -> float | None:
        """Return the shortest gap between its runs within a year, or between the first runs when there are many."""
        until = _SAMPLE_START + _SAMPLE_DAYS * _DAY
        first = islice(CronSim(self.expression, _SAMPLE_START), _SAMPLE_RUNS)
        gaps = (after - before for before, after in pairwise(takewhile(lambda run: run < until, first)))
        shortest = min(gaps, default=None)
        return None if shortest is None else shortest.total_seconds()

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first run after a moment."""
        shown = moment.astimezone(place.zone)
        if self._has_fixed_times():
            # Without a time zone the library computes in local time; with one it does so for five fields only.
            found = (place.moment(local) for local in CronSim(self.expression, shown.replace(tzinfo=None)))
        else:
            found = (local.astimezone(UTC) for local in CronSim(self.expression, shown))
        # During the second pass of a repeated hour, both may return a moment of the first pass.
        return next((answer for answer in found if answer > moment), None)

    def _has_fixed_times(self) -> bool:
        return not any(field.startswith("*") for field in self.expression.split()[:-3])


@dataclass(frozen=True, slots=True)
class Sun:
    """Sunrise or sunset, on every day that has one.

    Attributes:
        event: ``sunrise`` or ``sunset``.
        offset: Time after the event; negative for before.
    """

    event: Literal["sunrise", "sunset"]
    offset: timedelta = timedelta()

    recurring: ClassVar[bool] = True

    def describe(self) -> str:
        """Return the rule as a string, for the job's registration."""
        offset_s = self.offset.total_seconds()
        if not offset_s:
            return f"at {self.event}"
        return f"{describe_duration(abs(offset_s))} {'before' if offset_s < 0 else 'after'} {self.event}"

    def shortest_gap_s(self) -> float | None:
        """Return one day, which is correct to a few minutes."""
        return _DAY.total_seconds()

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first run after a moment; None when the location is unknown, or without such an event."""
        if place.latitude is None or place.longitude is None:
            return None
        # Depending on the longitude, the UTC date of a sunset is the day before or after the local date. So the search
        # starts a day early. The results are in order, so the first one after the moment is the right one.
        for found in self._all(moment - self.offset - 2 * _DAY, place.latitude, place.longitude):
            if found > moment:
                return found
        return None

    def _all(self, since: datetime, latitude: float, longitude: float) -> Iterator[datetime]:
        observer = Observer(latitude, longitude)
        found = sunrise if self.event == "sunrise" else sunset
        for days in range(MAX_DARK_DAYS):
            try:
                yield found(observer, (since + days * _DAY).date(), tzinfo=UTC) + self.offset
            except ValueError:
                continue  # astral raises when the sun does not rise or set on that day
