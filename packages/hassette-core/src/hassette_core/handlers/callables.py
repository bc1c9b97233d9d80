"""Inspect the callables that apps register: name, source location, and whether they run on the event loop."""

import functools
import inspect
import linecache
import textwrap
import tokenize
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Literal, NamedTuple, cast

from hassette_core.errors import RegistrationError
from hassette_core.unawaited import returns_awaitable
from hassette_executor import SourceLocation

Handler = Callable[..., Any]
"""The callable of a listener or a job: an ``async def`` runs on the event loop, a plain ``def`` in a thread."""

SNIPPET_LINES = 8
"""Maximum number of source lines that are stored with a registration."""
SNIPPET_CHARS = 600
"""Maximum length of the whole snippet, in characters."""
MAX_KNOWN_FACTS = 100
"""Maximum number of entries in the table of `known_facts`."""
_FACTS = "__hassette_facts__"


class CallableInfo(NamedTuple):
    """Facts about a callable.

    Attributes:
        name: Short name, such as ``on_motion``. It is the default name of the listener or job.
        qualified: Module and qualified name.
        runs_in: ``async`` for a coroutine function, which runs on the event loop; ``sync`` for any other callable,
            which runs in a thread.
        source: The place of its definition; None when it is unknown.
    """

    name: str
    qualified: str
    runs_in: Literal["async", "sync"]
    source: SourceLocation | None


def inspect_callable(option: str, target: Callable[..., object]) -> CallableInfo:
    """Return the facts about a callable.

    Args:
        option: Name of the parameter that received the callable, for the error message.
        target: A function, a bound method, a ``functools.partial``, a lambda, or an object with ``__call__``.

    Raises:
        RegistrationError: The target is not callable, or it contains a ``yield``.
    """
    if not callable(target):
        hint = ""
        if inspect.iscoroutine(target):
            target.close()  # otherwise Python warns later, far from the cause, that the coroutine was never awaited
            hint = "; leave out the parentheses to pass the function and not its result"
        raise RegistrationError(f"{option} must be callable, got {target!r}{hint}")
    facts = known_facts(target)
    if facts is not None and (known := facts.get("callable")) is not None:
        return known
    check_body(option, target)
    inner = function_of(target)
    qualified = f"{inner.__module__}.{inner.__qualname__}"
    name = "lambda" if inner.__name__ == "<lambda>" else inner.__name__
    if name == "__call__":
        name = type(_without_partial(target)).__name__
    info = CallableInfo(name, qualified, "async" if is_async(target) else "sync", _locate(inner))
    if facts is not None:
        facts["callable"] = info
    return info


def known_facts(target: Callable[..., object]) -> dict[object, Any] | None:
    """Return the table of the known facts about a function, which all registrations of the function share.

    An app may register one method for a thousand entities, and reading its parameters takes most of the time of a
    registration. The table is an attribute of the function. So it ends with the function, when a newer version of the
    app replaces it.

    Returns:
        The table. None for a callable that is neither a function nor a method, such as a ``functools.partial``.
    """
    function = getattr(target, "__func__", None) if inspect.ismethod(target) else target
    if type(function) is not FunctionType:
        return None
    owner, facts = cast("tuple[object, dict[object, Any]]", function.__dict__.get(_FACTS, (None, {})))
    if owner is not function or len(facts) >= MAX_KNOWN_FACTS:  # `functools.wraps` copies the attributes of a function
        facts = {}
        function.__dict__[_FACTS] = (function, facts)
    return facts


def check_body(option: str, target: Callable[..., object]) -> None:
    """Check that a callable is not a generator function.

    A decorated generator function passes, because the decorator may iterate over the generator.

    Args:
        option: Name of the parameter that received the callable, for the error message.
        target: The callable.

    Raises:
        RegistrationError: The callable contains a ``yield``. A call would only create a generator. The body would never
            run, and the call would appear to succeed.
    """
    inner = _without_partial(target)
    for function in (inner, type(inner).__call__):
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise RegistrationError(
                f"{option} must not contain a yield, got {name_of(inner)}: calling it runs nothing. Remove the yield,"
                " or pass a function that iterates over the generator"
            )


def check_hook(option: str, hook: object) -> None:
    """Check an error hook.

    Raises:
        RegistrationError: The hook is not callable, or contains a ``yield``.
    """
    if not callable(hook):
        raise RegistrationError(f"{option} must be callable, got {hook!r}")
    check_body(option, hook)


def is_async(target: Callable[..., object]) -> bool:
    """Return whether the target is defined with ``async def``, so that a call returns a coroutine."""
    inner = _without_partial(target)
    if inspect.iscoroutinefunction(inner) or returns_awaitable(inner):
        return True
    if inspect.isclass(inner):
        return False  # a call creates an object
    return not inspect.isroutine(inner) and inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004  not a test of callability


def function_of(target: Callable[..., object]) -> Any:
    """Return the function behind a bound method, a partial, a decorator or an object with ``__call__``."""
    inner: Any = target
    while (found := inspect.unwrap(_without_partial(inner))) is not inner:
        inner = found
    if not hasattr(inner, "__qualname__"):
        inner = type(inner).__call__
    return getattr(inner, "__func__", inner)


def name_of(target: Callable[..., object]) -> str:
    """Return the qualified name of a callable, or of its class, for error messages."""
    inner = _without_partial(target)
    return getattr(inner, "__qualname__", None) or type(inner).__qualname__


def _without_partial(target: Callable[..., object]) -> Callable[..., object]:
    while isinstance(target, functools.partial):
        target = target.func
    return target


def _locate(function: Any) -> SourceLocation | None:
    code = getattr(function, "__code__", None)
    if code is None:  # a builtin, or a function in C
        return None
    first = code.co_firstlineno
    lines = linecache.getlines(code.co_filename)[first - 1 : first - 1 + SNIPPET_LINES]
    return SourceLocation(file=code.co_filename, line=first, snippet=_snippet(tuple(lines)))


# Without the cache, a third of the time of `run_in` would be spent in Python's tokenizer.
@functools.lru_cache(maxsize=1_000)
def _snippet(lines: tuple[str, ...]) -> str:
    return textwrap.dedent("".join(_first_block(lines))).rstrip()[:SNIPPET_CHARS]


def _first_block(lines: Sequence[str]) -> Sequence[str]:
    """Return the lines of the function that starts at the first line."""
    if any(len(line) > SNIPPET_CHARS for line in lines):
        # Python's tokenizer needs 15 s for a line of 3 MB, and this function runs on the event loop.
        return [line[:SNIPPET_CHARS] for line in lines[:1]]
    try:
        return inspect.getblock(lines)
    except (tokenize.TokenError, SyntaxError):
        return lines  # the function has more lines, and the last of these lines is in the middle of a statement
