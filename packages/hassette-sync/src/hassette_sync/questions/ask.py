"""The question in the ask box, in words."""

import re
from typing import Final

from hassette_sync.answers.explanations import Asked, Why
from hassette_sync.queries import causes as queries
from hassette_sync.questions.entities import ENTITY_ID, HomeNames
from hassette_sync.questions.names import registrations_named, registrations_that_change
from hassette_sync.questions.parsing import ParsedWords, parse_words
from hassette_sync.questions.sessions import home_time
from hassette_sync.questions.why import why
from hassette_sync.questions.why_not import why_not
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import parse_moment

_SERVICE: Final = re.compile(
    r"\w+\.(?:turn_|toggle|set_|open_|close_|stop|start|play_|press|lock|unlock|reload|trigger|increment|decrement|"
    r"select_|send_|create|dismiss|media_|volume_|return_|pause|cancel|finish|apply|notify|speak)\w*"
)


async def ask(transaction: ReadTransaction, words: str) -> Asked:
    """Answer the words in the ask box: why something happened, or why a handler or job did not run.

    Args:
        transaction: Read transaction of the question.
        words: For example ``why did light.hall turn on at 03:12?`` or ``why not motion_light at 7``.
    """
    parsed = parse_words(words)
    subject, at_us = parsed.subject, None
    if parsed.at:
        home = await home_time(transaction)
        at_us = parse_moment(parsed.at, at_us=transaction.at_us, key="moment", home=home)
    if parsed.kind == "why_not":
        state = parsed.state or None
        # If no app changes the entity to this state, the last changes of the entity are the best answer.
        if (
            await registrations_named(transaction, subject)
            or await registrations_that_change(transaction, subject, at_us or transaction.at_us, state)
            or not await _is_entity(transaction, subject)
        ):
            answer = await why_not(transaction, subject, at_us=at_us, state=state)
            return Asked(kind="why_not", subject=subject, at=parsed.at, why=None, why_not=answer)
    found = await _why(transaction, parsed, at_us)
    return Asked(kind="why", subject=subject, at=parsed.at, why=found, why_not=None)


async def _why(transaction: ReadTransaction, parsed: ParsedWords, at_us: int | None) -> Why:
    subject = parsed.subject
    if parsed.is_quoted:
        return await why(transaction, text=subject, at_us=at_us)
    if _SERVICE.fullmatch(subject.lower()) and not await _is_entity(transaction, subject):
        return await why(transaction, service=subject, at_us=at_us)
    found = await why(transaction, entity=subject, at_us=at_us, state=parsed.state or None)
    if found.found or found.entity is not None or found.suggestions or ENTITY_ID.fullmatch(subject.lower()):
        return found
    # The words name no entity. They may be the text of a log line.
    logged = await why(transaction, text=subject, at_us=at_us)
    return logged if logged.found else found


async def _is_entity(transaction: ReadTransaction, subject: str) -> bool:
    if _SERVICE.fullmatch(subject.lower()):
        return await transaction.one(queries.HOME_NAME, {"kind": "entity", "key": subject.lower()}) is not None
    entity_id, _ = await HomeNames(transaction).find(subject)
    return entity_id is not None
