"""Callables that apps register: inspection, parameters, durations, and keyword options."""

from hassette_core.handlers.callables import (
    CallableInfo,
    Handler,
    check_body,
    check_hook,
    inspect_callable,
    is_async,
    name_of,
)
from hassette_core.handlers.durations import LONGEST_S, Duration, describe_duration, optional_seconds, seconds
from hassette_core.handlers.injection import InjectionPlan
from hassette_core.handlers.options import (
    Option,
    RunOptions,
    check_flag,
    check_options,
    check_wait,
    keyword_options,
)
from hassette_core.handlers.parameters import Attr, Data, EntityId, NewState, NewValue, OldState, OldValue

__all__ = [
    "LONGEST_S",
    "Attr",
    "CallableInfo",
    "Data",
    "Duration",
    "EntityId",
    "Handler",
    "InjectionPlan",
    "NewState",
    "NewValue",
    "OldState",
    "OldValue",
    "Option",
    "RunOptions",
    "check_body",
    "check_flag",
    "check_hook",
    "check_options",
    "check_wait",
    "describe_duration",
    "inspect_callable",
    "is_async",
    "keyword_options",
    "name_of",
    "optional_seconds",
    "seconds",
]
