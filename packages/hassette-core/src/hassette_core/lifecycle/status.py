"""Status of each supervised service, and the board that shows all of them."""

from enum import StrEnum
from typing import NamedTuple


class ServiceStatus(StrEnum):
    """Status of a service."""

    WAITING = "waiting"
    """Not started yet: a service that it depends on starts first."""
    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    """Could not start; the supervisor retries, and all other services keep running."""
    RESTARTING = "restarting"
    """Crashed; starts again after a pause."""
    EXHAUSTED = "exhausted"
    """Crashed more often than its budget allows."""
    STOPPING = "stopping"
    STOPPED = "stopped"


class StatusChange(NamedTuple):
    """Change of a service's status.

    Attributes:
        name: Name of the service.
        status: Its new status.
        kind: Kind of the lifecycle event, such as ``service_crashed``.
        detail: Reason, in one sentence; may be empty.
    """

    name: str
    status: ServiceStatus
    kind: str
    detail: str = ""


class StatusBoard:
    """Newest status of every service, in starting order, followed by the plugins that could not be loaded."""

    def __init__(self) -> None:
        self._services: dict[str, StatusChange] = {}
        self._broken: list[StatusChange] = []

    def update(self, change: StatusChange) -> None:
        """Replace the status of one service."""
        self._services[change.name] = change

    def add_broken(self, change: StatusChange) -> None:
        """Add a plugin that could not be loaded."""
        self._broken.append(change)

    def status_of(self, name: str) -> ServiceStatus | None:
        """Return the status of the service with the given name; None if there is none."""
        change = self._services.get(name)
        return None if change is None else change.status

    @property
    def statuses(self) -> tuple[StatusChange, ...]:
        """The newest status of each service."""
        return (*self._services.values(), *self._broken)
