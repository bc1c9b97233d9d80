"""Runs: why a run began, how it ended, and what it did.

The values are named tuples rather than frozen dataclasses, because they are made for every event or run on the event
loop (docs/adr/0004-named-tuples-on-the-hot-path.md gives the figures). Times are wall-clock microseconds since the Unix
epoch (``_us``); durations are microseconds on the monotonic clock.
"""

from enum import StrEnum
from typing import NamedTuple

from hassette_executor.records.failures import Failure
from hassette_executor.records.registrations import JobRegistration, ListenerRegistration, Registration


class Status(StrEnum):
    """How a run ended; docs/architecture.md has the table that decides it."""

    SUCCESS = "success"
    ERROR = "error"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class EventTrigger(NamedTuple):
    """The event that a handler received. All handlers of one event share one trigger.

    Attributes:
        event_type: Home Assistant's event type, such as ``state_changed``.
        entity_id: The entity of the event, if it names one.
        old_state: The entity's state before the event; None if there was none.
        new_state: The entity's state after the event; None if the entity was removed.
        context_id: Home Assistant's context id of the event.
        parent_id: The id of that context's parent: an automation or script caused the event.
        user_id: The id of the user who caused the event. For service calls made by Hassette this is Hassette's user.
    """

    event_type: str
    entity_id: str | None = None
    old_state: str | None = None
    new_state: str | None = None
    context_id: str | None = None
    parent_id: str | None = None
    user_id: str | None = None


class DueTrigger(NamedTuple):
    """The time at which a job was due.

    Attributes:
        due_us: Wall-clock time.
        manual: True when a user or an app requested the run, outside the schedule.
    """

    due_us: int
    manual: bool = False


class LogLine(NamedTuple):
    """One line that a run logged.

    Attributes:
        at_us: When it was logged.
        level: The `logging` level number.
        logger: The name of the logger.
        message: The formatted message, truncated to the configured length.
    """

    at_us: int
    level: int
    logger: str
    message: str


class ServiceCall(NamedTuple):
    """One Home Assistant service (action) that a run called.

    Attributes:
        at_us: When it was sent.
        domain: For example ``light``.
        service: For example ``turn_on``.
        target: The targeted entities, areas or devices, as compact JSON; empty if none.
        data: The service data as compact JSON, truncated to the configured length; empty if none.
        duration_us: Time from sending to the response.
        context_id: The context id in Home Assistant's response. Events with this id, as id or parent, are effects of
            the call.
        error: Why the call failed; None if it succeeded.
    """

    at_us: int
    domain: str
    service: str
    target: str
    data: str
    duration_us: int
    context_id: str | None
    error: str | None


class Effects(NamedTuple):
    """Side effects of a run: log lines and service calls. `None` on a record means there were none.

    Attributes:
        log_lines: Log lines within the configured bounds, oldest first.
        service_calls: Service calls in the order of their responses.
        dropped_log_lines: How many lines exceeded the bounds.
        dropped_service_calls: How many calls exceeded the bound.
    """

    log_lines: tuple[LogLine, ...] = ()
    service_calls: tuple[ServiceCall, ...] = ()
    dropped_log_lines: int = 0
    dropped_service_calls: int = 0


class HandlerInvocation(NamedTuple):
    """One run of a listener's handler.

    Attributes:
        id: 63 bits, assigned when the record is made: milliseconds since the Unix epoch above a 21-bit counter,
            strictly increasing in a process. Serves as primary key, paging cursor and live sequence number.
        registration: The listener.
        trigger: The event that the handler received.
        started_us: Wall-clock start.
        duration_us: How long it ran.
        waited_us: From receiving the event to the start; for a sync handler this includes waiting for a thread.
        status: How it ended.
        failure: The exception; None unless the status is ``error``, or the run timed out and also raised.
        effects: Its log lines and service calls; None if there are none.
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
    """One run of a scheduled job. The fields are those of `HandlerInvocation`; the trigger is the due time."""

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
    """A run that has begun and not ended. If the process dies now, the store records it as ``interrupted``.

    Attributes:
        run: Number of the run, unique in the process. It is not the record's id, which is assigned at the end.
        registration: The listener or job.
        trigger: Why it began.
        started_us: Wall-clock start.
    """

    run: int
    registration: Registration
    trigger: EventTrigger | DueTrigger
    started_us: int
