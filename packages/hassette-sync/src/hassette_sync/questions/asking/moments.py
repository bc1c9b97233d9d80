"""The moment in a question in words: split it off, and write it in a form that `AskedTime.parse` reads."""

import functools
import re
from datetime import date
from typing import Final

from hassette_sync.asked_time import NAMED_PARTS
from hassette_sync.time_range import WEEKDAYS
from hassette_sync.written_dates import WRITTEN_DATE, written_date

_WORDS_OF_NUMBERS: Final = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_NUMBERS: Final = {
    **{word: number for number, word in enumerate(_WORDS_OF_NUMBERS, 1)},
    **dict.fromkeys(("a", "an"), 1),
    **dict.fromkeys(("a couple of", "couple of"), 2),
    **dict.fromkeys(("a few", "few"), 3),
}
_NUMBER: Final = rf"(?:\d{{1,6}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_UNIT: Final = r"(?:s|m|h|d|w|(?:sec(?:ond)?|min(?:ute)?|hr|hour|day|week)s?)"
_CLOCK: Final = r"\d{1,2}:\d{2}(?::\d{2})?"
_DATE: Final = r"\d{4}-\d{2}-\d{2}"
_DAYS: Final = "|".join(("today", "yesterday", *WEEKDAYS))
_HALF: Final = r"(?:[ap]m\b|[ap]\.m\b\.?)"
# A number with a colon, or with am, pm or o'clock after it, is a time of day also without "at" before it.
_CLEAR_CLOCK: Final = (
    rf"(?:(?:{_CLOCK}|\d{{1,2}}(?:\.\d{{2}})?)\s*{_HALF}|{_CLOCK}(?:\s*uhr\b)?|"
    rf"\d{{1,2}}(?:\.\d{{2}})?\s*(?:h|o'?clock|uhr)\b|mid-?night\b|noon\b|mid-?day\b)"
)
_ANY_CLOCK: Final = rf"(?:{_CLEAR_CLOCK}|sun(?:set|rise)\b|\d{{1,2}}\.\d{{2}}(?![\d.])|\d{{1,2}}(?!\d))"
_AGO: Final = rf"(?:(?:{_NUMBER}|half\s+an)\s*{_UNIT}\s+ago)"
_LAST: Final = rf"(?:(?:(?:in|within|during|over|for)\s+)?(?:the\s+)?(?:last|past)\s+(?:{_NUMBER}\s*)?(?:{_UNIT})\b)"
_DAYS_AGO: Final = rf"(?:{_NUMBER}\s+(?:day|week)s?\s+ago|(?:the\s+)?day\s+before\s+yesterday)"
_IN_PART: Final = r"in\s+the\s+(?:morning|afternoon|evening)"
_SLASHED: Final = r"\d{1,2}/\d{1,2}/(?:\d{4}|\d\d)"
_IN_NIGHT: Final = (
    r"(?:(?:in|during|over|through(?:out)?)\s+the\s+night|over-?night|at\s+night|all\s+night(?:\s+long)?)"
)
_MOMENT: Final = (
    rf"(?:{_AGO}|{_DAYS_AGO}|{NAMED_PARTS}|{_LAST}|{_IN_NIGHT}|{_IN_PART}|{_DAYS}|{_SLASHED}|"
    rf"{_DATE}(?:[T ]{_CLOCK})?|{WRITTEN_DATE}|"
    rf"{_CLEAR_CLOCK}|sun(?:set|rise)|right\s+now|just\s+now|now)"
)
# The words around a time are English. Some German words (um, gegen, am, und, bis, uhr) are known, too, because Germans
# write dates such as 28.11. with them: "Flurlicht am 28.11. um 3:12 Uhr".
_AT: Final = r"(?:(?:\b(?:at|around|about|approximately|roughly|since|after|before|until|by|um|gegen)\s+|@\s*|~\s*)+)"
_ON_THE: Final = r"(?:\b(?:on|am)\s+(?:the\s+)?)"
_NAMED_DAY: Final = rf"{NAMED_PARTS}|{_DAYS_AGO}|{_DAYS}|{_DATE}|{WRITTEN_DATE}"
_DAY: Final = (
    rf"{_ON_THE}?(?:\blast\s+|\bthis\s+)?\b(?P<day>{_NAMED_DAY}|"
    r"in\s+the\s+(?:morning|afternoon|evening|night)|at\s+night)"
)
_BETWEEN: Final = (
    rf"(?:{_DAY},?\s+)?\b(?:between|from)\s+(?P<at>{_ANY_CLOCK})\s*(?:\b(?:and|to|till|until|und|bis)\b|-|–)\s*"
    rf"(?P<to>{_ANY_CLOCK})(?:,?\s+{_DAY.replace('<day>', '<day_after>')})?"
)
_DAY_AND_CLOCK: Final = rf"(?:{_NAMED_DAY})(?:,?\s+(?:at\s+)?{_ANY_CLOCK})?"
_CLAUSES: Final = (
    rf"\b(?:between|from)\s+(?P<at>{_DAY_AND_CLOCK})\s+(?:and|to|till|until)\s+(?P<to>{_DAY_AND_CLOCK})",
    _BETWEEN,
    rf"{_DAY},?\s+(?:{_AT})?(?P<at>{_ANY_CLOCK})",
    rf"(?:{_AT}|\b(?={_CLEAR_CLOCK}))(?P<at>{_ANY_CLOCK}),?\s+{_DAY}",
    rf"(?:{_AT}|{_ON_THE})?(?:\blast\s+(?=\w+day\b))?(?:(?:early|late|later|earlier)\s+)?(?P<at>{_MOMENT})",
    rf"(?:{_AT}|\bon\s+)(?P<at>\d{{1,2}}(?:\.\d{{2}})?)",
)
"""Spans, a time of day after a day, a time of day before a day, all other moments, and a number after *at*."""

