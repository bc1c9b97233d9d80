"""Apps: load, start and stop them.

`load_apps` imports the modules of the apps and validates their settings. `AppService` creates an `App` object for each
instance, with a bus and a scheduler for that instance, and calls its ``on_initialize`` and ``on_shutdown``.
"""

from hassette_core.apps.app import AnyApp, App, AppConfig
from hassette_core.apps.blocking import SyncApi, SyncBus, SyncHome, SyncScheduler, SyncTime
from hassette_core.apps.context import AppContext
from hassette_core.apps.hot_reload import HotReload
from hassette_core.apps.imports import PACKAGE
from hassette_core.apps.loading import LoadedInstance, LoadFailure, load_apps, load_instance
from hassette_core.apps.running_apps import RunningApps
from hassette_core.apps.service import AppService
from hassette_core.apps.status import AppStatus
from hassette_core.apps.storage import AppStorage
from hassette_core.apps.sync_app import SyncApp

__all__ = [
    "PACKAGE",
    "AnyApp",
    "App",
    "AppConfig",
    "AppContext",
    "AppService",
    "AppStatus",
    "AppStorage",
    "HotReload",
    "LoadFailure",
    "LoadedInstance",
    "RunningApps",
    "SyncApi",
    "SyncApp",
    "SyncBus",
    "SyncHome",
    "SyncScheduler",
    "SyncTime",
    "load_apps",
    "load_instance",
]
