"""`parse_moment`: read a moment that an app gives, such as ``"sunset - 00:30"``.

A moment is a base and an optional offset::

    07:00 · 07:00:30 · 7:30 PM · noon · midnight          a local time of day
    sunrise · sunset · dawn · dusk                        the sun
    2026-12-24 18:00 · 2026-12-24T18:00+01:00             a date and time
    input_datetime.wake_up · sensor.phone_next_alarm      the time that an entity holds
    … + 00:10 · … - 00:00:30 · … - 45 min                 the base with an offset
"""

import re
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from hassette_core.errors import RegistrationError
from hassette_core.moments.moment import DateTime, EntityTime, Moment, SunTime, TimeOfDay
from hassette_core.suggestions import did_you_mean

DOMAINS = ("input_datetime", "sensor", "time", "date", "datetime")
"""Domains whose entities can hold a time."""
EXAMPLES = "'07:00', 'sunset - 00:30' or 'input_datetime.wake_up'"
_WORDS: dict[str, TimeOfDay | SunTime] = {
    "noon": TimeOfDay(time(12)),
    "midnight": TimeOfDay(time(0)),
    "dawn": SunTime("dawn"),
    "sunrise": SunTime("sunrise"),
    "sunset": SunTime("sunset"),
    "dusk": SunTime("dusk"),
}
_BASE = re.compile(
    r"(?P<entity>[a-z][a-z0-9_]*\.[a-z0-9_]+)"
    r"|(?P<word>[a-z_]+)"
    r"|(?P<date>\d{4}-\d\d-\d\d)(?:[t ]\s*(?P<clock>\d?\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?P<zone>z|[+-]\d\d:?\d\d)?)?"
    r"|(?P<hour>\d?\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?)?\s*(?P<half>[ap]m)?"
)
_OFFSET = re.compile(r"\s*(?P<sign>[+-])\s*(?P<amount>.*)")
_CLOCK_AMOUNT = re.compile(r"(?P<hours>\d?\d):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d(?:\.\d{1,6})?))?")
LONGEST_OFFSET = timedelta(hours=100)
_UNITS = {"h": 3_600, "m": 60, "s": 1}
_UNIT_AMOUNT = re.compile(
    r"(?P<number>\d{1,6}(?:\.\d{1,6})?)\s*(?P<unit>h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?)(?=\s|\d|$)\s*"
)


def parse_moment(value: object, *, option: str = "at") -> Moment:
    """Return the moment that a value describes.

    White space, upper case and typographic dashes do not matter.

    Example:
        >>> parse_moment("Sunset-0:30").describe()
        '30 min before sunset'

    Args:
        value: A string of the grammar above, a `time`, or a `datetime`. A naive datetime is local time of the home.
        option: Name of the option, for the error message.

    Raises:
        RegistrationError: The value is not a moment. The message names a form that works.
    """
    if isinstance(value, str):
        return _parse_text(value, option)
    if isinstance(value, datetime):
        return DateTime(value)
    if isinstance(value, time):
        if value.tzinfo is not None:
            raise RegistrationError(f"{option} must be a local time without a time zone, got {value!r}")
        return TimeOfDay(value.replace(fold=0))
    hint = "; a date needs a time: use datetime.combine(…, time(7, 0))" if isinstance(value, date) else ""
    raise RegistrationError(f"{option} must be a moment, such as {EXAMPLES}, a time or a datetime, got {value!r}{hint}")


def _parse_text(value: str, option: str) -> Moment:
    text = re.sub(r"[−–—]", "-", value.strip().lower())
    found = _BASE.match(text)
    offset = None if found is None else _OFFSET.fullmatch(text, found.end())
    if found is None or (offset is None and found.end() < len(text)):
        raise _not_a_moment(option, value)
    base = _base(found, option, value)
    if offset is None:
        return base
    return replace(base, offset=_offset(offset["amount"], option, value) * (-1 if offset["sign"] == "-" else 1))


def _base(found: re.Match[str], option: str, value: str) -> TimeOfDay | SunTime | DateTime | EntityTime:
    if entity_id := found["entity"]:
        return EntityTime(_checked(entity_id, option, value))
    if word := found["word"]:
        if word in _WORDS:
            return _WORDS[word]
        hint = "; for a time from now, use run_in" if word == "now" else did_you_mean(word, _WORDS)
        raise _not_a_moment(option, value, hint)
    try:
        if found["date"]:
            return DateTime(_date(found))
        if found["minute"] or found["half"]:
            return TimeOfDay(_time(found))
    except ValueError as error:
        raise _not_a_moment(option, value, f" ({error})") from None
    raise _not_a_moment(option, value)


def _checked(entity_id: str, option: str, value: str) -> str:
    if entity_id.partition(".")[0] in DOMAINS:
        return entity_id
    hint = "; for sun.sun, write sunrise or sunset" if entity_id == "sun.sun" else ""
    raise RegistrationError(
        f"{option} must name an entity that holds a time, such as 'input_datetime.wake_up' or a timestamp sensor,"
        f" got {value!r}{hint}"
    )


def _date(found: re.Match[str]) -> datetime:
    if not found["clock"]:
        raise ValueError(f"a date needs a time, such as '{found['date']} 07:00'")
    hour, rest = found["clock"].split(":", 1)
    return datetime.fromisoformat(f"{found['date']}T{hour:0>2}:{rest}{found['zone'] or ''}".upper())


def _time(found: re.Match[str]) -> time:
    hour = int(found["hour"])
    if half := found["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(f"the hour before {half} must be 1 to 12")
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour == 24:
        raise ValueError("for the end of the day, write 'midnight'")
    return time(
        hour, int(found["minute"] or 0), int(found["second"] or 0), int((found["fraction"] or "").ljust(6, "0"))
    )


def _offset(amount: str, option: str, value: str) -> timedelta:
    if found := _CLOCK_AMOUNT.fullmatch(amount):
        return timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]), seconds=float(found["seconds"] or 0))
    total, position = timedelta(), 0
    while found := _UNIT_AMOUNT.match(amount, position):
        total += timedelta(seconds=float(found["number"]) * _UNITS[found["unit"][0]])
        position = found.end()
    if not position or position < len(amount) or total > LONGEST_OFFSET:
        raise RegistrationError(
            f"{option} must have an offset such as '00:30' (hours and minutes), '00:00:30' or '45 min', of at most"
            f" 100 hours, got {value!r}"
        )
    return total


def _not_a_moment(option: str, value: str, hint: str = "") -> RegistrationError:
    return RegistrationError(f"{option} must be a moment, such as {EXAMPLES}, got {value!r}{hint}")
