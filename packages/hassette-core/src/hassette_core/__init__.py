"""The framework that runs apps for Home Assistant. It decides which handlers run, and when.

An event takes this path. All steps run on the event loop, except plain ``def`` handlers, which run in threads:

1. `hassette_core.link` receives it from Home Assistant and updates `hassette_core.states`.
2. `hassette_core.bus` finds the listeners that match the event. The other source of runs is `hassette_core.scheduler`,
   which starts jobs when they are due.
3. `hassette_core.roster` starts, queues or skips the run, depending on the mode of the listener or job.
4. hassette-executor calls the handler and records the run. The record then takes the path that `hassette_executor`
   describes.

`hassette_core.framework` creates these services and connects them. `hassette_core.lifecycle` starts, supervises and
stops them.

Apps import all names from this package::

    from hassette_core import App, AppConfig, NewState

Each public name is imported on first use, so that a command such as ``hassette telemetry`` does not wait for the import
of the Home Assistant client. Each name is listed three times below: for type checkers, in ``__all__`` and in the table
of lazy names. ``tests/core/test_exports.py`` compares the three lists.
"""

import typing

from hassette_core import lazy_names
from hassette_core.__about__ import __version__

if typing.TYPE_CHECKING:
    from hassette_core.api import Api, CallOptions, LogbookEntry, PastState, ServiceResult, Statistic, Target
    from hassette_core.apps import (
        AnyApp,
        App,
        AppConfig,
        AppContext,
        AppStatus,
        AppStorage,
        RunningApps,
        SyncApi,
        SyncApp,
        SyncBus,
        SyncHome,
        SyncScheduler,
        SyncTime,
    )
    from hassette_core.bus import AppBus, Subscription
    from hassette_core.conditions import (
        Condition,
        ConditionView,
        above,
        below,
        between,
        on_days,
        state_is,
        sun_is_down,
        sun_is_up,
    )
    from hassette_core.config import HassetteConfig, load_config
    from hassette_core.errors import (
        AppLoadError,
        AppLookupError,
        AuthenticationError,
        CallFailedError,
        ConfigError,
        CoreError,
        FatalError,
        HomeUnknownError,
        LinkError,
        MomentUnknownError,
        NoAnswerError,
        NotConfirmedError,
        NotConnectedError,
        RegistrationError,
        RehearsalError,
        ServiceExhaustedError,
        StartFailedError,
        StorageError,
        UnexpectedAnswerError,
        UnknownEntityError,
        UnknownNameError,
        UrlError,
        WaitTimeoutError,
    )
    from hassette_core.events import Context, Event, State, StateChanged
    from hassette_core.framework import Hassette
    from hassette_core.handlers import (
        Attr,
        Data,
        EntityId,
        NewState,
        NewValue,
        OldState,
        OldValue,
    )
    from hassette_core.home import Area, Device, EntityEntry, Floor, HomeRegistry, HomeSelection, Label, User
    from hassette_core.moments import AppSun, AppTime
    from hassette_core.scheduler import AppScheduler, Job, JobGroup
    from hassette_core.selection import EntitySelection
    from hassette_core.simulation.home import SimulatedHome
    from hassette_core.states import States
    from hassette_executor import (
        Accounting,
        CalledOnLoopError,
        DependencyError,
        ErrorContext,
        ErrorHook,
        ExecutionTimeoutError,
        HassetteError,
        LoopCallsClosedError,
        MemorySink,
        Record,
        RecordSink,
        ServiceCall,
        Status,
    )

