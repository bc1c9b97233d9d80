"""Sunrises, sunsets, dawns and dusks, for every place on Earth.

The position of the sun comes from astral, as in Home Assistant. astral also computes events, but for a calendar
date. On the days on which an event moves past midnight, astral leaves an event out or returns it twice. `crossings`
needs no date. It follows the sun from noon to midnight to noon, and finds each crossing of the horizon exactly once.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
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

    def turning_points(self, since: float) -> Iterator[float]:
        """Return the times of solar noon and solar midnight, in order. The first of them is before ``since``."""
        return self.turning_points_from(floor(2 * (since + self._longitude / 360.0)) - 1)

    def turning_points_from(self, number: int) -> Iterator[float]:
        """Return the times of solar noon and solar midnight, in order. Even numbers are noons; 0 is at J2000."""
        while True:
            mean = number / 2 - self._longitude / 360.0
            yield mean - eq_of_time(mean / _CENTURY_DAYS) / _DAY_MINUTES
            number += 1

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
    sky = _Sky(latitude, longitude, elevation, depression)
    # From noon to midnight the sun only goes down, and from midnight to noon it only goes up. So it crosses the horizon
    # at most once between two turning points.
    times = sky.turning_points((since - _J2000) / _DAY)
    before = next(times)
    was_up = sky.height(before) > 0
    for after in times:
        is_up = sky.height(after) > 0
        if is_up != was_up:
            at = _J2000 + (sky.crossing(after, before) if is_up else sky.crossing(before, after)) * _DAY
            if at > since:
                yield Crossing(at, is_up)
        before, was_up = after, is_up


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
    sky = _Sky(latitude, longitude, elevation, depression)
    number = round((about - _J2000) / _DAY + longitude / 360.0) * 2
    first, noon, last = islice(sky.turning_points_from(number - 1), 3)
    if sky.height(noon) <= 0:
        first = last = noon
    rise = sky.crossing(noon, first) if sky.height(first) <= 0 < sky.height(noon) else first
    set_ = sky.crossing(noon, last) if sky.height(last) <= 0 < sky.height(noon) else last
    return SolarDay(_J2000 + rise * _DAY, _J2000 + set_ * _DAY)


def is_up(moment: datetime, latitude: float, longitude: float, elevation: float = 0.0) -> bool:
    """Return whether the sun is up: after sunrise and before sunset. The arguments are those of `crossings`."""
    return _Sky(latitude, longitude, elevation, RISE_DEPRESSION).height((moment - _J2000) / _DAY) > 0


def angles(moment: datetime, latitude: float, longitude: float, elevation: float = 0.0) -> tuple[float, float]:
    """Return the elevation and the azimuth of the sun in degrees, as Home Assistant's ``sun.sun`` shows them.

    The elevation is negative below the horizon. The azimuth is 0 in the north and 90 in the east.
    """
    zenith, azimuth = zenith_and_azimuth(Observer(latitude, longitude, elevation), moment)
    return 90.0 - zenith, azimuth
