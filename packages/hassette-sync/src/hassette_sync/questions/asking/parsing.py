"""The words in the ask box: which question they mean, about what, and about which moment."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from hassette_sync.errors import UnclearWordsError
from hassette_sync.questions.asking.failure_words import ID, failing_subject
from hassette_sync.questions.asking.moments import split_moment
from hassette_sync.questions.asking.page_questions import PageQuestion, page_question
from hassette_sync.questions.runs import check_text

_NOT_AFTER_AUXILIARY: Final = r"(?:did|does|do|was|were|is|are|has|have|had|ca|could|wo|would|should)n['’]?t"
_NEGATIONS: Final = rf"not|never|cannot|skipped|rate[- ]limited|{_NOT_AFTER_AUXILIARY}"
_NOT: Final = re.compile(rf"\b(?:{_NEGATIONS})\b|^why-not\b", re.IGNORECASE)
_FILLERS: Final = re.compile(
    rf"\b(?:why|did|does|do|was|were|is|are|has|have|been|the|a|an|all|my|our|it|that|in|so|please|still|again|keeps?|"
    rf"by (?:it|them)sel(?:f|ves)|suddenly|just|often|"
    rf"many(?:\s+times)?|since\s+when|always|ever|any\s?more|once|twice|really|actually|at\s+all|else|currently|"
    rf"(?:any|some)(?:one|body)|any|there|entities|how|who|what|when|which|{_NEGATIONS})\b",
    re.IGNORECASE,
)
_ON: Final = r"(?:turn(?:s|ed|ing)?|go|goes|went|going|switch(?:es|ed|ing)?|stay(?:s|ed)?)(?:\s+back)?"
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
            r"\b(?:change|run|fire|react|start|fail|execute|call|log|happen|trigger|dim|flicker|blink|move)"
            r"(?:e?d|s)?\b(?:\s+to\b)?",
            re.IGNORECASE,
        ),
        "",
    ),
    (
        re.compile(
            r"\b(?:ran|succeed(?:ed)?|finish(?:ed)?|completed?|logged|rise|rose|drop|dropped|fell)\b",
            re.IGNORECASE,
        ),
        "",
    ),
    (re.compile(r"\bwork(?:s|ed|ing)?$", re.IGNORECASE), ""),
    (re.compile(r"\b(?:go|goes|went)\s+(?:up|down)\b", re.IGNORECASE), ""),
)
_STATES: Final = (
    # "Why is the light on?" asks about the change to this state.
    re.compile(
        r"\b(?:is|was|are|were)(?:n['’]?t)?\b(?P<about>.*?)(?:\s+at)?\s(?P<state>on|off|unavailable|unknown|home|away)$",
        re.IGNORECASE,
    ),
    # An example is: who turned the light on.
    re.compile(r"\b(?:turn|switch)(?:ed)?\s(?P<about>.+)\s(?P<state>on|off)$", re.IGNORECASE),
    # An example is: hall light on.
    re.compile(r"^(?P<about>.+)\s(?P<state>on|off)$", re.IGNORECASE),
)
_LASTING: Final = re.compile(
    r"\b(?:(?:is|are|was|were)\b.*\s(?:on|off|unavailable|unknown|home|away|open)|"
    r"(?:is|are)\b.*\s(?:closed|locked|unlocked))$",
    re.IGNORECASE,
)
_BEGINNING: Final = re.compile(r"\b(?:turn|switch|go|come|chang)(?:ed|ing)\b", re.IGNORECASE)
_ASKS: Final[tuple[tuple[re.Pattern[str], Literal["each", "last"]], ...]] = (
    (
        re.compile(
            r"^(?:which|how\s+(?:many|often)|are|were|(?:is|was)\s+(?:there|any)|"
            r"what\s+\w+s\s+(?:is|are|was|were|did|turned|changed))\b",
            re.IGNORECASE,
        ),
        "each",
    ),
    (re.compile(r"^(?:when\b.*\blast\b|(?:when\s+was\s+)?the\s+last\s+time\b)", re.IGNORECASE), "last"),
)
_NAMED: Final = {"away": "not_home"}
_QUESTION: Final = re.compile(r"(?:why|who|what|when|which|did|does|is|was|are|were|has|have)\b", re.IGNORECASE)
_POLITE: Final = re.compile(
    r"^(?:(?:hey|hi|hello|please|ok(?:ay)?|and|but|well)\b[,\s]*|(?:can|could|would) you (?:please )?"
    r"(?:tell|show|explain to) me\s+|(?:please )?(?:tell|show) me\s+|explain\s+|do you know\s+|"
    r"i (?:want|would like|need) to know\s+|i wonder\s+|what (?:is|was) the reason (?:why|that)\s+|"
    r"for what reason\s+|how come\s+|"
    r"what (?:made|caused)\s+)+",
    re.IGNORECASE,
)
_DOER: Final = re.compile(
    r"^(?:which|what)\s+(?:apps?|automations?|handlers?|jobs?|scripts?|persons?|people|users?|devices?)\s+"
    r"(?=(?:turn|switch|open|clos|lock|unlock|chang|set|trigger|call)\w*\s)",
    re.IGNORECASE,
)
_WITHOUT_MEANING: Final = re.compile(
    # Examples are: what caused the light to turn on; who left the door open; why was the light left on.
    # Also: which app turned on the light; when was the last time that the door opened; the runs of the night round.
    rf"{_DOER.pattern}|^(?:when\s+was\s+)?the\s+last\s+time(?:\s+that)?\b|^(?:(?:show|list|the|all)\s+)*runs\s+of\b|"
    r"\bto\s+(?=(?:turn|go|switch|come|open|close|lock|unlock|change)\b)|^who\s+(?:has\s+)?left\b(?=\s.+\s\w+$)|"
    r"\bleft\s+(?=(?:on|off|open|unlocked)$)",
    re.IGNORECASE,
)
_HELP: Final = re.compile(r"help|examples?|can i ask", re.IGNORECASE)
_STATE_BEFORE_ROOM: Final = re.compile(
    r"^((?:why\s+)?(?:is|are|was|were)\b.*?)\s(on|off|open|closed)\s+(in\s+the\s.+)$", re.IGNORECASE
)
_SHORT_IS: Final = re.compile(r"\b(why|who|what|when|where|how)['’]s\b", re.IGNORECASE)
_WHY_AT_THE_END: Final = re.compile(
    r"[\s,.;:!?]+(?:(?:but|and)\s+)?(?:if\s+(?:so|not)[\s,]+why(?:\s+not)?|why|how come)$", re.IGNORECASE
)
# Words such as *slower* and *next* at the end of a subject do not belong to its name. An example is: what will turn on
# next.
_DESCRIPTION: Final = re.compile(
    r"\b(?:slow(?:er|est)?|faster|nois(?:iest|ier)|busiest|most|next|upcoming)$", re.IGNORECASE
)
_PLACE_OF_ID: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class ParsedWords:
    """The meaning of the words in the ask box.

    Attributes:
        kind: ``why``, ``why_not``, ``what_failed`` or ``elsewhere``.
        subject: Entity, service, handler, job, app or text of the question; empty for all failures.
        at: Text of the asked time for `AskedTime.parse`; empty for the newest.
        state: State in the question, such as ``on`` for *turned on*; empty without one.
        is_quoted: Whether the subject was in quotes, which means a text.
        page_question: Question that another page answers; None for the other kinds.
        instead: Meaning of the same words if their subject is a name of the home, such as *the slower fan*; None if
            they have no such meaning.
        is_lasting: Whether the words ask about being in the state, such as *is on*, and not about the change to it.
        asks: ``each`` if the words ask how often something changed, or which of several entities did; ``last`` if they
            ask when something last happened.
        text: All words without the moment, which may be the text of a log line or of an error.
    """

    kind: Literal["why", "why_not", "what_failed", "elsewhere"]
    subject: str
    at: str = ""
    state: str = ""
    is_quoted: bool = False
    page_question: PageQuestion | None = None
    instead: "ParsedWords | None" = None
    text: str = ""
    is_lasting: bool = False
    asks: Literal["", "each", "last"] = ""


def parse_words(words: str) -> ParsedWords:
    """Parse the words in the ask box.

    Examples are ``why did light.hall turn on at 03:12?``, ``hall light 03:12``, ``why not motion_light at 7`` and
    ``what failed last night?``.

    Raises:
        BadQuestionError: The words are too long.
        UnclearWordsError: The words name nothing.
    """
    check_text(words)
    rest = _SHORT_IS.sub(r"\1 is", _without_end(words))
    if (quoted := re.search(r"[\"“”«»„](.+?)[\"“”«»]", rest)) and quoted[1].strip():
        _, at = split_moment(rest[quoted.end() :])
        return ParsedWords("why", quoted[1].strip(), at, is_quoted=True)
    rest, at = split_moment(_WHY_AT_THE_END.sub("", _POLITE.sub("", rest)))
    # An example is: are any lights on in the living room.
    text = rest = _STATE_BEFORE_ROOM.sub(r"\1 \3 \2", rest)
    # An id is a name also if it contains words of a question, such as sensor.uptime.
    found = page_question(ID.sub(" ", text), has_time=bool(at))
    if found is not None and not found.may_describe:
        return ParsedWords("elsewhere", found.name, at, page_question=found, text=text)
    if (failing := failing_subject(text)) is not None:
        return ParsedWords("what_failed", failing, at, text=text)
    named = _about_a_name(text, at)
    if found is not None:
        if named is not None and named.state and not _DESCRIPTION.search(named.subject):
            return named  # An example is: why did the slower fan turn on.
        # "When does the next alarm change" is about a name only if the home has it.
        is_without_name = named is None or page_question(_without_words(text, named.subject)) is not None
        instead = None if is_without_name else named
        return ParsedWords("elsewhere", found.name, at, page_question=found, instead=instead, text=text)
    if re.match(r"how\s+long\b", text, re.IGNORECASE):
        raise UnclearWordsError(
            f"must not ask how long, got {words.strip()[:60]!r}. Ask when it last turned on, and when it last turned "
            "off.",
            parameter="q",
        )
    if named is None:
        raise UnclearWordsError(
            f"must name an entity, a service, a handler or a text in quotes, got {words.strip()[:60]!r}. "
            "For example: why did light.hall turn on at 03:12? Or: what failed last night?",
            parameter="q",
        )
    return named


def _about_a_name(text: str, at: str) -> ParsedWords | None:
    """Return the meaning of words about an entity, a service, a handler, a job or a text; None if they name nothing.

    Args:
        text: The words without the moment.
        at: Text of the moment.
    """
    rest = text
    ids = ID.findall(rest) if " " in rest else []
    only_id = ids[0] if len(ids) == 1 else None
    if only_id is not None:
        # An id may contain words of a question: "lock" in lock.front_door is no verb.
        rest = rest.replace(only_id, _PLACE_OF_ID)
    kind: Literal["why", "why_not"] = "why_not" if _NOT.search(rest) else "why"
    rest = re.sub(r"^why-not\b", "", rest, flags=re.IGNORECASE)
    rest = _WITHOUT_MEANING.sub("", rest)
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
    if only_id is not None:
        # In a question, an id is clear, so other words are not part of the name.
        is_clear = _QUESTION.match(text) is not None and _PLACE_OF_ID in subject.split()
        subject = only_id if is_clear else subject.replace(_PLACE_OF_ID, only_id)
    if _FILLERS.fullmatch(subject) or subject.lower() == "last":
        subject = ""
    if not subject or _HELP.fullmatch(subject):
        return None
    is_lasting = bool(state) and _LASTING.search(text) is not None and not _BEGINNING.search(text)
    return ParsedWords(
        kind,
        subject,
        at,
        state,
        text=text,
        is_lasting=is_lasting and kind == "why",
        asks=_asks(_DOER.sub("", text)),
    )


def _asks(text: str) -> Literal["", "each", "last"]:
    for words, asks in _ASKS:
        if words.search(text):
            return asks
    return ""


def _without_words(text: str, subject: str) -> str:
    """Return a text without the words of the subject."""
    words = subject.lower().split()
    return " ".join(word for word in text.split() if word.lower().strip(",;:") not in words)


def _without_end(words: str) -> str:
    """Return the words without a question mark or full stop. A date such as 28.11. keeps its full stop."""
    rest = words.strip().rstrip("?! ")
    return rest if re.search(r"(?:^|[\s–-])\d{1,2}\.\d{1,2}\.$", rest) else rest.rstrip("?!. ")
