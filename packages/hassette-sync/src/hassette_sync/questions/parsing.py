"""The words in the ask box: which question they mean, about what, and about which moment."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from hassette_sync.asked_time import NAMED_PARTS
from hassette_sync.errors import UnclearWordsError
from hassette_sync.questions.runs import check_text
from hassette_sync.time_range import WEEKDAYS

_NEGATIONS: Final = "not|never|(?:did|does|was|is|has)n['’]?t"
_NOT: Final = re.compile(rf"\b(?:{_NEGATIONS})\b|^why-not\b", re.IGNORECASE)
_FILLERS: Final = re.compile(
    rf"\b(?:why|did|does|do|was|were|is|are|has|have|been|the|a|an|my|our|it|that|in|so|please|"
    rf"suddenly|just|who|what|when|which|{_NEGATIONS})\b",
    re.IGNORECASE,
)
_CLOCK: Final = r"\d{1,2}:\d{2}(?::\d{2})?"
_DAYS: Final = "|".join(("today", "yesterday", *WEEKDAYS))
_MOMENT: Final = (
    rf"(?:(?:{_DAYS})(?:\s+(?:at\s+)?{_CLOCK})?|{_CLOCK}|\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]{_CLOCK})?"
    r"|\d{1,2}(?::\d{2})?\s*(?:am|pm)\b|\d{1,2}\s*(?:h|o'?clock)\b"
    r"|\d{1,6}\s*(?:s|m|min|h|d|w|seconds?|minutes?|hours?|days?|weeks?)\s+ago"
    rf"|{NAMED_PARTS}|midnight|noon|now)"
)
_WITH_PREPOSITION: Final = re.compile(
    rf"\s*(?:(?:\bon\s+)?\b({_DAYS})\s+)?(?:\b(?:at|around|about|on|since)\s|@)\s*({_MOMENT}|\d{{1,2}})"
    rf"\s*({_DAYS})?\s*$",
    re.IGNORECASE,
)
_ALONE: Final = re.compile(rf"(?:^|\s)()({_MOMENT})\s*({_DAYS})?\s*$", re.IGNORECASE)
_VERBS: Final = (
    (re.compile(r"\b(?:come|came)\s+home\b|\barrived?\b", re.IGNORECASE), "home"),
    (re.compile(r"\b(?:leave|left)(?:\s+home)?\s*$", re.IGNORECASE), "not_home"),
    (re.compile(r"\b(?:turn|turned|go|goes|went|switch|switched|come|came)\s+on\b", re.IGNORECASE), "on"),
    (re.compile(r"\b(?:turn|turned|go|goes|went|switch|switched)\s+off\b", re.IGNORECASE), "off"),
    (re.compile(r"\bunlock(?:ed|s)?\b", re.IGNORECASE), "unlocked"),
    (re.compile(r"\block(?:ed|s)?\b", re.IGNORECASE), "locked"),
    (re.compile(r"\bopen(?:ed|s)?\b", re.IGNORECASE), "open"),
    (re.compile(r"\bclose(?:d|s)?\b", re.IGNORECASE), "closed"),
    (re.compile(r"\b(?:change|run|fire|react|start|fail|execute|call|log|happen)(?:e?d|s)?\b", re.IGNORECASE), ""),
    (re.compile(r"\b(?:ran|logged|rise|rose|drop|dropped|fell)\b", re.IGNORECASE), ""),
    (re.compile(r"\b(?:go|goes|went)\s+(?:up|down)\b", re.IGNORECASE), ""),
)
# "Why is the light on?" asks about the change to this state.
_IS: Final = re.compile(r"\b(?:is|was|are|were)\b(.*)\b(on|off|unavailable|unknown)\s*$", re.IGNORECASE)
# "On" belongs to the verb in "turn on yesterday", and to the day in "on monday".
_VERB_BEFORE_ON: Final = re.compile(
    r"\b(?:turn|turned|go|goes|went|switch|switched|come|came|is|was|are|were)\s*$", re.IGNORECASE
)
_NAMED: Final = {"midnight": "00:00", "noon": "12:00"}


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
            if verb.search(rest):
                rest, state = verb.sub(" ", rest), state or found
    if not state and (is_state := _IS.search(rest)):
        rest, state = f"{rest[: is_state.start()]} {is_state[1]}", is_state[2].lower()
    subject = " ".join(_FILLERS.sub(" ", rest).split()) if " " in rest else rest.strip()
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
    found = _WITH_PREPOSITION.search(text) or _ALONE.search(text)
    if found is None:
        return text, ""
    before = text[: found.start()]
    if re.match(r"\s*on\s", found[0], re.IGNORECASE) and _VERB_BEFORE_ON.search(before):
        before = f"{before} on"
    return before.strip(), _moment(found[2], found[1] or found[3])


def _moment(text: str, day: str | None) -> str:
    """Return a text for `AskedTime.parse`."""
    text = re.sub(r"\s+", " ", text.strip().lower())
    text = _NAMED.get(text, text)
    if age := re.fullmatch(r"(\d+) ?([smhdw])\w* ago", text):
        return f"{age[1]}{age[2]}"
    if clock := re.fullmatch(r"(\d{1,2})(:\d{2})? ?(am|pm|h|o'?clock)?", text):
        hour, half = int(clock[1]), clock[3]
        hour = hour % 12 + (12 if half == "pm" else 0) if half in ("am", "pm") else hour
        text = f"{hour:02d}{clock[2] or ':00'}"
    text = text.replace(" at ", " ")
    return f"{day.lower()} {text}" if day and re.fullmatch(_CLOCK, text) else text
