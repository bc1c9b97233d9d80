"""The time that a question asks about: a moment, a day, or a part of a day."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Self

from hassette_store.periods import MINUTE_US, SECOND_US
from hassette_sync.errors import BadQuestionError
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.time_range import MACHINE_TIME, WEEKDAYS, TimeRange, named_day, parse_moment

NAMED_PARTS: Final = f"last night|(?:this|yesterday|{'|'.join(WEEKDAYS)}) (?:morning|afternoon|evening|night)"
"""Regular expression of the names of parts of a day, also for the description of the API."""

_PARTS: Final = {"morning": (5, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (22, 30)}
"""First and last hour of each part, counted from midnight. A night ends on the next day."""


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
        """Parse a moment, a day or a part of a day.

        - ``yesterday``, ``monday`` or ``2026-01-31`` means the whole day.
        - ``last night``, ``this morning`` or ``monday evening`` means this part of the day. A night lasts from 22:00 to
          06:00. A weekday never means a part of the day that has not begun.
        - All other texts are moments; see `parse_moment`.

        Args:
            text: Text to parse.
            now_us: Present time.
            key: Name of the value in the error message.
            home: Time zone of local times.

        Raises:
            BadQuestionError: The text has another form.
        """
        words = " ".join(text.lower().split())
        today = home.local(now_us).date()
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
        if (day_before := named_day(words, today)) is not None:
            return cls._between(day_before, 0, 24, home)
        try:
            at_us = parse_moment(text, at_us=now_us, key=key, home=home)
        except BadQuestionError as error:
            raise BadQuestionError(f"{error} Parts of a day have names such as 'last night'.") from None
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", words):
            return cls._between(date.fromisoformat(words), 0, 24, home)
        return cls.moment(at_us)

    @classmethod
    def _between(cls, day: date, first_hour: int, last_hour: int, home: HomeTime) -> Self:
        # Midnight plus hours of the wall clock: a day on which the clocks change is not 24 hours long.
        midnight = datetime.combine(day, time())
        start_us, end_us = (home.moment_us(midnight + timedelta(hours=hour)) for hour in (first_hour, last_hour))
        return cls(start_us, end_us - start_us)

    @property
    def is_span(self) -> bool:
        """Whether it is a day or a part of it, and not a moment."""
        return self.length_us > MINUTE_US

    def describe(self, times: ShownTimes) -> str:
        """Return the time in words: ``around 03:12:00``, or ``from 29 Nov 22:00 to 06:00``."""
        if self.is_span:
            return f"from {times.span(self.at_us, self.at_us + self.length_us)}"
        return f"around {times(self.at_us)}"

    def around(self, margin_us: int) -> TimeRange:
        """Return the time range to search: a day or a part of it, or a moment with a margin on both sides."""
        if self.is_span:
            return TimeRange(self.at_us, self.at_us + self.length_us)
        return TimeRange(max(self.at_us - margin_us, 0), self.at_us + self.length_us + margin_us)
