"""Protocols of the values that the store accepts. An object needs the fields of its protocol, but need not inherit it.

The records of hassette-executor match these protocols, although neither package imports the other
(tests/typing/joins.py checks that). Most fields have the meaning of the column with the same name in the schema
(migrations/sql/0001_initial.sql). The docstrings of the classes describe the other fields.
"""

from collections.abc import Sequence
from typing import Protocol


class SourceRow(Protocol):
    """Location and first lines of the source code of a handler or job: the columns ``source_…`` of a registration."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def snippet(self) -> str: ...


class CommonRegistrationRow(Protocol):
    """Common fields of listeners and jobs.

    Attributes:
        settings: (option, value) pairs with readable values, such as ``2 s``.
    """

    @property
    def app(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def handler(self) -> str: ...
    @property
    def settings(self) -> Sequence[tuple[str, str]]: ...
    @property
    def source(self) -> SourceRow | None: ...
    @property
    def runs_in(self) -> str: ...
    @property
    def timeout_s(self) -> float | None: ...


class ListenerRow(CommonRegistrationRow, Protocol):
    """A handler that listens to a topic. Only a listener has the field ``topic``."""

    @property
    def topic(self) -> str: ...


class JobRow(CommonRegistrationRow, Protocol):
    """A job on a schedule."""

    @property
    def schedule(self) -> str: ...


RegistrationRow = ListenerRow | JobRow


class EventTriggerRow(Protocol):
    """The event that triggered a handler. Only an event has the field ``event_type``."""

    @property
    def event_type(self) -> str: ...
    @property
    def entity_id(self) -> str | None: ...
    @property
    def old_state(self) -> str | None: ...
    @property
    def new_state(self) -> str | None: ...
    @property
    def context_id(self) -> str | None: ...
    @property
    def parent_id(self) -> str | None: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def missed(self) -> bool: ...


class DueTriggerRow(Protocol):
    """The due time that triggered a job."""

    @property
    def due_us(self) -> int: ...
    @property
    def manual(self) -> bool: ...


TriggerRow = EventTriggerRow | DueTriggerRow


class FrameRow(Protocol):
    """One frame of a traceback."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def function(self) -> str: ...


