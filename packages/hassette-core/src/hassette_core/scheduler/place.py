"""`Place`: the time zone and location that turn ``07:00`` and ``sunset`` into moments."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The time zone and location of the home.

    Attributes:
        zone: Its time zone.
        latitude: In degrees, north positive; None while unknown.
        longitude: In degrees, east positive; None while unknown.
    """

    zone: tzinfo
    latitude: float | None = None
    longitude: float | None = None

    def moment(self, local: datetime) -> datetime:
        """Return the moment (UTC) at which local clocks show a time.

        A time that clocks show twice, when they go back, means the first. A time that they skip, when they go forward,
        means the first minute after the gap.

        Args:
            local: The local time (naive).
        """
        shown = local.replace(tzinfo=self.zone, fold=0)
        while shown.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != shown.replace(tzinfo=None):
            shown = shown.replace(second=0, microsecond=0) + _MINUTE
        return shown.astimezone(UTC)


def at_time(day: datetime, at: time) -> datetime:
    """Return the date of a naive datetime with a time of day."""
    return datetime.combine(day.date(), at.replace(tzinfo=None))
