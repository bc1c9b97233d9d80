"""What an app hands over: its callables, their parameters, and how their runs are arranged."""

from hassette_core.handlers.callables import Described, check_body, check_hook, describe_callable, is_async
from hassette_core.handlers.durations import LONGEST_S, Duration, describe, optional_seconds, seconds
from hassette_core.handlers.injection import InjectionPlan
from hassette_core.handlers.overlap import AT_ONCE, MAX_WAITING, Lane, Mode, check_mode
from hassette_core.handlers.own_loop import OwnLoop
from hassette_core.handlers.owned_tasks import OwnedTasks
from hassette_core.handlers.parameters import Attr, Data, EntityId, NewState, NewValue, OldState, OldValue

__all__ = [
    "AT_ONCE",
    "LONGEST_S",
    "MAX_WAITING",
    "Attr",
    "Data",
    "Described",
    "Duration",
    "EntityId",
    "InjectionPlan",
    "Lane",
    "Mode",
    "NewState",
    "NewValue",
    "OldState",
    "OldValue",
    "OwnLoop",
    "OwnedTasks",
    "check_body",
    "check_hook",
    "check_mode",
    "describe",
    "describe_callable",
    "is_async",
    "optional_seconds",
    "seconds",
]
