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
    `past_time` describes which times are in the past.

    Args:
        transaction: Read transaction of the question.
        text: For example ``03:12``, ``last night`` or ``20:00 to sunrise``.
        key: Name of the value in an error message.

    Raises:
        BadQuestionError: The text is not a time, it is in the future, or no such change of the sun is recorded.
    """
    check_length(text, key)
    home = await home_time(transaction)
    found = find_time(text)
    read = text
    if found is not None and found.end == len(text.rstrip()) and SUN.search(found.text):
        read = await with_times_of_sun(transaction, found.text, home, key=key)
    if read.strip().isdecimal():
        # A link of a page names a run or a change by its microseconds. It is in the future if a clock was ahead.
        return AskedTime.parse(read, now_us=transaction.at_us, key=key, home=home)
    return past_time(read, written=text, now_us=transaction.at_us, key=key, home=home)[1]


def past_time(text: str, *, written: str, now_us: int, key: str, home: HomeTime) -> tuple[str, AskedTime]:
    """Return a time in the past: its text for `AskedTime.parse`, and the time.

    A span that has begun may end in the future. If a part of this day or week has not begun, the words mean that of the
    day or week before.

    Args:
        text: Time for `AskedTime.parse`.
        written: The time as the user wrote it, for an error.
        now_us: Present time.
        key: Name of the value in an error message.
        home: Time zone of the home.

    Raises:
        BadQuestionError: The text is not a time, or it is in the future.
    """
    asked = AskedTime.parse(text, now_us=now_us, key=key, home=home)
    day, _, part = " ".join(text.lower().split()).partition(" ")
    if day in ("tonight", "this") and asked.at_us > now_us:
        before = dict.fromkeys(("", "night"), "last night") | {"weekend": "last weekend"}
        text = before.get(part, f"yesterday {part}")
        asked = AskedTime.parse(text, now_us=now_us, key=key, home=home)
    if asked.at_us > now_us:
        raise BadQuestionError(
            f"must be in the past, got {written[:40]!r}. hassette upcoming lists the next runs of jobs.", parameter=key
        )
    return text, asked


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
