"""The height of the sun, calculated without astral: the low-precision formulas of the Astronomical Almanac."""

from datetime import UTC, datetime, timedelta
from math import asin, atan2, cos, degrees, pi, radians, sin

DAY = timedelta(days=1)
J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
SEA_LEVEL_HORIZON = -0.789
"""Height of the sun's centre at sunrise and sunset, in degrees. Radius and refraction are those of Home Assistant."""
ERROR_DEGREES = 0.02
"""Maximum error of the formulas of the Almanac, and of those of astral, in degrees."""
STEP = timedelta(minutes=20)
STEP_DEGREES = 0.05
"""Within half a step of its highest or lowest point, the sun moves less than this."""


class Almanac:
    """The sun as seen from one place.

    Args:
        latitude: In degrees, north positive.
        longitude: In degrees, east positive.
    """

    def __init__(self, latitude: float, longitude: float) -> None:
        self._sin, self._cos = sin(radians(latitude)), cos(radians(latitude))
        self._longitude = radians(longitude)

    def height(self, moment: datetime) -> float:
        """Return the height of the sun's centre, in degrees, without refraction."""
        days = (moment - J2000) / DAY
        anomaly = radians(357.528 + 0.9856003 * days)
        ecliptic = radians(280.460 + 0.9856474 * days + 1.915 * sin(anomaly) + 0.020 * sin(2 * anomaly))
        tilt = radians(23.439 - 0.0000004 * days)
        ascension = atan2(cos(tilt) * sin(ecliptic), cos(ecliptic))
        declination = asin(sin(tilt) * sin(ecliptic))
        sidereal = (18.697374558 + 24.06570982441908 * days) * pi / 12
        hour_angle = sidereal + self._longitude - ascension
        return degrees(asin(self._sin * sin(declination) + self._cos * cos(declination) * cos(hour_angle)))

    def follow(
        self, since: datetime, until: datetime, horizon: float
    ) -> tuple[list[tuple[datetime, bool]], list[datetime]]:
        """Follow the sun in small steps.

        Returns:
            Two lists. The first contains each moment at which the sun crosses the horizon, and whether it rises then.
            The second contains the moments at which the sun is highest or lowest and so close to the horizon that the
            formulas cannot decide whether it crosses the horizon.
        """
        crossings: list[tuple[datetime, bool]] = []
        grazing: list[datetime] = []
        before, at = self.height(since - STEP), self.height(since)
        moment = since
        while moment < until:
            after = self.height(moment + STEP)
            if (at > horizon) != (after > horizon):
                crossings.append((self._crossing(moment, horizon), after > horizon))
            if (at - before) * (after - at) <= 0 and abs(at - horizon) < ERROR_DEGREES + STEP_DEGREES:
                grazing.append(moment)
            before, at, moment = at, after, moment + STEP
        return crossings, grazing

    def _crossing(self, before: datetime, horizon: float) -> datetime:
        low, high = before, before + STEP
        was_up = self.height(low) > horizon
        while high - low > timedelta(seconds=0.5):
            middle = low + (high - low) / 2
            if (self.height(middle) > horizon) == was_up:
                low = middle
            else:
                high = middle
        return high
