"""`Place`: the time zone and location that give ``07:00`` and sunset a place in time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The time zone and location of the home.

    Attributes:
        zone: The time zone.
        latitude: In degrees, north positive; None while unknown.
        longitude: In degrees, east positive; None while unknown.
        elevation: In metres above sea level. From a higher place, the sun rises earlier and sets later.
    """

    zone: tzinfo
    latitude: float | None = None
    longitude: float | None = None
    elevation: float = 0.0

    @property
    def location(self) -> tuple[float, float, float] | None:
        """Latitude, longitude and elevation; None while they are unknown."""
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude, self.elevation

    def moment(self, local: datetime) -> datetime:
        """Return the moment (UTC) at which local clocks show the given time.

        If clocks show the time twice, because daylight saving time ends, return the first moment. If clocks skip the
        time, because daylight saving time begins, return the first minute after the skipped time.

        Args:
            local: The local time (naive).
        """
        shown = local.replace(tzinfo=self.zone, fold=0)
        while shown.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != shown.replace(tzinfo=None):
            shown = shown.replace(second=0, microsecond=0) + _MINUTE
        return shown.astimezone(UTC)

    def at(self, day: date, at: time) -> datetime:
        """Return the moment (UTC) at which local clocks show a time of day, as `moment` does."""
        return self.moment(datetime.combine(day, at.replace(tzinfo=None)))

    def day_of(self, moment: datetime) -> date:
        """Return the local date of a moment (aware)."""
        return moment.astimezone(self.zone).date()