_HOURS: Final = {word: number for number, word in enumerate(_WORDS_OF_NUMBERS, 1)}
_HOURS_IN_WORDS: Final = "|".join(_HOURS)
_PAST_OR_TO: Final = re.compile(
    rf"\b(?:a\s+)?(?P<part>half|quarter)\s+(?P<side>past|to)\s+(?P<hour>\d{{1,2}}|{_HOURS_IN_WORDS})\b", re.IGNORECASE
)
_AT_HOUR: Final = re.compile(rf"(?<=\bat )(?:{_HOURS_IN_WORDS})\b", re.IGNORECASE)
_VERB: Final = (
    r"(?:turn|turned|turning|go|goes|went|going|switch|switched|switching|stay|stayed|come|comes|came|coming)"
    r"(?:\s+back)?|is|was|are|were"
)
# "On" belongs to the verb in "turn on yesterday", and to the day in "on monday".
_VERB_BEFORE_ON: Final = re.compile(rf"\b(?:{_VERB})\s*$", re.IGNORECASE)
_ON: Final = re.compile(r"[\s,]*on\s", re.IGNORECASE)
_ON_DAY: Final = re.compile(
    rf"[\s,]*on\s+(?:the\s+)?(?:last\s+)?(?:\d|{'|'.join(WEEKDAYS)}|{WRITTEN_DATE})", re.IGNORECASE
)
_PARTS: Final = ("morning", "afternoon", "evening", "night")
_END_OF_A_LEAP_YEAR: Final = date(2024, 12, 31)
_UNITS: Final = {"sec": "s", "min": "m", "hr": "h", "hour": "h", "day": "d", "week": "w"}


def split_moment(text: str) -> tuple[str, str]:
    """Split the moment off a question.

    Args:
        text: The words, without a question mark.

    Returns:
        The other words, and the moment for `AskedTime.parse`; empty if there is none.
    """
    text = _in_digits(text)
    for pattern in _patterns():
        if (found := pattern.search(text)) is not None and _is_moment(found):
            before, after = text[: found.start()].rstrip(" ,"), text[found.end() :].lstrip(" ,")
            if _ON.match(found[0]) and (_VERB_BEFORE_ON.search(before) or not _ON_DAY.match(found[0])):
                before = f"{before} on"
            return f"{before} {after}".strip(), _written(found)
    return text, ""


@functools.cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """Return the patterns of a moment at the end of the words, and then of one elsewhere in them.

    They take some milliseconds to compile, which a command without words must not wait for.
    """
    elsewhere = (*_CLAUSES[:-1], rf"{_AT}(?P<at>\d{{1,2}}(?:\.\d{{2}})?)")
    return (
        *(re.compile(rf"(?:^|[\s,]+){clause}\s*$", re.IGNORECASE) for clause in _CLAUSES),
        *(re.compile(rf"(?:^|[\s,]+){clause}(?=[\s,])", re.IGNORECASE) for clause in elsewhere),
    )


def _in_digits(text: str) -> str:
    """Return the text with digits in place of words for a time, such as ``half past three`` and ``at seven``."""
    text = re.sub(r"\b(?:an|one)\s+hour\s+and\s+a\s+half\s+ago\b", "90m ago", text, flags=re.IGNORECASE)
    text = _PAST_OR_TO.sub(_from_words, text)
    return _AT_HOUR.sub(lambda found: str(_HOURS[found[0].lower()]), text)


def _from_words(found: re.Match[str]) -> str:
    hour = int(found["hour"]) if found["hour"].isdecimal() else _HOURS[found["hour"].lower()]
    if found["side"].lower() == "to":
        hour -= 1
    minute = 30 if found["part"].lower() == "half" else 15 if found["side"].lower() == "past" else 45
    return f"{hour % 24}:{minute}"


def is_since(text: str) -> bool:
    """Return whether a question asks about the time since a moment."""
    return re.search(r"\bsince\s+(?!when\b)\S", text, re.IGNORECASE) is not None


def _is_moment(found: re.Match[str]) -> bool:
    """Return whether numbers can be a time: "at 45" is no time of day, and 10.0.21 is no date."""
    if found["at"].isdecimal():
        return int(found["at"]) < 24
    text = found["at"].lower()
    return re.fullmatch(r"\d+\.\d+\.\d+", text) is None or written_date(text, _END_OF_A_LEAP_YEAR) is not None