__all__ = [
    "Accounting",
    "AnyApp",
    "Api",
    "App",
    "AppBus",
    "AppConfig",
    "AppContext",
    "AppLoadError",
    "AppLookupError",
    "AppScheduler",
    "AppStatus",
    "AppStorage",
    "AppSun",
    "AppTime",
    "Area",
    "Attr",
    "AuthenticationError",
    "CallFailedError",
    "CallOptions",
    "CalledOnLoopError",
    "Condition",
    "ConditionView",
    "ConfigError",
    "Context",
    "CoreError",
    "Data",
    "DependencyError",
    "Device",
    "EntityEntry",
    "EntityId",
    "EntitySelection",
    "ErrorContext",
    "ErrorHook",
    "Event",
    "ExecutionTimeoutError",
    "FatalError",
    "Floor",
    "Hassette",
    "HassetteConfig",
    "HassetteError",
    "HomeRegistry",
    "HomeSelection",
    "HomeUnknownError",
    "Job",
    "JobGroup",
    "Label",
    "LinkError",
    "LogbookEntry",
    "LoopCallsClosedError",
    "MemorySink",
    "MomentUnknownError",
    "NewState",
    "NewValue",
    "NoAnswerError",
    "NotConfirmedError",
    "NotConnectedError",
    "OldState",
    "OldValue",
    "PastState",
    "Record",
    "RecordSink",
    "RegistrationError",
    "RehearsalError",
    "RunningApps",
    "ServiceCall",
    "ServiceExhaustedError",
    "ServiceResult",
    "SimulatedHome",
    "StartFailedError",
    "State",
    "StateChanged",
    "States",
    "Statistic",
    "Status",
    "StorageError",
    "Subscription",
    "SyncApi",
    "SyncApp",
    "SyncBus",
    "SyncHome",
    "SyncScheduler",
    "SyncTime",
    "Target",
    "UnexpectedAnswerError",
    "UnknownEntityError",
    "UnknownNameError",
    "UrlError",
    "User",
    "WaitTimeoutError",
    "__version__",
    "above",
    "below",
    "between",
    "load_config",
    "on_days",
    "state_is",
    "sun_is_down",
    "sun_is_up",
]

__getattr__, __dir__ = lazy_names.lazy_attributes(
    __name__,
    {
        "hassette_executor": (
            "Accounting",
            "CalledOnLoopError",
            "DependencyError",
            "ErrorContext",
            "ErrorHook",
            "ExecutionTimeoutError",
            "HassetteError",
            "LoopCallsClosedError",
            "MemorySink",
            "Record",
            "RecordSink",
            "ServiceCall",
            "Status",
        ),
        "hassette_core.api": (
            "Api",
            "CallOptions",
            "LogbookEntry",
            "PastState",
            "ServiceResult",
            "Statistic",
            "Target",
        ),
        "hassette_core.apps": (
            "AnyApp",
            "App",
            "AppConfig",
            "AppContext",
            "AppStatus",
            "AppStorage",
            "RunningApps",
            "SyncApi",
            "SyncApp",
            "SyncBus",
            "SyncScheduler",
            "SyncHome",
            "SyncTime",
        ),
        "hassette_core.bus": (
            "AppBus",
            "Subscription",
        ),
        "hassette_core.conditions": (
            "Condition",
            "ConditionView",
            "above",
            "below",
            "between",
            "on_days",
            "state_is",
            "sun_is_down",
            "sun_is_up",
        ),
        "hassette_core.config": (
            "HassetteConfig",
            "load_config",
        ),
        "hassette_core.errors": (
            "AppLoadError",
            "AppLookupError",
            "AuthenticationError",
            "CallFailedError",
            "ConfigError",
            "CoreError",
            "FatalError",
            "HomeUnknownError",
            "LinkError",
            "MomentUnknownError",
            "NoAnswerError",
            "NotConfirmedError",
            "NotConnectedError",
            "RegistrationError",
            "RehearsalError",
            "ServiceExhaustedError",
            "StartFailedError",
            "StorageError",
            "UnexpectedAnswerError",
            "UnknownEntityError",
            "UnknownNameError",
            "UrlError",
            "WaitTimeoutError",
        ),
        "hassette_core.events": (
            "Context",
            "Event",
            "State",
            "StateChanged",
        ),
        "hassette_core.framework": ("Hassette",),
        "hassette_core.handlers": (
            "Attr",
            "Data",
            "EntityId",
            "NewState",
            "NewValue",
            "OldState",
            "OldValue",
        ),
        "hassette_core.moments": (
            "AppSun",
            "AppTime",
        ),
        "hassette_core.home": (
            "Area",
            "Device",
            "EntityEntry",
            "Floor",
            "HomeRegistry",
            "HomeSelection",
            "Label",
            "User",
        ),
        "hassette_core.scheduler": (
            "AppScheduler",
            "Job",
            "JobGroup",
        ),
        "hassette_core.selection": ("EntitySelection",),
        "hassette_core.simulation.home": ("SimulatedHome",),
        "hassette_core.states": ("States",),
    },
)
