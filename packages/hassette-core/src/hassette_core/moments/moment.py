"""Moments: times of day, sunsets, dates, and times that an entity holds, each with an offset.

A moment has no state and reads no clock. The caller passes the place of the home and the states of the entities.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Literal, Protocol

from hassette_core.events import State
from hassette_core.handlers import describe_duration
from hassette_core.moments.place import Place
from hassette_core.moments.sun import DAWN_DEPRESSION, RISE_DEPRESSION, crossings, solar_day

StateMap = Mapping[str, State]
"""States by entity id."""
NO_STATES: StateMap = MappingProxyType({})
_DAY = timedelta(days=1)
MAX_DARK_DAYS = 400
"""Number of days in which to search for a sunrise or sunset. Near the poles, there may be none for months."""
SunEvent = Literal["dawn", "sunrise", "sunset", "dusk"]
NO_LOCATION = "Home Assistant has not reported the location of the home yet"
_FIRST_YEAR, _LAST_YEAR = 1900, 9000
_NO_VALUE = ("unavailable", "unknown", "")


class Moment(Protocol):
    """A time that may come again, such as 07:00 or half an hour before sunset.

    The *day* of a moment is the local day of its time of day, sunset or date. The offset may move the moment to another
    day: ``midnight - 00:30`` of a Monday is at 23:30 on Sunday. A moment with a date has only one day.
    """

    @property
    def offset(self) -> timedelta:
        """Elapsed time that is added to the time of day, sunset or date."""
        ...

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        """Return the first time (UTC) after a moment.

        Return None if there is none, or if the place or the entity that the moment needs is unknown.
        """
        ...

    def on_day(self, day: date, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        """Return the time (UTC) on a local day. A moment with a date returns the same time for every day.

        Return None if there is none on this day, or if the place or the entity that the moment needs is unknown.
        """
        ...

    def resolve(self, states: StateMap) -> "TimeOfDay | SunTime | DateTime | None":
        """Return the moment that an entity holds; None while it has no value. Other moments return themselves."""
        ...

    def describe(self) -> str:
        """Return the moment as a string: ``07:00``, ``30 min before sunset``."""
        ...

    def entities(self) -> tuple[str, ...]:
        """Return the entities whose states decide about the time."""
        ...

    def unknown_reason(self, place: Place, states: StateMap) -> str | None:
        """Return the reason why the time is unknown at present; None if it is known."""
        ...


def _described(base: str, offset: timedelta) -> str:
    offset_s = offset.total_seconds()
    if not offset_s:
        return base
    return f"{describe_duration(abs(offset_s))} {'before' if offset_s < 0 else 'after'} {base}"


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A local time of day, on every day.

    Attributes:
        at: The local time (naive). If clocks skip it, because daylight saving time begins, the moment is the first
            minute after the skipped time. If clocks show it twice, the moment is the first of the two.
        offset: Elapsed time after it; negative for a moment before it.
    """

    at: time
    offset: timedelta = timedelta()

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime:
        day = place.day_of(moment - self.offset) - _DAY
        while (found := self.on_day(day, place, states)) <= moment:
            day += _DAY
        return found

    def on_day(self, day: date, place: Place, states: StateMap = NO_STATES) -> datetime:
        return place.at(day, self.at) + self.offset

    def resolve(self, states: StateMap) -> "TimeOfDay":
        return self

    def describe(self) -> str:
        return _described(
            f"{self.at:%H:%M:%S}" if self.at.second or self.at.microsecond else f"{self.at:%H:%M}", self.offset
        )

    def entities(self) -> tuple[str, ...]:
        return ()

    def unknown_reason(self, place: Place, states: StateMap) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class SunTime:
    """Dawn, sunrise, sunset or dusk, at most once on every local day.

    At high latitudes, the sun may set shortly after midnight and again shortly before the next midnight. The moment is
    then the first sunset of the day.

    Attributes:
        event: The event. Dawn and dusk are those of civil twilight, as in Home Assistant.
        offset: Elapsed time after it; negative for a moment before it.
    """

    event: SunEvent
    offset: timedelta = timedelta()

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        if place.location is None:
            return None
        last_day = None
        # Begin two days early. Only the previous event shows whether an event is the first event of its day.
        since = moment - self.offset - 2 * _DAY
        for crossing in crossings(since, *place.location, self._depression):
            if crossing.at - since > MAX_DARK_DAYS * _DAY:
                return None
            if crossing.rising != self._rising:
                continue
            day = place.day_of(crossing.at)
            if day != last_day and crossing.at + self.offset > moment:
                return crossing.at + self.offset
            last_day = day
        return None

    def on_day(self, day: date, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        if place.location is None:
            return None
        begin, end = place.at(day, time()), place.at(day + _DAY, time())
        start = begin - timedelta(microseconds=1)
        for crossing in crossings(start, *place.location, self._depression):
            if crossing.at >= end:
                return None
            if crossing.rising == self._rising:
                return crossing.at + self.offset
        return None

    def of_solar_day(self, day: date, place: Place) -> datetime | None:
        """Return the time in the solar day around the noon of a local day; None if the location is unknown.

        In contrast to `on_day`, the time may be on the next or previous local day, and there is always a time: see
        `hassette_core.moments.sun.SolarDay`.
        """
        if place.location is None:
            return None
        found = solar_day(place.at(day, time(12)), *place.location, self._depression)
        return (found.rise if self._rising else found.set) + self.offset

    def day_of(self, found: datetime, place: Place) -> date:
        """Return the local day to which a time of this moment belongs."""
        return place.day_of(found - self.offset)

    def resolve(self, states: StateMap) -> "SunTime":
        return self

    def describe(self) -> str:
        return _described(self.event, self.offset)

    def entities(self) -> tuple[str, ...]:
        return ()

    def unknown_reason(self, place: Place, states: StateMap) -> str | None:
        return None if place.location else NO_LOCATION

    @property
    def _rising(self) -> bool:
        return self.event in ("dawn", "sunrise")

    @property
    def _depression(self) -> float:
        return DAWN_DEPRESSION if self.event in ("dawn", "dusk") else RISE_DEPRESSION


@dataclass(frozen=True, slots=True)
class DateTime:
    """A date and time, which comes only once.

    Attributes:
        at: The time. A naive datetime is local time of the home.
        offset: Elapsed time after it; negative for a moment before it.
    """

    at: datetime
    offset: timedelta = timedelta()

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        found = self.moment(place)
        return found if found is not None and found > moment else None

    def on_day(self, day: date, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        return self.moment(place)

    def moment(self, place: Place) -> datetime | None:
        """Return the time (UTC); None if it is near the end of the calendar."""
        if not _FIRST_YEAR <= self.at.year <= _LAST_YEAR:
            return None  # the conversion to UTC could leave the range of datetime
        return (place.moment(self.at) if self.at.tzinfo is None else self.at.astimezone(UTC)) + self.offset

    def resolve(self, states: StateMap) -> "DateTime":
        return self

    def describe(self) -> str:
        return _described(f"{self.at:%Y-%m-%d %H:%M:%S %Z}".rstrip(), self.offset)

    def entities(self) -> tuple[str, ...]:
        return ()

    def unknown_reason(self, place: Place, states: StateMap) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class EntityTime:
    """The time that an entity holds: a time of day, a date, or a date and time.

    A time of day comes on every day. A date means the start of that day. A moment with a date comes only once.

    Attributes:
        entity_id: For example ``input_datetime.wake_up`` or ``sensor.phone_next_alarm``.
        offset: Elapsed time after it; negative for a moment before it.
    """

    entity_id: str
    offset: timedelta = timedelta()

    def next_after(self, moment: datetime, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        held = self.resolve(states)
        return None if held is None else held.next_after(moment, place, states)

    def on_day(self, day: date, place: Place, states: StateMap = NO_STATES) -> datetime | None:
        held = self.resolve(states)
        return None if held is None else held.on_day(day, place, states)

    def resolve(self, states: StateMap) -> TimeOfDay | DateTime | None:
        state = states.get(self.entity_id)
        held = None if state is None else read_time(state.state)
        return None if held is None else replace(held, offset=self.offset)

    def describe(self) -> str:
        return _described(self.entity_id, self.offset)

    def entities(self) -> tuple[str, ...]:
        return (self.entity_id,)

    def unknown_reason(self, place: Place, states: StateMap) -> str | None:
        state = states.get(self.entity_id)
        if state is None:
            return f"Home Assistant has no entity {self.entity_id!r}"
        if read_time(state.state) is not None:
            return None
        return f"the state of {self.entity_id} is {state.state!r}"

    def is_no_time(self, states: StateMap) -> bool:
        """Return whether the entity has a value that is not a time, so that the moment can never come."""
        state = states.get(self.entity_id)
        return state is not None and state.state not in _NO_VALUE and read_time(state.state) is None


# Python 3.14 reads 24:00 as 00:00. Home Assistant and older versions of Python refuse it.
_TIME = re.compile(r"(?!24)\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ](?!24)\S.*)?")


def read_time(text: str) -> TimeOfDay | DateTime | None:
    """Return the moment that a string in Home Assistant's form describes; None if it is no such string.

    Example:
        >>> read_time("07:00:00").describe()
        '07:00'
    """
    try:
        if _TIME.fullmatch(text):
            return TimeOfDay(time.fromisoformat(text if text[2] == ":" else f"0{text}"))
        if _DATE.fullmatch(text):
            return DateTime(datetime.fromisoformat(text))
    except ValueError:  # for example 25:00 or 2026-02-30
        pass
    return None
