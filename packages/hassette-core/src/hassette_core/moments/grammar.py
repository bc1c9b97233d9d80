"""`parse_moment`: read a moment that an app gives, such as ``"sunset - 00:30"``.

A moment is a base. A named time or an entity may have an offset::

    07:00 · 07:00:30 · 7:30 PM                            a local time of day
    sunrise · sunset · dawn · dusk · noon · midnight      a named time
    2026-12-24 18:00 · 2026-12-24T18:00+01:00             a date and time
    input_datetime.wake_up · sensor.phone_next_alarm      the time that an entity holds
    … + 00:10 · … - 00:00:30 · … - 45 min                 a named time or an entity with an offset

A time in digits has no offset. Otherwise ``07:00-08:00``, which looks like a time window, would be a time at 23:00.
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
    r"|(?P<date>\d{4}-\d\d-\d\d)(?:[t ] ?(?P<clock>\d?\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?P<zone>z|[+-]\d\d:?\d\d)?)?"
    r"|(?P<hour>\d?\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?)? ?(?P<half>[ap]m)?",
    re.ASCII,
)
_OFFSET = re.compile(r" ?(?P<sign>[+-]) ?(?P<amount>.*)", re.ASCII)
_CLOCK_AMOUNT = re.compile(r"(?P<hours>\d?\d):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d(?:\.\d{1,6})?))?", re.ASCII)
_NOON, _MIDNIGHT = timedelta(hours=12), timedelta(hours=24)
"""``sunset - 23:00`` can also be the window from sunset to 23:00. So an offset from 12:00 to 24:00 that is subtracted
needs a unit. A shorter one, such as ``sunset - 08:00``, is an offset."""
LONGEST_OFFSET = timedelta(hours=100)
_UNITS = {"h": 3_600, "m": 60, "s": 1}
_UNIT_AMOUNT = re.compile(
    r"(?P<number>\d{1,6}(?:\.\d{1,6})?) ?(?P<unit>h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?)(?=\s|\d|$) ?",
    re.ASCII,
)
_DASHES = re.compile("[\N{HYPHEN}-\N{HORIZONTAL BAR}\N{MINUS SIGN}\N{SMALL HYPHEN-MINUS}\N{FULLWIDTH HYPHEN-MINUS}]")
_BETWEEN = re.compile(r" ?(?:-|\.{2,}|…|[/,;]|\b(?:to|until|till|and)\b) ?")
"""The signs and words between the start and the end of a window."""
_DIGITS = re.compile(r"\d?\d(:\d\d)*", re.ASCII)
_EAST, _WEST = timedelta(hours=14), timedelta(hours=-12)
"""The time zones of the earth."""


def parse_moment(value: object, *, option: str = "at") -> Moment:
    """Return the moment that a value describes.

    Spaces, upper case and typographic dashes do not matter.

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
    hint = ""
    if isinstance(value, date):
        hint = "; a date needs a time: use datetime.combine(…, time(7, 0))"
    elif isinstance(value, timedelta):
        hint = "; for a time from now, use run_in"
    elif isinstance(value, tuple | list):
        hint = "; for a time window, use where=between(…, …)"
    raise RegistrationError(f"{option} must be a moment, such as {EXAMPLES}, a time or a datetime, got {value!r}{hint}")


class _MomentError(ValueError):
    """A text is not a moment. The message is the end of a sentence that begins with the name of the option."""


def _parse_text(value: str, option: str) -> Moment:
    text = _DASHES.sub("-", " ".join(value.lower().split()))
    try:
        return _moment(text, value)
    except _MomentError as problem:
        window = _window_in(text, value)
        raise RegistrationError(f"{option} must {window or problem}") from None


def _moment(text: str, value: str) -> Moment:
    found = _BASE.match(text)
    offset = None if found is None else _OFFSET.fullmatch(text, found.end())
    if found is None or (offset is None and found.end() < len(text)):
        raise _not_a_moment(value)
    base = _base(found, value)
    if offset is None:
        return base
    if not (found["entity"] or found["word"]):
        raise _MomentError(
            f"be a time without an offset, such as '06:30', got {value!r}; only a named time or an entity has an"
            " offset, such as 'sunset - 00:30'"
        )
    return replace(base, offset=_offset(offset["sign"], offset["amount"], value))


