"""Time ranges of questions."""

import re
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Final, Self

from hassette_store.ids import first_id_at
from hassette_store.periods import DAY_US, HOUR_US, MINUTE_US, PERIODS_US, SECOND_US
from hassette_sync.errors import BadQuestionError
from hassette_sync.home_time import HomeTime

DEFAULT_AGE = "24h"
MAX_TIME: Final = 200
"""Maximum number of characters of a time."""

_UNITS_US = {"s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US, "w": 7 * DAY_US}
_AGE = re.compile(r"(\d{1,6})\s*([smhdw])")
_NUMBER = re.compile("0|[1-9][0-9]{0,15}")
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK = re.compile(
    rf"(?:(today|yesterday|{'|'.join(WEEKDAYS)})(?:\s+|$))?(?:(\d{{1,2}}:\d{{2}}(?::\d{{2}})?)|(\d{{1,2}}(?::\d{{2}})?)\s*([ap])m)?",
    re.IGNORECASE,
)
_DAYS_AGO: Final = {"today": 0, "yesterday": 1}
MACHINE_TIME: Final = HomeTime()
"""The time zone of this machine."""

MILLISECOND_US: Final = 1_000
"""The time in an id is a whole millisecond."""

AROUND_US: Final = 5 * MINUTE_US
"""Lists that ask about a moment show this much before and after it."""

_MIN_NUMBER_US = 100_000_000 * SECOND_US  # March 1973
MAX_US: Final = 4_102_444_800 * SECOND_US
"""Start of the year 2100. No later time is read."""


def now_us() -> int:
    """Return the wall clock in microseconds since the Unix epoch."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """Whole UTC hours or days that cover a time range: the periods of the statistics.

    Attributes:
        unit: ``hour`` or ``day``.
        first: First period, counted from the Unix epoch.
        last: Last period, included.
        step: Number of periods in one point of a chart; ``first`` is a multiple of it.
        until_us: End of the last period, or the present time if that is earlier.
    """

    unit: str
    first: int
    last: int
    step: int = 1
    until_us: int

    @property
    def length_us(self) -> int:
        """Length of one point of a chart, in microseconds."""
        return self.step * PERIODS_US[self.unit]

    @property
    def points(self) -> range:
        """Points of a chart, counted from the Unix epoch in units of `length_us`."""
        return range(self.first // self.step, self.last // self.step + 1)

    @property
    def since_us(self) -> int:
        """Start of the first period."""
        return self.points.start * self.length_us

    @property
    def time_range(self) -> "TimeRange":
        """Time range that the periods cover."""
        return TimeRange(self.since_us, self.until_us)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Time range in microseconds since the Unix epoch. A run belongs to the range in which it ended.

    Attributes:
        since_us: Start, included.
        until_us: End, excluded.
        ends_now: Whether the range ends at the present time. If so, it also includes runs with a future time. Those
            exist if a clock was ahead (`hassette_sync.questions.periods.end_of_now`).
    """

    since_us: int
    until_us: int
    ends_now: bool = False

    def __post_init__(self) -> None:
        if self.since_us >= self.until_us:
            raise BadQuestionError("The time range is empty: its start must be before its end.")

    @classmethod
    def last(cls, age: str = DEFAULT_AGE, *, at_us: int | None = None) -> Self:
        """Return the range from ``age`` ago until now. An age is a text such as ``24h`` or ``7d``."""
        return cls.parse(age, None, at_us=at_us)

    @classmethod
    def parse(
        cls,
        since: str | None,
        until: str | None,
        *,
        at_us: int | None = None,
        home: HomeTime = MACHINE_TIME,
        in_any_order: bool = False,
    ) -> Self:
        """Parse a range; `parse_moment` describes the texts.

        Args:
            since: Start; None for 24 hours before the end.
            until: End; None for now. If a time of day without a date would make the range empty, it means the first
                such time after the start.
            at_us: Present time; None for the clock.
            home: Time zone of the texts, from `DataSyncService.home_time`; by default the time zone of this machine.
            in_any_order: Whether the start may be after the end. They are swapped then, and a range without a length
                gets a length of one second.

        Raises:
            BadQuestionError: A text is not a time, or the range is empty.
        """
        # The end is excluded. Without the extra second, a run that ends at this moment would be missing.
        at = now_us() if at_us is None else at_us
        end = parse_moment(until, at_us=at, key="until", home=home) if until else at + SECOND_US
        start = parse_moment(since, at_us=at, key="since", home=home) if since else max(end - DAY_US, 0)
        if until and start >= end and (clock := clock_of(until)) is not None and clock[0] is None:
            end = next_clock(clock[1], after_us=start, home=home)
        if in_any_order and start >= end:
            start, end = end, max(start, end + SECOND_US)
        return cls(start, end, ends_now=not until)

    @property
    def first_id(self) -> int:
        """Lowest id in the range."""
        return first_id_at(self.since_us)

    @property
    def end_id(self) -> int:
        """Lowest id after the range."""
        return first_id_at(self.until_us)


def parse_moment(
    text: str, *, at_us: int, key: str = "time", home: HomeTime = MACHINE_TIME, written: str | None = None
) -> int:
    """Parse a moment.

    - An age: ``90s``, ``15m``, ``24h``, ``7d``, ``2w``.
    - A time of day: ``07:00`` or ``7am`` means the most recent 07:00, also if it is now. ``yesterday 07:00`` and
      ``monday 07:00`` name the day. A weekday means its most recent day, which may be today.
    - ``now``. Also ``today``, ``yesterday`` and weekdays, which mean midnight at the beginning of that day.
    - An ISO date or time: ``2026-01-31``, ``2026-01-31T18:00``. Without an offset, it is local time.
    - Microseconds since the Unix epoch: 0 or a time after March 1973. A smaller number is probably a date without
      dashes, or a number of seconds.

    Args:
        text: Text to parse.
        at_us: Present time.
        key: Name of the value in the error message.
        home: Time zone of local times.
        written: Text in the error message; None for the text itself.

    Raises:
        BadQuestionError: The text has another form, or the time is outside 1970 to 2100.
    """
    check_length(text, key)
    text = text.strip()
    shown = text if written is None else written
    try:
        moment = _moment(text, at_us, key, home)
    except (ValueError, OverflowError, OSError):
        raise BadQuestionError(not_a_time(shown), parameter=key) from None
    if not 0 <= moment <= MAX_US:
        raise BadQuestionError(outside_years(shown), parameter=key)
    return moment


def check_length(text: str, key: str) -> None:
    """Refuse a text that is too long for a time.

    The expressions for times in words take seconds for some texts of 10,000 characters, in which the event loop would
    stop.

    Raises:
        BadQuestionError: The text has more than `MAX_TIME` characters.
    """
    if len(text) > MAX_TIME:
        raise BadQuestionError(not_a_time(text), parameter=key)


def not_a_time(text: str) -> str:
    """Return the problem of a text that is not a time."""
    return (
        "must be an age such as 24h or 7d, or a time such as 07:00, monday 7am, yesterday or 2026-01-31T18:00, "
        f"got {text[:40]!r}."
    )


def outside_years(text: str) -> str:
    """Return the problem of a time that is too early or too late for a history."""
    return f"must be in the years 1970 to 2100, got {text[:40]!r}."


def _moment(text: str, at_us: int, key: str, home: HomeTime) -> int:
    if text.lower() == "now":
        return at_us
    if age := _AGE.fullmatch(text):
        return max(at_us - int(age[1]) * _UNITS_US[age[2]], 0)
    if _NUMBER.fullmatch(text):
        moment = int(text)
        if 0 < moment < _MIN_NUMBER_US:
            raise BadQuestionError(
                f"must be 0 or a number of microseconds after March 1973, got {text[:40]!r}. "
                "Write a day as 2026-01-31, a time as 2026-01-31T18:00.",
                parameter=key,
            )
        return moment
    if (clock := clock_of(text)) is not None:
        day, at = clock
        today = home.local(at_us).date()
        if day is not None:
            named = named_day(day, today)
            assert named is not None  # the expression contains only names of days
            moment = _at(named, at, home)
            return moment if moment <= at_us or day not in WEEKDAYS else _at(named - timedelta(days=7), at, home)
        # Where the clocks are set forward at midnight, even yesterday's time may be in the future.
        moments = (_at(today - timedelta(days=days), at, home) for days in range(3))
        return next(moment for moment in moments if moment <= at_us)
    _check_hour(re.search(r"[Tt ](\d{2})", text))
    return home.moment_us(datetime.fromisoformat(text))


def _check_hour(found: re.Match[str] | None) -> None:
    """Refuse 24:00, which Python 3.14 reads as 00:00 and older versions refuse.

    Raises:
        ValueError: The hour is 24.
    """
    if found is not None and found[1] == "24":
        raise ValueError("the hour must be at most 23")


def clock_of(text: str) -> tuple[str | None, time_of_day] | None:
    """Return the named day and the time of day of a text such as ``monday 7am``; None if it has another form.

    The day is None if the text names no day.

    Raises:
        ValueError: There is no such time of day.
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        return None
    day, clock, half_clock, half = found.groups()
    if half:
        hour, _, minute = half_clock.partition(":")
        if not 1 <= int(hour) <= 12:
            return None
        clock = f"{int(hour) % 12 + 12 * (half.lower() == 'p')}:{minute or '00'}"
    if clock and clock[1] == ":":
        clock = f"0{clock}"
    clock = clock or "00:00"
    _check_hour(re.match(r"(\d{2})", clock))
    return (day.lower() if day else None, time_of_day.fromisoformat(clock))


def named_day(name: str, today: date) -> date | None:
    """Return the day that ``today``, ``yesterday`` or a weekday means; None for another name."""
    if name in _DAYS_AGO:
        return today - timedelta(days=_DAYS_AGO[name])
    if name in WEEKDAYS:
        return today - timedelta(days=(today.weekday() - WEEKDAYS.index(name)) % 7)
    return None


def next_clock(at: time_of_day, *, after_us: int, home: HomeTime) -> int:
    """Return the next moment after another one at which the clock of the home shows a time of day."""
    day = home.local(after_us).date()
    moment = _at(day, at, home)
    return moment if moment > after_us else _at(day + timedelta(days=1), at, home)


def _at(day: date, at: time_of_day, home: HomeTime) -> int:
    return home.moment_us(datetime.combine(day, at))
