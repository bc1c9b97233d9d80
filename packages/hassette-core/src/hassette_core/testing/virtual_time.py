"""`VirtualTime`: the time and the place of the home under test, which only the test changes."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from hassette_core.moments import Moment
from hassette_core.testing.errors import HomeTestError
from hassette_core.testing.home_thread import Done
from hassette_core.testing.parsing import parse_datetime, parse_duration, parse_place, parse_zone, read_moment
from hassette_core.testing.session import HomeSession


class VirtualTime(HomeSession):
    """Base class of `HomeUnderTest`: the time and the place."""

    @property
    def now(self) -> datetime:
        """The current time of the home, in its time zone."""
        return self._clock.now().astimezone(self._system.zone)

    def at(
        self,
        moment: str | datetime,
        tz: str | ZoneInfo | None = None,
        *,
        latitude: float | None = None,
        longitude: float | None = None,
        elevation: float | None = None,
    ) -> Done[None]:
        """Set the time of the home, and its place. Call this before the first app is added.

        Args:
            moment: For example ``"2026-03-29 01:55"``, in the home's time zone; or an aware datetime.
            tz: The home's time zone, such as ``"Europe/Vienna"``. None keeps the time zone; at first it is
                ``Europe/Amsterdam``.
            latitude: In degrees, north positive. None keeps the latitude; at first it is that of Amsterdam.
            longitude: In degrees, east positive. None keeps the longitude.
            elevation: In metres above sea level. None keeps the elevation.

        Raises:
            HomeTestError: The arguments are not valid, or the framework runs already.
        """
        zone = self._system.zone if tz is None else parse_zone(tz)
        parsed = parse_datetime(moment)
        now = parsed.replace(tzinfo=zone) if parsed.tzinfo is None else parsed.astimezone(zone)
        place = {"latitude": latitude, "longitude": longitude, "elevation": elevation}
        given = {key: parse_place(key, value) for key, value in place.items() if value is not None}
        return self._do(lambda: self._system.set_time(now, given))

    def advance(
        self,
        duration: timedelta = timedelta(),
        /,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> Done[None]:
        """Let time pass. All timers, jobs and pauses of this time happen, in order.

        Args:
            duration: The time that passes, in addition to the other arguments.
            days: Days of 24 hours.
            hours: Hours.
            minutes: Minutes.
            seconds: Seconds. A microsecond is the smallest unit.

        Raises:
            HomeTestError: An argument is not a duration, or the sum is negative.
        """
        if not isinstance(duration, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]  tests are not all checked
            raise HomeTestError(
                f"duration must have a unit, as in home.advance(minutes=5), or be a timedelta, got {duration!r}"
            )
        given = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
        passed = parse_duration(duration, given)
        return self._move(lambda: passed)

    def advance_to(self, moment: str | datetime | time) -> Done[None]:
        """Let time pass until a moment.

        Args:
            moment: Each moment that a schedule accepts, in the home's time zone: its next time. For example
                ``"07:00"``, ``"sunset - 00:30"``, ``"input_datetime.wake_up"`` or ``"2026-06-02 07:00"``.

        Raises:
            HomeTestError: The moment is not valid, has passed, or is unknown.
        """
        wanted = read_moment(moment)

        def remaining() -> timedelta:
            found = self._next_time(wanted)
            if found is None or (left := found - self._clock.now()) < timedelta():
                shown = f"{wanted:%Y-%m-%d %H:%M:%S}" if isinstance(wanted, datetime) else repr(moment)
                raise HomeTestError(f"moment must be in the future, got {shown}; now is {self.now}{reason()}")
            return left

        def reason() -> str:
            if isinstance(wanted, datetime):
                return ""
            why = wanted.unknown_reason(self._system.place, self._system.states)
            return f"; it is unknown: {why}" if why else ""

        return self._move(remaining)

    def _next_time(self, moment: Moment | datetime) -> datetime | None:
        if isinstance(moment, datetime):
            return moment.replace(tzinfo=self._system.zone) if moment.tzinfo is None else moment
        return moment.next_after(self._clock.now(), self._system.place, self._system.states)
