"""Home Assistant's API for apps."""

from hassette_core.api.api import Api, ServiceResult, Target

__all__ = ["Api", "ServiceResult", "Target"]
