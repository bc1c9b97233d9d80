"""The code that bus and scheduler share to register a handler and to call it with the right arguments.

At registration, `keyword_options` and `check_options` check the options of the call (`options`, `durations`). Then
`inspect_callable` finds the name and source location of the handler (`callables`), and an `InjectionPlan` reads the
handler's parameters (`injection`).

For each event, the bus calls `InjectionPlan.bind`, which returns a callable for the executor. When the executor calls
it, the callable reads the values of the parameters from the event (`parameter_markers`) and calls the handler.
"""

from hassette_core.handlers.annotations import signature_of
from hassette_core.handlers.callables import (
    CallableInfo,
    Handler,
    check_body,
    check_hook,
    inspect_callable,
    is_async,
    name_of,
)
from hassette_core.handlers.durations import LONGEST_DURATION_S, Duration, describe_duration, optional_seconds, seconds
from hassette_core.handlers.injection import InjectionPlan, Provides
from hassette_core.handlers.options import (
    Option,
    RunOptions,
    check_flag,
    check_kwargs,
    check_options,
    check_plain_text,
    check_wait,
    checked_flag,
    is_plain_text,
    keyword_options,
)
from hassette_core.handlers.parameter_markers import Attr, Data, EntityId, NewState, NewValue, OldState, OldValue

__all__ = [
    "LONGEST_DURATION_S",
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
    "Provides",
    "RunOptions",
    "check_body",
    "check_flag",
    "check_hook",
    "check_kwargs",
    "check_options",
    "check_plain_text",
    "check_wait",
    "checked_flag",
    "describe_duration",
    "inspect_callable",
    "is_async",
    "is_plain_text",
    "keyword_options",
    "name_of",
    "optional_seconds",
    "seconds",
    "signature_of",
]
