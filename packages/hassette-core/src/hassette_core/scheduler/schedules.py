"""When a job runs: pure rules, which know neither clocks nor jobs.

Rules of two kinds. An *interval* counts seconds of the monotonic clock: setting the wall clock does not move it. A
*calendar* rule names moments of the wall clock, and is asked again when that clock or the place changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from typing import Literal, Protocol

from astral import Observer
from astral.sun import sunrise, sunset
from cronsim import CronSim, CronSimError

from hassette_core.errors import RegistrationError
from hassette_core.handlers import describe
from hassette_core.scheduler.place import Place, at_time

_DAY = timedelta(days=1)
MAX_DARK_DAYS = 400
"""For how many days ahead a sunrise or sunset is looked for; beyond the polar circles there may be none for months."""
_SAMPLE_START = datetime(2024, 1, 1, tzinfo=UTC)
_SAMPLE_DAYS = 366
_SAMPLE_RUNS = 1_500
"""How far a cron expression is followed to see how close its runs are: a year or so many runs, a day of minutes."""


class Calendar(Protocol):
    """A rule of the wall clock."""

    @property
    def recurring(self) -> bool:
        """False when it names one moment only."""
        ...

    def describe(self) -> str:
        """Return the rule as a person would say it."""
        ...

    def shortest_gap_s(self) -> float | None:
        """Return how close together its runs can be, in seconds; None when there is one only, or none in a year.

        Days when clocks change are left out of account.
        """
        ...

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first moment (UTC) after a moment; None when there is none, or the place is not known yet."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """Seconds of the monotonic clock.

    Attributes:
        first_s: Until the first run.
        every_s: From run to run; None for one run only.
    """

    first_s: float
    every_s: float | None = None

    @property
    def recurring(self) -> bool:
        """False when it runs once only."""
        return self.every_s is not None

    def describe(self) -> str:
        """Return the rule as a person would say it."""
        return f"once, after {describe(self.first_s)}" if self.every_s is None else f"every {describe(self.every_s)}"

    def shortest_gap_s(self) -> float | None:
        """Return the seconds from run to run."""
        return self.every_s


@dataclass(frozen=True, slots=True)
class Once:
    """One moment.

    Attributes:
        at: The moment (aware).
    """

    at: datetime

    @property
    def recurring(self) -> bool:
        """False."""
        return False

    def describe(self) -> str:
        """Return the rule as a person would say it."""
        return f"once, at {self.at:%Y-%m-%d %H:%M:%S %Z}".rstrip()

    def shortest_gap_s(self) -> float | None:
        """Return None."""
        return None

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the moment, also when it has passed: a clock set forward over it makes it late, not void."""
        return self.at.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Daily:
    """A time of day, each day.

    Attributes:
        at: The local time. Where the clocks skip it, the job runs at the first minute after the gap; where they show
            it twice, it runs at the first.
    """

    at: time

    @property
    def recurring(self) -> bool:
        """True."""
        return True

    def describe(self) -> str:
        """Return the rule as a person would say it."""
        return f"daily at {self.at:%H:%M:%S}" if self.at.second else f"daily at {self.at:%H:%M}"

    def shortest_gap_s(self) -> float | None:
        """Return a day."""
        return _DAY.total_seconds()

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first such moment after a moment."""
        day = moment.astimezone(place.zone).replace(tzinfo=None) - _DAY
        while (found := place.moment(at_time(day, self.at))) <= moment:
            day += _DAY
        return found


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields, or of six with seconds first.

    As in Debian's cron: an expression that names its times (no field before the day begins with a star) runs as a
    daily job does, once for a time that the clocks show twice, and at the first minute after the gap for one that they
    skip. Any other runs by the clock: twice in a repeated hour, and not in a skipped one.

    Attributes:
        expression: Such as ``0 7 * * MON-FRI``.
    """

    expression: str

    @property
    def recurring(self) -> bool:
        """True."""
        return True

    def check(self) -> None:
        """Check the expression.

        Raises:
            RegistrationError: It is not one, or names no moment.
        """
        try:
            next(CronSim(self.expression, datetime(2024, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration, AttributeError) as error:
            problem = f" ({error})" if str(error) else ""
            raise RegistrationError(
                f"{self.expression!r} is not a cron expression that ever comes true{problem}: it has five fields,"
                " minute hour day month weekday, such as '0 7 * * MON-FRI', or six, with seconds first"
            ) from None

    def describe(self) -> str:
        """Return the rule as a person would say it."""
        return f"cron {self.expression}"

    def shortest_gap_s(self) -> float | None:
        """Return the shortest gap that a year of it shows, or its first runs if they are many; None without any."""
        until = _SAMPLE_START + _SAMPLE_DAYS * _DAY
        first = islice(CronSim(self.expression, _SAMPLE_START), _SAMPLE_RUNS)
        gaps = (after - before for before, after in pairwise(takewhile(lambda run: run < until, first)))
        shortest = min(gaps, default=None)
        return None if shortest is None else shortest.total_seconds()

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first such moment after a moment."""
        shown = moment.astimezone(place.zone)
        if self._names_its_times():
            # Without a zone the library goes by what the clocks show; with one it does so for five fields only.
            found = (place.moment(local) for local in CronSim(self.expression, shown.replace(tzinfo=None)))
        else:
            found = (local.astimezone(UTC) for local in CronSim(self.expression, shown))
        # Asked within the second showing of an hour, either may answer with the first.
        return next((answer for answer in found if answer > moment), None)

    def _names_its_times(self) -> bool:
        return not any(field.startswith("*") for field in self.expression.split()[:-3])


@dataclass(frozen=True, slots=True)
class Sun:
    """Sunrise or sunset, each day that has one.

    Attributes:
        event: Which of the two.
        offset: Added to it; negative for before.
    """

    event: Literal["sunrise", "sunset"]
    offset: timedelta = timedelta()

    @property
    def recurring(self) -> bool:
        """True."""
        return True

    def describe(self) -> str:
        """Return the rule as a person would say it."""
        offset_s = self.offset.total_seconds()
        if not offset_s:
            return f"at {self.event}"
        return f"{describe(abs(offset_s))} {'before' if offset_s < 0 else 'after'} {self.event}"

    def shortest_gap_s(self) -> float | None:
        """Return a day, which it is but for minutes."""
        return _DAY.total_seconds()

    def next_after(self, moment: datetime, place: Place) -> datetime | None:
        """Return the first such moment after a moment; None when the place is unknown or the sun does not move so."""
        if place.latitude is None or place.longitude is None:
            return None
        # Whether the sun sets on a UTC date before or after the local one depends on the longitude, so the search
        # begins a day early; successive answers are in order, so the first one late enough is the one.
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
                continue  # astral's way to say that the sun does not rise or set on that day
