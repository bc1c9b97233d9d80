"""The time that a question asks about: a moment, a day, a part of a day, or another span."""

import re
from calendar import isleap, monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple, Self

from hassette_store.periods import MINUTE_US, SECOND_US
from hassette_sync.errors import BadQuestionError
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.time_range import (
    MACHINE_TIME,
    MAX_US,
    WEEKDAYS,
    TimeRange,
    check_length,
    clock_of,
    named_day,
    next_clock,
    not_a_time,
    outside_years,
    parse_moment,
)
from hassette_sync.time_words import find_time
from hassette_sync.unread_times import hint_about
from hassette_sync.written_dates import DATE_PATTERN, MONTH, WRITTEN_DATE, last_day_with, month_number, written_date

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
_WEEKDAY: Final = "|".join(WEEKDAYS)
_OF_A_DAY: Final = re.compile(
    rf"(?:the day (?P<side>before|after) )?(?:(?P<of_week>{_WEEKDAY}) )?"
    rf"(?P<day>today|yesterday|(?:last )?(?:{_WEEKDAY})|(?P<weekday>{_WEEKDAY}) last week|"
    rf"(?P<number>\d{{1,3}}) (?P<unit>day|week)s? ago|\d{{4}}-\d{{2}}-\d{{2}}|(?P<of_month>\d{{1,2}})(?:st|nd|rd|th)|"
    rf"{WRITTEN_DATE})(?: (?P<part>{'|'.join(_PARTS)})|(?:t|,? )(?P<clock>{_CLOCK}))?"
)
_PERIOD: Final = re.compile(
    rf"(?P<which>this|last|the) (?P<unit>week(?:end)?|month|year)|(?P<before>week(?:end)?|month) before last|"
    rf"(?P<last>last )?(?P<month>{MONTH})(?: (?P<year>\d{{4}}))?"
)
_OPEN: Final = re.compile(r"(?P<word>since|after|before|until) (?P<time>.+)")
_HINT: Final = "Parts of a day have names such as 'last night', and dates are written as 28 Nov."
_LONGEST_BEFORE: Final = timedelta(days=29)  # and one day that ends at the edge
"""Length of the span that *before* and *until* mean, such as *before 28 Nov*."""


class _RefusedTimeError(BadQuestionError):
    """A time is understood, but a question about it has no answer: it has no length, or has not begun."""


