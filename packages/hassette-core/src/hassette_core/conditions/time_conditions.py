"""Conditions on the time and the sun: `between`, `on_days`, `sun_is_up`, `sun_is_down`."""

from collections.abc import Collection
from datetime import datetime, time

from hassette_core.conditions.condition import Condition
from hassette_core.conditions.view import ConditionView
from hassette_core.errors import MomentUnknownError, RegistrationError
from hassette_core.moments import Days, Window, is_sun_up, parse_days, parse_window

NO_PLACE = "the location of the home is unknown"


class WindowCondition(Condition):
    """The condition that the time is in a window. It does not hold while the window is unknown.

    Args:
        window: The time window.
    """

    def __init__(self, window: Window) -> None:
        self._window = window

    def holds(self, view: ConditionView) -> bool:
        try:
            return view.place is not None and self._window.contains(view.now, view.place, view.states)
        except MomentUnknownError:
            return False

    def describe(self) -> str:
        return f"it is {self._window.describe()}"

    def observe(self, view: ConditionView) -> str:
        if view.place is None:
            return NO_PLACE
        try:
            self._window.contains(view.now, view.place, view.states)
        except MomentUnknownError as error:
            return str(error)
        return f"it was {view.now.astimezone(view.place.zone):%a %H:%M:%S}"

    @property
    def reads(self) -> tuple[str, ...]:
        """The entities that hold the times of the window."""
        return self._window.entities()


class DaysCondition(Condition):
    """The condition that the local day is one of several days of the week.

    Args:
        days: The days; None for every day.
    """

    def __init__(self, days: Days | None) -> None:
        self._days = days

    def holds(self, view: ConditionView) -> bool:
        return view.place is not None and (self._days is None or view.place.day_of(view.now) in self._days)

    def describe(self) -> str:
        return f"it is {'any day' if self._days is None else self._days.describe()}"

    def observe(self, view: ConditionView) -> str:
        return NO_PLACE if view.place is None else f"it was {view.now.astimezone(view.place.zone):%A}"


class SunCondition(Condition):
    """The condition that the sun is up, or that it is down. It does not hold while the location is unknown.

    Args:
        up: True for the time between sunrise and sunset.
    """

    def __init__(self, *, up: bool) -> None:
        self._up = up

    def holds(self, view: ConditionView) -> bool:
        try:
            return view.place is not None and is_sun_up(view.now, view.place) is self._up
        except MomentUnknownError:
            return False

    def describe(self) -> str:
        return "the sun is up" if self._up else "the sun is down"

    def observe(self, view: ConditionView) -> str:
        if view.place is None or view.place.location is None:
            return NO_PLACE
        return f"it was {'up' if is_sun_up(view.now, view.place) else 'down'}"


def between(
    start: str | time | datetime, end: str | time | datetime, *, days: str | Collection[str] | None = None
) -> Condition:
    """Return the condition that the time is in a window. The window contains its start, but not its end.

    While a moment is unknown, for example because ``input_datetime.wake_up`` is unavailable, the condition does not
    hold. For the exact rules of a window, see `hassette_core.moments.Window`.

    Example:
        ::

            between("22:00", "06:30")
            between("sunset - 00:30", "23:00", days="mon-fri")
            between("input_datetime.quiet_from", "input_datetime.quiet_until")

    Args:
        start: A moment, such as ``07:00``, ``sunrise + 00:10`` or the id of an entity that holds a time.
        end: A moment. A window whose end is earlier in the day than its start goes over midnight.
        days: The days of the week on which the window may begin, such as ``"mon-fri"`` or ``"sat,sun"``; None for every
            day. The hours after midnight belong to the day before.

    Raises:
        RegistrationError: A moment cannot be read, or both moments are the same. The message explains how to fix it.
    """
    return WindowCondition(parse_window(start, end, days=days))


def on_days(days: str | Collection[str]) -> Condition:
    """Return the condition that the local day is one of several days of the week.

    Example:
        ::

            on_days("mon-fri")
            ~on_days("weekend") & between("06:00", "08:00")

    Args:
        days: Days of the week, such as ``"mon-fri"``, ``"sat,sun"``, ``"weekend"`` or ``["monday", "friday"]``.

    Raises:
        RegistrationError: The days cannot be read. The message names a form that works.
    """
    if not days:
        raise RegistrationError(f"days must be days of the week, such as 'mon-fri' or 'sat,sun', got {days!r}")
    return DaysCondition(parse_days(days))


def sun_is_up() -> Condition:
    """Return the condition that the sun is up: after sunrise and before sunset, as in Home Assistant's ``sun.sun``."""
    return SunCondition(up=True)


def sun_is_down() -> Condition:
    """Return the condition that the sun is down: after sunset and before sunrise."""
    return SunCondition(up=False)
