"""Times as people write them in words: find one in a text, and write it in the form that `AskedTime.parse` reads.

`time_forms` has the forms of a day and of a time of day. Here they are joined, in any order, to a point and to a span.
"""

import functools
import re
from typing import Final, NamedTuple

from hassette_sync.time_forms import FORMS, NUMBER, SUN, UNIT, TimePoint, moved_day, number_of, unit_of
from hassette_sync.written_dates import MONTH

_END: Final = r"(?=$|[\s,;?!)]|\.(?:\s|$)|[-–](?:\d|(?:mon|tue|wed|thu|fri|sat|sun)))"
_AT: Final = r"(?:(?:(?:at|around|about|approximately|roughly|exactly|precisely|um|gegen)\b|[@~])\s*)+"
_OTHER_PREPOSITION: Final = r"(?:(?:on|am|during|throughout)(?:\s+the)?|the|early|late|later|earlier)(?=\s)"
_NEARLY: Final = r"(?:shortly|just|right|immediately)(?=\s+(?:before|after)\b)"
_OFFSET: Final = rf"(?P<number>{NUMBER}|half\s+an)\s*(?P<unit>m|h|min(?:ute)?s?|h(?:ou)?rs?)(?=\s+(?:before|after)\b)"
_INTRODUCTION: Final = "between|from|since|after|before|until|till|by"
_TO: Final = "to|until|till|bis"
_INSTANT: Final = re.compile(r"now|\d+[smhdw]|\d{4}-\d{2}-\d{2}[tT].*")
_WRITTEN_DAY: Final = re.compile(rf"\d{{1,2}}(?:st|nd|rd|th)?(?=\W)(?=.*{MONTH})|(?<=\s)\d{{1,2}}(?:st|nd|rd|th)?\b")
_DAY_OF_A_MONTH: Final = re.compile(r"\d{1,2}(?:st|nd|rd|th)")
_NEAR_MINUTES: Final = 15
_DAY_MINUTES: Final = 24 * 60
_PART_MINUTES: Final = {
    "morning": (0, 12 * 60),
    "afternoon": (12 * 60, 18 * 60),
    "evening": (18 * 60, 24 * 60),
    "night": (18 * 60, 30 * 60),
}
"""First and last minute of each part of a day for hours such as 7 at night, which is before 22:00."""
_FIRST_HOURS: Final = {"morning": "05:00", "afternoon": "12:00", "evening": "18:00", "night": "22:00"}


class FoundTime(NamedTuple):
    """A time in a text.

    Attributes:
        start: Position of its first letter.
        end: Position after its last letter.
        text: The time in the form of `AskedTime.parse`.
        point: The time, if it is a point without *since* or another preposition of spans; None for a span.
    """

    start: int
    end: int
    text: str
    point: TimePoint | None = None


def find_time(text: str, start: int = 0) -> FoundTime | None:
    """Return the longest time that begins at a position of a text; None if there is none.

    Args:
        text: The text.
        start: Position where the time has to begin.
    """
    return _Reader(text, start).time()


def joined(one: TimePoint, other: TimePoint) -> TimePoint | None:
    """Return a point with the day, the part of it and the time of day of two; None if both have one of these."""
    if TimePoint() in (one, other):
        return other if one == TimePoint() else one
    if one.whole or other.whole or any(first and second for first, second in zip(one, other, strict=True)):
        return None
    return TimePoint(*(first or second for first, second in zip(one, other, strict=True)))


