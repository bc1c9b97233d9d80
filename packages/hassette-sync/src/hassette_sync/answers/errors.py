"""Answers about failures."""

from hassette_sync.answers.runs import Run
from hassette_sync.answers.values import Answer, Id, RegistrationRef


class ErrorGroup(Answer):
    """Failures that are the same mistake.

    Attributes:
        kind: ``exception``, ``hassette``, ``dependency``, ``timeout`` or ``exit``.
        message: The first one's message, as a sample.
        count: How many runs raised it since ever.
        recent: How many runs raised it in the time asked about, as far as their rows are kept.
        last_run_id: The newest run that raised it.
    """

    id: Id
    kind: str
    type: str
    message: str
    first_seen_us: int
    last_seen_us: int
    last_run_id: Id
    count: int
    recent: int


class ErrorGroupsPage(Answer):
    """Error groups seen in the time asked about, the most recently seen first."""

    groups: tuple[ErrorGroup, ...]
    next_cursor: str | None
    since_us: int
    until_us: int


class ErrorGroupDetail(Answer):
    """One error group: whom it befell, and its newest runs, 50 at most; `runs` by its id pages through all."""

    group: ErrorGroup
    traceback: str
    registrations: tuple[RegistrationRef, ...]
    runs: tuple[Run, ...]
