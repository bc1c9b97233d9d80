"""Starting, serving, restarting and stopping: the parts of a framework that live for as long as it does."""

from hassette_core.lifecycle.keeper import Member
from hassette_core.lifecycle.protocols import Resource, Service
from hassette_core.lifecycle.restarts import RestartPolicy
from hassette_core.lifecycle.status import ServiceStatus, StatusChange
from hassette_core.lifecycle.supervisor import Supervisor

__all__ = ["Member", "Resource", "RestartPolicy", "Service", "ServiceStatus", "StatusChange", "Supervisor"]