class _Reader:
    """Reads one time, word by word."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = self._at = start

    def time(self) -> FoundTime | None:
        lead = self._point()
        after_lead = self._at
        if (text := self._introduced(lead or TimePoint())) is not None:
            return FoundTime(self._start, self._at, text)
        self._at = after_lead
        if lead is None:
            text = self._numbers(TimePoint())
            return FoundTime(self._start, self._at, text) if text is not None else None
        if not lead.clock and (text := self._numbers(lead)) is not None:
            return FoundTime(self._start, self._at, text)
        if (text := self._rest_of_span(lead, _TO)) is not None:
            return FoundTime(self._start, self._at, text)
        return FoundTime(self._start, self._at, str(lead), lead)

    def _numbers(self, lead: TimePoint) -> str | None:
        """Read a span such as *3 to 5 pm*. Two numbers are times only if the second one is clear."""
        start = self._at
        first = self._point(allows_number=True, is_in_span=True)
        first = joined(lead, first) if first is not None else None
        text = self._rest_of_span(first, _TO, must_be_clear=True) if first is not None else None
        if text is None:
            self._at = start
        return text

    def _introduced(self, lead: TimePoint) -> str | None:
        """Read words such as *since 7* and *between 3 and 4*, also after a day."""
        is_near = self._take(_NEARLY) is not None
        offset = self._take(_OFFSET)
        introduction = self._take(_INTRODUCTION)
        if introduction is None:
            return None
        word = introduction[0].strip(" ,").lower()
        point = self._age() if word == "since" else None
        point = point or self._point(allows_number=True, is_in_span=word in ("between", "from"))
        point = joined(lead, point) if point is not None else None
        if point is None:
            return None
        if word in ("between", "from"):
            text = self._rest_of_span(point, f"and|und|{_TO}" if word == "between" else _TO)
            return text if text is not None or word == "between" else f"since {point}"
        if offset is not None:
            is_half = offset["number"].lower().startswith("half")
            length = "30m" if is_half else f"{number_of(offset['number'])}{unit_of(offset['unit'])}"
            return _shifted(point, length, is_before=word == "before")
        return _open_span(word, point, in_part=lead.part, is_near=is_near)

    def _rest_of_span(self, first: TimePoint, connector: str, *, must_be_clear: bool = False) -> str | None:
        """Read the second time of a span, and return the span."""
        start = self._at
        if self._take(connector) is None and self._take(r"[-–—](?!\w*-)", end="") is None:
            return None
        second = self._point(allows_number=True, is_in_span=True)
        is_clear = second is not None and bool(second.half or second.whole or (second.day and not second.clock))
        if second is not None and (is_clear or not must_be_clear) and (text := _span(first, second)) is not None:
            return text
        self._at = start
        return None

    def _point(self, *, allows_number: bool = False, is_in_span: bool = False) -> TimePoint | None:
        """Read a day, a part of it and a time of day in any order.

        Args:
            allows_number: Whether a number without a colon is a time of day, as after *at*.
            is_in_span: Whether *five to seven* is a span, and no time of day.
        """
        found = TimePoint()
        while True:
            start = self._at
            given = {"", "number" if allows_number else "", "day" if found.day else ""}
            read = self._form(found, given, is_in_span=is_in_span)
            if read is None:
                if self._take(rf"(?:{_OTHER_PREPOSITION}\s+)?{_AT}", end=r"(?=\w)") is not None:
                    given = {"", "number", "at"}
                elif self._take(_OTHER_PREPOSITION) is not None:
                    given = {"", "number" if allows_number else ""}
                else:
                    given = set[str]()
                read = self._form(found, given, is_in_span=is_in_span)
            if read is None:
                self._at = start
                return found if found != TimePoint() else None
            found, allows_number = read, False

    def _form(self, found: TimePoint, given: set[str], *, is_in_span: bool) -> TimePoint | None:
        """Read one form, and return it joined with those before it; None if no form fits.

        Args:
            found: The forms before.
            given: Conditions of `TimeForm.needs` that the words before fulfil.
            is_in_span: Whether *five to seven* is a span, and no time of day.
        """
        start = self._at
        for form in FORMS:
            if form.needs not in given or (is_in_span and form.is_outside_spans):
                continue
            match = self._take(form.pattern)
            read = form.read(match) if match is not None else None
            both = joined(found, read) if read is not None else None
            if both is not None:
                return both
            self._at = start
        return None

    def _age(self) -> TimePoint | None:
        """Read an age without *ago*: since 3 hours."""
        age = self._take(rf"(?P<number>{NUMBER})\s*(?P<unit>{UNIT})(?!\s+ago)")
        return TimePoint(whole=f"{number_of(age['number'])}{unit_of(age['unit'])}") if age is not None else None

    def _take(self, pattern: str, end: str = _END) -> re.Match[str] | None:
        found = _compiled(pattern, end).match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found


@functools.cache
def _compiled(pattern: str, end: str) -> re.Pattern[str]:
    # The patterns take some milliseconds to compile, which a command without words must not wait for.
    return re.compile(rf"[\s,]*(?:{pattern}){end}", re.IGNORECASE)


def _open_span(word: str, point: TimePoint, *, in_part: str, is_near: bool) -> str | None:
    """Return the span from a time until now, or up to a time.

    Args:
        word: The preposition.
        point: The time.
        in_part: Part of the day before the preposition, in which the span begins: this morning before 7.
        is_near: Whether only some minutes before or after the time are meant.
    """
    if is_near and point.clock and point.clock not in SUN:
        return _near(word, point)
    if word in ("since", "after"):
        is_moment = point.clock or _INSTANT.fullmatch(point.whole)
        return f"{'since' if is_moment else word} {point}"
    if not point.clock or point.clock in SUN or (point.clock == "00:00" and not point.day and not point.part):
        return f"before {point}" if word == "before" else f"until {point}"
    ends_next_day = point.part == "evening" and point.without_part().clock < _FIRST_HOURS["morning"]
    if in_part or point.part == "night" or ends_next_day:
        is_evening = point.part == "evening" or "12" < str(point)[-5:] < _FIRST_HOURS["night"]
        first = _FIRST_HOURS["evening" if is_evening else point.part]
        return f"{point._replace(clock=first, half='24')} to {point}"
    *day, clock = re.split("[ T]", str(point))
    return " ".join((*day, "00:00 to", clock))


def _shifted(point: TimePoint, offset: str, *, is_before: bool) -> str | None:
    """Return a time such as *an hour after sunset*; None without a time of day, or if it is a day away or more."""
    if point.clock in SUN:
        return f"{point} {'-' if is_before else '+'} {offset}"
    minutes = int(offset[:-1]) * (60 if offset[-1] == "h" else 1)
    if not point.clock or minutes >= _DAY_MINUTES:
        return None
    return str(_moved(point, -minutes if is_before else minutes))


def _near(word: str, point: TimePoint) -> str:
    """Return the minutes before or after a time: shortly before 7."""
    other = _moved(point, _NEAR_MINUTES if word == "after" else -_NEAR_MINUTES)
    first, second = (point, other) if word == "after" else (other, point)
    return f"{first} to {second.without_part().clock}"


def _moved(point: TimePoint, minutes: int) -> TimePoint:
    """Return a time of day some minutes later, which may be on the day before or after."""
    plain = point.without_part()
    moved = _minutes_of(plain.clock) + minutes
    if plain == point and point.clock == "00:00" and minutes < 0:
        moved += _DAY_MINUTES  # "yesterday before midnight" means the end of the day
    days, minute = divmod(moved, _DAY_MINUTES)
    return TimePoint(moved_day(plain.day, days), clock=f"{minute // 60:02d}:{minute % 60:02d}", half="24")


def _minutes_of(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:5])


def _minutes_that_mean(point: TimePoint) -> list[int]:
    """Return the minutes that a time of day may mean, from the day before to the day after."""
    minutes = _minutes_of(point.clock)
    is_clear = point.half in ("a", "p") or not 1 <= minutes // 60 <= 12
    step = _DAY_MINUTES if is_clear else _DAY_MINUTES // 2
    return list(range(minutes % step - _DAY_MINUTES, 2 * _DAY_MINUTES, step))


def _span_in_part(first: TimePoint, second: TimePoint) -> str | None:
    """Return a span such as *between 11 and 2 in the afternoon*; None if it has no part of the day, or two.

    The part makes the time next to it clear. If two spans fit, the words mean the span with more of the part.
    """
    clocks = first.clock, second.clock
    is_about_one_day = bool(first.part) != bool(second.part) and not (first.day and second.day)
    if not is_about_one_day or any(len(clock) != len("00:00") for clock in clocks):
        return None
    start_of_part, end_of_part = _PART_MINUTES[first.part or second.part]
    ends = _minutes_that_mean(second)

    def fit(span: tuple[int, int]) -> tuple[bool, int, int]:
        clear = span[0] if first.part else span[1]
        overlap = min(span[1], end_of_part) - max(span[0], start_of_part)
        return start_of_part <= clear <= end_of_part, overlap, -abs(span[0])

    starts = (start for start in _minutes_that_mean(first) if start < ends[-1])
    start, end = max(((start, next(end for end in ends if end > start)) for start in starts), key=fit)
    named = first if first.day else second
    # "Yesterday from 10 to 2 in the morning" begins yesterday. "Yesterday morning" has no evening before it.
    days = start // _DAY_MINUTES if named.part else 0
    days = min(days, 0) if named.named_day == "today" else days
    begin, finish = (f"{one % _DAY_MINUTES // 60:02d}:{one % 60:02d}" for one in (start, end))
    return f"{TimePoint(moved_day(named.named_day, days), clock=begin)} to {finish}"


def _span(first: TimePoint, second: TimePoint) -> str | None:
    """Return the span between two times. The day of one of them is also the day of the other."""
    if first.whole == "now" or any(one.whole and not _INSTANT.fullmatch(one.whole) for one in (first, second)):
        return None
    if (ages := _ages(first, second)) is not None:
        return ages
    if (in_part := _span_in_part(first, second)) is not None:
        return in_part
    is_number = bool(first.clock) and not (first.day or first.part or first.half)
    if second.day and not second.clock and (is_number or _DAY_OF_A_MONTH.fullmatch(first.day)):
        first = _in_month_of(second, first)  # from 3 to 5 november
    if first.day and second.clock and not (first.clock or first.part or second.day or second.half):
        second = _in_month_of(first, second)  # from Nov 3 to 5
    if first.day and not first.clock and second.clock and not second.day:
        return None  # it is not clear on which day "monday to 7:00" ends
    if first.clock and not (first.day or first.part or first.whole) and (second.day or second.part) and second.clock:
        first, second = first._replace(day=second.day, part=second.part), second._replace(day="", part="")
    if first.clock not in ("", *SUN) and second.half in ("a", "p") and first.half in ("", "24"):
        first = _with_half_of(second, first)
    is_of_day = bool(second.clock) and not second.day
    if is_of_day:
        if first.half in ("a", "p") and not second.half and not (first.part or second.part):
            second = _next_after(first, second)
        second = second._replace(day=first.day, part=second.part or first.part)
    text = str(second)
    return f"{first} to {re.split('[ T]', text)[-1] if is_of_day else text}"


def _ages(first: TimePoint, second: TimePoint) -> str | None:
    """Return the span of *between 1 and 2 hours ago*, the older time first; None for other spans."""
    age = re.fullmatch(r"(\d+)([smh]| days ago)", second.whole or second.day)
    if age is None or not first.clock.endswith(":00") or first.half or first.day or first.part:
        return None
    numbers = sorted((int(first.clock[:2]), int(age[1])), reverse=True)
    return " to ".join(f"{number}{age[2]}" for number in numbers)


def _in_month_of(dated: TimePoint, number: TimePoint) -> TimePoint:
    """Return the day with a number in the month of a written date; the number itself if it is no such date."""
    number_of_day = number.clock.removesuffix(":00") or re.sub(r"\D", "", number.day)
    if not number_of_day.isdecimal() or (day := _WRITTEN_DAY.search(dated.day)) is None:
        return number
    return TimePoint(f"{dated.day[: day.start()]}{int(number_of_day)}{dated.day[day.end() :]}")


def _with_half_of(last: TimePoint, first: TimePoint) -> TimePoint:
    """Return the start of a span such as *between 11 and 1 pm*, which starts before noon."""
    hour, minutes = int(first.clock[:2]), first.clock[2:]
    if not 1 <= hour <= 12:
        return first
    is_other = hour % 12 > int(last.clock[:2]) % 12
    is_after_noon = (last.half == "p") != is_other
    return first._replace(clock=f"{hour % 12 + 12 * is_after_noon:02d}{minutes}", half="p" if is_after_noon else "a")


def _next_after(first: TimePoint, last: TimePoint) -> TimePoint:
    """Return the end of a span such as *between 3 pm and 5*: the next such time of the clock with 12 hours."""
    hour, minutes = int(last.clock[:2]), last.clock[2:]
    if hour > 12:
        return last
    clocks = [f"{one:02d}{minutes}" for one in (hour % 12, hour % 12 + 12)]
    return last._replace(clock=next((one for one in clocks if one > first.clock), clocks[0]))
