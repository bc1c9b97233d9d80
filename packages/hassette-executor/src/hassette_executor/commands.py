"""Commands that `CommandExecutor.execute` accepts: one typed command per kind of run (ADR-0001)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from hassette_executor.records.registrations import JobRegistration, ListenerRegistration
from hassette_executor.records.runs import DueTrigger, EventTrigger, HandlerInvocation, JobExecution

Call = Callable[[], Awaitable[object] | object]
"""The callable of a command, with every argument bound. The executor calls it and classifies each error that it raises,
such as a `DependencyError`. With ``runs_in="async"``, the callable returns an awaitable. With ``"sync"``, the executor
calls it in a thread, and the call does the work."""


# Commands are not frozen. Creating a frozen dataclass with four fields takes three times as long as creating a mutable
# one, and a command is created for each event and listener. No code changes a command after it is created.
@dataclass(slots=True, kw_only=True, eq=False)
class InvokeHandler:
    """Run a listener's handler for one event.

    Attributes:
        registration: The listener, as registered.
        call: The handler with its arguments bound.
        trigger: The event.
        ready_ns: The time at which the event was received, or at which ``debounce`` or ``duration`` passed it on, by
            `time.monotonic_ns`. The waiting time of the run starts at this time.
        make_record: Makes the record of the run from its fields.

    Example::

        event = EventTrigger("state_changed", "light.hall", "off", "on")
        command = InvokeHandler(registration=hall, call=on_hall, trigger=event, ready_ns=time.monotonic_ns())
    """

    make_record: ClassVar[Callable[[tuple[object, ...]], HandlerInvocation]] = HandlerInvocation._make

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
        trigger: When the job was due, and whether a user or an app requested the run.
        ready_ns: The time at which the job became due, by `time.monotonic_ns`. The waiting time of the run starts at
            this time.
        make_record: Makes the record of the run from its fields.
    """

    make_record: ClassVar[Callable[[tuple[object, ...]], JobExecution]] = JobExecution._make

    registration: JobRegistration
    call: Call
    trigger: DueTrigger
    ready_ns: int


Command = InvokeHandler | ExecuteJob
