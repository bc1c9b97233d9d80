"""Home Assistant's API for apps. `Api` sends requests through the link and records the service calls of each run."""

from hassette_core.api.api import Api
from hassette_core.api.attempts import ServiceResult
from hassette_core.api.history import LogbookEntry, PastState, Statistic
from hassette_core.api.service_api import CallOptions, service_of
from hassette_core.api.targets import Target

__all__ = ["Api", "CallOptions", "LogbookEntry", "PastState", "ServiceResult", "Statistic", "Target", "service_of"]
