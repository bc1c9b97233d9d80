"""`Origin`: the event in whose run a job was registered. So a chain of causes goes on through the job."""

from contextvars import ContextVar
from typing import NamedTuple

from hassette_executor import EventTrigger, Registration, current_execution


class Origin(NamedTuple):
    """The event that has led to a run, directly or through jobs.

    Attributes:
        trigger: The event.
        registration: The listener that received it.
    """

    trigger: EventTrigger
    registration: Registration


ORIGIN: ContextVar[Origin | None] = ContextVar("hassette_origin", default=None)
"""The origin of the job whose run this is. None outside the run of a job, and for a job without an origin."""


def current_origin() -> Origin | None:
    """Return the event that has led to the code that runs. None if no event has."""
    execution = current_execution()
    if execution is None:
        return None
    trigger = execution.command.trigger
    return Origin(trigger, execution.command.registration) if isinstance(trigger, EventTrigger) else ORIGIN.get()
