"""`AppContext`: the objects that the framework gives to one app instance."""

from dataclasses import dataclass
from pathlib import Path

from hassette_core.api import Api
from hassette_core.apps.running_apps import RunningApps
from hassette_core.apps.storage import AppStorage
from hassette_core.bus import AppBus
from hassette_core.home import HomeRegistry
from hassette_core.moments import AppTime
from hassette_core.scheduler import AppScheduler
from hassette_core.states import States
from hassette_executor import LoopCalls


@dataclass(frozen=True, slots=True, kw_only=True)
class AppContext:
    """The objects that the framework gives to one app instance.

    `App` has an attribute of the same name for each of them. A new object is a new field here, and the constructor of
    an app that overrides ``__init__`` stays the same.

    Attributes:
        app_key: The key of the app in ``hassette.toml``: ``hall`` for ``[apps.hall]``.
        instance: The name of the instance.
        bus: Registers listeners for this instance.
        scheduler: Registers jobs for this instance.
        api: Home Assistant's API.
        states: The current states of all entities.
        home: The areas, floors, devices, labels and users of the home.
        time: The time of the home.
        apps: The other apps.
        storage: A small mapping that survives restarts.
        data_dir: The directory for the files of this instance. It may not exist; `App.data_dir` creates it.
        loop_calls: Calls methods on the event loop for the threads of a `SyncApp`.
    """

    app_key: str
    instance: str
    bus: AppBus
    scheduler: AppScheduler
    api: Api
    states: States
    home: HomeRegistry
    time: AppTime
    apps: RunningApps
    storage: AppStorage
    data_dir: Path
    loop_calls: LoopCalls
