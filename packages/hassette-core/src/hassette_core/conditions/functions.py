"""Plain functions as conditions: check them at registration, and check their results."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Literal, cast

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
    if inspect.isclass(condition):
        raise RegistrationError(
            f"{option} must be a function that returns True or False, got the class {condition.__qualname__}: a new"
            " object would always count as true"
        )
    check_body(option, condition)
    if is_async(condition):
        raise RegistrationError(
            f"{option} must not be async, got {name_of(condition)}: a coroutine would always count as true"
        )
    name = getattr(condition, "__name__", type(condition).__name__)
    return "a function" if name == "<lambda>" else f"{name}()"


def truth_of(name: str, result: object) -> bool:
    """Return whether the result of a function of an app counts as true.

    Args:
        name: The function, for the error message.
        result: The result.

    Raises:
        RegistrationError: The result would always count as true: a coroutine, a generator, or a function that was not
            called.
    """
    if result is None or isinstance(result, bool | str | int | float):
        return bool(result)
    if inspect.isawaitable(result):
        if isinstance(result, Coroutine):
            # Otherwise Python also reports that the coroutine was never awaited.
            cast("Coroutine[Any, Any, Any]", result).close()
        problem = "a coroutine. It must be a plain `def` that does not wait; await the call in the handler"
    elif inspect.isgenerator(result) or inspect.isasyncgen(result):
        problem = "a generator. Write any(…) or all(…) around it"
    elif inspect.isroutine(result) or inspect.isclass(result) or isinstance(result, functools.partial):
        problem = f"the function {name_of(cast('Callable[..., object]', result))}. Write parentheses after it"
    else:
        return bool(result)
    raise RegistrationError(f"{name} must return True or False, got {problem}")


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
