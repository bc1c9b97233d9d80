"""What an app asks of Home Assistant."""

from hassette_core.api.api import Api, ServiceResult, Target

__all__ = ["Api", "ServiceResult", "Target"]
