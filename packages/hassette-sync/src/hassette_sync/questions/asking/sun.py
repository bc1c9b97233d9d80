"""Times of sunset and sunrise: the changes of the entity of the sun."""

import re
from typing import Final

from hassette_store.ids import time_of
from hassette_sync.asked_time import AskedTime
from hassette_sync.errors import BadQuestionError
from hassette_sync.home_time import HomeTime
from hassette_sync.queries.causes import CHANGES_BEFORE
from hassette_sync.questions.sessions import home_time
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import DAY_US, HOUR_US, MINUTE_US, TimeRange, check_length
from hassette_sync.time_words import find_time

SUN: Final = re.compile(r"\bsun(?:set|rise)\b")
"""Finds sunset or sunrise in a time."""

_PART: Final = re.compile(
    r"(?P<open>(?:since|after|before|until) )?(?:(?P<day>.+) )?(?P<name>sunset|sunrise)"
    r"(?: (?P<sign>[+-]) (?P<number>\d+)(?P<unit>[mh]))?"
)
_STATES: Final = {"sunset": "below_horizon", "sunrise": "above_horizon"}
_MOST_CHANGES: Final = 20


async def asked_time(transaction: ReadTransaction, text: str, *, key: str = "at") -> AskedTime:
    """Return the time that a text means, also one of sunset or sunrise.

    `AskedTime.parse` describes the texts. The history has the times of sunset and sunrise, as changes of ``sun.sun``.

    Args:
        transaction: Read transaction of the question.
        text: For example ``03:12``, ``last night`` or ``20:00 to sunrise``.
        key: Name of the value in an error message.

    Raises:
        BadQuestionError: The text is not a time, or no such change of the sun is recorded.
    """
    check_length(text, key)
    home = await home_time(transaction)
    found = find_time(text)
    if found is not None and found.end == len(text.rstrip()) and SUN.search(found.text):
        text = await with_times_of_sun(transaction, found.text, home, key=key)
    return AskedTime.parse(text, now_us=transaction.at_us, key=key, home=home)


async def with_times_of_sun(transaction: ReadTransaction, text: str, home: HomeTime, *, key: str) -> str:
    """Return a time with the minutes of sunset and sunrise in place of these words.

    Without a day, the last one is meant. At the end of a span such as ``20:00 to sunrise``, the first one after its
    start is meant, or now if there is none yet.

    Args:
        transaction: Read transaction of the question.
        text: Time for `AskedTime.parse`, with ``sunset`` or ``sunrise`` in it.
        home: Time zone of the home.
        key: Name of the value in an error message.

    Raises:
        BadQuestionError: The history has no such change of ``sun.sun`` in this time, or a day is not understood.
    """
    now_us = transaction.at_us
    start, to, end = text.partition(" to ")
    found = await _with_time(transaction, start, TimeRange(max(now_us - 7 * DAY_US, 0), now_us), home, key)
    if not to:
        return found
    start_us = AskedTime.parse(found, now_us=now_us, key=key, home=home).at_us
    if (part := _PART.fullmatch(end)) is not None and part["day"] is None:
        times = await _times(transaction, part["name"], TimeRange(start_us, max(now_us, start_us + 1)))
        return f"{found} to {_written(times[-1], home) if times else 'now'}"
    within = TimeRange(start_us, max(now_us, start_us + 1))
    return f"{found} to {await _with_time(transaction, end, within, home, key)}"


async def _with_time(transaction: ReadTransaction, text: str, within: TimeRange, home: HomeTime, key: str) -> str:
    """Return one end of a time with the minute of its sunset or sunrise."""
    if (found := _PART.fullmatch(text)) is None:
        return text
    if found["day"] is not None:
        within = AskedTime.parse(found["day"], now_us=transaction.at_us, key=key, home=home).around(0)
    times = await _times(transaction, found["name"], within)
    if not times:
        raise BadQuestionError(
            f"must be a time such as 17:30, got {found['name']!r}. No change of sun.sun to "
            f"{_STATES[found['name']]} is recorded in this time.",
            parameter=key,
        )
    offset_us = int(found["number"] or 0) * (HOUR_US if found["unit"] == "h" else MINUTE_US)
    at_us = times[0] + (-offset_us if found["sign"] == "-" else offset_us)
    return f"{found['open'] or ''}{_written(at_us, home)}"


async def _times(transaction: ReadTransaction, name: str, within: TimeRange) -> list[int]:
    """Return the times of sunset or sunrise in a time range, the last one first."""
    rows = await transaction.all(
        CHANGES_BEFORE,
        {"entity": "sun.sun", "first_id": within.first_id, "end_id": within.end_id, "limit": _MOST_CHANGES},
    )
    return [time_of(row["id"]) for row in rows if row["new_state"] == _STATES[name]]


def _written(at_us: int, home: HomeTime) -> str:
    return f"{home.local(at_us // MINUTE_US * MINUTE_US):%Y-%m-%dT%H:%M}"
