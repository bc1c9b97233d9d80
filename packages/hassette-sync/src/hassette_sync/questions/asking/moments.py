"""The time in a question in words: split it off, and write it in a form that `AskedTime.parse` reads."""

import re
from typing import Final

from hassette_sync.time_range import WEEKDAYS
from hassette_sync.time_words import FoundTime, find_time, joined
from hassette_sync.written_dates import WRITTEN_DATE

_WORD: Final = re.compile(r"(?:^|(?<=[\s,]))[\w@~]")
_VERB: Final = (
    r"(?:turn|turned|turning|go|goes|went|going|switch|switched|switching|stay|stayed|come|comes|came|coming)"
    r"(?:\s+back)?|is|was|are|were"
)
# "On" belongs to the verb in "turn on yesterday", and to the day in "on monday".
_VERB_BEFORE_ON: Final = re.compile(rf"\b(?:{_VERB})\s*$", re.IGNORECASE)
_ON: Final = re.compile(r"on\s", re.IGNORECASE)
_ON_DAY: Final = re.compile(
    rf"on\s+(?:the\s+)?(?:last\s+)?(?:\d|week|first|{'|'.join(day[:3] for day in WEEKDAYS)}|{WRITTEN_DATE})",
    re.IGNORECASE,
)
_NO_TIME: Final = re.compile(
    r"\b(?:(?:very\s+)?recently|lately|a\s+(?:moment|(?:short\s+)?while)\s+ago|all\s+day|so\s+far|earlier$|"
    r"(?:for|after)\s+(?:an?|\d+|two|three|a\s+few|several)\s+(?:second|minute|hour|day|week)s?(?!\s+(?:ago|before|after)))\b",
    re.IGNORECASE,
)
"""Words that leave the time open."""


_OF_A_TIME: Final = re.compile(rf"\b(today|yesterday|last\s+(?:night|week)|{'|'.join(WEEKDAYS)})['’]s\b", re.IGNORECASE)
_PERHAPS_A_NAME: Final = re.compile(
    rf"(?:the\s+)?(?:(?P<weekday>{'|'.join(WEEKDAYS)})|noon|mid-?(?:night|day)|now|over-?night|tonight|sun(?:set|rise|down|up)|dusk|dawn|"
    r"\d{1,2}/\d{1,2}|\d{1,2} to \d{1,2})",
    re.IGNORECASE,
)
"""Times that are part of a name if other words follow them, such as *the sunset scene*."""


def split_moment(text: str) -> tuple[str, str]:
    """Split the moment off a question.

    Args:
        text: The words, without a question mark.

    Returns:
        The other words, and the moment for `AskedTime.parse`; empty if there is none.
    """
    text = _OF_A_TIME.sub(r"\1", _NO_TIME.sub("", text)).strip()
    times = _times_in(text)
    if not times:
        return text, ""
    last = times[-1]
    at_end = not text[last.end :].strip(" ,.")
    chosen = last if at_end else times[0]
    written = chosen.text
    rest = _without(text, chosen)
    if len(times) == 2 and (both := _both(text, times)) is not None:
        written = both
        rest = _without(_without(text, last), times[0])
    return rest, written


def _times_in(text: str) -> list[FoundTime]:
    """Return the times in a text, from left to right."""
    times: list[FoundTime] = []
    for word in _WORD.finditer(text):
        if times and word.start() < times[-1].end:
            continue
        found = find_time(text, word.start())
        if found is not None and not _is_part_of_a_name(text, found):
            times.append(found)
    return times


def _is_part_of_a_name(text: str, time: FoundTime) -> bool:
    words = _PERHAPS_A_NAME.fullmatch(text, time.start, time.end)
    is_day_before_all = words is not None and words["weekday"] is not None and time.start == 0
    return words is not None and not is_day_before_all and re.match(r"[\s.]*\w", text[time.end :]) is not None


def _both(text: str, times: list[FoundTime]) -> str | None:
    """Return one time for a day and a time of day at two places: on monday, did the light turn on at 7."""
    first, last = times
    is_apart = first.start == 0 or text[first.end : first.end + 1] == "," or _ON.match(text, first.start) is not None
    if not is_apart or first.point is None or last.point is None:
        return None
    point = joined(first.point, last.point)
    return str(point) if point is not None else None


def _without(text: str, time: FoundTime) -> str:
    """Return the text without a time. The word *on* remains if it belongs to a verb."""
    before, after = text[: time.start].rstrip(" ,"), text[time.end :].lstrip(" ,")
    words = text[time.start : time.end]
    if _ON.match(words) and (_VERB_BEFORE_ON.search(before) or not _ON_DAY.match(words)):
        before = f"{before} on"
    return f"{before} {after}".strip()
