"""Which time a question is about."""

import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from hassette_sync.errors import BadQuestionError
from hassette_sync.ids import first_id_at

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
DEFAULT_AGE = "24h"

_UNITS_US = {"s": SECOND_US, "m": 60 * SECOND_US, "h": HOUR_US, "d": DAY_US, "w": 7 * DAY_US}
_AGE = re.compile(r"(\d{1,6})\s*([smhdw])")
_LEAST_NUMBER_US = 100_000_000 * SECOND_US  # March 1973
_LATEST_US = 4_102_444_800 * SECOND_US  # the year 2100


def now_us() -> int:
    """Return the wall clock in microseconds since the Unix epoch."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """The whole hours or days (UTC) that cover a time range; statistics are kept by them.

    Attributes:
        unit: ``hour`` or ``day``.
        first: The first period, counted since the epoch.
        last: The last one, included.
        step: How many of them one point of a drawing sums up; ``first`` is a multiple of it.
        until_us: Where the last one ends, or the present within it.
    """

    unit: str
    first: int
    last: int
    step: int = 1
    until_us: int

    @property
    def length_us(self) -> int:
        """The length of one point of a drawing, in microseconds."""
        return self.step * (HOUR_US if self.unit == "hour" else DAY_US)

    @property
    def points(self) -> range:
        """The points of a drawing, counted since the epoch in their own length."""
        return range(self.first // self.step, self.last // self.step + 1)

    @property
    def since_us(self) -> int:
        """Where the first period begins."""
        return self.points.start * self.length_us

    @property
    def time_range(self) -> "TimeRange":
        """The time that they cover."""
        return TimeRange(self.since_us, self.until_us)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From ``since_us``, included, to ``until_us``, excluded; microseconds since the Unix epoch.

    A run belongs to the moment at which it ended.

    Attributes:
        ends_now: Whether nobody named an end. Runs of a clock that has been ahead are then in it, too; see
            `hassette_sync.questions.periods.present`.
    """

    since_us: int
    until_us: int
    ends_now: bool = False

    def __post_init__(self) -> None:
        if self.since_us >= self.until_us:
            raise BadQuestionError("The time range is empty: its start must be before its end.")

    @classmethod
    def last(cls, age: str = DEFAULT_AGE, *, at_us: int | None = None) -> Self:
        """Return the time from ``age`` ago (such as ``24h`` or ``7d``) until now."""
        return cls.parse(age, None, at_us=at_us)

    @classmethod
    def parse(cls, since: str | None, until: str | None, *, at_us: int | None = None) -> Self:
        """Read a range from text; see `parse_moment`.

        Args:
            since: Start; None is 24 hours before the end.
            until: End; None is now.
            at_us: What to take for now.

        Raises:
            BadQuestionError: A text that is not a moment, or an empty range.
        """
        # A record made in this very millisecond belongs to "until now": hence one second more.
        at = now_us() if at_us is None else at_us
        end = parse_moment(until, at_us=at) if until else at + SECOND_US
        start = parse_moment(since, at_us=at) if since else end - DAY_US
        return cls(start, end, ends_now=not until)

    @property
    def first_id(self) -> int:
        """The lowest id in the range."""
        return first_id_at(self.since_us)

    @property
    def end_id(self) -> int:
        """The first id after the range."""
        return first_id_at(self.until_us)


def parse_moment(text: str, *, at_us: int) -> int:
    """Read a moment: an age (``90s``, ``15m``, ``24h``, ``7d``, ``2w``), an ISO time, or microseconds since the epoch.

    An ISO time without an offset is local time. A number that is no time since 1973 is refused, but for 0: it is a date
    without its dashes, or seconds.

    Raises:
        BadQuestionError: Something else, or a moment outside 1970 to 2100.
    """
    text = text.strip()
    if age := _AGE.fullmatch(text):
        moment = max(at_us - int(age[1]) * _UNITS_US[age[2]], 0)
    elif text.isascii() and text.isdigit():
        moment = int(text[:20])
        if 0 < moment < _LEAST_NUMBER_US:
            raise BadQuestionError(
                f"{text[:40]} is a number, so microseconds since 1970, and that is before March 1973. Write a day as "
                "2026-01-31, a time as 2026-01-31T18:00, or 0 for the beginning."
            )
    else:
        try:
            moment = int(datetime.fromisoformat(text).timestamp() * SECOND_US)
        except (ValueError, OverflowError, OSError):
            raise BadQuestionError(
                f"{text[:40]!r} is not a time. Write an age such as 24h or 7d, or a time such as 2026-01-31T18:00."
            ) from None
    if not 0 <= moment <= _LATEST_US:
        raise BadQuestionError(f"{text[:40]!r} lies outside of 1970 to 2100.")
    return moment
