"""Report coroutines that an app makes and never awaits.

Without ``await``, a call is never sent, and the handler seems to succeed. Python's own warning comes without a hint,
on standard error, and belongs to no run. `reports_unawaited` reports the coroutines of the API. `unawaited_coroutines`
reports all other coroutines, such as those of an ``async def`` of the app.
"""

import functools
import gc
import inspect
import logging
import threading
import warnings
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from hassette_core.containment import current_app, on_foreign_loop, subject_of
from hassette_core.errors import CallNotAwaitedError, WrongLoopError
from hassette_executor import Execution, HookCall, current_execution, current_hook_call

UNAWAITED_LOGGER = __name__
"""Name of the logger for calls that no run made or whose run had ended."""
logger = logging.getLogger(UNAWAITED_LOGGER)

_HOOK = "_warn_unawaited_coroutine"
"""The interpreter calls this function of the module `warnings` with each coroutine that was never awaited."""
MAX_ARGUMENTS = 3
"""At most this many arguments of a call are part of the report."""

C = TypeVar("C", bound=type[Any])


class _Maker:
    """The code that made a coroutine: a run, a call of a hook, or other code of an app."""

    __slots__ = ("_actor", "_call")

    def __init__(self) -> None:
        self._call: Execution | HookCall | None = current_hook_call() or current_execution()
        self._actor = current_app()

    @property
    def is_call_of_app(self) -> bool:
        """Whether the code belongs to a run or a hook of an app.

        After the end of a failed run, Python deletes the exception, and with it all coroutines that the run had not
        reached. This code belongs to no run.
        """
        return self._call is not None and self._actor is not None

    def fail(self, error: CallNotAwaitedError) -> None:
        """Let the run or the hook fail. If it has ended with success, log the error.

        A run that an exception or its deadline ends drops the coroutines that it had not reached. This is no fault.
        """
        if self._call is None or not self._call.fail(error):
            app = {} if self._actor is None else {"app": subject_of(self._actor), "registration": self._actor}
            logger.error("Call of an app was never awaited, so it had no effect", extra={**app, "problem": str(error)})


class AwaitableCall(Coroutine[Any, Any, Any]):
    """The coroutine of one call. If it is deleted before it has begun, the run or the hook that made it fails.

    A coroutine that is stored, passed to a task or passed to another thread is not deleted, and so it is not reported.

    Args:
        coro: The coroutine.
        what: The method, such as ``self.api.call_service``.
        args: The positional arguments, for the report.
    """

    __slots__ = ("_args", "_begun", "_coro", "_maker", "_what")

    def __init__(self, coro: Coroutine[Any, Any, Any], what: str, args: tuple[object, ...]) -> None:
        self._begun = False
        self._coro = coro
        self._what = what
        self._args = args
        self._maker = _Maker()

    def __await__(self) -> Generator[Any, Any, Any]:
        self._begin()
        return self._coro.__await__()

    def send(self, value: Any) -> Any:
        """Continue the coroutine."""
        self._begin()
        return self._coro.send(value)

    def _begin(self) -> None:
        """Note that the coroutine has begun.

        Raises:
            WrongLoopError: It begins on an event loop of an app. The connection to Home Assistant is not safe there.
        """
        if not self._begun:
            self._begun = True
            if on_foreign_loop():
                self._coro.close()
                raise WrongLoopError(self._what)

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
        self._maker.fail(CallNotAwaitedError(f"{self._what}({', '.join(texts)})", is_request=True))


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


class _CoroutineReports:
    """Receives each coroutine that Python deletes before it has begun, in place of Python's own warning."""

    def __init__(self) -> None:
        self._users = 0
        self._lock = threading.Lock()
        self._warn: Callable[[Any], object] = getattr(warnings, _HOOK)
        self._collecting: int | None = None

    def open(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                # A filter for warnings would not do: Python shows the warning of a line only once, and the warning does
                # not contain the coroutine.
                self._warn = getattr(warnings, _HOOK)
                setattr(warnings, _HOOK, self._report)
                gc.callbacks.append(self._follow_collection)

    def close(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                setattr(warnings, _HOOK, self._warn)
                gc.callbacks.remove(self._follow_collection)

    def _follow_collection(self, phase: str, info: object) -> None:
        del info
        self._collecting = threading.get_ident() if phase == "start" else None

    def _report(self, coro: Coroutine[Any, Any, Any]) -> None:
        maker = _Maker()
        # The garbage collector deletes coroutines of all apps while the code of any app runs.
        if not maker.is_call_of_app or self._collecting == threading.get_ident():
            self._warn(coro)
            return
        name = coro.__qualname__.rpartition("<locals>.")[2]
        maker.fail(CallNotAwaitedError(f"{name}()", is_request=False))


_coroutine_reports = _CoroutineReports()


@contextmanager
def unawaited_coroutines() -> Generator[None]:
    """Report coroutines that code of an app drops without ``await``, during the ``with`` block.

    The run or the hook whose code drops the coroutine fails. If it is not known which of them has dropped a coroutine,
    Python's own warning appears. This happens to a coroutine that is part of a reference cycle.
    """
    _coroutine_reports.open()
    try:
        yield
    finally:
        _coroutine_reports.close()
