"""`AppTime`: the time of the home, ``self.time``."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, time, tzinfo

from hassette_core.app_component import AppComponent
from hassette_core.clock import TimerClock
from hassette_core.errors import MomentUnknownError
from hassette_core.handlers import Duration, seconds
from hassette_core.moments import sun
from hassette_core.moments.grammar import parse_moment
from hassette_core.moments.moment import NO_LOCATION, Moment, StateMap, SunTime
from hassette_core.moments.place import Place
from hassette_core.moments.window import parse_window
from hassette_core.unawaited import reports_unawaited


class AppSun:
    """The sun at the home, computed from the home's location as Home Assistant does: ``self.time.sun``.

    Until Home Assistant has reported the location of the home, each property raises a `MomentUnknownError`. When an app
    starts, the location is known.

    Args:
        clock: The clock of the framework.
        place: Returns the current time zone and location of the home.
    """

    def __init__(self, clock: TimerClock, place: Callable[[], Place]) -> None:
        self._clock = clock
        self._place = place

    @property
    def is_up(self) -> bool:
        """Whether the sun is up: after sunrise and before sunset."""
        return is_sun_up(self._clock.now(), self._place())

    @property
    def next_sunrise(self) -> datetime:
        """The next sunrise (aware, in the home's time zone). Beyond the polar circles, it may be months away."""
        return self._next(SunTime("sunrise"))

    @property
    def next_sunset(self) -> datetime:
        """The next sunset (aware, in the home's time zone). Beyond the polar circles, it may be months away."""
        return self._next(SunTime("sunset"))

    @property
    def elevation(self) -> float:
        """Height of the sun over the horizon, in degrees; negative while it is down."""
        return self._angles()[0]

    @property
    def azimuth(self) -> float:
        """Direction of the sun, in degrees: 0 is north, 90 is east."""
        return self._angles()[1]

    def _next(self, event: SunTime) -> datetime:
        place = self._place()
        found = event.next_after(self._clock.now(), place, {})
        if found is None:
            reason = event.unknown_reason(place, {}) or "there is none within a year"
            raise MomentUnknownError(f"the time of {event.describe()}", reason)
        return found.astimezone(place.zone)

    def _angles(self) -> tuple[float, float]:
        location = self._place().location
        if location is None:
            raise MomentUnknownError("the position of the sun", NO_LOCATION)
        return sun.angles(self._clock.now(), *location)


@reports_unawaited("time")
class AppTime(AppComponent, attribute="time"):
    """The time of the home: its clock, its time zone and its sun.

    All datetimes are aware and in the home's time zone, which may differ from the machine's. The time comes from the
    clock of the framework, so that a test can move it. Do not use `datetime.now` in an app.

    A moment is a string such as ``"07:00"``, ``"sunset - 00:30"`` or ``"input_datetime.wake_up"``, a `time` or a
    `datetime`. The page *Schedules and times* of the documentation has the whole grammar.

    Example:
        ::

            if self.time.is_between("22:00", "sunrise"):
                await self.api.call_service("light", "turn_on", target="light.hall", brightness_pct=10)

    Args:
        clock: The clock of the framework.
        place: Returns the current time zone and location of the home.
        states: The current states, for moments that an entity holds.
    """

    def __init__(self, clock: TimerClock, place: Callable[[], Place], states: StateMap) -> None:
        self._clock = clock
        self._place = place
        self._states = states
        self._sun = AppSun(clock, place)

    @property
    def sun(self) -> AppSun:
        """The sun at the home."""
        return self._sun

    @property
    def zone(self) -> tzinfo:
        """The time zone of the home."""
        return self._place().zone

    def now(self) -> datetime:
        """Return the current time (aware, in the home's time zone)."""
        return self._clock.now().astimezone(self.zone)

    async def sleep(self, duration: Duration) -> None:
        """Wait for some time, by the clock of the framework. In a test, the wait ends when the test moves the clock.

        Prefer ``self.scheduler.run_in`` for a wait of more than a few seconds: a wait ends when the app stops.

        Args:
            duration: Seconds or a timedelta, 0 or more.

        Raises:
            RegistrationError: The duration cannot work.
        """
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(seconds("duration", duration, zero=True), lambda: _end(ended))
        try:
            await ended
        finally:
            timer.cancel()

    def today(self) -> date:
        """Return the current local date."""
        return self.now().date()

    def parse(self, moment: str | time | datetime) -> datetime:
        """Return the time of a moment today, even if it has passed.

        Example:
            >>> self.time.parse("sunset - 00:30")
            datetime.datetime(2026, 6, 1, 20, 51, 3, tzinfo=ZoneInfo(key='Europe/Berlin'))

        Args:
            moment: The moment. Today is the day of its time of day or sunset, without the offset:
                ``parse("midnight - 00:30")`` is at 23:30 yesterday. A moment with a date, such as the time of a
                timestamp sensor, is returned as it is.

        Raises:
            MomentUnknownError: The moment is unknown, because its entity has no time or the location of the home is not
                known yet, or because the sun does not rise or set today.
            RegistrationError: The value is not a moment. The message names a form that works.
        """
        wanted = parse_moment(moment, option="moment")
        place = self._place()
        return self._known(wanted, wanted.on_day(self.today(), place, self._states), "the sun does not do this today")

    def next(self, moment: str | time | datetime) -> datetime:
        """Return the next time of a moment, after now.

        Example:
            >>> self.time.next("sunrise")
            datetime.datetime(2026, 6, 2, 4, 48, 40, tzinfo=ZoneInfo(key='Europe/Berlin'))

        Args:
            moment: The moment.

        Raises:
            MomentUnknownError: The moment is unknown, as for `parse`, or it has a date and has passed.
            RegistrationError: The value is not a moment.
        """
        wanted = parse_moment(moment, option="moment")
        found = wanted.next_after(self._clock.now(), self._place(), self._states)
        return self._known(wanted, found, "it has passed")

    def is_between(self, start: str | time | datetime, end: str | time | datetime) -> bool:
        """Return whether it is now ``start`` or later, and before ``end``.

        The window goes over midnight if the start is later in the day than the end, as in ``"22:00", "sunrise"``. For
        the exact rules, see `hassette_core.moments.Window`.

        Example:
            >>> self.time.is_between("sunset - 00:30", "23:00")
            True

        Raises:
            MomentUnknownError: A moment is unknown, as for `parse`.
            RegistrationError: A value is not a moment, or both are the same.
        """
        return parse_window(start, end).contains(self._clock.now(), self._place(), self._states)

    def _known(self, moment: Moment, found: datetime | None, otherwise: str) -> datetime:
        if found is None:
            reason = moment.unknown_reason(self._place(), self._states) or otherwise
            raise MomentUnknownError(f"the time of {moment.describe()}", reason)
        return found.astimezone(self.zone)


def _end(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)


def is_sun_up(moment: datetime, place: Place) -> bool:
    """Return whether the sun is up at a moment: after sunrise and before sunset.

    Raises:
        MomentUnknownError: The location is unknown.
    """
    if place.location is None:
        raise MomentUnknownError("the position of the sun", NO_LOCATION)
    return sun.is_up(moment, *place.location)
