"""`reports_unawaited`: report a coroutine of the API that an app makes and never awaits.

Without ``await``, the call is never sent, and the handler seems to succeed. Python's own warning comes without a hint,
on standard error, and belongs to no run.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from hassette_core.containment import current_app, subject_of
from hassette_core.errors import CallNotAwaitedError
from hassette_executor import current_execution

UNAWAITED_LOGGER = __name__
"""Name of the logger for calls that no run made or whose run had ended."""
logger = logging.getLogger(UNAWAITED_LOGGER)

MAX_ARGUMENTS = 3
"""At most this many arguments of a call are part of the report."""

C = TypeVar("C", bound=type[Any])


class AwaitableCall(Coroutine[Any, Any, Any]):
    """The coroutine of one call. If it is deleted before it has begun, the run that made it fails.

    A coroutine that is stored, passed to a task or passed to another thread is not deleted, and so it is not reported.

    Args:
        coro: The coroutine.
        what: The method, such as ``self.api.call_service``.
        args: The positional arguments, for the report.
    """

    __slots__ = ("_actor", "_args", "_begun", "_coro", "_execution", "_what")

    def __init__(self, coro: Coroutine[Any, Any, Any], what: str, args: tuple[object, ...]) -> None:
        self._begun = False
        self._coro = coro
        self._what = what
        self._args = args
        self._execution = current_execution()
        self._actor = current_app()

    def __await__(self) -> Generator[Any, Any, Any]:
        self._begun = True
        return self._coro.__await__()

    def send(self, value: Any) -> Any:
        """Continue the coroutine."""
        self._begun = True
        return self._coro.send(value)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        """Continue the coroutine with an exception."""
        self._begun = True
        return self._coro.throw(typ) if val is None and tb is None else self._coro.throw(typ, val, tb)

    def close(self) -> None:
        """End the coroutine. A call that is closed on purpose is not reported."""
        self._begun = True
        self._coro.close()

    def __getattr__(self, name: str) -> Any:
        # asyncio and debuggers read cr_frame, cr_code and __qualname__ to show where a task is.
        return getattr(self._coro, name)

    def __del__(self) -> None:
        if self._begun:
            return
        self._coro.close()  # otherwise Python writes a warning
        texts = [repr(each) for each in self._args[:MAX_ARGUMENTS] if isinstance(each, str)]
        error = CallNotAwaitedError(f"{self._what}({', '.join(texts)})")
        if self._execution is None or not self._execution.fail(error):
            app = {} if self._actor is None else {"app": subject_of(self._actor), "registration": self._actor}
            logger.error("Call of an app was never awaited, so it was not sent", extra={**app, "problem": str(error)})


def reports_unawaited(attribute: str) -> Callable[[C], C]:
    """Decorate a class whose coroutines apps must await: each public ``async def`` returns an `AwaitableCall`.

    This includes the methods of base classes.

    Args:
        attribute: The attribute of an app with an object of the class, such as ``api``.
    """

    def decorate(cls: C) -> C:
        for name, method in inspect.getmembers(cls, inspect.iscoroutinefunction):
            if not name.startswith("_"):
                setattr(cls, name, _reporting(method, f"self.{attribute}.{name}"))
        return cls

    return decorate


def returns_awaitable(function: object) -> bool:
    """Return whether a function or method is an ``async def`` that `reports_unawaited` has replaced."""
    return getattr(function, "_returns_awaitable", False) is True


def _reporting(method: Callable[..., Coroutine[Any, Any, Any]], what: str) -> Callable[..., AwaitableCall]:
    @functools.wraps(method)
    def call(self: object, /, *args: Any, **kwargs: Any) -> AwaitableCall:
        return AwaitableCall(method(self, *args, **kwargs), what, args)

    call.__dict__["_returns_awaitable"] = True
    return call
