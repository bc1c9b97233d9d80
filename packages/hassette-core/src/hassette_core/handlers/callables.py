"""What can be known about a callable that an app hands over: its name, where it stands, how it runs."""

import functools
import inspect
import linecache
import textwrap
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from hassette_core.errors import RegistrationError
from hassette_executor import SourceLocation

SNIPPET_LINES = 8
"""How many lines of a handler are kept with its registration."""
SNIPPET_CHARS = 600
"""And how many characters."""


class Described(NamedTuple):
    """What is known about a callable.

    Attributes:
        name: Its own name, such as ``on_motion``: the default name of what it is registered for.
        qualified: Module and qualified name.
        runs_in: ``async`` for a coroutine function, else ``sync``: it runs in a thread.
        source: Where it stands, if that can be found.
    """

    name: str
    qualified: str
    runs_in: Literal["async", "sync"]
    source: SourceLocation | None


def describe_callable(option: str, target: Callable[..., object]) -> Described:
    """Look at a callable.

    Args:
        option: The parameter it was given for, named in the error.
        target: A function, a bound method, a ``functools.partial``, a lambda, or an object with ``__call__``.

    Raises:
        RegistrationError: It is not callable, perhaps the result of a call; or it has a ``yield``.
    """
    if not callable(target):
        hint = ""
        if inspect.iscoroutine(target):
            target.close()  # or Python would warn that it was never awaited, far from the cause
            hint = ": leave the parentheses out, so that the function itself is handed over"
        raise RegistrationError(f"{option}={target!r} is not callable{hint}")
    check_body(option, target)
    inner: Any = inspect.unwrap(_without_partial(target))
    if not hasattr(inner, "__qualname__"):
        inner = type(inner).__call__
    qualified = f"{inner.__module__}.{inner.__qualname__}"
    name = "lambda" if inner.__name__ == "<lambda>" else inner.__name__
    if name == "__call__":
        name = type(_without_partial(target)).__name__
    return Described(name, qualified, "async" if is_async(target) else "sync", _locate(inner))


def check_body(option: str, target: Callable[..., object]) -> None:
    """Check that calling it runs its body.

    A generator function behind a decorator is not looked at: the decorator may well go through what it yields.

    Args:
        option: The parameter it was given for, named in the error.
        target: What is to be called.

    Raises:
        RegistrationError: It has a ``yield``: the call would only make a generator, and seem to succeed.
    """
    inner = _without_partial(target)
    for function in (inner, type(inner).__call__):
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            name = getattr(inner, "__qualname__", type(inner).__qualname__)
            raise RegistrationError(
                f"{option}={name} has a yield, so calling it runs nothing: take the yield out, or hand over a function"
                " that goes through it with a for loop"
            )


def check_hook(hook: object) -> None:
    """Check an ``on_error``.

    Raises:
        RegistrationError: It is not callable, or has a ``yield``.
    """
    if hook is None:
        return
    if not callable(hook):
        raise RegistrationError(f"on_error={hook!r} is not callable")
    check_body("on_error", hook)


def is_async(target: Callable[..., object]) -> bool:
    """Return whether calling it returns a coroutine, as far as can be told without calling it."""
    inner = _without_partial(target)
    if inspect.iscoroutinefunction(inner):
        return True
    return not inspect.isroutine(inner) and inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004  not a test of callability


def _without_partial(target: Callable[..., object]) -> Callable[..., object]:
    while isinstance(target, functools.partial):
        target = target.func
    return target


def _locate(function: Any) -> SourceLocation | None:
    code = getattr(function, "__code__", None)
    if code is None:  # built in, or written in C
        return None
    lines = linecache.getlines(code.co_filename)
    block = inspect.getblock(lines[code.co_firstlineno - 1 :]) if lines else []
    snippet = textwrap.dedent("".join(block[:SNIPPET_LINES])).rstrip()[:SNIPPET_CHARS]
    return SourceLocation(file=code.co_filename, line=code.co_firstlineno, snippet=snippet)
