"""Decide what runs, and when: apps for Home Assistant, and the framework that runs them.

Each name is imported when it is first asked for: who types ``hassette telemetry`` does not wait for the import of what
speaks with Home Assistant.
"""

import typing

from hassette_core import lazy_names
from hassette_core.__about__ import __version__

if typing.TYPE_CHECKING:
    from hassette_core.api import Api, ServiceResult
    from hassette_core.apps import App, AppConfig
    from hassette_core.bus import AppBus, Subscription
    from hassette_core.config import HassetteConfig, load_config
    from hassette_core.errors import (
        AppLoadError,
        AuthenticationError,
        CallFailedError,
        ConfigError,
        CoreError,
        FatalError,
        LinkError,
        NoAnswerError,
        NotConnectedError,
        RegistrationError,
        UnknownEntityError,
    )
    from hassette_core.events import Context, Event, State, StateChanged
    from hassette_core.framework import Hassette
    from hassette_core.handlers import Attr, Data, EntityId, NewState, NewValue, OldState, OldValue
    from hassette_core.scheduler import AppScheduler, Job
    from hassette_core.simulation.home import SimulatedHome
    from hassette_core.states import States

__all__ = [
    "Api",
    "App",
    "AppBus",
    "AppConfig",
    "AppLoadError",
    "AppScheduler",
    "Attr",
    "AuthenticationError",
    "CallFailedError",
    "ConfigError",
    "Context",
    "CoreError",
    "Data",
    "EntityId",
    "Event",
    "FatalError",
    "Hassette",
    "HassetteConfig",
    "Job",
    "LinkError",
    "NewState",
    "NewValue",
    "NoAnswerError",
    "NotConnectedError",
    "OldState",
    "OldValue",
    "RegistrationError",
    "ServiceResult",
    "SimulatedHome",
    "State",
    "StateChanged",
    "States",
    "Subscription",
    "UnknownEntityError",
    "__version__",
    "load_config",
]

__getattr__, __dir__ = lazy_names.of(
    __name__,
    {
        "api": ("Api", "ServiceResult"),
        "apps": ("App", "AppConfig"),
        "bus": ("AppBus", "Subscription"),
        "config": ("HassetteConfig", "load_config"),
        "errors": (
            "AppLoadError",
            "AuthenticationError",
            "CallFailedError",
            "ConfigError",
            "CoreError",
            "FatalError",
            "LinkError",
            "NoAnswerError",
            "NotConnectedError",
            "RegistrationError",
            "UnknownEntityError",
        ),
        "events": ("Context", "Event", "State", "StateChanged"),
        "framework": ("Hassette",),
        "handlers": ("Attr", "Data", "EntityId", "NewState", "NewValue", "OldState", "OldValue"),
        "scheduler": ("AppScheduler", "Job"),
        "simulation.home": ("SimulatedHome",),
        "states": ("States",),
    },
)