class _Given(NamedTuple):
    """The values with which a text is read.

    Attributes:
        written: The whole text, which an error quotes.
        now_us: Present time.
        key: Name of the value in an error message.
        home: Time zone of local times.
    """

    written: str
    now_us: int
    key: str
    home: HomeTime


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

        - ``yesterday``, ``monday``, ``3 days ago``, ``28 Nov``, ``28.11.``, ``3rd`` or ``2026-01-31`` means the whole
          day.
        - ``last night``, ``tonight``, ``this morning`` or ``monday evening`` means this part of the day. A night lasts
          from 22:00 to 06:00. A weekday never means a part of the day that has not begun. From 18:00, ``tonight`` means
          from 18:00 until now, and before 06:00 the night so far.
        - ``this week`` and ``last week`` begin on a Monday. There are also ``last weekend``, ``last month`` and
          ``november``.
        - ``03:00 to 04:30``, also after a day, ``monday to wednesday``, ``last 2h``, and ``since 22:00``. ``after
          monday`` begins when the day ends. ``before 28 Nov`` means the 30 days until the day begins, and ``until 28
          Nov`` those until it ends.
        - ``noon``, ``midnight``, and ``28 Nov 03:12`` or ``3 days ago 7am`` are moments, as are all other texts; see
          `parse_moment`.

        A time may also have more words, as in ``around half past six in the evening``; see `time_words`.

        Args:
            text: Text to parse.
            now_us: Present time.
            key: Name of the value in the error message.
            home: Time zone of local times.

        Raises:
            BadQuestionError: The text has another form.
        """
        check_length(text, key)
        try:
            found = cls._read(_Given(text, now_us, key, home))
        except (OverflowError, ValueError, OSError):  # the years 0 and 9999, or a year that this machine cannot convert
            found = None
        if found is None or not 0 <= found._end_us <= MAX_US:
            raise BadQuestionError(outside_years(text), parameter=key)
        start_us = max(found.at_us, 0)  # a clock may show 1970
        return cls(start_us, found.at_us + found.length_us - start_us)

    @classmethod
    def _read(cls, given: _Given) -> Self:
        text, key = given.written, given.key
        try:
            return cls._parse(text, given)
        except BadQuestionError as error:
            refused = error
        # The other forms are slower to read, and texts for programs do not have them.
        found = find_time(text)
        read = found.text if found is not None and not text[found.end :].strip(" ?.") else text
        if read != text:
            try:
                return cls._parse(read, given)
            except _RefusedTimeError as error:
                refused = error
            except BadQuestionError:
                pass  # the error about the written text is clearer
        if isinstance(refused, _RefusedTimeError):
            raise refused
        hint = hint_about(text) or hint_about(read)
        problem = refused.problem if hint is None else not_a_time(text)
        raise BadQuestionError(f"{problem} {hint or _HINT}", parameter=key)

    @classmethod
    def _parse(cls, text: str, given: _Given) -> Self:
        _, now_us, key, home = given
        written = words = " ".join(text.lower().split())
        if words == "tonight" and (begun := cls._tonight(now_us, home)) is not None:
            return begun
        for other, form in _OTHER_FORMS:
            words = other.sub(form, words)
        found = (
            cls._day_or_part(words, now_us, home) or cls._period(words, now_us, home) or cls._other_span(words, given)
        )
        if found is not None:
            return found
        moment = parse_moment(
            text if words == written else words, at_us=now_us, key=key, home=home, written=given.written
        )
        return cls.moment(moment)

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
        now = home.local(now_us)
        if re.fullmatch("(?:this|last) (?:" + "|".join(_PARTS) + ")", words):
            # "This night" means the night that has begun, if there is one.
            has_begun = words == "this night" and now.hour < _NIGHT_ENDS
            day = "yesterday" if has_begun or words.startswith("last") else "today"
            return cls._day_or_part(f"{day} {words.split()[1]}", now_us, home)
        if (found := _OF_A_DAY.fullmatch(words)) is None or (day := _day_of(found, now.date())) is None:
            return None
        if found["side"] is not None:
            day += timedelta(days=1 if found["side"] == "after" else -1)
        if found["clock"] is not None:
            if found["side"] is None and found["day"] in WEEKDAYS:
                return None  # it may be that of the week before: see `parse_moment`
            clock = _time_of(found["clock"])
            return cls.moment(home.moment_us(datetime.combine(day, clock))) if clock is not None else None
        part = cls._between(day, *_PARTS.get(found["part"], (0, 24)), home)
        if found["side"] is None and found["day"] in WEEKDAYS and part.at_us > now_us:
            return cls._between(day - timedelta(days=7), *_PARTS[found["part"]], home)
        return part

    @classmethod
    def _period(cls, words: str, now_us: int, home: HomeTime) -> Self | None:
        """Return a week, a weekend, a month or a year."""
        if (found := _PERIOD.fullmatch(words)) is None:
            return None
        today = home.local(now_us).date()
        unit = found["unit"] or found["before"] or "month"
        periods_ago = 2 if found["before"] else int(found["which"] == "last")
        if unit.startswith("week"):
            monday = today - timedelta(days=today.weekday() + 7 * periods_ago)
            if found["which"] == "the" and today.weekday() < 5:  # the last weekend in the past, or the present one
                monday -= timedelta(days=7)
            return cls._between(monday, 5 * 24 if unit.endswith("end") else 0, 7 * 24, home)
        if unit == "year":
            first_day = date(today.year - periods_ago, 1, 1)
            return cls._between(first_day, 0, 24 * (366 if isleap(first_day.year) else 365), home)
        year, month = divmod(today.year * 12 + today.month - 1 - periods_ago, 12)
        if found["month"]:
            number = month_number(found["month"])
            is_past_year = number > today.month or (found["last"] is not None and number == today.month)
            year, month = int(found["year"] or today.year - is_past_year), number - 1
        return cls._between(date(year, month + 1, 1), 0, 24 * monthrange(year, month + 1)[1], home)

    @classmethod
    def _other_span(cls, words: str, given: _Given) -> Self | None:
        """Return a span between two times, or a span that begins or ends with a time."""
        written, now_us, key, home = given
        if re.fullmatch(r"last [1-9]\d{0,5}\s*[smhdw]", words):
            words = f"since {words.removeprefix('last ')}"
        if (open_span := _OPEN.fullmatch(words)) is not None:
            word, time = open_span["word"], cls._parse(open_span["time"], given)
            edge_us = time._end_us if word in ("after", "until") else time.at_us
            if word in ("since", "after"):
                if word == "after" and edge_us > now_us:
                    raise _RefusedTimeError(
                        f"must be in the past, got {written[:40]!r}. That time has not ended.", parameter=key
                    )
                return cls(edge_us, max(now_us - edge_us, SECOND_US))
            # Before a time of day, the day begins. Before a day, some weeks are enough to find the last change.
            start = home.local(max(edge_us - 1, 0)).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
            start_us = home.moment_us(start - _LONGEST_BEFORE if time.is_span else start)
            return cls(start_us, edge_us - start_us) if edge_us > start_us else None
        if (span := _SPAN.fullmatch(words)) is None:
            return None
        start_us = cls._parse(_with_t(span["start"]), given).at_us
        if re.fullmatch(_CLOCK, span["end"]):
            clock = _time_of(span["end"])
            end_us = next_clock(clock, after_us=start_us, home=home) if clock is not None else 0
            return cls(start_us, end_us - start_us) if end_us else None
        end_us = cls._parse(_with_t(span["end"]), given)._end_us
        if start_us >= end_us and span["start"].split()[0] in WEEKDAYS:
            # "Sunday to friday" begins on the sunday before this friday.
            start_us = home.moment_us(home.local(start_us).replace(tzinfo=None) - timedelta(days=7))
        if end_us <= start_us:
            raise _RefusedTimeError(f"must end after its start, got {written[:40]!r}.", parameter=key)
        return cls(start_us, end_us - start_us)

    @classmethod
    def _between(cls, day: date, first_hour: int, last_hour: int, home: HomeTime) -> Self:
        # Midnight plus hours of the wall clock: a day on which the clocks change is not 24 hours long.
        midnight = datetime.combine(day, time())
        start_us, end_us = (home.moment_us(midnight + timedelta(hours=hour)) for hour in (first_hour, last_hour))
        return cls(start_us, end_us - start_us)

    @property
    def _end_us(self) -> int:
        """End of a day or of another span; the moment itself for a moment."""
        return self.at_us + (self.length_us if self.is_span else 0)

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
    """Return the day that a text means; None if there is no such day."""
    day = found["day"]
    if found["of_week"] is not None:  # "friday 28 Nov" is a day only if this day is a Friday
        dated = last_day_with(int(found["of_month"]), today) if found["of_month"] else written_date(day, today)
        return dated if dated is not None and WEEKDAYS[dated.weekday()] == found["of_week"] else None
    if found["number"] is not None:
        return today - timedelta(days=int(found["number"]) * (7 if found["unit"] == "week" else 1))
    if found["weekday"] is not None:
        return today + timedelta(days=WEEKDAYS.index(found["weekday"]) - today.weekday() - 7)
    if found["of_month"] is not None:
        return last_day_with(int(found["of_month"]), today)
    if day.startswith("last "):  # never today
        return named_day(day.removeprefix("last "), today - timedelta(days=1))
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day):
        try:
            return date.fromisoformat(day)
        except ValueError:
            return None
    return named_day(day, today) or written_date(day, today)


def _time_of(clock: str) -> time | None:
    """Return a time of day; None if there is no such time."""
    try:
        found = clock_of(clock)
    except ValueError:
        return None
    return found[1] if found is not None else None
