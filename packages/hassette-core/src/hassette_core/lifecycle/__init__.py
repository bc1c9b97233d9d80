"""Start, supervise, restart and stop the framework's services.

`hassette_core.framework` creates the services and passes them to a `Supervisor` as `ServiceSpec` objects. For each
service, a `SupervisedService` calls ``start``, ``serve`` and ``stop`` (the protocols `Resource` and `Service`), and
restarts the service after a crash (`RestartPolicy`). The `StatusBoard` shows the status of every service. The
`SupervisorObserver` logs and records each change. All of this runs on the event loop.
"""

from hassette_core.lifecycle.async_with import AsyncWithService
from hassette_core.lifecycle.cancellable_work import CancellableWork
from hassette_core.lifecycle.protocols import DegradableResource, Resource, Service
from hassette_core.lifecycle.restarts import RestartPolicy
from hassette_core.lifecycle.status import ServiceStatus, StatusBoard, StatusReport
from hassette_core.lifecycle.supervised_service import ServiceSpec
from hassette_core.lifecycle.supervisor import Supervisor, SupervisorObserver
from hassette_core.lifecycle.waiting import first_set, wait_while_running

__all__ = [
    "AsyncWithService",
    "CancellableWork",
    "DegradableResource",
    "Resource",
    "RestartPolicy",
    "Service",
    "ServiceSpec",
    "ServiceStatus",
    "StatusBoard",
    "StatusReport",
    "Supervisor",
    "SupervisorObserver",
    "first_set",
    "wait_while_running",
]
