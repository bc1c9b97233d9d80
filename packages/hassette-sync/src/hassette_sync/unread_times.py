"""Times that have more than one meaning or none in the history, each with what to write in its place."""

import re
from typing import Final

from hassette_sync.time_range import WEEKDAYS
from hassette_sync.written_dates import MONTH, WRITTEN_DATE


def _words(*patterns: str) -> str:
    return "|".join(patterns)


_DAY: Final = f"today|yesterday|{'|'.join(WEEKDAYS)}"
_PERIOD: Final = "time|minute|hour|day|night|morning|afternoon|evening|week|month"
_ZONE: Final = "utc|gmt|cest|cet|bst|wes?t|ees?t|[ecmp][sd]t|a[ec][sd]t|jst"
_AT_A_TIME: Final = r"(?:\s+(?:at\s+)?\d[\d:.]*(?:\s*[ap]m)?)?"
_FUTURE: Final = "A question is about the past. hassette upcoming lists the next runs of jobs."
_DATE: Final = "Day and month may be in either order. Write a date as 28 Nov or 2026-11-28."

_HINTS: Final = (
    (r"\d{1,2}/\d{1,2}(?:/(?:\d{4}|\d\d))?|\d{1,2}-\d{1,2}-\d{4}", _DATE),
    (rf"tomorrow(?:\s+(?:morning|afternoon|evening|night))?{_AT_A_TIME}", _FUTURE),
    (rf"next\s+(?:week(?:end)?|month|year|night|{'|'.join(WEEKDAYS)}){_AT_A_TIME}", _FUTURE),
    (r"in\s+(?:an?|one|two|three|\d+)\s+(?:min(?:ute)?|hour|day|week)s?", _FUTURE),
    (
        r"(?:(?:at|around|before|after|since|until|by|from|to)\s+)?(?:dusk|dawn|twilight)",
        "Write sunset or sunrise, or a time of day.",
    ),
    (
        rf"(?:\d{{4}}-\d\d-\d\d[t ])?(?:\d{{1,2}}(?::\d{{2}}){{1,2}}|\d{{1,2}}\s*[ap]m)\s+(?:{_ZONE})",
        "Times are those of the home. Write a time of another time zone as 2026-11-28T07:00Z.",
    ),
    (
        _words(
            r"(?:at|around|before|after|since|until)\s+(?:breakfast|lunch|dinner|supper|bed)(?:\s?time)?",
            r"(?:at|around|before|after|since|until)\s+(?:christmas|easter|new\s+year)",
            r"(?:during|by)\s+(?:the\s+)?day",
        ),
        "Write the time of day or the date.",
    ),
    (
        _words(
            r"(?:an?|one|two|three|\d{1,3})\s+(?:month|year)s?\s+ago",
            r"(?:week|cw|kw)\s+\d{1,2}",
            r"(?:last|past)\s+\w+\s+(?:nights|evenings|mornings|weekends|months|years)",
            r"(?:the\s+)?other\s+(?:day|night|week)",
        ),
        "Write the date, or the first and the last day: 23 Nov to 29 Nov.",
    ),
    (
        rf"(?:on\s+)?(?:{'|'.join(WEEKDAYS)}|week\s?day)s|every\s+(?:{_DAY}|{_PERIOD})",
        "Ask about one day, such as monday, or about last week.",
    ),
    (
        r"half\s+(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:1[0-2]|[1-9])(?![\d.:%]))(?:\s*[ap]m\b)?",
        "Write half past six or 06:30.",
    ),
    (rf"(?:at\s+)?(?:the\s+)?(?:same|this)\s+time(?:\s+(?:{_DAY}))?", "Write the time of day."),
    (
        r"(?:since|before|after)\s+(?:the\s+)?(?:last\s+)?(?:restart|reboot|crash)",
        "Write its time: hassette uptime shows it.",
    ),
    (r"sun(?:set|rise|down|up)", "Write the time of day in place of sunrise or sunset."),
)
TWO_CLOCKS: Final = r"\d{1,2}(?::\d{2})?\s*(?:[ap]m\s+)?(?:and|or)\s+\d{1,2}(?::\d{2})?(?:\s*[ap]m)?"
"""Regular expression of two times of day, such as *7 or 8* after *at*. They are refused."""

_HINTS_OUTSIDE_SPANS: Final = (
    (TWO_CLOCKS, "Write one time such as 07:00, or a span such as 07:00 to 08:00."),
    (rf"(?:on\s+)?(?:{_DAY})\s+(?:and|or)\s+(?:on\s+)?(?:{_DAY})", "Write one day, or a span: monday to tuesday."),
    (r"(?:5|10|20|25)\s+to\s+\d{1,2}(?:\s*[ap]m)?", "Write 06:55, or a span such as from 5 to 7 pm."),
)
_HINTS_ABOUT_NUMBERS: Final = (
    (r"\d{1,2}\.\d{1,2}(?![.\d])(?!\s*[a-z])", "It may be a date or a time of day. Write 6 Nov or 06:11."),
    (
        _words(
            r"(?:2[4-9]|[3-9]\d):\d{2}(?::\d{2})?",
            r"\d{1,2}:[6-9]\d(?::\d{2})?",
            r"(?:0?0|1[3-9]|[2-9]\d)(?::\d{2})?\s*[ap]m",
        ),
        "A time of day is from 00:00 to 23:59, or from 12am to 11:59pm.",
    ),
    (r"^\s*\d{1,2}\s+to\s+\d{1,2}\s*$", "Write from 7 to 8, or 07:00 to 08:00."),
    (
        rf"\d{{4}}-\d{{2}}-\d{{2}}|{WRITTEN_DATE}|\d{{1,2}}(?:st|nd|rd|th)",
        "There is no such day, or other words are next to it. Write a day as 28 Nov.",
    ),
    (MONTH, "Write november, or a span such as 10 Nov to 20 Nov."),
)
UNREAD: Final = "|".join(f"(?:{pattern})" for pattern, _ in _HINTS[:-1])
"""Regular expression of the times that are found in a question and refused. Those of the sun can be looked up."""

UNREAD_OUTSIDE_SPANS: Final = "|".join(f"(?:{pattern})" for pattern, _ in _HINTS_OUTSIDE_SPANS[1:])
"""Regular expression of times that are found and refused, except in a span: *between 7 and 8* is clear."""


def hint_about(words: str) -> str | None:
    """Return what to write in place of a time that is not understood; None if its form is not known."""
    for pattern, hint in (*_HINTS_OUTSIDE_SPANS, *_HINTS, *_HINTS_ABOUT_NUMBERS):
        if re.search(rf"(?<![\w/])(?:{pattern})(?![\w/])", words, re.IGNORECASE):
            return hint
    return None
