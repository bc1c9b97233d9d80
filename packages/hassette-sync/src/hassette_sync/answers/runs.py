"""Answers about runs."""

from collections.abc import Callable

from hassette_store.ids import time_of
from hassette_sync.answers.kinds import Kind, RegistrationRef, Trigger
from hassette_sync.answers.values import Answer, Id
from hassette_sync.formatting import plural


class FailureBrief(Answer):
    """Type and message of a failure, without its traceback."""

    type: str
    message: str
    error_group_id: Id | None = None

    @property
    def text(self) -> str:
        """Type and message, such as ``ValueError: boom``. Without a message, only the type."""
        return f"{self.type}: {self.message}" if self.message else self.type


class FailingLine(Answer):
    """Innermost line of app code in the traceback of a failure.

    Attributes:
        code: The source code of the line, read soon after the failure; empty if it could not be read.
    """

    file: str
    line: int
    function: str
    code: str


class Run(Answer):
    """One run of a handler or a job. Ids increase in the order in which runs end."""

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
        """End of the run, to the millisecond."""
        return time_of(self.id)


class RunsPage(Answer):
    """Runs, newest first.

    Attributes:
        runs: Runs on this page.
        next_cursor: Value of ``cursor`` for the next page of older runs; None on the last page.
        since_us: Start of the time range.
        until_us: End of the time range.
    """

    runs: tuple[Run, ...]
    next_cursor: str | None
    since_us: int
    until_us: int


class Facet(Answer):
    """One value of a filter, and the number of runs that have it."""

    value: str
    count: int


class RunFacets(Answer):
    """Values of the filters on runs, each with the number of runs that meet the other filters.

    Attributes:
        apps: Numbers by app.
        statuses: Numbers by status; ``failed`` is the sum of the failures.
        kinds: Numbers by kind.
        complete: Whether all runs were counted. With a filter that the statistics do not know, such as a text, only
            the newest 500 runs that meet it are counted. Otherwise the numbers cover whole hours or days, and include
            runs without a row.
        since_us: Start of the time range.
        until_us: End of the time range.
    """

    apps: tuple[Facet, ...]
    statuses: tuple[Facet, ...]
    kinds: tuple[Facet, ...]
    complete: bool
    since_us: int
    until_us: int


class LogLine(Answer):
    """Log line of a run, with the name of its level in Python's logging."""

    at_us: int
    level: str
    logger: str
    message: str


class ServiceCall(Answer):
    """Call of a Home Assistant service (action), and the runs that the call triggered.

    Attributes:
        attempt: Number of the attempt, from 1. A call that is not confirmed may be repeated.
        confirmed_us: Time from sending to the moment when the expected states were seen; None if the caller expected no
            state, or did not see it.
        rehearsed: True if the run was a rehearsal and the call was not sent.
    """

    at_us: int
    service: str
    target: str | None
    data: str | None
    duration_us: int
    context_id: str | None
    error: str | None
    attempt: int = 1
    confirmed_us: int | None = None
    rehearsed: bool = False
    caused: tuple[Run, ...] = ()


class StateRead(Answer):
    """A state that a run read. A run that reads the same value of an entity again adds no second one.

    Attributes:
        at_us: Time of the first read.
        entity_id: The entity; a domain such as ``light.*`` if the run read all states of it.
        state: The value; None if there was no such entity. For a domain, the number of its entities.
    """

    at_us: int
    entity_id: str
    state: str | None

    @property
    def is_domain(self) -> bool:
        """Whether the run read all states of a domain."""
        return self.entity_id.endswith(".*")

    def title(self, name_of: Callable[[str], str] = str) -> str:
        """Return the read in words.

        Args:
            name_of: Returns the shown name of an entity. By default, it is the entity id.
        """
        if self.is_domain:
            return f"{self.entity_id} ({plural(int(self.state or 0), 'entity', 'entities')})"
        name = name_of(self.entity_id)
        return f"{name} was {self.state}" if self.state is not None else f"{name} did not exist"


class RunDetail(Answer):
    """One run in detail.

    Attributes:
        run: The run.
        failure_kind: ``exception``, ``hassette``, ``dependency``, ``timeout`` or ``exit``; None without a failure.
        failing_line: Line in which this run failed; None if the failure had no traceback.
        sample_traceback: Traceback of the first failure in the error group, as Python prints it; empty if it had none.
        sample_run_id: Id of the run with the first failure in the error group. If it is another run, its message and
            lines may differ from those of this run.
        caused_by: Runs whose service call led to the event that triggered this run.
        service_calls: Service calls in order, each with the runs that it triggered.
        log_lines: Log lines, oldest first.
        dropped_log_lines: Number of log lines that were not recorded because of the limit for one run.
        dropped_service_calls: Number of service calls that were not recorded because of the limit for one run.
        state_reads: States that the run read, oldest first.
        dropped_state_reads: Number of reads that were not recorded because of the limit for one run.
        heard_by: Other runs that the event of this run triggered.
    """

    run: Run
    failure_kind: str | None
    failing_line: FailingLine | None
    sample_traceback: str
    sample_run_id: Id | None
    caused_by: tuple[Run, ...]
    service_calls: tuple[ServiceCall, ...]
    log_lines: tuple[LogLine, ...]
    dropped_log_lines: int
    dropped_service_calls: int
    state_reads: tuple[StateRead, ...]
    dropped_state_reads: int
    heard_by: tuple[Run, ...]

    @property
    def is_sample(self) -> bool:
        """Whether the sample traceback is the traceback of this run."""
        return self.sample_run_id == self.run.id


class Running(Answer):
    """Run in progress."""

    app: str
    instance: str
    name: str
    kind: Kind
    started_us: int
    trigger: Trigger


class RunningNow(Answer):
    """Runs in progress.

    Attributes:
        running: Runs, longest first.
        source: ``live`` for the present state, or ``heartbeat`` for the state that the history contains. The
            history contains only the runs in progress that have lasted longer than about 0.25 s.
        at_us: Time of this state.
    """

    running: tuple[Running, ...]
    source: str
    at_us: int
