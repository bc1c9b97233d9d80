# ruff: noqa: D102  the schema explains the fields
"""Protocols of the values that the store accepts; any object of the same shape will do.

They match the records of hassette-executor, although neither package imports the other (tests/typing/joins.py checks
that). The schema (migrations/sql/0001_initial.sql) explains the fields.
"""

from collections.abc import Sequence
from typing import Protocol, TypeGuard


class SourceRow(Protocol):
    """Source code of a handler."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def snippet(self) -> str: ...


class RegisteredRow(Protocol):
    """Common fields of listeners and jobs."""

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


class ListenerRow(RegisteredRow, Protocol):
    """A handler that listens to a topic. Only a listener has the field ``topic``."""

    @property
    def topic(self) -> str: ...


class JobRow(RegisteredRow, Protocol):
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
    """The exception of a failed run. The store reads ``traceback``, which is costly to render, once per error group."""

    @property
    def kind(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def frames(self) -> Sequence[FrameRow]: ...
    @property
    def traceback(self) -> str: ...


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
    """One service call of a run."""

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


class EffectsRow(Protocol):
    """Side effects of a run: log lines and service calls."""

    @property
    def log_lines(self) -> Sequence[LogLineRow]: ...
    @property
    def service_calls(self) -> Sequence[ServiceCallRow]: ...
    @property
    def dropped_log_lines(self) -> int: ...
    @property
    def dropped_service_calls(self) -> int: ...


class RunRow(Protocol):
    """Common fields of the runs of handlers and jobs."""

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
    """A run in progress."""

    @property
    def run(self) -> int: ...
    @property
    def registration(self) -> RegistrationRow: ...
    @property
    def trigger(self) -> TriggerRow: ...
    @property
    def started_us(self) -> int: ...


class SkipRow(Protocol):
    """Number of triggers of a registration that led to no run within one hour, for one reason."""

    @property
    def registration(self) -> RegistrationRow: ...
    @property
    def hour_us(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def count(self) -> int: ...


class SummaryRow(Protocol):
    """Counts and durations of runs whose records were evicted, summed up by registration and hour."""

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
    """Lost records or details."""

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
    """The records that `DatabaseService.write` stores in one transaction."""

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


def is_listener(registration: RegistrationRow) -> TypeGuard[ListenerRow]:
    """Return whether a registration is a listener and not a job."""
    return hasattr(registration, "topic")


def is_event(trigger: TriggerRow) -> TypeGuard[EventTriggerRow]:
    """Return whether a trigger is an event and not a due time."""
    return hasattr(trigger, "event_type")
