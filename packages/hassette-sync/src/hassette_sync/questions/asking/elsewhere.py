"""Answer a question that another page answers: name the page and the command."""

import shlex

from hassette_sync.answers.asked import AnsweredElsewhere
from hassette_sync.asked_time import AskedTime
from hassette_sync.formatting import plural, share
from hassette_sync.home_time import ShownTimes
from hassette_sync.questions.asking.page_questions import UPTIME, PageQuestion
from hassette_sync.questions.gaps import gaps_in, last_crash
from hassette_sync.questions.periods import end_of_now
from hassette_sync.questions.sessions import home_time, newest_session, uptime_in
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import AROUND_US, SECOND_US, TimeRange

_MOST_GAPS = 3


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
    times = ShownTimes(await home_time(transaction), transaction.at_us)
    if at is None:
        return await _present(transaction, times)
    now_us = await end_of_now(transaction)
    asked = at.around(AROUND_US)
    if asked.since_us >= now_us:
        return "That time has not begun."
    asked = TimeRange(asked.since_us, min(asked.until_us, now_us))
    found = await uptime_in(transaction, asked)
    gaps = await gaps_in(transaction, asked)
    within = next((gap for gap in gaps if not at.is_span and gap.contains(at.at_us)), None)
    if within is not None:
        return f"No. Hassette was not running at {times(at.at_us)}. {within.describe(times, 'It')}"
    span = times.span(asked.since_us, asked.until_us)
    if found.share is None:
        return f"It is not known whether Hassette was running from {span}."
    starts, crashes = plural(found.starts, "start"), plural(found.crashes, "crash", "crashes")
    running = f"Hassette was running {share(found.share)} of the time from {span}, with {starts} and {crashes}."
    return " ".join([running, *(gap.describe(times, "It") for gap in gaps[:_MOST_GAPS])])


async def _present(transaction: ReadTransaction, times: ShownTimes) -> str:
    """Return sentences that state whether the framework is running now, and when it last crashed."""
    session = await newest_session(transaction)
    if session is None:
        return "No start of Hassette is recorded."
    if session.state == "running":
        sentence = f"Hassette has been running since {times(session.started_us)}."
    else:
        now_us = transaction.at_us
        gaps = await gaps_in(transaction, TimeRange(now_us, now_us + SECOND_US))
        sentence = " ".join(["Hassette is not running.", *(gap.describe(times, "It") for gap in gaps[:1])])
    if session.state == "crashed":
        return sentence
    crash = await last_crash(transaction)
    return (
        f"{sentence} {crash.describe(times, 'It last') if crash is not None else 'No crash of Hassette is recorded.'}"
    )
