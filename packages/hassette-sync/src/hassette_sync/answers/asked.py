"""Answers to words in the ask box, and to the question which runs failed."""

from typing import Final, Literal

from hassette_sync.answers.errors import ErrorGroup
from hassette_sync.answers.explanations import Why, WhyNot
from hassette_sync.answers.kinds import Kind, RegistrationRef
from hassette_sync.answers.logs import FrameworkEvent
from hassette_sync.answers.runs import Run
from hassette_sync.answers.values import Answer
from hassette_sync.formatting import plural

MOST_COUNTED: Final = 500
"""Highest number of runs that the answer counts."""

FailedStatus = Literal["timed_out", "interrupted"]

FAILURE_NOUNS: Final[dict[FailedStatus | None, str]] = {
    None: "failure",
    "timed_out": "timeout",
    "interrupted": "interruption",
}
"""Noun for a failed run, by the status that a question asks about."""


class FoundError(Answer):
    """One error of the failed runs in a time range.

    Attributes:
        group: The error. ``recent`` is the number of the failed runs with it.
        is_new: Whether its first failure is in the time range.
        is_back: Whether it has come back: it has failures before the time range, but none in the period of the same
            length before it.
    """

    group: ErrorGroup
    is_new: bool
    is_back: bool


class WhatFailed(Answer):
    """Answer to the question which runs failed, and why.

    Attributes:
        subject: Name of the handler, job, app or entity in the question, or a text of failed runs; empty for all runs.
        registrations: Handlers and jobs that the name means, at most 20; empty for all runs, and for an unknown name.
        kind: Kind of the runs that were asked about; None for both kinds, and for one subject.
        status: Status that was asked about: ``timed_out`` or ``interrupted``; None for all failures.
        at_us: The moment that was asked about; None for a span, or for the newest failures.
        since_us: Start of the time that was searched.
        until_us: End of the time that was searched.
        failed: Number of failed runs in this time, at most 500.
        total: Number of all runs in this time, at most 500; for a text, of the failed runs.
        sentence: The answer in one or more plain sentences. It states whether the error is new.
        runs: Failed runs, at most 20: the nearest to the moment first, or the newest.
        errors: Errors of the failed runs, most recently seen first, at most 5.
        last_before: The newest failed run before this time, if none failed in it; None if none is recorded.
        failed_starts: Apps that failed to start in this time, newest first, at most 5.
        suggestions: Handlers and jobs with similar names, if the name is unknown.
    """

    subject: str
    registrations: tuple[RegistrationRef, ...]
    kind: Kind | None = None
    status: FailedStatus | None = None
    at_us: int | None
    since_us: int
    until_us: int
    failed: int
    total: int
    sentence: str
    runs: tuple[Run, ...]
    errors: tuple[FoundError, ...]
    last_before: Run | None
    failed_starts: tuple[FrameworkEvent, ...]
    suggestions: tuple[RegistrationRef, ...]

    @property
    def noun(self) -> str:
        """Noun for a run with the status that was asked about."""
        return FAILURE_NOUNS[self.status]

    @property
    def rest(self) -> str:
        """Sentence about the failed runs that ``runs`` leaves out; empty if there are none."""
        more = self.failed - len(self.runs)
        if more <= 0:
            return ""
        return f"{'At least ' if self.failed >= MOST_COUNTED else ''}{plural(more, 'more run')} failed."


class AnsweredElsewhere(Answer):
    """The page and the command that answer a question which the ask box only recognizes.

    Attributes:
        question: ``uptime``, ``not_run``, ``connection``, ``slower``, ``noise``, ``logs``, ``next``, ``counts``,
            ``durations``, ``switched_off``, ``running``, ``versions`` or ``runs``.
        sentence: Sentence that names the page. For the uptime, it also has the answer.
        page: Path of the page; empty for the overview.
        parameters: Parameters of the page other than its time range.
        default_since: Start of the time range if the visitor has chosen none, such as ``7d``; None for the default of
            the page.
        command: Command of the terminal with the answer.
        since_us: Start of the time of the question; None if it has none, or if the page takes none.
        until_us: End of the time of the question.
    """

    question: str
    sentence: str
    page: str
    parameters: dict[str, str]
    default_since: str | None
    command: str
    since_us: int | None
    until_us: int | None


class Asked(Answer):
    """How the words in the ask box were understood, and the answer.

    Attributes:
        kind: ``why``, ``why_not``, ``what_failed`` or ``elsewhere``.
        subject: Entity, service, text, or name of a handler, job or app; empty for the failures of all. If another page
            answers the question, its ``question``.
        at: Text of the moment, such as ``03:12``; empty for the newest.
        why: The answer to *why*; None for the other kinds.
        why_not: The answer to *why not*; None for the other kinds.
        what_failed: The failed runs; None for the other kinds.
        elsewhere: The page that answers the question; None for the other kinds.
    """

    kind: Literal["why", "why_not", "what_failed", "elsewhere"]
    subject: str
    at: str
    why: Why | None = None
    why_not: WhyNot | None = None
    what_failed: WhatFailed | None = None
    elsewhere: AnsweredElsewhere | None = None

    @property
    def sentence(self) -> str:
        """The answer in plain sentences."""
        answer = self.why or self.why_not or self.what_failed or self.elsewhere
        return answer.sentence if answer is not None else ""
