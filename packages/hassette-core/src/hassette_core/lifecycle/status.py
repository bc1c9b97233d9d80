"""Status of each supervised service, and the board that shows all of them."""

from enum import StrEnum
from typing import NamedTuple


class ServiceStatus(StrEnum):
    """Phase in the lifecycle of a supervised service."""

    WAITING = "waiting"
    """Not started yet, because a service that it depends on starts first."""
    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    """Works only in part, or could not start and is retried. All other services keep running."""
    RESTARTING = "restarting"
    """Crashed. The supervisor starts it again after a pause."""
    EXHAUSTED = "exhausted"
    """Crashed more often than its budget allows."""
    STOPPING = "stopping"
    STOPPED = "stopped"


class StatusReport(NamedTuple):
    """The status of a service, with the event that led to this status.

    Attributes:
        name: Name of the service.
        status: The status.
        kind: Kind of the lifecycle event that led to the status, such as ``service_crashed``.
        detail: Reason for the status, in one sentence; may be empty.
    """

    name: str
    status: ServiceStatus
    kind: str
    detail: str = ""


class StatusBoard:
    """Newest status of every service, in start order. The plugins that could not be loaded come last."""

    def __init__(self) -> None:
        self._services: dict[str, StatusReport] = {}
        self._broken: list[StatusReport] = []

    def update(self, report: StatusReport) -> None:
        """Replace the status of one service."""
        self._services[report.name] = report

    def add_broken(self, report: StatusReport) -> None:
        """Add a plugin that could not be loaded."""
        self._broken.append(report)

    def status_of(self, name: str) -> ServiceStatus | None:
        """Return the status of the service with the given name; None if there is no such service."""
        report = self._services.get(name)
        return None if report is None else report.status

    @property
    def statuses(self) -> tuple[StatusReport, ...]:
        """The newest status of each service and each plugin that could not be loaded."""
        return (*self._services.values(), *self._broken)
