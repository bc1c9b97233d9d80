"""The time that a question asks about: a moment, a day, a part of a day, or another span."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Self

from hassette_store.periods import MINUTE_US, SECOND_US
from hassette_sync.errors import BadQuestionError
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.time_range import (
    MACHINE_TIME,
    WEEKDAYS,
    TimeRange,
    clock_of,
    named_day,
    next_clock,
    parse_moment,
)
from hassette_sync.written_dates import DATE_PATTERN, WRITTEN_DATE, written_date

NAMED_PARTS: Final = (
    f"last night|tonight|(?:this|yesterday|{'|'.join(WEEKDAYS)}) (?:morning|afternoon|evening|night)|"
    "(?:this|last) (?:week|weekend|month)"
)
"""Regular expression of the names of parts of a day, and of weeks and months."""

_CLOCK_PATTERN: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
ASKED_PATTERN: Final = (
    f"{NAMED_PARTS}|noon|midnight|last [1-9][0-9]{{0,3}}[smhdw]|[1-9][0-9]? days ago|{DATE_PATTERN}"
    f"|{_CLOCK_PATTERN} to {_CLOCK_PATTERN}"
)
"""Pattern of the times that only `AskedTime.parse` reads: days, parts of them, spans, noon and midnight.

The description of the API has it. `parse_moment` reads the other times.
"""

_PARTS: Final = {"morning": (5, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (22, 30)}
"""First and last hour of each part, counted from midnight. A night ends on the next day."""
_NIGHT_ENDS: Final = _PARTS["night"][1] - 24

_OTHER_FORMS: Final = (
    (re.compile(r"\bmid-?night\b"), "00:00"),
    (re.compile(r"\b(?:noon|mid-?day)\b"), "12:00"),
    (re.compile(r"\btonight\b"), "this night"),
)
"""Words for a time, with the form in which it is read."""

_CLOCK: Final = r"\d{1,2}(?:(?::\d{2}){1,2}|(?::\d{2})?\s?[ap]m)"
_SPAN: Final = re.compile(r"(?P<start>(?:(?! to ).)+) to (?P<end>(?:(?! to ).)+)")
_OF_A_DAY: Final = re.compile(
    rf"(?:(?P<number>\d{{1,3}}) (?P<unit>day|week)s? ago|(?P<date>{WRITTEN_DATE}))(?:,? (?P<clock>{_CLOCK}))?"
)
_SUN: Final = re.compile(r"\bsun(?:set|rise|down|up)\b|\b(?:dusk|dawn)\b")


@dataclass(frozen=True, slots=True)
class AskedTime:
    """The time of a question.

    Attributes:
        at_us: Start, in microseconds since the Unix epoch.
        length_us: Length: a minute for a time such as 03:12, a second for a more exact time, hours for a day or a part
            of it.
    """

    at_us: int
    length_us: int

    @classmethod
    def moment(cls, at_us: int) -> Self:
        """Return the time of a moment. A whole minute means any time in this minute."""
        return cls(at_us, MINUTE_US if at_us % MINUTE_US == 0 else SECOND_US)

    @classmethod
    def parse(cls, text: str, *, now_us: int, key: str = "at", home: HomeTime = MACHINE_TIME) -> Self:
        """Parse a moment, a day, a part of a day, or another span.

        - ``yesterday``, ``monday``, ``3 days ago``, ``28 Nov``, ``28.11.`` or ``2026-01-31`` means the whole day.
        - ``last night``, ``tonight``, ``this morning`` or ``monday evening`` means this part of the day. A night lasts
          from 22:00 to 06:00. A weekday never means a part of the day that has not begun. From 18:00, ``tonight`` means
          from 18:00 until now, and before 06:00 the night so far.
        - ``this week`` and ``last week`` begin on a Monday. There are also ``last weekend`` and ``last month``.
        - ``03:00 to 04:30``, also after a day, ``monday to wednesday``, ``last 2h``, and ``since 22:00``.
        - ``noon``, ``midnight``, and ``28 Nov 03:12`` or ``3 days ago 7am`` are moments, as are all other texts; see
          `parse_moment`.

        Args:
            text: Text to parse.
            now_us: Present time.
            key: Name of the value in the error message.
            home: Time zone of local times.

        Raises:
            BadQuestionError: The text has another form.
        """
        written = words = " ".join(text.lower().split())
        if words == "tonight" and (begun := cls._tonight(now_us, home)) is not None:
            return begun
        for other, form in _OTHER_FORMS:
            words = other.sub(form, words)
        found = cls._day_or_part(words, now_us, home) or cls._other_span(words, now_us, key, home)
        if found is not None:
            return found
        try:
            at_us = parse_moment(text if words == written else words, at_us=now_us, key=key, home=home)
        except BadQuestionError as error:
            hint = "Parts of a day have names such as 'last night', and dates are written as 28 Nov."
            if _SUN.search(words):
                hint = "Write the time of day in place of sunrise or sunset."
            raise BadQuestionError(f"{error.problem} {hint}", parameter=error.parameter) from None
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", words):
            return cls._between(date.fromisoformat(words), 0, 24, home)
        return cls.moment(at_us)

    @classmethod
    def _tonight(cls, now_us: int, home: HomeTime) -> Self | None:
        """Return the evening or the night so far; None by day, before it has begun."""
        now = home.local(now_us)
        start = datetime.combine(now.date(), time(18))
        if now.hour < _NIGHT_ENDS:
            start = datetime.combine(now.date() - timedelta(days=1), time(_PARTS["night"][0]))
        elif now.hour < start.hour:
            return None
        start_us = home.moment_us(start)
        return cls(start_us, max(now_us - start_us, MINUTE_US + SECOND_US))

    @classmethod
    def _day_or_part(cls, words: str, now_us: int, home: HomeTime) -> Self | None:
        today = home.local(now_us).date()
        if (named := named_day(words, today)) is not None:
            return cls._between(named, 0, 24, home)
        if re.fullmatch(r"(?:this|last) week(?:end)?", words):
            monday = today - timedelta(days=today.weekday() + (7 if words.startswith("last") else 0))
            return cls._between(monday, 5 * 24 if words.endswith("end") else 0, 7 * 24, home)
        if words in ("this month", "last month"):
            first_day = today.replace(day=1)
            if words == "last month":
                first_day = (first_day - timedelta(days=1)).replace(day=1)
            return cls._between(first_day, 0, 24 * monthrange(first_day.year, first_day.month)[1], home)
        if re.fullmatch(NAMED_PARTS, words):
            day, part = words.split()
            first, last = _PARTS[part]
            # "This night" means the night that has begun, if there is one.
            has_begun = words == "this night" and home.local(now_us).hour < last - 24
            start = named_day("yesterday" if day == "last" or has_begun else day, today) or today
            found = cls._between(start, first, last, home)
            if day in WEEKDAYS and found.at_us > now_us:
                return cls._between(start - timedelta(days=7), first, last, home)
            return found
        if (of_day := _OF_A_DAY.fullmatch(words)) is None:
            return None
        day = _day_of(of_day, today)
        if day is None or of_day["clock"] is None:
            return cls._between(day, 0, 24, home) if day is not None else None
        clock = _time_of(of_day["clock"])
        return cls.moment(home.moment_us(datetime.combine(day, clock))) if clock is not None else None

    @classmethod
    def _other_span(cls, words: str, now_us: int, key: str, home: HomeTime) -> Self | None:
        """Return a span between two times of day, or a span that ends now."""
        if words.startswith(("last ", "since ")):
            start, since = words.split(" ", 1)
            if start == "last" and not re.fullmatch(r"[1-9]\d{0,5}\s*[smhdw]", since):
                return None
            start_us = cls.parse(since, now_us=now_us, key=key, home=home).at_us
            return cls(start_us, max(now_us - start_us, SECOND_US))
        if (span := _SPAN.fullmatch(words)) is None:
            return None
        start_us = cls.parse(_with_t(span["start"]), now_us=now_us, key=key, home=home).at_us
        if re.fullmatch(_CLOCK, span["end"]):
            clock = _time_of(span["end"])
            end_us = next_clock(clock, after_us=start_us, home=home) if clock is not None else 0
            return cls(start_us, end_us - start_us) if end_us else None
        end = cls.parse(_with_t(span["end"]), now_us=now_us, key=key, home=home)
        end_us = end.at_us + (end.length_us if end.is_span else 0)
        return cls(start_us, end_us - start_us) if end_us > start_us else None

    @classmethod
    def _between(cls, day: date, first_hour: int, last_hour: int, home: HomeTime) -> Self:
        # Midnight plus hours of the wall clock: a day on which the clocks change is not 24 hours long.
        midnight = datetime.combine(day, time())
        start_us, end_us = (home.moment_us(midnight + timedelta(hours=hour)) for hour in (first_hour, last_hour))
        return cls(start_us, end_us - start_us)

    @property
    def is_span(self) -> bool:
        """Whether it is a day, a part of it or another span, and not a moment."""
        return self.length_us > MINUTE_US

    def describe(self, times: ShownTimes) -> str:
        """Return the time in words: ``around 03:12:00``, or ``from 29 Nov 22:00 to 06:00``."""
        if self.is_span:
            return f"from {times.span(self.at_us, self.at_us + self.length_us)}"
        return f"around {times(self.at_us)}"

    def around(self, margin_us: int) -> TimeRange:
        """Return the time range to search: a span, or a moment with a margin on both sides."""
        if self.is_span:
            return TimeRange(self.at_us, self.at_us + self.length_us)
        return TimeRange(max(self.at_us - margin_us, 0), self.at_us + self.length_us + margin_us)


def _with_t(words: str) -> str:
    """Return a date and a time of day in the ISO form, and other words as they are."""
    return re.sub(r"^(\d{4}-\d{2}-\d{2}) (?=\d)", r"\1T", words)


def _day_of(found: re.Match[str], today: date) -> date | None:
    if found["number"] is None:
        return written_date(found["date"], today)
    return today - timedelta(days=int(found["number"]) * (7 if found["unit"] == "week" else 1))


def _time_of(clock: str) -> time | None:
    """Return a time of day; None if there is no such time."""
    try:
        found = clock_of(clock)
    except ValueError:
        return None
    return found[1] if found is not None else None
