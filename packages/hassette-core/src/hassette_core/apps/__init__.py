"""Apps: what a person writes, and how it is loaded, started and stopped."""

from hassette_core.apps.app import App, AppConfig, AppParts
from hassette_core.apps.loading import FailedApp, LoadedApp, load_apps
from hassette_core.apps.service import AppService, AppStatus

__all__ = [
    "App",
    "AppConfig",
    "AppParts",
    "AppService",
    "AppStatus",
    "FailedApp",
    "LoadedApp",
    "load_apps",
]
