"""Home Assistant's API for apps. `Api` sends requests through the link and records the service calls of each run."""

from hassette_core.api.api import Api, ServiceResult, Target

__all__ = ["Api", "ServiceResult", "Target"]
