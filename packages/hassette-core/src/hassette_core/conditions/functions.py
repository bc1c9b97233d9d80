"""Plain functions as conditions: check them at registration."""

import inspect
from collections.abc import Callable
from typing import Literal

from hassette_core.errors import RegistrationError
from hassette_core.handlers import check_body, is_async, name_of, signature_of

EventParameter = Literal["required", "optional", "none"]
"""Whether a function takes the event as its argument."""
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_condition(option: str, condition: object) -> str:
    """Check a function and return its name, for the registration's settings.

    Raises:
        RegistrationError: The value is not callable, or it is async or contains a ``yield``. The result of such a
            function would always count as true.
    """
    if not callable(condition):
        raise RegistrationError(f"{option} must be a function that returns True or False, got {condition!r}")
    check_body(option, condition)
    if is_async(condition):
        raise RegistrationError(
            f"{option} must not be async, got {name_of(condition)}: a coroutine would always count as true"
        )
    name = getattr(condition, "__name__", type(condition).__name__)
    return "a function" if name == "<lambda>" else f"{name}()"


def event_parameter(option: str, function: Callable[..., object]) -> EventParameter:
    """Return whether a function takes the event.

    Raises:
        RegistrationError: The function needs more than one argument.
    """
    try:
        parameters = signature_of(function).parameters.values()
    except (TypeError, ValueError):
        return "required"  # a function in C may have no signature
    required = [each.name for each in parameters if each.default is each.empty and each.kind in _POSITIONAL]
    named = [each.name for each in parameters if each.default is each.empty and each.kind is each.KEYWORD_ONLY]
    if len(required) > 1 or named:
        raise RegistrationError(
            f"{option} must be a function that takes the event, or no argument, got {name_of(function)} with the"
            f" parameters {', '.join([*required, *named])}"
        )
    if required:
        return "required"
    return "optional" if any(each.kind in (*_POSITIONAL, each.VAR_POSITIONAL) for each in parameters) else "none"
