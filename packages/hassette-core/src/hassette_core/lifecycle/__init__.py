"""Start, supervise, restart and stop the framework's services."""

from hassette_core.lifecycle.context import ServiceContext
from hassette_core.lifecycle.protocols import Resource, Service
from hassette_core.lifecycle.restarts import RestartPolicy
from hassette_core.lifecycle.status import ServiceStatus, StatusBoard, StatusChange
from hassette_core.lifecycle.supervised_service import ServiceSpec, is_being_cancelled
from hassette_core.lifecycle.supervisor import Supervisor, SupervisorObserver

__all__ = [
    "Resource",
    "RestartPolicy",
    "Service",
    "ServiceContext",
    "ServiceSpec",
    "ServiceStatus",
    "StatusBoard",
    "StatusChange",
    "Supervisor",
    "SupervisorObserver",
    "is_being_cancelled",
]
