"""Runs: triggers, statuses, effects and records.

The values are named tuples instead of frozen dataclasses, because the event loop makes them for every event or run
(docs/adr/0004-named-tuples-on-the-hot-path.md gives the figures). Times are wall-clock microseconds since the Unix
epoch (``_us``); durations are microseconds on the monotonic clock.

The store does not import these classes. ``hassette_store.rows`` declares the fields that it reads, and
tests/typing/joins.py compares both.
"""

from enum import StrEnum
from typing import NamedTuple

from hassette_executor.records.failures import Failure
from hassette_executor.records.registrations import JobRegistration, ListenerRegistration, Registration


class Status(StrEnum):
    """How a run ended. `classify` in ``running.classification`` decides it; docs/architecture.md shows the table."""

    SUCCESS = "success"
    ERROR = "error"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class EventTrigger(NamedTuple):
    """The event that a handler received. All handlers of one event share one trigger.

    Attributes:
        event_type: Home Assistant's event type, such as ``state_changed``.
        entity_id: The entity of the event; None if the event names no entity.
        old_state: The entity's state before the event; None if there was none.
        new_state: The entity's state after the event; None if the entity was removed.
        context_id: Home Assistant's context id of the event.
        parent_id: The id of the context that caused the event, for example the context of an automation; None if no
            other context caused the event.
        user_id: The id of the user who caused the event. For service calls of Hassette, it is the id of Hassette's
            user.
        missed: Whether the event happened while there was no connection to Home Assistant.
        immediate: Whether there was no event: the listener ran at its registration, with the current state.
    """

    event_type: str
    entity_id: str | None = None
    old_state: str | None = None
    new_state: str | None = None
    context_id: str | None = None
    parent_id: str | None = None
    user_id: str | None = None
    missed: bool = False
    immediate: bool = False


class DueTrigger(NamedTuple):
    """The time at which a job was due.

    Attributes:
        due_us: Wall-clock time at which the job was due.
        manual: Whether a user or an app requested the run; False if the schedule caused it.
    """

    due_us: int
    manual: bool = False


Trigger = EventTrigger | DueTrigger
"""The cause of a run, or of a trigger that led to no run."""


class LogLine(NamedTuple):
    """One line that a run logged.

    Attributes:
        at_us: Time of the line.
        level: The `logging` level number.
        logger: The name of the logger.
        message: The formatted message, truncated to 2,000 characters.
    """

    at_us: int
    level: int
    logger: str
    message: str


class ServiceCall(NamedTuple):
    """One Home Assistant service (action) that a run called.

    Attributes:
        at_us: Time of sending.
        domain: For example ``light``.
        service: For example ``turn_on``.
        target: The targeted entities, areas or devices, as compact JSON; empty if none.
        data: The service data as compact JSON; empty if none. Core truncates target and data to 2,000 characters each.
        duration_us: Time from sending to the response.
        context_id: The context id in Home Assistant's response; None without a response. The events that the call
            causes have this id as their context id or parent id.
        error: Why the call failed, or which expected state did not follow; None if it succeeded.
        attempt: Number of the attempt, from 1. A call that is not confirmed may be repeated, and each attempt is
            recorded.
        confirmed_us: Time from sending to the moment when the expected states were seen; None if the caller expected no
            state, or did not see it.
        rehearsed: True if the run was a rehearsal and the call was not sent.
    """

    at_us: int
    domain: str
    service: str
    target: str
    data: str
    duration_us: int
    context_id: str | None
    error: str | None
    attempt: int = 1
    confirmed_us: int | None = None
    rehearsed: bool = False


class StateRead(NamedTuple):
    """A state that a run read. A run that reads the same value of an entity again adds no second one.

    Attributes:
        at_us: Time of the first read.
        entity_id: The entity; a domain such as ``light.*`` if the run read all states of it.
        state: The value; None if there was no such entity. For a domain, the number of its entities.
    """

    at_us: int
    entity_id: str
    state: str | None


class Effects(NamedTuple):
    """Log lines, service calls and reads of one run. The record of a run without any of them contains None.

    Attributes:
        log_lines: Log lines within the configured bounds, oldest first.
        service_calls: Service calls in the order of their responses.
        dropped_log_lines: Number of log lines that were dropped because of the bounds.
        dropped_service_calls: Number of service calls that were dropped because of the bound.
        state_reads: States that the run read, in the order of the first read.
        dropped_state_reads: Number of reads that were dropped because of the bound.
    """

    log_lines: tuple[LogLine, ...] = ()
    service_calls: tuple[ServiceCall, ...] = ()
    dropped_log_lines: int = 0
    dropped_service_calls: int = 0
    state_reads: tuple[StateRead, ...] = ()
    dropped_state_reads: int = 0


class HandlerInvocation(NamedTuple):
    """One run of a listener's handler.

    Attributes:
        id: Number of 63 bits, assigned when the record is made: the high bits are milliseconds since the Unix epoch,
            the low 21 bits a counter. Ids increase in an executor, unless the wall clock goes back by more than ten
            seconds. The store uses them as primary keys.
        registration: The listener.
        trigger: The event that the handler received.
        started_us: Wall-clock start.
        duration_us: Time from the start to the end.
        waited_us: Time from the command's ``ready_ns`` to the start. For a sync handler it includes waiting for a
            thread.
        status: How the run ended.
        failure: The failure; set exactly if the status is ``error`` or ``timed_out``.
        effects: Log lines, service calls and reads of the run; None if there are none.
    """

    id: int
    registration: ListenerRegistration
    trigger: EventTrigger
    started_us: int
    duration_us: int
    waited_us: int
    status: Status
    failure: Failure | None = None
    effects: Effects | None = None


class JobExecution(NamedTuple):
    """One run of a scheduled job. The fields have the same meaning as in `HandlerInvocation`."""

    id: int
    registration: JobRegistration
    trigger: DueTrigger
    started_us: int
    duration_us: int
    waited_us: int
    status: Status
    failure: Failure | None = None
    effects: Effects | None = None


Record = HandlerInvocation | JobExecution


class RunningExecution(NamedTuple):
    """A run in progress. If the process dies now, the store records the run as ``interrupted``.

    Attributes:
        run: Number of the run, unique in an executor. The record gets another number, its id, at the end of the run.
        registration: The listener or job.
        trigger: The reason for the run.
        started_us: Wall-clock start.
    """

    run: int
    registration: Registration
    trigger: Trigger
    started_us: int