def _written(found: re.Match[str]) -> str:
    groups = found.groupdict()
    if re.fullmatch(_DAY_AND_CLOCK, found["at"], re.IGNORECASE) and groups.get("to"):
        return f"{_part_of_span(found['at'])} to {_part_of_span(groups['to'])}"
    day = groups.get("day") or groups.get("day_after")
    start, end = found["at"], groups.get("to")
    if end is not None and (half := re.search(_HALF, end, re.IGNORECASE)) and re.fullmatch(r"[\d:.]+", start):
        start = f"{start} {_half_of_start(start, end, half[0])}"
    at = _moment(start) if day is None else _at_day(_moment(start), start, day)
    if end is None:
        return _open_span(found[0], at)
    last = _moment(end) if day is None else _at_day(_moment(end), end, day)
    return f"{at} to {re.split('[ T]', last)[-1]}"


def _half_of_start(start: str, end: str, half: str) -> str:
    """Return the half of the day in which a span starts: *between 11 and 1 pm* starts before noon."""
    first, last = (int(re.split(r"\D", text)[0]) % 12 for text in (start, end))
    is_other = first > last
    return ("am" if half[0].lower() == "p" else "pm") if is_other else half


def _part_of_span(text: str) -> str:
    return split_moment(text)[1]


def _open_span(words: str, at: str) -> str:
    """Return the span that *after* and *before* mean; otherwise the moment."""
    if re.match(r"[\s,]*(?:on\s+)?.*\bafter\b", words, re.IGNORECASE):
        return f"since {at}"
    if re.match(r"[\s,]*.*\b(?:before|until)\s+(?!yesterday)", words, re.IGNORECASE) and at[-3:-2] == ":":
        day = re.split("[ T]", at)[:-1]
        return " ".join((*day, "00:00 to", at[-5:]))
    return at


def _moment(text: str) -> str:
    """Return a text for `AskedTime.parse`."""
    text = re.sub(r"\s+", " ", text.strip().lower())
    if re.fullmatch(_IN_NIGHT, text):
        return "last night"
    if text.endswith("day before yesterday"):
        return "2 days ago"
    if re.fullmatch(_IN_PART, text):
        return f"this {text.split()[-1]}"
    if text in ("right now", "just now"):
        return "now"
    if text.startswith("half an h"):
        return "30m"
    if age := re.fullmatch(rf"({_NUMBER}) ?({_UNIT}) ago", text):
        number, unit = _number(age[1]), _unit(age[2])
        # "3 days ago" means the whole day, and "3 hours ago" means a moment.
        return f"{number * (7 if unit == 'w' else 1)} days ago" if unit in "dw" else f"{number}{unit}"
    if last := re.fullmatch(rf"(.*?)(?:last|past) (?:({_NUMBER}) ?)?({_UNIT})", text):
        if (text, last[2]) == ("last week", None):
            return text
        return f"last {_number(last[2] or 'one')}{_unit(last[3])}"
    if clock := re.fullmatch(
        r"(\d{1,2})((?:[:.]\d{2})*) ?(am|pm|a\.m\.?|p\.m\.?|h|o'?clock|uhr)?|mid-?(?:night|day)|noon", text
    ):
        if clock[1] is None:
            return "00:00" if "night" in text else "12:00"
        hour, half = int(clock[1]), (clock[3] or "")[:1]
        hour = hour % 12 + (12 if half == "p" else 0) if half in ("a", "p") else hour
        text = f"{hour:02d}{clock[2].replace('.', ':') or ':00'}"
    return text


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else _NUMBERS[text]


def _unit(text: str) -> str:
    return _UNITS.get(text, _UNITS.get(text.removesuffix("s"), text[:1]))


def _at_day(clock: str, written: str, day: str) -> str:
    """Return a time of day on a day, or in a part of it: at 7 in the evening is 19:00."""
    day = re.sub(r"\s+", " ", day.lower())
    day = {"tonight": "this night", "at night": "in the night"}.get(day, day)
    *days, part = day.split()
    if part not in _PARTS:
        return f"{day}T{clock}" if re.fullmatch(_DATE, day) else f"{_moment(day)} {clock}"
    name = {"last": "yesterday", "this": "today"}.get(days[0], days[0])
    if clock.startswith("sun"):
        return clock if name in ("in", "today") else f"{name} {clock}"
    hour = int(clock[:2])
    if hour <= 12 and re.fullmatch(r"[\d:.]+", written.strip()):
        hour = hour % 12 + (12 if part in ("afternoon", "evening") or (part == "night" and 6 <= hour < 12) else 0)
        hour = 12 if part in ("morning", "afternoon") and clock.startswith("12") else hour
    clock = f"{hour:02d}{clock[2:]}"
    if name == "in":
        return clock
    if part == "night" and hour < 12:  # a night ends on the next day
        name = WEEKDAYS[(WEEKDAYS.index(name) + 1) % 7] if name in WEEKDAYS else "today"
    return f"{name} {clock}"
