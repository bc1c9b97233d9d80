"""Answers about runs."""

from hassette_sync.answers.values import Answer, Id, Kind, RegistrationRef, Trigger
from hassette_sync.ids import ended_us


class FailureBrief(Answer):
    """What a run raised, in one line."""

    type: str
    message: str
    error_group_id: Id | None = None


class Run(Answer):
    """One run of a handler or a job. Its id orders runs by their end, pages them and numbers the live stream."""

    id: Id
    kind: Kind
    registration: RegistrationRef
    session_id: Id
    status: str
    started_us: int
    duration_us: int
    waited_us: int
    trigger: Trigger
    failure: FailureBrief | None = None

    @property
    def ended_us(self) -> int:
        """When it ended, to the millisecond."""
        return ended_us(self.id)


class RunsPage(Answer):
    """Runs, newest first.

    Attributes:
        runs: The runs.
        next_cursor: Pass it as ``cursor`` for the older ones; None on the last page.
        since_us: Start of the time asked about.
        until_us: Its end.
    """

    runs: tuple[Run, ...]
    next_cursor: str | None
    since_us: int
    until_us: int


class Facet(Answer):
    """One value of a filter and how many runs in the time asked about have it."""

    value: str
    count: int


class RunFacets(Answer):
    """What runs can be filtered by, with counts; over whole hours or days, rows that have gone included."""

    apps: tuple[Facet, ...]
    statuses: tuple[Facet, ...]
    since_us: int
    until_us: int


class LogLine(Answer):
    """A line that the run logged; the level is the name that Python's logging gives it."""

    at_us: int
    level: str
    logger: str
    message: str


class ServiceCall(Answer):
    """A Home Assistant service (action) that the run called, and the runs that its effects set off."""

    at_us: int
    service: str
    target: str | None
    data: str | None
    duration_us: int
    context_id: str | None
    error: str | None
    caused: tuple[Run, ...] = ()


class RunDetail(Answer):
    """The story of one run.

    Attributes:
        run: The run itself.
        failure_kind: ``exception``, ``hassette``, ``dependency``, ``timeout``, ``exit``; None when it did not fail.
        traceback: Of the first failure of its group, as Python prints it; empty when none was taken.
        caused_by: The runs whose service call led to the event that it heard.
        service_calls: What it called, in order, each with the runs that followed from it.
        log_lines: What it logged, oldest first.
        dropped_log_lines: How many more it logged than are kept of one run.
        dropped_service_calls: How many more it called than are kept of one run.
        heard_by: The other runs that the same event set off.
    """

    run: Run
    failure_kind: str | None
    traceback: str
    caused_by: tuple[Run, ...]
    service_calls: tuple[ServiceCall, ...]
    log_lines: tuple[LogLine, ...]
    dropped_log_lines: int
    dropped_service_calls: int
    heard_by: tuple[Run, ...]


class Running(Answer):
    """A run that has begun and not ended."""

    app: str
    instance: str
    name: str
    kind: Kind
    started_us: int
    trigger: Trigger


class RunningNow(Answer):
    """What is running.

    Attributes:
        running: The runs, longest first.
        source: ``live`` (this moment) or ``heartbeat`` (from the file: what had been running for over a second then).
        at_us: The moment that this describes.
    """

    running: tuple[Running, ...]
    source: str
    at_us: int
