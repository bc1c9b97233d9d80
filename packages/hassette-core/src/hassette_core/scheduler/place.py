"""Where the house is: what turns ``07:00`` and ``sunset`` into moments."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place.

    Attributes:
        zone: Its time zone.
        latitude: In degrees, north positive; None while unknown.
        longitude: In degrees, east positive; None while unknown.
    """

    zone: tzinfo
    latitude: float | None = None
    longitude: float | None = None

    def moment(self, local: datetime) -> datetime:
        """Return the moment (UTC) at which clocks here show a time.

        A time that is shown twice, when clocks go back, means the first. A time that is skipped, when they go
        forward, means the first minute that is shown after the gap.

        Args:
            local: What the clocks show (naive).
        """
        shown = local.replace(tzinfo=self.zone, fold=0)
        while shown.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != shown.replace(tzinfo=None):
            shown = shown.replace(second=0, microsecond=0) + _MINUTE
        return shown.astimezone(UTC)


def at_time(day: datetime, at: time) -> datetime:
    """Return a naive day's date with a time of day."""
    return datetime.combine(day.date(), at.replace(tzinfo=None))
