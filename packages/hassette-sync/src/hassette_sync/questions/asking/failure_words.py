"""Questions about failures: whether words ask one, and about which handler, job or app."""

import re
from typing import Final

from hassette_sync.answers.asked import FailedStatus
from hassette_sync.answers.kinds import Kind

ID: Final = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z0-9_]+)+", re.IGNORECASE)
"""Id of an entity, or name of a handler or job: ``light.hall``, ``motion_light.on_motion``."""

_NOUN: Final = r"(?:errors?|failures?|exceptions?|crashes|tracebacks?|problems?|issues?)"
_PLURAL: Final = r"(?:errors|failures|exceptions|crashes|tracebacks|problems|issues)"
_PAST: Final = (
    r"(?:failed|failing|crashed|crashing|broke|broken|(?:went|gone|going)\s+wrong|tim(?:ed|ing)\s+out|interrupted|"
    r"errored(?:\s+out)?)"
)
_BASE: Final = r"(?:fails?|crash(?:es)?|breaks?|go(?:es)?\s+wrong|times?\s+out|error\s+out)"
_FAILS: Final = rf"(?:\b(?:{_PAST}|{_BASE})\b(?!\s+to\b)(?!\s+\w+\s+to\b))"
_AUXILIARY: Final = r"(?:did|does|do|has|have|had|is|are|was|were|can|could|will|would)(?:n['’]?t)?"
_OPENING: Final = r"(?:why|when|how\s+(?:often|many\s+times)|what\s+time|since\s+when)"
_WHICH: Final = r"(?:the|all|new|latest|last|newest|recent)"
# The patterns are compiled on first use: a command without words must not wait for them.
_ASKS: Final = (
    # Examples are: why did motion_light fail; has anything crashed.
    rf"^(?:{_OPENING}\s+)?{_AUXILIARY}\b.*{_FAILS}",
    # Examples are: what failed; which handlers keep failing; what went wrong with the backup.
    rf"^(?:what|which|who|any\w*|some\w*|every\w*)\b.*{_FAILS}",
    # Examples are: which errors are new; show the errors of motion_light; are there problems.
    rf"^(?:what|which|any|list|show|how\s+many|(?:are|were|is|was)\s+there|{_WHICH})\b.*\b{_NOUN}\b",
    rf"^(?:why|when|since\s+when)\b.*\b(?:{_PLURAL}|(?:this|that|the)\s+(?:(?:last|latest|newest)\s+)?{_NOUN})\b",
    rf"^(?:(?:did|has|have|had|does|do)\b.*\b{_NOUN}|{_PLURAL})\b",
    # Examples are: failed runs; list failed jobs of the backup; failing.
    rf"^(?:(?:list|show|the|all|my)\s+)*(?:{_PAST}|fails?)(?:\s+(?:runs?|jobs?|handlers?|apps?)\b.*)?$",
    # An example is: error of the backup.
    rf"^{_NOUN}\s+(?:of|in|from|with)\b",
    # Examples are: is the backup ok; is everything fine.
    r"^(?:is|are)\b.*\b(?:ok|okay|fine|healthy|working|all\s+right|alright)$",
    # Examples are: is that new; is this error new.
    rf"^(?:is|are|was|were)\s+(?:it|that|this|these|those|they|the)(?:\s+{_NOUN})?\s+new\b",
    # Examples are: is the humidity error new; when did the humidity error begin.
    rf"^(?:is|are|was|were|when|since\s+when)\b.*\b{_NOUN}\b.*\b(?:new|first|begin|began|start(?:ed)?)\b",
    # Examples are: when did ValueError first happen; what does CallFailedError mean.
    r"^(?:what|when|is|was|how|since)\b.*\w(?:Error|Exception)\b",
    # Examples are: what is wrong with the backup; is something wrong.
    r"^(?:what|is\s+(?:any|some)\w+)\b.*\bwrong\b",
    # Examples are: motion_light.turn_on failed; backup errors.
    rf"^\S+(?:\s+\S+){{0,3}}\s+(?:{_PAST}|{_PLURAL})$",
)
_OTHER_WORDS: Final = (
    rf"\b(?:{_OPENING}|{_AUXILIARY}|{_PAST}|{_BASE}|{_NOUN}|what|which|who|how|many|often|times?|any[a-z]*|some[a-z]*|"
    r"every[a-z]*|list|show|there|the|a|an|all|my|our|new|latest|last|newest|recent(?:ly)?|lately|it|that|this|these|"
    r"those|they|be|been|get|got|happen(?:ed)?|occur(?:red)?|wrong|with|of|from|by|for|in|at|on|to|and|or|since|again|"
    r"still|always|just|keeps?|kept|most|ever|yet|me|so|not|never|handlers?|jobs?|apps?|automations?|runs?|"
    r"happening|occurring|first|ok|okay|fine|healthy|working|all\s+right|alright|start(?:ed)?|begin|began|thrown|raised|means?|occurs?|logged|came|come|up)\b"
)


def failing_subject(text: str) -> str | None:
    """Return the handler, job or app whose failures the words ask about.

    Args:
        text: The words without the moment.

    Returns:
        The name, or a text for an error; empty for all failures, and None if the words do not ask about failures.
    """
    if not any(re.search(pattern, text, re.IGNORECASE) for pattern in _ASKS):
        return None
    ids = ID.findall(text)
    if len(ids) == 1:
        return ids[0]
    return " ".join(re.sub(r"[,;:]", " ", re.sub(_OTHER_WORDS, " ", text, flags=re.IGNORECASE)).split())


def failing_status(text: str) -> FailedStatus | None:
    """Return the status of runs that words such as *which runs timed out* ask about; None for all failures."""
    if re.search(r"\btim(?:ed|es?|ing)\s+out\b", text, re.IGNORECASE):
        return "timed_out"
    return "interrupted" if re.search(r"\binterrupted\b", text, re.IGNORECASE) else None


def failing_kind(text: str) -> Kind | None:
    """Return the kind of runs that words such as *which jobs failed* ask about; None for both kinds."""
    found = {one.lower() for one in re.findall(r"\b(handler|job)s?\b", text, re.IGNORECASE)}
    if len(found) != 1:
        return None
    return "handler" if "handler" in found else "job"
