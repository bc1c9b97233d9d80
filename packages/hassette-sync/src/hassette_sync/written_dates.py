"""Dates as people write them: ``28 Nov``, ``November 28, 2025``, ``28.11.``."""

import calendar
import re
from datetime import date
from typing import Final

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
"""Short names of the months."""
MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\b\.?"
)
"""Regular expression of the names of months."""

_DAY: Final = r"\d{1,2}(?:st|nd|rd|th)?"
_YEAR: Final = r"(?:,?\s+\d{4}\b)?"
WRITTEN_DATE: Final = (
    rf"(?:{_DAY}\.?\s+(?:of\s+)?{MONTH}{_YEAR}|\b{MONTH}\s+{_DAY}\b{_YEAR}|\d{{1,2}}\.\d{{1,2}}\.(?:\d{{4}}|\d\d)?)"
)
"""Regular expression of all forms of a written date, without groups, for texts in small letters."""

DATE_PATTERN: Final = rf"(?:[1-9]|1[0-9]|2[0-8]) (?:{'|'.join(MONTHS)})"
"""Pattern of a short form that is always a date, for the description of the API."""

_LONGEST_PAUSE: Final = 8
"""Most years between two days with one date: 29 February from 1896 to 1904."""


def month_name(text: str) -> str:
    """Return the short name of a month, such as ``nov``."""
    return text[:3].lower()


def month_number(text: str) -> int:
    """Return the number of a month, from 1 to 12."""
    return MONTHS.index(month_name(text)) + 1


def written_date(text: str, today: date) -> date | None:
    """Return the day that a written date means; None for another text.

    Without a year, it is the most recent such day.

    Args:
        text: The text, in small letters.
        today: Present day.
    """
    if not re.fullmatch(WRITTEN_DATE, text):
        return None
    written = re.findall(r"\d+", text)
    numbers = [int(one) for one in written]
    if (name := re.search(MONTH, text)) is not None:
        day, *years = numbers
        month = month_number(name[0])
    else:
        day, month, *years = numbers
    if not 1 <= month <= len(MONTHS):
        return None
    # 28.11.25 is of this century, and 28.11.0025 is not.
    wanted = [2000 + year if len(written[-1]) <= 2 else year for year in years]
    for year in wanted or range(today.year, today.year - _LONGEST_PAUSE - 1, -1):
        if year >= 1 and 1 <= day <= calendar.monthrange(year, month)[1]:
            found = date(year, month, day)
            if wanted or found <= today:
                return found
    return None


def last_day_with(number: int, today: date) -> date | None:
    """Return the most recent day with a number in its month; None if no month has it."""
    for months in range(3 if 1 <= number <= 31 else 0):
        year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
        if number <= calendar.monthrange(year, month + 1)[1] and date(year, month + 1, number) <= today:
            return date(year, month + 1, number)
    return None
