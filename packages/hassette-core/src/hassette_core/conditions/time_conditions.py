"""Conditions on the time and the sun: `between`, `sun_is_up`, `sun_is_down`."""

from collections.abc import Collection
from datetime import UTC, datetime, time

from hassette_core.conditions.condition import Condition
from hassette_core.conditions.view import ConditionView
from hassette_core.moments import Place, Window, is_sun_up, parse_window


class TimeCondition(Condition):
    """Holds within a time window.

    Args:
        window: The window.
    """

    def __init__(self, window: Window) -> None:
        self._window = window

    def holds(self, view: ConditionView) -> bool:
        """Return whether it is now in the window.

        Raises:
            MomentUnknownError: The location, or the time that an entity holds, is unknown at present.
        """
        return self._window.contains(view.now, _place_of(view), view.states)

    def describe(self) -> str:
        return f"it is {self._window.describe()}"

    def observe(self, view: ConditionView) -> str:
        return f"it was {view.now.astimezone(_place_of(view).zone):%a %H:%M:%S}"


class SunCondition(Condition):
    """Holds while the sun is up.

    Args:
        up: False for a condition that holds while the sun is down.
    """

    def __init__(self, up: bool) -> None:
        self._up = up

    def holds(self, view: ConditionView) -> bool:
        """Return whether the sun is up, or down.

        Raises:
            MomentUnknownError: The location of the home is unknown.
        """
        return is_sun_up(view.now, _place_of(view)) is self._up

    def describe(self) -> str:
        return f"the sun is {'up' if self._up else 'down'}"


def between(
    start: str | time | datetime, end: str | time | datetime, *, days: str | Collection[str] | None = None
) -> Condition:
    """Return a condition that holds from one moment to another, on every day or on some days of the week.

    The window contains its start, but not its end. It goes over midnight if the start is later in the day than the end.
    For the exact rules, see `hassette_core.moments.Window`. If the time of a moment is unknown, for example because
    ``input_datetime.wake_up`` is unavailable, the trigger is counted as ``predicate_failed``.

    Example:
        Only at night, and only before a working day::

            where=between("22:00", "sunrise", days="sun-thu")

    Args:
        start: A moment, such as ``"22:00"``, ``"sunset - 00:30"`` or ``"input_datetime.bed_time"``.
        end: A moment.
        days: The days of the week on which the window may begin, such as ``"mon-fri"`` or ``"sat,sun"``. The hours
            after midnight belong to the day before.

    Raises:
        RegistrationError: A moment or a day cannot be read, or both moments are the same.
    """
    return TimeCondition(parse_window(start, end, days=days))


def sun_is_up() -> Condition:
    """Return a condition that holds from sunrise to sunset.

    The sun is computed from the home's location. While the location is unknown, the trigger is counted as
    ``predicate_failed``. When an app starts, the location is known.
    """
    return SunCondition(up=True)


def sun_is_down() -> Condition:
    """Return a condition that holds from sunset to sunrise. As for `sun_is_up`, it needs the home's location."""
    return SunCondition(up=False)


def _place_of(view: ConditionView) -> Place:
    return Place(zone=UTC) if view.place is None else view.place