class FailureRow(Protocol):
    """The exception of a failed run.

    A traceback is costly to render. Therefore the store usually reads ``traceback`` only once per error group and
    session.

    Attributes:
        frames: Frames of the traceback, innermost last.
        group: The exceptions of an exception group, such as the failures of an ``asyncio.TaskGroup``.
        code_of: Returns the line of source code of a frame, without its indentation; empty if it cannot be read.
    """

    @property
    def kind(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def frames(self) -> Sequence[FrameRow]: ...
    @property
    def group(self) -> "Sequence[FailureRow]": ...
    @property
    def traceback(self) -> str: ...
    def code_of(self, frame: FrameRow) -> str: ...


class LogLineRow(Protocol):
    """One line that a run logged."""

    @property
    def at_us(self) -> int: ...
    @property
    def level(self) -> int: ...
    @property
    def logger(self) -> str: ...
    @property
    def message(self) -> str: ...


class ServiceCallRow(Protocol):
    """One service call of a run.

    Attributes:
        domain: First part of the service's name, for example ``light``.
        service: Second part of the service's name, for example ``turn_on``.
        target: Compact JSON; empty for no target.
        data: Compact JSON; empty for no data.
        confirmed_us: Time from sending to the expected states; None if none were expected or seen.
        rehearsed: True if the run was a rehearsal and the call was not sent.
    """

    @property
    def at_us(self) -> int: ...
    @property
    def domain(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def duration_us(self) -> int: ...
    @property
    def context_id(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...
    @property
    def attempt(self) -> int: ...
    @property
    def confirmed_us(self) -> int | None: ...
    @property
    def rehearsed(self) -> bool: ...


class EffectsRow(Protocol):
    """Side effects of a run: log lines and service calls.

    Attributes:
        dropped_log_lines: Number of log lines that were not recorded because the run exceeded the executor's limits.
        dropped_service_calls: Number of service calls that were not recorded for the same reason.
    """

    @property
    def log_lines(self) -> Sequence[LogLineRow]: ...
    @property
    def service_calls(self) -> Sequence[ServiceCallRow]: ...
    @property
    def dropped_log_lines(self) -> int: ...
    @property
    def dropped_service_calls(self) -> int: ...


class RunRow(Protocol):
    """Common fields of the runs of handlers and jobs.

    Attributes:
        status: Name of the status, as in the table ``statuses``.
        failure: The exception or the exceeded deadline, for a run with the status ``error`` or ``timed_out``.
        effects: Log lines and service calls; None if there were none.
    """

    @property
    def id(self) -> int: ...
    @property
    def registration(self) -> RegistrationRow: ...
    @property
    def trigger(self) -> TriggerRow: ...
    @property
    def started_us(self) -> int: ...
    @property
    def duration_us(self) -> int: ...
    @property
    def waited_us(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def failure(self) -> FailureRow | None: ...
    @property
    def effects(self) -> EffectsRow | None: ...


class InvocationRow(RunRow, Protocol):
    """One run of a listener's handler."""

    @property
    def registration(self) -> ListenerRow: ...
    @property
    def trigger(self) -> EventTriggerRow: ...


class ExecutionRow(RunRow, Protocol):
    """One run of a job."""

    @property
    def registration(self) -> JobRow: ...
    @property
    def trigger(self) -> DueTriggerRow: ...


AnyRunRow = InvocationRow | ExecutionRow
"""A run of any kind."""


class RunningRow(Protocol):
    """A run in progress.

    Attributes:
        run: Number of the run in its process. A run gets its id only when it ends.
    """

    @property
    def run(self) -> int: ...
    @property
    def registration(self) -> RegistrationRow: ...
    @property
    def trigger(self) -> TriggerRow: ...
    @property
    def started_us(self) -> int: ...


class SkipRow(Protocol):
    """Number of triggers that led to no run: for one registration, one hour and one reason.

    Attributes:
        hour_us: Start of the hour, in microseconds since the Unix epoch.
        reason: For example ``rate_limited``; see the table ``skips_hourly``.
    """

    @property
    def registration(self) -> RegistrationRow: ...
    @property
    def hour_us(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def count(self) -> int: ...


class SummaryRow(Protocol):
    """Counts and durations of runs whose records were evicted, for one registration and one hour.

    Attributes:
        hour_us: Start of the hour, in microseconds since the Unix epoch.
        counts: (status, number of runs) pairs.
        total_us: Total duration.
        max_us: The longest duration.
        waited_us: Total waiting time.
        buckets: (bucket, number of runs) pairs of the latency sketch; see `hassette_store.sketch`.
    """

    @property
    def registration(self) -> RegistrationRow: ...
    @property
    def hour_us(self) -> int: ...
    @property
    def counts(self) -> Sequence[tuple[str, int]]: ...
    @property
    def total_us(self) -> int: ...
    @property
    def max_us(self) -> int: ...
    @property
    def waited_us(self) -> int: ...
    @property
    def buckets(self) -> Sequence[tuple[int, int]]: ...


class LossRow(Protocol):
    """Lost records or details.

    Attributes:
        what: ``runs``, ``log_lines``, ``service_calls``, ``lifecycle`` or ``events`` (of Home Assistant). For rows that
            the store rejected, it can be any field of `BatchRow`.
        count: Number of lost records or details.
        first_us: Start of the time range of the losses, in microseconds since the Unix epoch.
        last_us: End of the time range.
    """

    @property
    def reason(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def first_us(self) -> int: ...
    @property
    def last_us(self) -> int: ...


class LifecycleRow(Protocol):
    """An event in the lifecycle of the framework or an app."""

    @property
    def id(self) -> int: ...
    @property
    def at_us(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def detail(self) -> str: ...


class BatchRow(Protocol):
    """The records that `DatabaseService.write` stores in one transaction.

    Attributes:
        sequence: Number of the batch in its session. A batch is stored only if its number is higher than the number of
            the last stored batch.
        at_us: Time at which the batch was made.
        invocations: Runs of handlers, in the order in which they ended. Their ids increase, unless the wall clock went
            back.
        executions: Runs of jobs, in the same order.
        registered: New listeners and jobs.
        retired: Listeners and jobs that have ended.
        lifecycle: Events in the lifecycle of the framework or an app.
        skipped: Counts of triggers that led to no run.
        summaries: Totals of runs whose records were evicted.
        losses: Lost records and details.
        running: Runs that have been in progress for longer than about 0.25 s. The list replaces the stored list. None
            leaves the stored list unchanged.
        session_facts: (name, value) pairs for the facts of the session. A pair replaces the stored fact with the same
            name.
    """

    @property
    def sequence(self) -> int: ...
    @property
    def at_us(self) -> int: ...
    @property
    def invocations(self) -> Sequence[InvocationRow]: ...
    @property
    def executions(self) -> Sequence[ExecutionRow]: ...
    @property
    def registered(self) -> Sequence[RegistrationRow]: ...
    @property
    def retired(self) -> Sequence[RegistrationRow]: ...
    @property
    def lifecycle(self) -> Sequence[LifecycleRow]: ...
    @property
    def skipped(self) -> Sequence[SkipRow]: ...
    @property
    def summaries(self) -> Sequence[SummaryRow]: ...
    @property
    def losses(self) -> Sequence[LossRow]: ...
    @property
    def running(self) -> Sequence[RunningRow] | None: ...
    @property
    def session_facts(self) -> Sequence[tuple[str, str]]: ...
