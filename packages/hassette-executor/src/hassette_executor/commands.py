"""What `CommandExecutor.execute` accepts: one typed command per kind of work (ADR-0001)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from hassette_executor.records import HandlerInvocation, JobExecution
from hassette_executor.registrations import JobRegistration, ListenerRegistration
from hassette_executor.triggers import DueTrigger, EventTrigger

Call = Callable[[], Awaitable[object] | object]
"""The work itself, with every argument bound. It is called inside the executor, so that a failure to provide a
parameter is classified like any other. For ``runs_in="async"`` it returns an awaitable; for ``"sync"`` it does its
work in a thread when called."""


# Commands are not frozen: a frozen dataclass of four fields costs three times as much to make, once per event and
# listener. Nothing writes to one after it is made.
@dataclass(slots=True, kw_only=True, eq=False)
class InvokeHandler:
    """Run a listener's handler on one event.

    Attributes:
        registration: The listener, as registered.
        call: The handler with its arguments bound.
        trigger: What this event brings.
        ready_ns: When the event was received, by `time.monotonic_ns`; the waiting time is counted from here.
    """

    record_type: ClassVar[type[HandlerInvocation]] = HandlerInvocation

    registration: ListenerRegistration
    call: Call
    trigger: EventTrigger
    ready_ns: int


@dataclass(slots=True, kw_only=True, eq=False)
class ExecuteJob:
    """Run a scheduled job once.

    Attributes:
        registration: The job, as registered.
        call: The job's callable with its arguments bound.
        trigger: When it was due, and whether by schedule or by hand.
        ready_ns: When it became due, by `time.monotonic_ns`; the waiting time is counted from here.
    """

    record_type: ClassVar[type[JobExecution]] = JobExecution

    registration: JobRegistration
    call: Call
    trigger: DueTrigger
    ready_ns: int


Command = InvokeHandler | ExecuteJob
