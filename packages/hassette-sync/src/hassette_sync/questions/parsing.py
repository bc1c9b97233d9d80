"""The words in the ask box: which question they mean, about what, and about which moment."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from hassette_sync.asked_time import NAMED_PARTS
from hassette_sync.errors import UnclearWordsError
from hassette_sync.questions.runs import check_text
from hassette_sync.time_range import WEEKDAYS

_NEGATIONS: Final = r"not|never|cannot|(?:did|does|do|was|were|is|are|has|have|had|ca|could|wo|would|should)n['’]?t"
_NOT: Final = re.compile(rf"\b(?:{_NEGATIONS})\b|^why-not\b", re.IGNORECASE)
_FILLERS: Final = re.compile(
    rf"\b(?:why|did|does|do|was|were|is|are|has|have|been|the|a|an|all|my|our|it|that|in|so|please|still|again|keeps?|"
    rf"by (?:it|them)sel(?:f|ves)|suddenly|just|who|what|when|which|{_NEGATIONS})\b",
    re.IGNORECASE,
)
_CLOCK: Final = r"\d{1,2}:\d{2}(?::\d{2})?"
_DAYS: Final = "|".join(("today", "yesterday", *WEEKDAYS))
_DATE: Final = r"\d{4}-\d{2}-\d{2}"
# A number with a colon, or with am, pm or o'clock after it, is a time of day also without "at" before it.
_CLEAR_CLOCK: Final = rf"(?:(?:{_CLOCK}|\d{{1,2}})\s*(?:am|pm)\b|{_CLOCK}|\d{{1,2}}\s*(?:h|o'?clock)\b|midnight|noon)"
_ANY_CLOCK: Final = rf"(?:{_CLEAR_CLOCK}|\d{{1,2}})"
_AGO: Final = r"(?:(?:\d{1,6}|an?|half\s+an)\s*(?:s|m|h|d|w|(?:sec(?:ond)?|min(?:ute)?|hr|hour|day|week)s?)\s+ago)"
_MOMENT: Final = rf"(?:{_CLEAR_CLOCK}|{_DAYS}|{_DATE}(?:[T ]{_CLOCK})?|{_AGO}|{NAMED_PARTS}|now)"
_AT: Final = r"(?:\b(?:at|around|about|since)\s+|@\s*)"
_DAY: Final = (
    rf"(?:\bon\s+)?(?:\blast\s+)?\b(?P<day>{NAMED_PARTS}|{_DAYS}|{_DATE}|in\s+the\s+(?:morning|afternoon|evening))"
)
_MOMENTS: Final = (
    re.compile(rf"\s*{_DAY},?\s+(?:{_AT})?(?P<at>{_ANY_CLOCK})\s*$", re.IGNORECASE),
    re.compile(rf"\s*(?:{_AT}|\b(?={_CLEAR_CLOCK}))(?P<at>{_ANY_CLOCK}),?\s+{_DAY}\s*$", re.IGNORECASE),
    re.compile(rf"(?:^|\s+)(?:{_AT}|\bon\s+)?(?:\blast\s+(?=\w+day\b))?(?P<at>{_MOMENT})\s*$", re.IGNORECASE),
    re.compile(rf"\s*(?:{_AT}|\bon\s+)(?P<at>\d{{1,2}})\s*$", re.IGNORECASE),
)
"""A time of day after a day, a time of day before a day, and all other moments."""
_ON: Final = r"(?:turn|turned|turning|go|goes|went|going|switch|switched|switching|stay|stayed)(?:\s+back)?"
_COME: Final = r"(?:come|comes|came|coming)(?:\s+back)?"
_NO_STATE: Final = r"(?:become|becomes|became|go|goes|went|turn|turned)"
_VERBS: Final = (
    (re.compile(r"\b(?:come|came)\s+home\b|\barrived?\b", re.IGNORECASE), "home"),
    (re.compile(r"\b(?:leave|left)(?:\s+home)?\s*$", re.IGNORECASE), "not_home"),
    (re.compile(rf"\b(?:{_ON}|{_COME})\s+on\b", re.IGNORECASE), "on"),
    (re.compile(rf"\b{_ON}\s+off\b|\b(?:go|goes|went|going)\s+out\b", re.IGNORECASE), "off"),
    (re.compile(rf"\b{_NO_STATE}\s+unavailable\b", re.IGNORECASE), "unavailable"),
    (re.compile(rf"\b{_NO_STATE}\s+unknown\b", re.IGNORECASE), "unknown"),
    (re.compile(r"\bunlock(?:ed|s)?\b", re.IGNORECASE), "unlocked"),
    (re.compile(r"\block(?:ed|s)?\b(?!.*\block(?:ed|s)?\b)", re.IGNORECASE), "locked"),
    (re.compile(r"\bopen(?:ed|s)?\b", re.IGNORECASE), "open"),
    (re.compile(r"\bclose(?:d|s)?\b", re.IGNORECASE), "closed"),
    (
        re.compile(
            r"\b(?:change|run|fire|react|start|fail|execute|call|log|happen|trigger)(?:e?d|s)?\b(?:\s+to\b)?",
            re.IGNORECASE,
        ),
        "",
    ),
    (re.compile(r"\b(?:ran|logged|rise|rose|drop|dropped|fell)\b", re.IGNORECASE), ""),
    (re.compile(r"\b(?:go|goes|went)\s+(?:up|down)\b", re.IGNORECASE), ""),
)
_STATES: Final = (
    # "Why is the light on?" asks about the change to this state.
    re.compile(
        r"\b(?:is|was|are|were)(?:n['’]?t)?\b(?P<about>.*?)(?:\s+at)?\s(?P<state>on|off|unavailable|unknown|home|away)$",
        re.IGNORECASE,
    ),
    # "Who turned the light on?"
    re.compile(r"\b(?:turn|switch)(?:ed)?\s(?P<about>.+)\s(?P<state>on|off)$", re.IGNORECASE),
)
# "On" belongs to the verb in "turn on yesterday", and to the day in "on monday".
_VERB_BEFORE_ON: Final = re.compile(rf"\b(?:{_ON}|{_COME}|is|was|are|were)\s*$", re.IGNORECASE)
_NAMED: Final = {"midnight": "00:00", "noon": "12:00", "away": "not_home"}
_QUESTION: Final = re.compile(r"(?:why|who|what|when|which|did|does|is|was|are|were|has|have)\b", re.IGNORECASE)
_PARTS: Final = ("morning", "afternoon", "evening", "night")
_ID: Final = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z0-9_]+)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParsedWords:
    """The meaning of the words in the ask box.

    Attributes:
        kind: ``why`` or ``why_not``.
        subject: Entity, service, handler, job, app or text of the question.
        at: Text of the asked time for `AskedTime.parse`; empty for the newest.
        state: State in the question, such as ``on`` for *turned on*; empty without one.
        is_quoted: Whether the subject was in quotes, which means a text.
        text: All words without the moment, which may be the text of a log line or of an error.
    """

    kind: Literal["why", "why_not"]
    subject: str
    at: str = ""
    state: str = ""
    is_quoted: bool = False
    text: str = ""


def parse_words(words: str) -> ParsedWords:
    """Parse the words in the ask box.

    Examples are ``why did light.hall turn on at 03:12?``, ``hall light 03:12`` and ``why not motion_light at 7``.

    Raises:
        BadQuestionError: The words are too long.
        UnclearWordsError: The words name nothing.
    """
    check_text(words)
    rest = words.strip().rstrip("?!.").strip()
    if quoted := re.search(r"[\"“”«»„](.+?)[\"“”«»]", rest):
        _, at = _split_moment(rest[quoted.end() :])
        return ParsedWords("why", quoted[1].strip(), at, is_quoted=True)
    rest, at = _split_moment(rest)
    text = rest
    kind: Literal["why", "why_not"] = "why_not" if _NOT.search(rest) else "why"
    rest = re.sub(r"^why-not\b", "", rest, flags=re.IGNORECASE)
    state = ""
    if " " in rest:
        for verb, found in _VERBS:
            # In "is the lock unlocked", only the last word is the state.
            if not (state and found) and verb.search(rest):
                rest, state = verb.sub(" ", rest), state or found
    for pattern in _STATES:
        if not state and (is_state := pattern.search(rest)):
            word = is_state["state"].lower()
            rest, state = f"{rest[: is_state.start()]} {is_state['about']}", _NAMED.get(word, word)
    subject = " ".join(_FILLERS.sub(" ", rest).split()) if " " in rest else rest.strip()
    subject = subject.rstrip(" ,;:").removesuffix(" last")
    if _QUESTION.match(text) and len(ids := [word for word in subject.split() if _ID.fullmatch(word)]) == 1:
        subject = ids[0]  # an id is clear, so other words are not part of the name
    if _FILLERS.fullmatch(subject):
        subject = ""
    if not subject:
        raise UnclearWordsError(
            f"q must name an entity, a service, a handler or a text in quotes, got {words.strip()[:60]!r}. "
            "For example: why did light.hall turn on at 03:12?"
        )
    return ParsedWords(kind, subject, at, state, text=text)


def _split_moment(text: str) -> tuple[str, str]:
    """Split the moment at the end off the text."""
    found = next((found for pattern in _MOMENTS if (found := pattern.search(text)) is not None), None)
    if found is None:
        return text, ""
    before = text[: found.start()]
    if re.match(r"\s*on\s", found[0], re.IGNORECASE) and _VERB_BEFORE_ON.search(before):
        before = f"{before} on"
    day = found.groupdict().get("day")
    return before.strip(), _moment(found["at"]) if day is None else _at_day(_moment(found["at"]), found["at"], day)


def _moment(text: str) -> str:
    """Return a text for `AskedTime.parse`."""
    text = re.sub(r"\s+", " ", text.strip().lower())
    text = _NAMED.get(text, text)
    if text.startswith("half an h"):
        return "30m"
    if age := re.fullmatch(r"(\d+|an?) ?([smhdw])\w* ago", text):
        return f"{age[1] if age[1].isdigit() else 1}{age[2]}"
    if clock := re.fullmatch(r"(\d{1,2})((?::\d{2})*) ?(am|pm|h|o'?clock)?", text):
        hour, half = int(clock[1]), clock[3]
        hour = hour % 12 + (12 if half == "pm" else 0) if half in ("am", "pm") else hour
        text = f"{hour:02d}{clock[2] or ':00'}"
    return text


def _at_day(clock: str, written: str, day: str) -> str:
    """Return a time of day on a day, or in a part of it: at 7 in the evening is 19:00."""
    *days, part = day.lower().split()
    if part not in _PARTS:
        return f"{part}T{clock}" if part[0].isdigit() else f"{part} {clock}"
    name = {"last": "yesterday", "this": "today"}.get(days[0], days[0])
    hour = int(clock[:2])
    if hour <= 12 and re.fullmatch(r"[\d:]+", written.strip()):
        hour = hour % 12 + (12 if part in ("afternoon", "evening") or (part == "night" and 6 <= hour < 12) else 0)
        hour = 12 if part in ("morning", "afternoon") and clock.startswith("12") else hour
    clock = f"{hour:02d}{clock[2:]}"
    if name == "in":
        return clock
    if part == "night" and hour < 12:  # a night ends on the next day
        name = WEEKDAYS[(WEEKDAYS.index(name) + 1) % 7] if name in WEEKDAYS else "today"
    return f"{name} {clock}"
