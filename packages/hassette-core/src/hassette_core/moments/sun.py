"""Sunrises, sunsets, dawns and dusks, for every place on Earth.

The position of the sun comes from astral, as in Home Assistant. astral also computes events, but for a calendar
date. On the days on which an event moves past midnight, astral leaves an event out or returns it twice. `crossings`
needs no date. It follows the sun from noon to midnight to noon, and finds each crossing of the horizon exactly once.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import cos, floor, radians, sin
from typing import NamedTuple

from astral import Observer, refraction_at_zenith
from astral.sun import SUN_APPARENT_RADIUS, adjust_to_horizon, eq_of_time, sun_declination, zenith_and_azimuth

_DAY = timedelta(days=1)
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
"""J2000, the epoch of astronomy. All times in this module are days since this moment, unless they are datetimes."""
_CENTURY_DAYS = 36_525.0
_DAY_MINUTES = 1_440.0
_HALVINGS = 26
"""Number of times that half a day is halved. The remaining interval is shorter than a millisecond."""


RISE_DEPRESSION = SUN_APPARENT_RADIUS
"""Degrees of the sun's centre below the horizon at sunrise and sunset: the upper edge touches the horizon."""
DAWN_DEPRESSION = 6.0
"""Degrees below the horizon at dawn and dusk. Civil twilight, as in Home Assistant."""


class Crossing(NamedTuple):
    """A sunrise or sunset, or a dawn or dusk.

    Attributes:
        at: The moment (UTC).
        rising: True for a sunrise or dawn, False for a sunset or dusk.
    """

    at: datetime
    rising: bool


class _Sky:
    """The height of the sun over the horizon of one place."""

    def __init__(self, latitude: float, longitude: float, elevation: float, depression: float) -> None:
        self._sin_latitude, self._cos_latitude = sin(radians(latitude)), cos(radians(latitude))
        self._longitude = longitude
        # As in astral: the horizon is at sea level and lifted by refraction.
        zenith = 90.0 + depression + adjust_to_horizon(elevation)
        self._horizon = cos(radians(zenith + refraction_at_zenith(zenith)))

    def height(self, days: float) -> float:
        """Return the sine of the sun's height, minus the sine at sunrise and sunset."""
        century = days / _CENTURY_DAYS
        declination = radians(sun_declination(century))
        hour_angle = radians(360.0 * ((days + eq_of_time(century) / _DAY_MINUTES) % 1) + self._longitude)
        return (
            self._sin_latitude * sin(declination)
            + self._cos_latitude * cos(declination) * cos(hour_angle)
            - self._horizon
        )

    def turning_point(self, number: int) -> float:
        """Return the time of a solar noon (even number) or of a solar midnight (odd number). 0 is at J2000."""
        mean = number / 2 - self._longitude / 360.0
        return mean - eq_of_time(mean / _CENTURY_DAYS) / _DAY_MINUTES

    def crossing(self, above: float, below: float) -> float:
        """Return the time of a crossing.

        Args:
            above: A time at which the sun is above the horizon.
            below: A time at which the sun is not above the horizon. There is one crossing between the two times.
        """
        for _ in range(_HALVINGS):
            middle = (above + below) / 2
            if self.height(middle) > 0:
                above = middle
            else:
                below = middle
        return below


def crossings(
    since: datetime,
    latitude: float,
    longitude: float,
    elevation: float = 0.0,
    depression: float = RISE_DEPRESSION,
) -> Iterator[Crossing]:
    """Return all sunrises and sunsets after a moment, in order. The iterator does not end.

    Args:
        since: The moment (aware).
        latitude: In degrees, north positive.
        longitude: In degrees, east positive.
        elevation: In metres above sea level. A place below sea level counts as a place at sea level.
        depression: Degrees of the sun's centre below the horizon. `DAWN_DEPRESSION` returns dawns and dusks.
    """
    # The first turning point is before `since`.
    number = floor(2 * ((since - _J2000) / _DAY + longitude / 360.0)) - 1
    while True:
        half = _half_day(number, latitude, longitude, elevation, depression)
        if half.crossing is not None and half.crossing > since:
            yield Crossing(half.crossing, not half.up_before)
        number += 1


class _HalfDay(NamedTuple):
    """The sun between two turning points: from midnight to noon, or from noon to midnight.

    Attributes:
        begin: The first turning point (UTC).
        end: The second turning point (UTC).
        up_before: Whether the sun is up at the first turning point.
        crossing: The sunrise or sunset (UTC); None if the sun stays up or down.
    """

    begin: datetime
    end: datetime
    up_before: bool
    crossing: datetime | None


@lru_cache(maxsize=4_096)
def _half_day(number: int, latitude: float, longitude: float, elevation: float, depression: float) -> _HalfDay:
    """Return the sun from a turning point to the next one.

    The cache has room for the half days of two years, with and without twilight. Without it, many jobs at sunset, or
    many conditions with it, would block the event loop: one half day takes 0.1 ms.
    """
    sky = _Sky(latitude, longitude, elevation, depression)
    begin, end = sky.turning_point(number), sky.turning_point(number + 1)
    # From noon to midnight the sun only goes down, and from midnight to noon it only goes up. So it crosses the horizon
    # at most once between two turning points.
    up_before, up_after = sky.height(begin) > 0, sky.height(end) > 0
    crossing = None
    if up_before != up_after:
        crossing = _J2000 + (sky.crossing(begin, end) if up_before else sky.crossing(end, begin)) * _DAY
    return _HalfDay(_J2000 + begin * _DAY, _J2000 + end * _DAY, up_before, crossing)


class SolarDay(NamedTuple):
    """The sun from one solar midnight to the next.

    While the sun stays down, sunrise and sunset are both at solar noon. While it stays up, sunrise is at the first
    solar midnight, and sunset at the second. So both change gradually from one day to the next, at every latitude.

    Attributes:
        rise: The sunrise or dawn (UTC).
        set: The sunset or dusk (UTC).
    """

    rise: datetime
    set: datetime


def solar_day(
    about: datetime, latitude: float, longitude: float, elevation: float = 0.0, depression: float = RISE_DEPRESSION
) -> SolarDay:
    """Return the solar day whose noon is nearest to a moment. The arguments are those of `crossings`."""
    number = round((about - _J2000) / _DAY + longitude / 360.0) * 2
    morning = _half_day(number - 1, latitude, longitude, elevation, depression)
    evening = _half_day(number, latitude, longitude, elevation, depression)
    if not evening.up_before:
        return SolarDay(evening.begin, evening.begin)
    return SolarDay(morning.crossing or morning.begin, evening.crossing or evening.end)


def is_up(moment: datetime, latitude: float, longitude: float, elevation: float = 0.0) -> bool:
    """Return whether the sun is up: after sunrise and before sunset. The arguments are those of `crossings`."""
    return _Sky(latitude, longitude, elevation, RISE_DEPRESSION).height((moment - _J2000) / _DAY) > 0


def angles(moment: datetime, latitude: float, longitude: float, elevation: float = 0.0) -> tuple[float, float]:
    """Return the elevation and the azimuth of the sun in degrees, as Home Assistant's ``sun.sun`` shows them.

    The elevation is negative below the horizon. The azimuth is 0 in the north and 90 in the east.
    """
    zenith, azimuth = zenith_and_azimuth(Observer(latitude, longitude, elevation), moment)
    return 90.0 - zenith, azimuth
