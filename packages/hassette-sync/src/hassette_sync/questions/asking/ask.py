"""The question in the ask box, in words."""

from dataclasses import replace

from hassette_sync.answers.asked import Asked, WhatFailed
from hassette_sync.answers.explanations import Why, WhyNot
from hassette_sync.asked_time import AskedTime
from hassette_sync.home_time import ShownTimes
from hassette_sync.questions.asking.each import each_of
from hassette_sync.questions.asking.elsewhere import elsewhere
from hassette_sync.questions.asking.failure_words import failing_kind, failing_status
from hassette_sync.questions.asking.parsing import ParsedWords, parse_words
from hassette_sync.questions.asking.sun import SUN, past_time, with_times_of_sun
from hassette_sync.questions.asking.what_failed import what_failed
from hassette_sync.questions.entities import SERVICE, HomeNames
from hassette_sync.questions.moment_states import why_in_state
from hassette_sync.questions.names import (
    near_registrations,
    registrations_named,
    registrations_that_change,
    registrations_that_change_each,
    registrations_with_words,
)
from hassette_sync.questions.sessions import home_time
from hassette_sync.questions.why import why
from hassette_sync.questions.why_not import why_not
from hassette_sync.reader import ReadTransaction


async def ask(transaction: ReadTransaction, words: str) -> Asked:
    """Answer the words in the ask box: why something happened, why something did not run, or what failed.

    Args:
        transaction: Read transaction of the question.
        words: For example ``why did light.hall turn on at 03:12?``, ``why not motion_light at 7`` or ``what failed last
            night?``.
    """
    parsed = parse_words(words)
    if parsed.instead is not None and await _is_name(transaction, parsed.instead.subject):
        parsed = parsed.instead
    asked = None
    if parsed.at and (parsed.page_question is None or parsed.page_question.has_time):
        parsed, asked = await _with_time(transaction, parsed)
    if parsed.page_question is not None:
        found = await elsewhere(transaction, parsed.page_question, at=asked, at_text=parsed.at)
        return Asked(kind="elsewhere", subject=parsed.subject, at=parsed.at, elsewhere=found)
    if parsed.kind == "what_failed":
        failed = await _failures(transaction, parsed, asked)
        if failed is not None:
            return _asked(parsed, failed)
        parsed = replace(parsed, kind="why")
    if parsed.is_quoted:
        return _asked(parsed, await why(transaction, text=parsed.subject, at=asked))
    if await _is_about_a_run(transaction, parsed, asked):
        answer = await why_not(transaction, parsed.subject, at=asked, state=parsed.state or None)
        is_answered = answer.registration is not None or answer.suggestions or answer.reason != "not_registered"
    elif parsed.is_lasting:
        answer = await why_in_state(transaction, parsed.subject, parsed.state, asked)
        is_answered = answer.found or answer.entity is not None or answer.suggestions
    else:
        answer = await why(transaction, entity=parsed.subject, state=parsed.state or None, at=asked)
        is_answered = answer.found or answer.entity is not None or answer.suggestions
    if parsed.asks == "each" and isinstance(answer, Why) and answer.about == "entity":
        each = await each_of(transaction, parsed.subject, parsed.state, asked, is_lasting=parsed.is_lasting)
        answer = answer.model_copy(update={"sentence": f"{each} {answer.sentence}".strip()})
    if parsed.asks == "last" and isinstance(answer, WhyNot) and answer.last_run is not None:
        times = ShownTimes(await home_time(transaction), transaction.at_us)
        last = f"{answer.last_run.registration.title} last ran at {times(answer.last_run.started_us)}."
        answer = answer.model_copy(update={"sentence": f"{last} {answer.sentence}"})
    if not is_answered:
        logged = await why(transaction, text=parsed.text, at=asked)
        answer = logged if logged.found else answer
    return _asked(parsed, answer)


async def _failures(transaction: ReadTransaction, parsed: ParsedWords, asked: AskedTime | None) -> WhatFailed | None:
    """Return the failures of a handler, job or app; None if the words mean another subject, such as a service."""
    is_name = bool(await registrations_named(transaction, parsed.subject)) if parsed.subject else True
    if not is_name and SERVICE.fullmatch(parsed.subject.lower()):
        return None
    return await what_failed(
        transaction, parsed.subject, kind=failing_kind(parsed.text), status=failing_status(parsed.text), at=asked
    )


async def _with_time(transaction: ReadTransaction, parsed: ParsedWords) -> tuple[ParsedWords, AskedTime]:
    """Return the words with a time that `AskedTime.parse` reads, and this time."""
    home, now_us = await home_time(transaction), transaction.at_us
    if SUN.search(parsed.at) is not None:
        parsed = replace(parsed, at=await with_times_of_sun(transaction, parsed.at, home, key="moment"))
    at, asked = past_time(parsed.at, written=parsed.at, now_us=now_us, key="moment", home=home)
    return replace(parsed, at=at), asked


def _asked(parsed: ParsedWords, answer: Why | WhyNot | WhatFailed) -> Asked:
    if isinstance(answer, Why):
        return Asked(kind="why", subject=parsed.subject, at=parsed.at, why=answer)
    if isinstance(answer, WhyNot):
        return Asked(kind="why_not", subject=parsed.subject, at=parsed.at, why_not=answer)
    return Asked(kind="what_failed", subject=parsed.subject, at=parsed.at, what_failed=answer)


async def _is_about_a_run(transaction: ReadTransaction, parsed: ParsedWords, asked: AskedTime | None) -> bool:
    """Return whether the words ask why a handler or job did not run, or whether it ran."""
    if parsed.kind == "why":
        is_name = bool(await registrations_named(transaction, parsed.subject))
        names = HomeNames(transaction)
        entity_id = (await names.find(parsed.subject)).entity_id
        if entity_id is not None:
            # The app room_climate is meant, although the words of its name fit climate.living_room.
            exact = (entity_id, (await names.entity(entity_id)).name.casefold())
            return is_name and parsed.subject.casefold() not in exact
        return is_name or await _is_spelt_freely(transaction, parsed.subject)
    at_us = asked.at_us if asked is not None else transaction.at_us
    # If no app changes the entity to this state, the last changes of the entity are the best answer.
    if await registrations_named(transaction, parsed.subject) or await registrations_that_change(
        transaction, parsed.subject, at_us, parsed.state or None
    ):
        return True
    each = await registrations_that_change_each(transaction, parsed.subject, at_us, parsed.state or None)
    if any(rows for _, rows in each):
        return True
    found = await HomeNames(transaction).find(parsed.subject)
    # Only an entity has a state, so with a state the words mean one of the fitting entities.
    return found.entity_id is None and not (found.fitting and parsed.state)


async def _is_name(transaction: ReadTransaction, subject: str) -> bool:
    """Return whether a text is a name of the home: of an entity or entities, of handlers or jobs, or of an app."""
    if await registrations_named(transaction, subject):
        return True
    if " " not in subject:  # one word, such as "next", is in the names of too many
        return False
    found = await HomeNames(transaction).find(subject)
    is_entity = found.entity_id is not None or bool(found.fitting)
    return is_entity or bool(await registrations_with_words(transaction, subject))


async def _is_spelt_freely(transaction: ReadTransaction, subject: str) -> bool:
    """Return whether a text has the words of a handler or job, or is similar to its name and to no entity."""
    found = await HomeNames(transaction).find(subject)
    if found.fitting:
        return False
    if await registrations_with_words(transaction, subject):
        return True
    return not found.similar and bool(await near_registrations(transaction, subject))
