"""Protocols of registrations and runs."""

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
    @property
    def immediate(self) -> bool: ...


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


class StateReadRow(Protocol):
    """A state that a run read.

    Attributes:
        state: The value; None if there was no such entity.
    """

    @property
    def at_us(self) -> int: ...
    @property
    def entity_id(self) -> str: ...
    @property
    def state(self) -> str | None: ...


class EffectsRow(Protocol):
    """Effects of a run: log lines, service calls and reads of states.

    Attributes:
        dropped_log_lines: Number of log lines that were not recorded because the run exceeded the executor's limits.
        dropped_service_calls: Number of service calls that were not recorded for the same reason.
        dropped_state_reads: Number of reads that were not recorded for the same reason.
    """

    @property
    def log_lines(self) -> Sequence[LogLineRow]: ...
    @property
    def service_calls(self) -> Sequence[ServiceCallRow]: ...
    @property
    def dropped_log_lines(self) -> int: ...
    @property
    def dropped_service_calls(self) -> int: ...
    @property
    def state_reads(self) -> Sequence[StateReadRow]: ...
    @property
    def dropped_state_reads(self) -> int: ...


class RunRow(Protocol):
    """Common fields of the runs of handlers and jobs.

    Attributes:
        status: Name of the status, as in the table ``statuses``.
        failure: The exception or the exceeded deadline, for a run with the status ``error`` or ``timed_out``.
        effects: Log lines, service calls and reads; None if there were none.
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
