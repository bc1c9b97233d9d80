"""Apps: the base class that users extend, and how apps are loaded, started and stopped."""

from hassette_core.apps.app import App, AppConfig
from hassette_core.apps.loading import LoadedInstance, LoadFailure, load_apps
from hassette_core.apps.service import AppService, AppStatus

__all__ = [
    "App",
    "AppConfig",
    "AppService",
    "AppStatus",
    "LoadFailure",
    "LoadedInstance",
    "load_apps",
]
