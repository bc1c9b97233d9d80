"""Protocols of batches, and of everything in a batch that is not a run."""

from collections.abc import Sequence
from typing import Protocol

from hassette_store.rows.circumstances import (
    DeployRow,
    FrameworkLogRow,
    HomeCauseRow,
    HomeChangeRow,
    HomeNameRow,
)
from hassette_store.rows.runs import (
    ExecutionRow,
    InvocationRow,
    RegistrationRow,
    RunningRow,
    TriggerRow,
)


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


class NotRunRow(Protocol):
    """A trigger that led to no run.

    Attributes:
        at_us: When it was decided that the trigger leads to no run, in microseconds since the Unix epoch.
        reason: For example ``condition``; see the table ``not_runs``.
        detail: One sentence; may be empty.
        trigger: The trigger; None if it is not known.
    """

    @property
    def registration(self) -> RegistrationRow: ...
    @property
    def at_us(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def trigger(self) -> TriggerRow | None: ...


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
        what: ``runs``, ``log_lines``, ``service_calls``, ``lifecycle``, ``home_changes`` or another field of
            circumstances, or ``events`` (of Home Assistant). For rows that
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


class SilenceRow(Protocol):
    """The silence of an error group.

    Attributes:
        until_us: End of the silence, in microseconds since the Unix epoch. None ends the silence now.
    """

    @property
    def fingerprint(self) -> str: ...
    @property
    def until_us(self) -> int | None: ...


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
        not_runs: The newest of these triggers, oldest first.
        summaries: Totals of runs whose records were evicted.
        losses: Lost records and details.
        running: Runs that have been in progress for longer than about 0.25 s. The list replaces the stored list. None
            leaves the stored list unchanged.
        silences: New or ended silences of error groups.
        home_changes: Changes of states of the home, oldest first.
        home_causes: Automations, scripts and service calls of Home Assistant, oldest first.
        home_names: New or changed names.
        deploys: Versions of apps that were started.
        framework_log: Warnings and errors that were logged outside runs.
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
    def not_runs(self) -> Sequence[NotRunRow]: ...
    @property
    def summaries(self) -> Sequence[SummaryRow]: ...
    @property
    def losses(self) -> Sequence[LossRow]: ...
    @property
    def running(self) -> Sequence[RunningRow] | None: ...
    @property
    def silences(self) -> Sequence[SilenceRow]: ...
    @property
    def home_changes(self) -> Sequence[HomeChangeRow]: ...
    @property
    def home_causes(self) -> Sequence[HomeCauseRow]: ...
    @property
    def home_names(self) -> Sequence[HomeNameRow]: ...
    @property
    def deploys(self) -> Sequence[DeployRow]: ...
    @property
    def framework_log(self) -> Sequence[FrameworkLogRow]: ...
    @property
    def session_facts(self) -> Sequence[tuple[str, str]]: ...
