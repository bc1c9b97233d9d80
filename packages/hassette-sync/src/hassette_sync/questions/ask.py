"""The question in the ask box, in words."""

from hassette_sync.answers.explanations import Asked, Why
from hassette_sync.asked_time import AskedTime
from hassette_sync.questions.entities import HomeNames
from hassette_sync.questions.names import registrations_named, registrations_that_change
from hassette_sync.questions.parsing import ParsedWords, parse_words
from hassette_sync.questions.sessions import home_time
from hassette_sync.questions.why import why
from hassette_sync.questions.why_not import why_not
from hassette_sync.reader import ReadTransaction


async def ask(transaction: ReadTransaction, words: str) -> Asked:
    """Answer the words in the ask box: why something happened, or why a handler or job did not run.

    Args:
        transaction: Read transaction of the question.
        words: For example ``why did light.hall turn on at 03:12?`` or ``why not motion_light at 7``.
    """
    parsed = parse_words(words)
    subject, asked = parsed.subject, None
    if parsed.at:
        home = await home_time(transaction)
        asked = AskedTime.parse(parsed.at, now_us=transaction.at_us, key="moment", home=home)
    if parsed.kind == "why_not":
        state = parsed.state or None
        until_us = asked.at_us if asked is not None else transaction.at_us
        # If no app changes the entity to this state, the last changes of the entity are the best answer.
        if (
            await registrations_named(transaction, subject)
            or await registrations_that_change(transaction, subject, until_us, state)
            or not await _is_entity(transaction, subject)
        ):
            answer = await why_not(transaction, subject, at=asked, state=state)
            return Asked(kind="why_not", subject=subject, at=parsed.at, why=None, why_not=answer)
    found = await _why(transaction, parsed, asked)
    return Asked(kind="why", subject=subject, at=parsed.at, why=found, why_not=None)


async def _why(transaction: ReadTransaction, parsed: ParsedWords, asked: AskedTime | None) -> Why:
    if parsed.is_quoted:
        return await why(transaction, text=parsed.subject, at=asked)
    return await why(transaction, entity=parsed.subject, state=parsed.state or None, at=asked)


async def _is_entity(transaction: ReadTransaction, subject: str) -> bool:
    entity_id, _ = await HomeNames(transaction).find(subject)
    return entity_id is not None
