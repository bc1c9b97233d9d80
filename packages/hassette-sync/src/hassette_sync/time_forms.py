"""The forms of a time in words: a table of patterns, each with what it means."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Final, Literal, NamedTuple

from hassette_sync.time_range import WEEKDAYS
from hassette_sync.unread_times import TWO_CLOCKS, UNREAD, UNREAD_OUTSIDE_SPANS
from hassette_sync.written_dates import MONTH, MONTHS, WRITTEN_DATE, month_name, written_date

PARTS: Final = ("morning", "afternoon", "evening", "night")
SUN: Final = {"sunset": "sunset", "sundown": "sunset", "sunrise": "sunrise", "sunup": "sunrise"}
"""Words for the events of the sun, with the one of them that is looked up."""

_TO_TWENTY: Final = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_TENS: Final = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
_NUMBERS: Final = {
    **{word: number for number, word in enumerate(_TO_TWENTY, 1)},
    **_TENS,
    **{
        f"{ten}{between}{one}": tens + number
        for (ten, tens), (number, one), between in product(_TENS.items(), enumerate(_TO_TWENTY[:9], 1), "- ")
    },
    **dict.fromkeys(("a", "an"), 1),
    **dict.fromkeys(("a couple of", "couple of"), 2),
    **dict.fromkeys(("a few", "few"), 3),
}
_WORDS: Final = "|".join(sorted(_NUMBERS, key=len, reverse=True))
NUMBER: Final = rf"(?:\d{{1,6}}|(?:{_WORDS})\b)"
"""Regular expression of a number in digits or words."""

_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_UNITS: Final = {"sec": "s", "min": "m", "hr": "h", "hour": "h", "day": "d", "week": "w"}
UNIT: Final = r"(?:s|m|h|d|w|(?:sec(?:ond)?|min(?:ute)?|hr|hour|day|week)s?)"
"""Regular expression of a unit of time."""

_AFTER_A_DAY: Final = r"(?:at|around|about|between|from|since|after|before|until|till|to|and|in|um|\d)"
_MOST_DAYS: Final = 31
_HOUR: Final = "|".join(_TO_TWENTY[:12])
_PART: Final = "|".join(PARTS)
_WEEKDAY: Final = rf"(?P<weekday>{'|'.join(WEEKDAYS)}|mon|tues?|wed|thu(?:rs?)?|fri|sat)"
_HALF: Final = r"(?P<half>[ap])(?:m|\.m\.?)"
_MINUTES: Final = rf"(?:a\s+)?(?P<part>half|quarter|(?:{_WORDS})(?=\s)|\d{{1,2}}(?=\s+(?:min|past)))"
_HOUR_OF_MINUTES: Final = rf"(?P<hour>\d{{1,2}}|{_HOUR}|mid-?night|noon|mid-?day)(?:\s*{_HALF}|\s+o['’]?clock)?"
_TWELVE: Final = r"(?:(?:12(?::00)?|twelve)(?:\s+o['’]?clock)?\s+)?"
_MINUTES_BEFORE: Final = r"(?:\s+min(?:ute)?s?|(?<=five)|(?<=ten)|(?<=twenty))"  # "seven to eight" is a span


class TimePoint(NamedTuple):
    """A day, a part of it, a time of day, or these together.

    Attributes:
        day: Day in the form of `AskedTime.parse`; empty without one.
        part: ``morning``, ``afternoon``, ``evening`` or ``night``; empty without one.
        clock: Time of day, ``sunset`` or ``sunrise``; empty without one.
        half: ``a`` or ``p`` for a time with am or pm, ``24`` for a clear time without; empty for a number such as 7.
        whole: Another time that is complete, such as ``last week`` or ``3h``; empty if it is a day or time of day.
    """

    day: str = ""
    part: str = ""
    clock: str = ""
    half: str = ""
    whole: str = ""

    def __str__(self) -> str:
        """Return the text for `AskedTime.parse`."""
        if self.whole:
            return self.whole
        if not self.clock:
            return self._day_and_part()
        if self.part:
            return str(self.without_part())
        is_iso = re.fullmatch(r"[0-9-]{10}", self.day) is not None and self.clock not in SUN
        return f"{self.day}{'T' if is_iso else ' '}{self.clock}".strip()

    def without_part(self) -> "TimePoint":
        """Return the same time of day without a part of the day: 22:00 for 10 in the evening."""
        if not self.part or not self.clock:
            return self
        day = self.named_day
        if self.clock in SUN:
            return TimePoint("" if day == "today" else day, clock=self.clock, half=self.half)
        hour = int(self.clock[:2])
        if hour <= 12 and self.half not in ("a", "p"):
            hour = hour % 12 + (12 if self._is_after_noon(hour) else 0)
        ends_next_day = (self.part == "night" and hour < 12) or (self.part == "evening" and hour < 6)
        if ends_next_day and day != "today":
            day = moved_day(day, 1)
        return TimePoint(day, clock=f"{hour:02d}{self.clock[2:]}", half="24")

    @property
    def named_day(self) -> str:
        """The day, which is *yesterday* for the part of the day in *last night*."""
        return {"last": "yesterday", "this": "today", "tonight": "today"}.get(self.day, self.day)

    def _is_after_noon(self, hour: int) -> bool:
        """Return whether an hour of a clock with 12 hours is after noon: the nearest one to the part of the day."""
        if self.part == "morning":
            return hour == 12
        if self.part == "afternoon":
            return hour not in (10, 11)
        return (6 if self.part == "night" else 3) <= hour < 12

    def _day_and_part(self) -> str:
        if not self.part or self.day == "tonight":
            return self.day
        if self.part == "night":
            return "last night" if self.day in ("", "last") else f"{self.day} night"
        day = {"": "this", "last": "yesterday", "today": "this"}.get(self.day, self.day)
        return f"{day} {self.part}"


def moved_day(day: str, days: int) -> str:
    """Return the day before (-1) or after (1) a day, in the form of `AskedTime.parse`; an empty text for no day."""
    if not day or not days:
        return day
    if day in WEEKDAYS:
        return WEEKDAYS[(WEEKDAYS.index(day) + days) % len(WEEKDAYS)]
    ago = re.fullmatch(r"(\d+) days ago", day)
    days_ago = int(ago[1]) if ago is not None else {"today": 0, "yesterday": 1}.get(day)
    if days_ago is not None and days_ago >= days:
        return {0: "today", 1: "yesterday"}.get(days_ago - days, f"{days_ago - days} days ago")
    before, after = "the day before ", "the day after "
    wanted, opposite = (before, after) if days < 0 else (after, before)
    return day.removeprefix(opposite) if day.startswith(opposite) else f"{wanted}{day}"


@dataclass(frozen=True, slots=True)
class TimeForm:
    """One form of a time.

    Attributes:
        pattern: Regular expression.
        read: Returns what it means; None if the numbers in it mean nothing.
        needs: Condition on the words before the form: ``at`` after *at* or *around*, ``number`` also after other words
            that precede a time of day, such as *since*, and ``day`` after a day.
        is_outside_spans: Whether it has another meaning after *from* and *between*, such as *five to seven*.
    """

    pattern: str
    read: Callable[[re.Match[str]], TimePoint | None]
    needs: Literal["", "at", "number", "day"] = ""
    is_outside_spans: bool = False


def number_of(text: str) -> int:
    """Return the number that digits or words mean."""
    text = " ".join(text.lower().split())
    return int(text) if text.isdecimal() else _NUMBERS[text]


def unit_of(text: str) -> str:
    """Return the letter of a unit of time."""
    text = text.lower()
    return _UNITS.get(text, _UNITS.get(text.removesuffix("s"), text[:1]))


def _words(found: re.Match[str]) -> str:
    return " ".join(found[0].strip(" ,").lower().split())


def _whole(found: re.Match[str]) -> TimePoint:
    return TimePoint(whole=_words(found).removeprefix("the "))


def _weekday(found: re.Match[str]) -> TimePoint:
    day = next(one for one in WEEKDAYS if one.startswith(found["weekday"].lower()[:3]))
    words = _words(found)
    if re.search(r"\blast\s+week\b", words):
        return TimePoint(f"{day} last week")
    return TimePoint(f"last {day}" if words.startswith("last") else day)


def _ago(found: re.Match[str]) -> TimePoint:
    number, unit = number_of(found["number"]), unit_of(found["unit"])
    if found["half"]:
        return TimePoint(whole=f"{60 * number + 30}m")
    if unit in "dw":  # "3 days ago" means the whole day, and "3 hours ago" means a moment
        return TimePoint(f"{number * (7 if unit == 'w' else 1)} days ago")
    return TimePoint(whole=f"{number}{unit}")


def _hours_ago(found: re.Match[str]) -> TimePoint:
    return TimePoint(whole=f"{round(float(found['hours'].replace(',', '.')) * 60)}m")


def _last(found: re.Match[str]) -> TimePoint | None:
    if found["unit"] is None:
        return TimePoint(whole="last 30m")
    unit, words = unit_of(found["unit"]), _words(found)
    if unit == "d" and words.endswith("previous day"):
        return TimePoint("yesterday")
    if words in ("last week", "last day"):
        return TimePoint(whole=words) if unit == "w" else None
    return TimePoint(whole=f"last {number_of(found['number'] or 'one')}{unit}")


def _date(found: re.Match[str]) -> TimePoint | None:
    # 10.0.21 is no date. The last day of a leap year has all dates before it.
    is_date = not re.fullmatch(r"\d+\.\d+\.\d+", _words(found)) or written_date(_words(found), date(2024, 12, 31))
    return TimePoint(_words(found)) if is_date else None


def _month(found: re.Match[str]) -> TimePoint:
    last = "last " if (found["which"] or "").lower() == "last" else ""
    return TimePoint(whole=f"{last}{month_name(found['month'] or found['only'])} {found['year'] or ''}".strip())


def _month_of_year(found: re.Match[str]) -> TimePoint | None:
    number = int(found["number"])
    return TimePoint(whole=f"{MONTHS[number - 1]} {found['year']}") if 1 <= number <= 12 else None


def _iso(found: re.Match[str]) -> TimePoint:
    year, month, day = re.split("[-/]", found["day"])
    text = f"{year}-{month:0>2}-{day:0>2}"
    if found["clock"] is None:
        return TimePoint(text)
    if found["more"] or found["t"].lower() == "t":
        return TimePoint(whole=f"{text}t{found['clock']:0>5}{(found['more'] or '').upper()}")
    return TimePoint(text, clock=f"{found['clock']:0>5}", half="24")


def _clock(found: re.Match[str]) -> TimePoint | None:
    groups = found.groupdict()
    hour, half = number_of(found["hour"]), (groups.get("half") or "").lower()
    if half and not 1 <= hour <= 12:
        return TimePoint(whole=_words(found))  # a time such as 13 pm is refused by its name
    minutes = groups.get("minutes") or ":00"
    if minutes[0] not in ":.":
        minutes = f":{number_of(minutes.strip('- ')):02d}"
    hour = hour % 12 + (12 if half == "p" else 0) if half else hour
    is_clear = ":" in found[0] or groups.get("word") is not None
    return TimePoint(clock=f"{hour:02d}{minutes.replace('.', ':')}", half=half or ("24" if is_clear else ""))


def _hour(found: re.Match[str]) -> TimePoint | None:
    """Read a number: an hour, or a day in a span such as *from 28 to 30 november*."""
    return _clock(found) if number_of(found["hour"]) <= _MOST_DAYS else None


def _dotted(found: re.Match[str]) -> TimePoint | None:
    """Read 7.30 as a time of day. After *since*, 6.11 may be a date, too, and is refused by its name."""
    hour, minute = int(found["hour"]), int(found["minutes"][1:])
    if not (1 <= minute <= 12 and 1 <= hour <= _MOST_DAYS):
        return _hour(found)
    return TimePoint(f"{found['hour']}.{minute}.") if hour >= 24 else TimePoint(whole=_words(found))


def _hour_named(text: str) -> int:
    if text[:1].isdecimal() or text.lower() in _NUMBERS:
        return number_of(text)
    return 0 if text.lower().endswith("night") else 12


def _past_or_to(found: re.Match[str]) -> TimePoint | None:
    part, side = found["part"].lower(), found["side"].lower()
    minute = {"half": 30, "quarter": 15}.get(part) or number_of(part)
    hour, half = _hour_named(found["hour"]), (found["half"] or "").lower()
    if minute > 59 or hour > 23 or (half and not 1 <= hour <= 12) or (part == "half" and side == "to"):
        return None
    hour = hour % 12 + (12 if half == "p" else 0) if half else hour
    minutes = (hour * 60 + (minute if side == "past" else -minute)) % (24 * 60)
    return TimePoint(clock=f"{minutes // 60:02d}:{minutes % 60:02d}", half=half)


FORMS: Final[tuple[TimeForm, ...]] = (
    TimeForm(UNREAD, _whole),
    TimeForm(UNREAD_OUTSIDE_SPANS, _whole, is_outside_spans=True),
    TimeForm(TWO_CLOCKS, _whole, needs="number", is_outside_spans=True),
    TimeForm(
        r"(?P<day>\d{4}-\d{2}-\d{2}|\d{4}/\d{1,2}/\d{1,2})(?:(?P<t>T|\s+(?:at\s+)?)(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)"
        r"(?P<more>\.\d+(?:Z|[+-]\d{2}:?\d{2})?|Z|[+-]\d{2}:?\d{2})?)?",
        _iso,
    ),
    TimeForm(r"(?:(?:right|just)\s+)?now", lambda found: TimePoint(whole="now")),
    TimeForm(r"(?:the\s+)?day\s+before\s+yesterday", lambda found: TimePoint("2 days ago")),
    TimeForm(r"(?:the\s+)?night\s+before\s+last", lambda found: TimePoint("2 days ago", "night")),
    TimeForm(
        rf"(?P<number>{NUMBER})\s+nights?\s+ago",
        lambda found: TimePoint(f"{number_of(found['number'])} days ago", "night"),
    ),
    TimeForm(r"(?P<hours>\d{1,3}[.,]\d)\s*h(?:(?:ou)?rs?)?\s+ago", _hours_ago),
    TimeForm(r"half\s+an\s+h(?:ou)?r\s+ago", lambda found: TimePoint(whole="30m")),
    TimeForm(r"a\s+quarter\s+of\s+an\s+hour\s+ago", lambda found: TimePoint(whole="15m")),
    TimeForm(r"three\s+quarters\s+of\s+an\s+hour\s+ago", lambda found: TimePoint(whole="45m")),
    TimeForm(rf"(?P<number>{NUMBER})\s*(?P<unit>{UNIT})(?P<half>\s+and\s+a\s+half)?\s+ago", _ago),
    TimeForm(rf"(?P<number>{NUMBER})(?P<half>\s+and\s+a\s+half)\s+(?P<unit>hours)\s+ago", _ago),
    TimeForm(
        rf"{_WEEKDAY},?\s+(?:the\s+)?(?P<date>{WRITTEN_DATE}|\d{{1,2}}(?:st|nd|rd|th))",
        lambda found: TimePoint(f"{_weekday(found).day} {' '.join(found['date'].lower().split())}"),
    ),
    TimeForm(rf"(?:last\s+|this\s+)?{_WEEKDAY}(?:,?\s+(?:of\s+)?last\s+week)?", _weekday),
    TimeForm(rf"last\s+week,?\s+(?:on\s+)?{_WEEKDAY}", _weekday),
    TimeForm(r"(?:this|last)\s+(?:week(?:end)?|month|year)|(?:the\s+)?(?:week(?:end)?|month)\s+before\s+last", _whole),
    TimeForm(r"(?:at|on|over)\s+the\s+weekend", lambda found: TimePoint(whole="the weekend")),
    TimeForm(
        rf"(?:(?:in|within|during|over|for)\s+)?(?:(?:the|this)\s+)?(?:last|past|previous)\s+(?:half(?:\s+an)?\s+hour|"
        rf"(?:(?P<number>{NUMBER})\s*)?(?P<unit>{UNIT}))",
        _last,
    ),
    TimeForm(
        rf"(?:(?:in|on|during)\s+)?the\s+(?P<part>{_PART})\s+of", lambda found: TimePoint(part=found["part"].lower())
    ),
    TimeForm("tonight", lambda found: TimePoint("tonight", "night")),
    TimeForm(
        rf"(?:(?:in|during|over|through(?:out)?)\s+)?(?P<day>this|last|(?:the\s+)?previous)\s+(?P<part>{_PART})",
        lambda found: TimePoint("this" if found["day"].lower() == "this" else "last", found["part"].lower()),
    ),
    TimeForm(
        r"(?:in|during|over|through(?:out)?)\s+the\s+(?:middle\s+of\s+the\s+)?night|(?:the\s+)?whole\s+night|over-?night|at\s+night|all\s+night(?:\s+long)?",
        lambda found: TimePoint(part="night"),
    ),
    TimeForm(
        rf"(?:in|during)\s+the\s+(?:(?:early|late)\s+)?(?P<part>{_PART})",
        lambda found: TimePoint(part=found["part"].lower()),
    ),
    TimeForm(_PART, lambda found: TimePoint(part=_words(found)), needs="day"),
    TimeForm("today|yesterday", lambda found: TimePoint(_words(found))),
    TimeForm(WRITTEN_DATE, _date),
    TimeForm(
        rf"(?:(?:in|during)\s+)?(?P<month>{MONTH}),?\s+(?:of\s+)?(?P<year>\d{{4}})|"
        rf"(?:in\s+|during\s+)?(?P<which>in|during|last|this)\s+(?P<only>{MONTH})",
        _month,
    ),
    TimeForm(r"(?P<year>\d{4})-(?P<number>\d{2})(?!-)", _month_of_year),
    TimeForm(
        rf"(?:the\s+)?(?P<day>{'|'.join(_ORDINALS)})\s+(?:of\s+)?(?P<month>{MONTH})",
        lambda found: TimePoint(f"{_ORDINALS.index(found['day'].lower()) + 1} {found['month'].lower()}"),
    ),
    # "The light on the 2nd floor" is no time.
    TimeForm(
        rf"(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)(?!\s+(?!{_AFTER_A_DAY})\w)",
        lambda found: TimePoint(_words(found).removeprefix("the ")),
    ),
    TimeForm(rf"{_TWELVE}mid-?night", lambda found: TimePoint(clock="00:00", half="24")),
    TimeForm(rf"{_TWELVE}(?:noon|mid-?day)", lambda found: TimePoint(clock="12:00", half="p")),
    TimeForm("|".join(SUN), lambda found: TimePoint(clock=SUN[_words(found)], half="24")),
    TimeForm(rf"{_MINUTES}(?:\s+min(?:ute)?s?)?\s+(?P<side>past)\s+{_HOUR_OF_MINUTES}", _past_or_to),
    TimeForm(rf"(?:a\s+)?(?P<part>quarter)\s+(?P<side>to)\s+{_HOUR_OF_MINUTES}", _past_or_to),
    TimeForm(rf"{_MINUTES}{_MINUTES_BEFORE}\s+(?P<side>to)\s+{_HOUR_OF_MINUTES}", _past_or_to, is_outside_spans=True),
    TimeForm(rf"(?P<hour>\d{{1,2}})(?P<minutes>(?:[:.]\d{{2}}){{0,2}})\s*{_HALF}", _clock),
    TimeForm(r"(?P<hour>\d{1,2})(?P<minutes>(?::\d{2}){1,2})(?:\s*(?:h|uhr))?", _clock),
    TimeForm(r"(?P<hour>\d{1,2})(?P<minutes>\.\d{2})?\s*(?P<word>o['’]?clock|uhr)", _clock),
    TimeForm(r"(?P<hour>\d{1,2})\s*(?P<word>h)", _clock, needs="number"),
    TimeForm(rf"(?P<hour>{_HOUR})(?:\s+(?P<word>o['’]?clock)|\s*{_HALF})", _clock),
    TimeForm(r"(?P<hour>\d{1,2})(?P<minutes>\.\d{2})", _hour, needs="at"),
    TimeForm(r"(?P<hour>\d{1,2})(?P<minutes>\.\d{1,2})", _dotted, needs="number"),
    TimeForm(
        r"(?:on|am)\s+(?P<day>\d{1,2})\.(?P<month>0?[1-9]|1[0-2])(?!\.|\s*h)",
        lambda found: TimePoint(f"{found['day']}.{found['month']}."),
    ),
    TimeForm(rf"(?P<hour>\d{{1,2}}|{_HOUR})(?=\s+(?:in\s+the\s+(?:{_PART})|at\s+night))", _hour),
    TimeForm(rf"(?P<hour>{_HOUR})(?P<minutes>[- ](?:{_WORDS}))(?:\s*{_HALF})?", _clock, needs="number"),
    TimeForm(rf"(?P<hour>\d{{1,2}}|{_HOUR})", _hour, needs="number"),
)
"""All forms of a time. The reader takes the first form that fits, so a longer form comes before a shorter one."""
