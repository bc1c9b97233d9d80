"""Answer a question that another page answers: name the page and the command."""

import shlex

from hassette_sync.answers.asked import AnsweredElsewhere
from hassette_sync.asked_time import AskedTime
from hassette_sync.formatting import plural, share
from hassette_sync.home_time import ShownTimes
from hassette_sync.questions.asking.page_questions import UPTIME, PageQuestion
from hassette_sync.questions.periods import end_of_now
from hassette_sync.questions.sessions import home_time, uptime_in
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import AROUND_US, DAY_US, TimeRange


async def elsewhere(
    transaction: ReadTransaction, question: PageQuestion, *, at: AskedTime | None, at_text: str
) -> AnsweredElsewhere:
    """Return the page and the command that answer a question. For the uptime, the sentence also has the answer.

    Args:
        transaction: Read transaction of the question.
        question: The question that the page answers.
        at: The time of the question; None without one.
        at_text: The same time as a text.
    """
    sentence, since_us, until_us = question.sentence, None, None
    command = question.command
    if question.has_time and at is not None:
        time_range = at.around(AROUND_US)
        since_us, until_us = time_range.since_us, time_range.until_us
        command = f"{command} --at {shlex.quote(at_text)}"
    if question is UPTIME:
        sentence = f"{await _uptime(transaction, at)} {sentence}"
    return AnsweredElsewhere(
        question=question.name,
        sentence=sentence,
        page=question.page,
        parameters=dict(question.parameters),
        default_since=question.default_since,
        command=command,
        since_us=since_us,
        until_us=until_us,
    )


async def _uptime(transaction: ReadTransaction, at: AskedTime | None) -> str:
    now_us = await end_of_now(transaction)
    times = ShownTimes(await home_time(transaction), transaction.at_us)
    asked = TimeRange(now_us - DAY_US, now_us) if at is None else at.around(AROUND_US)
    if asked.since_us >= now_us:
        return "That time has not begun."
    asked = TimeRange(asked.since_us, min(asked.until_us, now_us))
    found = await uptime_in(transaction, asked)
    span = times.span(asked.since_us, asked.until_us)
    if found.share is None:
        return f"It is not known whether Hassette was running from {span}."
    starts, crashes = plural(found.starts, "start"), plural(found.crashes, "crash", "crashes")
    return f"Hassette was running {share(found.share)} of the time from {span}, with {starts} and {crashes}."
