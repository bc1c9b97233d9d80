"""`VirtualTime`: the time and the place of the home under test, which only the test changes."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hassette_core.testing.errors import HomeTestError
from hassette_core.testing.home_thread import Done
from hassette_core.testing.parsing import parse_datetime, parse_place, parse_time, parse_zone
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

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> Done[None]:
        """Let time pass. All timers, jobs and pauses of this time happen, in order.

        Args:
            days: Days of 24 hours.
            hours: Hours.
            minutes: Minutes.
            seconds: Seconds. A microsecond is the smallest unit.

        Raises:
            HomeTestError: The sum is negative.
        """
        passed = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if passed < timedelta():
            raise HomeTestError(f"the time must move forward, got {passed.total_seconds():g} s")
        return self._move(lambda: passed)

    def advance_to(self, moment: str | datetime | time) -> Done[None]:
        """Let time pass until a moment.

        Args:
            moment: A time of day in the home's time zone, such as ``"07:00"``: its next occurrence. Or a date with a
                time, such as ``"2026-06-02 07:00"``.

        Raises:
            HomeTestError: The moment is not valid, or has passed.
        """
        if isinstance(moment, str) and (found := parse_time(moment)) is not None:
            moment = found
        if isinstance(moment, time):
            return self._move(lambda: self._until_time(moment))
        parsed = parse_datetime(moment)
        target = parsed.replace(tzinfo=self._system.zone) if parsed.tzinfo is None else parsed

        def remaining() -> timedelta:
            left = target - self._clock.now()
            if left < timedelta():
                raise HomeTestError(f"moment must be in the future, got {target:%Y-%m-%d %H:%M:%S}; now is {self.now}")
            return left

        return self._move(remaining)

    def _until_time(self, of_day: time) -> timedelta:
        now = self._clock.now()
        day = self.now.date()
        while (left := self._at(day, of_day) - now) <= timedelta():
            day += timedelta(days=1)
        return left

    def _at(self, day: date, of_day: time) -> datetime:
        # Through UTC: a time in the hour that a change to summer time leaves out means the time after the change.
        return datetime.combine(day, of_day, self._system.zone).astimezone(UTC)
