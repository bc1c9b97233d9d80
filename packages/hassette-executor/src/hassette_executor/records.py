"""What happened: the values that flow, one way, from the executor to whoever keeps them.

All are immutable. Most are named tuples rather than frozen dataclasses because they are made for every run, on the
event loop (docs/adr/0004-named-tuples-on-the-hot-path.md gives the figures). Times are wall-clock microseconds since
the Unix epoch (``_us``), durations are microseconds on the monotonic clock.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from hassette_executor.failures import Failure
from hassette_executor.registrations import JobRegistration, ListenerRegistration, Registration
from hassette_executor.triggers import DueTrigger, EventTrigger


class Status(StrEnum):
    """How a run ended (design section 5)."""

    SUCCESS = "success"
    ERROR = "error"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class LogLine(NamedTuple):
    """One line that a run logged.

    Attributes:
        at_us: When.
        level: The `logging` level number.
        logger: The logger's name.
        message: The formatted message, cut at the configured length.
    """

    at_us: int
    level: int
    logger: str
    message: str


class ServiceCall(NamedTuple):
    """One Home Assistant service (action) that a run called.

    Attributes:
        at_us: When it was sent.
        domain: Such as ``light``.
        service: Such as ``turn_on``.
        target: The entities, areas or devices aimed at, as compact JSON; empty if none.
        data: The service data as compact JSON, cut at the configured length; empty if none.
        duration_us: From sending to the answer.
        context_id: The context id that Home Assistant answered with: events that carry it, as id or parent, are
            its effects.
        error: Why it failed; None if it did not.
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
    """What a run did beside running; None on a record stands for nothing.

    Attributes:
        log_lines: Its log lines, oldest first, within the configured bounds.
        service_calls: Its service calls, in the order of their answers.
        dropped_log_lines: How many lines the bounds cut off.
        dropped_service_calls: How many calls the bounds cut off.
    """

    log_lines: tuple[LogLine, ...] = ()
    service_calls: tuple[ServiceCall, ...] = ()
    dropped_log_lines: int = 0
    dropped_service_calls: int = 0


class HandlerInvocation(NamedTuple):
    """One run of a listener's handler.

    Attributes:
        id: 63 bits, given when the record is made: strictly increasing in a process, milliseconds since the Unix
            epoch in the bits above the lowest 21. Primary key, paging cursor, retention key and live sequence number.
        registration: The listener.
        trigger: The event it heard.
        started_us: Wall-clock start.
        duration_us: How long it ran.
        waited_us: From the event's receipt to the start; of a sync handler that includes waiting for a thread.
        status: How it ended.
        failure: What it raised; None unless the status is ``error`` (or a run that timed out raised besides).
        effects: What it logged and called; None when nothing.
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
    """One run of a scheduled job; the fields are those of `HandlerInvocation`, with the due time as trigger."""

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
    """A run that has begun and not ended; if the process dies now, it becomes an ``interrupted`` row.

    Attributes:
        run: Its number, unique in the process; not a record's id, which is given at the end.
        registration: The listener or job.
        trigger: Why it began.
        started_us: Wall-clock start.
    """

    run: int
    registration: Registration
    trigger: EventTrigger | DueTrigger
    started_us: int


@dataclass(frozen=True, slots=True)
class SkipCount:
    """How often a registration did not run, and why, within one hour.

    Attributes:
        registration: The listener or job.
        hour_us: Start of the hour (UTC) in which it would have run.
        reason: ``rate_limited``, ``overlap``, ``back_pressure``, ``misfire``, ``predicate_failed``.
        count: How often, since the last batch.
    """

    registration: Registration
    hour_us: int
    reason: str
    count: int


class ShedSummary(NamedTuple):
    """Runs whose rows were given up, folded: totals and percentiles stay right without them.

    Attributes:
        registration: The listener or job.
        hour_us: Start of the hour (UTC) in which they ended, by their ids.
        counts: How many, by status.
        total_us: Sum of their durations.
        max_us: The longest.
        waited_us: Sum of their waiting times.
        buckets: Latency sketch: (bucket, count), where a duration of d microseconds falls in bucket
            ``ceil(log(max(d, 1), 101/99))``; 1 % relative accuracy (DDSketch, Masson et al. 2019).
    """

    registration: Registration
    hour_us: int
    counts: tuple[tuple[Status, int], ...]
    total_us: int
    max_us: int
    waited_us: int
    buckets: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """Detail that was not kept: a gap, said aloud.

    Attributes:
        reason: ``queue_full_count``, ``queue_full_bytes``, ``rejected_row``, ``stop_deadline``, ``late_effect``.
        what: ``runs`` (their counts are in a `ShedSummary`), ``log_lines``, ``service_calls``, ``lifecycle``.
        count: How many.
        first_us: Start of the gap.
        last_us: End of the gap.
    """

    reason: str
    what: str
    count: int
    first_us: int
    last_us: int


class LifecycleEvent(NamedTuple):
    """Something that happened to the framework itself.

    Attributes:
        id: From the same source as the records' ids.
        at_us: When.
        kind: ``connection_lost``, ``connection_restored``, ``app_started``, ``app_failed``, ``app_reloaded``,
            ``app_stopped``, ``service_crashed``, ``service_restarted``, ``service_exhausted``.
        subject: The app instance, the service or the address concerned.
        detail: One sentence; may be empty.
    """

    id: int
    at_us: int
    kind: str
    subject: str
    detail: str


class Batch(NamedTuple):
    """What the write queue hands to a sink at once. A sink keeps all of it or none.

    Attributes:
        sequence: Strictly increasing in a process. A repeated number is the same batch, tried again: a sink that
            has kept it already does nothing.
        at_us: When the batch was made.
        invocations: Runs of handlers, oldest first.
        executions: Runs of jobs, oldest first.
        registered: Registrations that are new since the last batch; they come before any record that refers to them.
        retired: Registrations that have ended.
        lifecycle: Lifecycle events, oldest first.
        skipped: Did-not-run counts.
        summaries: What was shed, folded.
        losses: Gaps.
        running: All runs that have been running for a while, replacing the list of the batch before; None: no change.
        session_facts: Facts about the session that are new or have changed, such as ``("home_assistant", "2025.4.4")``;
            ``("outcome", …)`` and ``("reason", …)`` come with the last batch.
    """

    sequence: int
    at_us: int
    invocations: tuple[HandlerInvocation, ...] = ()
    executions: tuple[JobExecution, ...] = ()
    registered: tuple[Registration, ...] = ()
    retired: tuple[Registration, ...] = ()
    lifecycle: tuple[LifecycleEvent, ...] = ()
    skipped: tuple[SkipCount, ...] = ()
    summaries: tuple[ShedSummary, ...] = ()
    losses: tuple[Loss, ...] = ()
    running: tuple[RunningExecution, ...] | None = None
    session_facts: tuple[tuple[str, str], ...] = ()