def _window_in(text: str, value: str) -> str:
    """Return the problem if a text is a time window, such as ``07:00-08:00``. Otherwise return an empty text."""
    for found in _BETWEEN.finditer(text):
        parts = [text[: found.start()], text[found.end() :]]
        if all(_DIGITS.fullmatch(part) for part in parts):  # such as 7-8, or 00:00-24:00
            parts = [_time_text(part) for part in parts]
        try:
            base, _ = (_moment(part, part) for part in parts)
        except _MomentError:
            continue
        start, end = parts
        long = isinstance(base, SunTime | EntityTime) and "-" in found[0] and _CLOCK_AMOUNT.fullmatch(end)
        hint = f"; for an offset, write a unit, such as '{start} - 23 h'" if long else ""
        return f"be one moment, got the window {value!r}; for a window, use where=between({start!r}, {end!r}){hint}"
    return ""


def _time_text(digits: str) -> str:
    return "midnight" if digits in ("24", "24:00") else digits if ":" in digits else f"{digits}:00"


def _base(found: re.Match[str], value: str) -> TimeOfDay | SunTime | DateTime | EntityTime:
    if entity_id := found["entity"]:
        return EntityTime(_checked(entity_id, value))
    if word := found["word"]:
        if word in _WORDS:
            return _WORDS[word]
        hint = "; for a time from now, use run_in" if word == "now" else did_you_mean(word, _WORDS)
        raise _not_a_moment(value, hint)
    try:
        if found["date"]:
            return DateTime(_date(found))
        if found["minute"] or found["half"]:
            return TimeOfDay(_time(found))
    except ValueError as error:
        raise _not_a_moment(value, f" ({error})") from None
    raise _not_a_moment(value)


def _checked(entity_id: str, value: str) -> str:
    if entity_id.partition(".")[0] in DOMAINS:
        return entity_id
    hint = "; for sun.sun, write sunrise or sunset" if entity_id == "sun.sun" else ""
    raise _MomentError(
        f"name an entity that holds a time, such as 'input_datetime.wake_up' or a timestamp sensor, got {value!r}{hint}"
    )


def _date(found: re.Match[str]) -> datetime:
    if not found["clock"]:
        raise ValueError(f"a date needs a time, such as '{found['date']} 07:00'")
    hour, rest = found["clock"].split(":", 1)
    if int(hour) > 23:  # Python 3.14 reads 24:00 as the next day
        raise ValueError("hour must be in 0..23")
    at = datetime.fromisoformat(f"{found['date']}T{hour:0>2}:{rest}{found['zone'] or ''}".upper())
    if not _WEST <= (at.utcoffset() or timedelta()) <= _EAST:
        raise ValueError("the time zone must be from -12:00 to +14:00")
    return at


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


def _offset(sign: str, amount: str, value: str) -> timedelta:
    total, position = timedelta(), 0
    if found := _CLOCK_AMOUNT.fullmatch(amount):
        total = timedelta(
            hours=int(found["hours"]), minutes=int(found["minutes"]), seconds=float(found["seconds"] or 0)
        )
        position = -1 if sign == "-" and _NOON <= total <= _MIDNIGHT else len(amount)
    else:
        while found := _UNIT_AMOUNT.match(amount, position):
            total += timedelta(seconds=float(found["number"]) * _UNITS[found["unit"][0]])
            position = found.end()
    if not position or position < len(amount) or total > LONGEST_OFFSET:
        raise _MomentError(
            "have an offset such as '00:30' (hours and minutes), '00:00:30' or '45 min', of at most 100 hours,"
            f" got {value!r}"
        )
    return -total if sign == "-" else total


def _not_a_moment(value: str, hint: str = "") -> _MomentError:
    return _MomentError(f"be a moment, such as {EXAMPLES}, got {value!r}{hint}")
