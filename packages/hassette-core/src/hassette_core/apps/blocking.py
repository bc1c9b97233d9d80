"""The classes that `SyncApp` uses in place of `Api`, `AppBus`, `AppScheduler` and `AppTime`. Their methods block.

`blocking_class` makes each class from the class that an `App` uses, so that no method can be missing. The file
``blocking.pyi`` has the same classes for type checkers and editors; ``scripts/write_blocking_types.py`` writes it.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from hassette_core.api import Api
from hassette_core.app_component import AppComponent
from hassette_core.bus import AppBus
from hassette_core.errors import RegistrationError
from hassette_core.handlers import is_async, name_of
from hassette_core.home import HomeRegistry
from hassette_core.moments import AppTime
from hassette_core.scheduler import AppScheduler
from hassette_executor import LoopCalls

_CLASS = """Blocking form of `{source}`, the attribute ``{attribute}`` of a `SyncApp`.

It has the same methods with the same arguments. A call waits until the event loop has carried it out, and returns the
result, so do not write ``await``. Call the methods in a thread: in a handler, a job or a hook of a `SyncApp`, or in a
thread that the app has started. On the event loop, for example in a function for the option ``where``, a call raises
`CalledOnLoopError`. When a run is cancelled or exceeds its deadline, the call for which it waits raises
`asyncio.CancelledError`.
"""


class Blocking(AppComponent):
    """Base class of the blocking classes. Properties are read without waiting.

    Args:
        target: The object whose methods run on the event loop.
        calls: Calls the methods.
    """

    _source: type

    def __init__(self, target: object, calls: LoopCalls) -> None:
        self._target = target
        self._calls = calls


def blocking_class(source: type, name: str, attribute: str, *, handlers: bool = False, direct: bool = False) -> Any:
    """Return a class that has the public methods of another class, and whose methods block.

    Args:
        source: The class whose methods run on the event loop.
        name: Name of the new class.
        attribute: The attribute of an app with an object of the class, such as ``api``.
        handlers: Whether the first argument of the methods is a handler, which must be a plain ``def``.
        direct: Whether plain methods are called directly in any thread. They must be safe there.
    """
    members: dict[str, Any] = {
        "__doc__": _CLASS.format(source=source.__name__, attribute=attribute),
        "__module__": __name__,
        "_source": source,
        "_attribute": attribute,
    }
    for method_name, method in public_methods(source):
        if direct and not is_async(method):
            members[method_name] = _direct_method(method)
        else:
            members[method_name] = _blocking_method(method, f"self.{attribute}.{method_name}", handlers)
    for property_name, member in inspect.getmembers(source, lambda found: isinstance(found, property)):
        members[property_name] = _property(property_name, member.__doc__)
    return type(name, (Blocking,), members)


def public_methods(source: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public methods of a class and of its base classes, by name."""
    for name, member in inspect.getmembers(source, inspect.isroutine):
        if not name.startswith("_"):
            yield name, member


def _blocking_method(method: Callable[..., Any], what: str, handlers: bool) -> Callable[..., Any]:
    @functools.wraps(method, updated=())  # without the mark that the method returns an awaitable
    def call(self: Blocking, /, *args: Any, **kwargs: Any) -> Any:
        if handlers and args and callable(args[0]) and is_async(args[0]):
            raise RegistrationError(
                f"the handler of a SyncApp must be a plain `def`, got the `async def` {name_of(args[0])}; write `def`,"
                " or derive the app from App"
            )
        target = self._target  # pyright: ignore[reportPrivateUsage]  the method belongs to a subclass
        return self._calls.run(what, lambda: method(target, *args, **kwargs))  # pyright: ignore[reportPrivateUsage]

    return call


def _direct_method(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Blocking, /, *args: Any, **kwargs: Any) -> Any:
        return method(self._target, *args, **kwargs)  # pyright: ignore[reportPrivateUsage]  as above

    return call


def _property(name: str, documentation: str | None) -> property:
    return property(lambda self: getattr(self._target, name), doc=documentation)


SyncApi = blocking_class(Api, "SyncApi", "api")
SyncBus = blocking_class(AppBus, "SyncBus", "bus", handlers=True)
SyncHome = blocking_class(HomeRegistry, "SyncHome", "home", direct=True)
SyncTime = blocking_class(AppTime, "SyncTime", "time", direct=True)
SyncScheduler = blocking_class(AppScheduler, "SyncScheduler", "scheduler", handlers=True)
