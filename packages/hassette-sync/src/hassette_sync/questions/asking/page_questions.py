"""Questions that another page answers, such as *was the framework up* and *what will run next*."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuestion:
    """A kind of question that another page answers.

    Attributes:
        name: Short name.
        words: Regular expression that finds it in the words without the moment. It is compiled on first use.
        sentence: The sentence that names the page.
        page: Path of the page; empty for the overview.
        parameters: Parameters of the page other than its time range.
        default_since: Start of the time range, unless the visitor has chosen one; None for the default of the page.
        command: The command with the same answer.
        has_time: Whether the page and the command take the time of the question.
        may_describe: Whether its words may also describe a subject, as in *the slower fan*. Then words about a failure,
            and the names of the home, are more likely.
        words_with_time: Like ``words``, for a question with a time only. It goes before the words of other questions.
    """

    name: str
    words: str
    sentence: str
    page: str
    command: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    default_since: str | None = None
    has_time: bool = True
    may_describe: bool = False
    words_with_time: str = ""


def _words(*patterns: str) -> str:
    return "|".join(patterns)


UPTIME: Final = PageQuestion(
    name="uptime",
    words=_words(
        r"\b(?:hassette|framework)\b(?![._]).*\b(?:up|down|running|runs?|(?:re)?start(?:ed|s)?|stop(?:ped|s)?|"
        r"crash(?:ed|es)?|die[ds]?|(?:off|on)line|alive)\b",
        r"\buptime\b",
        r"^(?:(?:when|why|how\s+often)\s+)?(?:did|has|was|is)\s+it\s+(?:(?:re)?start(?:ed)?|stop(?:ped)?|"
        r"crash(?:ed|ing)?|running|down)$",
        r"^(?:(?:when|what)\s+(?:was|is|did)\s+)?(?:the\s+)?(?:last|latest|newest)\s+(?:crash|(?:re)?start|stop)"
        r"(?:\s+happen)?$",
    ),
    sentence="The page Sessions lists each start and stop.",
    page="sessions",
    command="hassette uptime",
)
_NOT_RUN: Final = PageQuestion(
    name="not_run",
    words=_words(
        r"^(?:what|which(?:\s+(?:jobs?|handlers?|apps?|runs?))?)\s+(?:(?:did|has)(?:\s+not|n['’]t)|never)\s+(?:run|happen)$",
        r"^(?:why\s+)?(?:did\s+)?nothing\s+(?:run|ran|happen(?:ed)?)$",
        r"^(?:why\s+)?did\s+anything\s+not\s+run$",
        r"^what\s+should\s+have\s+(?:run|happened)$",
        r"^(?:why\s+)?(?:did\s+)?no\s+(?:jobs?|handlers?|apps?|automations?)\s+(?:run|ran)$",
    ),
    sentence="The page Not run lists the triggers that led to no run. To ask about one handler or job, write why not "
    "and its name.",
    page="not-run",
    command="hassette not-run",
)
_NEXT: Final = PageQuestion(
    name="next",
    words=_words(
        r"^(?:what|which|when|who)\b.*\bnext\b",
        r"^(?:the\s+)?next\s+(?:runs?|jobs?)\b",
        r"\bupcoming\b",
        r"^what\s+(?:will|is\s+going\s+to)\s+(?:run|happen)\b",
    ),
    sentence="The overview of the running Hassette lists the next runs of jobs under Next runs.",
    page="",
    command="hassette upcoming",
    has_time=False,
    may_describe=True,
)
_PAGE_QUESTIONS: Final = (
    UPTIME,
    _NOT_RUN,
    PageQuestion(
        name="connection",
        words=_words(
            r"\bhome\s*assistant\b(?![._]).*\b(?:up|down|(?:re)?start(?:ed|s)?|(?:off|on)line|(?:dis)?connect(?:ed)?|"
            r"(?:un)?available|(?:un)?reachable|lost|gone|away)\b",
            r"\bconnection\b.*\b(?:lost|down|up|ok|okay|fine|working|drop(?:ped)?|restored|broken?)\b",
            r"\b(?:lose|lost)\b.*\bconnection\b",
        ),
        sentence="The page Events lists each lost and restored connection to Home Assistant.",
        page="events",
        command="hassette events",
    ),
    PageQuestion(
        name="slower",
        words=_words(r"\b(?:slower|slowest|faster)\b", r"\b(?:is|are|was|were|got|became|so|too)\s+slow$"),
        sentence="The page Comparison lists slower handlers and jobs.",
        page="compare",
        default_since="7d",
        command="hassette compare --since 7d",
        has_time=False,
        may_describe=True,
    ),
    PageQuestion(
        name="noise",
        words=_words(
            r"\b(?:nois(?:iest|ier)|busiest)\b",
            r"\bmost\b.*\b(?:noise|logs?|log\s+lines|data|runs|calls)\b",
            r"\b(?:writes?|logs?|runs?|calls?|uses?)\b.*\bmost\b",
        ),
        sentence="The page Apps lists the apps by their noise: runs, log lines, calls and bytes.",
        page="apps",
        command="hassette apps",
        may_describe=True,
    ),
    PageQuestion(
        name="logs",
        words=_words(
            r"^(?:(?:show|list|the|all|any|me|give|what|are|were)\s+)*logs?(?:\s+(?:lines?|entries|messages))?"
            r"(?:\s+(?:around|near|at|of|for|from)\b.*)?$",
            r"^what\s+(?:was|is|got)\s+logged$",
        ),
        sentence="The page Logs lists the log lines of a time, with filters by text, level and app.",
        page="logs",
        command="hassette logs",
    ),
    _NEXT,
    replace(
        _NEXT,
        words=_words(
            r"^(?:when\s+|which\s+\w+\s+)?will\s",
            r"^(?:is|are|when|what)\b.*\bscheduled$",
            r"^(?:when|at\s+what\s+time)\s+(?:does|do)\b.*\brun$",
            r"^(?:what|which)(?:\s+(?:jobs?|handlers?|apps?))?\s+runs?$",
        ),
        may_describe=False,
    ),
    PageQuestion(
        name="counts",
        words=r"^how\s+(?:often|many\s+times)\b.*\b(?:run|ran|execute[ds]?|fire[ds]?|triggered)$",
        sentence="The pages Handlers and Jobs list the number of runs of each handler and job in a time.",
        page="handlers",
        command="hassette handlers",
    ),
    PageQuestion(
        name="durations",
        words=r"^how\s+long\b.*\b(?:take|took|runs?|last(?:ed)?)$",
        sentence="The pages Handlers and Jobs list the durations of each handler and job in a time.",
        page="handlers",
        command="hassette handlers",
    ),
    PageQuestion(
        name="switched_off",
        words=r"^(?:is|are|was|were|which|what|any)\b.*\b(?:enabled|disabled|paused|rehearsing|switched\s+off)$",
        sentence="The page Apps marks disabled and rehearsing apps, and the page Jobs paused jobs.",
        page="apps",
        command="hassette apps",
    ),
    PageQuestion(
        name="running",
        words=r"^(?:is|are|which|what|how\s+many)\b.*\brunning$",
        sentence="The overview lists the runs in progress. The page Apps lists the apps.",
        page="",
        command="hassette running",
        has_time=False,
    ),
    PageQuestion(
        name="versions",
        words=_words(
            r"\bsince\b.*\b(?:edit(?:ed)?|deploy(?:ed)?|version|update[ds]?)\b",
            r"\bsince\b.*\b(?:changed|modified)\s+(?:the|my|an)\s+(?:app|code)\b",
            r"^what\s+(?:has\s+|is\s+|was\s+)?(?:changed|different)(?:\s+(?:since|from|to|than|compared)\b.*)?$",
        ),
        sentence="The page Comparison compares each app with its previous version.",
        page="compare",
        parameters={"against": "version"},
        default_since="7d",
        command="hassette compare --since 7d --against version",
        has_time=False,
    ),
    PageQuestion(
        name="runs",
        words_with_time=r"^what\s+(?:all\s+)?(?:has\s+|have\s+)?changed$",
        words=_words(
            r"^what\s+(?:all\s+|else\s+)?(?:has\s+|have\s+)?(?:happened|ran(?:\s+last)?|is\s+happening|(?:is|was)\s+going\s+on)$",
            r"^what\s+(?:else\s+)?(?:(?:turned|switched|went)\s+(?:on|off)|opened|closed|moved)$",
            r"^(?:what|which)\s+(?:apps?|handlers?|jobs?|automations?)\s+(?:ran|did\s+run|have\s+run|were\s+running)$",
            r"^(?:did|has|have)\s+(?:(?:the|a|any|all|my)\s+)?(?:apps?|handlers?|jobs?|automations?)\s+(?:run|ran)$",
            r"^what\s+did\s+(?:(?:the|this|that|my|all)\s+)*(?:runs?|apps?|automations?|hassette)(?:\s+(?:do|change))?$",
        ),
        sentence="The page Runs lists the runs of a time. The page of a run shows its causes and what it changed.",
        page="runs",
        command="hassette runs",
    ),
)


def page_question(text: str, *, has_time: bool = False) -> PageQuestion | None:
    """Return the question that another page answers; None if the words ask another question.

    Args:
        text: The words without the moment.
        has_time: Whether the words have a moment.
    """
    for one in _PAGE_QUESTIONS:
        if has_time and one.words_with_time and re.search(one.words_with_time, text, re.IGNORECASE):
            return one
    return next((one for one in _PAGE_QUESTIONS if re.search(one.words, text, re.IGNORECASE)), None)
