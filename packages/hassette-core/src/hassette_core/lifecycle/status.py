"""Where each supervised part is in its life."""

from enum import StrEnum
from typing import NamedTuple


class ServiceStatus(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    """Not started yet: something that it needs comes first."""
    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    """Could not start; it is tried again, and everything else goes on without it."""
    RESTARTING = "restarting"
    """Crashed; it is started again after a pause."""
    EXHAUSTED = "exhausted"
    """Crashed more often than its budget allows."""
    STOPPING = "stopping"
    STOPPED = "stopped"


class StatusChange(NamedTuple):
    """One step in a part's life.

    Attributes:
        name: The part's name.
        status: What it is from now on.
        kind: What a lifecycle event of this step is called, such as ``service_crashed``.
        detail: Why, in one sentence; may be empty.
    """

    name: str
    status: ServiceStatus
    kind: str
    detail: str = ""
