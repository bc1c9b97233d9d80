"""The form of the commands of the WebSocket API, and the check of their messages."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, HomeCore, Json
from hassette_core.simulation.home.model import HomeModel, HomeUser
from hassette_core.simulation.home.services import ServiceRegistry
from hassette_core.simulation.home.services.refusals import invalid, missing_key, unknown_key


class CommandClient(Protocol):
    """The client of a command; see `ClientConnection`."""

    services: ServiceRegistry
    model: HomeModel
    user: HomeUser | None

    def send(self, message: Json) -> None:
        """Send a message."""
        ...

    def answer(self, message: Json, result: Any = None) -> None:
        """Answer a command with success."""
        ...

    def send_event(self, subscription: int, event: Any) -> None:
        """Send an event of a subscription."""
        ...

    def context(self) -> HomeContext:
        """Return a new context with the user of the client."""
        ...

    def keep_subscription(self, message: Json, unsubscribe: Callable[[], None]) -> None:
        """Keep the function that ends a subscription."""
        ...

    def end_subscription(self, subscription: int) -> None:
        """End a subscription."""
        ...

    def run_later(self, message: Json, work: Coroutine[Any, Any, None]) -> None:
        """Answer a command in a task."""
        ...

    def coalesce(self) -> None:
        """From now on, send several waiting messages as one list."""
        ...


def _always(_model: HomeModel) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class WebSocketCommand:
    """A command.

    Attributes:
        run: Answers a message of a client. A `RefusedError` becomes an error answer.
        is_known: Whether the home knows the command.
    """

    run: Callable[[CommandClient, Json], None]
    is_known: Callable[[HomeModel], bool] = _always


def since(version: str) -> Callable[[HomeModel], bool]:
    """Return a condition for `WebSocketCommand.is_known`: the home behaves like this version or a later one."""
    return lambda model: model.core.since(version)


def check(core: HomeCore, message: Json, **fields: tuple[type | tuple[type, ...], bool]) -> None:
    """Raise a `RefusedError` if a field is wrong. ``fields`` has the type of each field, and whether it is required."""
    for name, (kind, required) in fields.items():
        if name not in message:
            if required:
                raise with_value(missing_key(core, name), None)
        elif not isinstance(message[name], kind):
            first = kind[0] if isinstance(kind, tuple) else kind
            raise with_value(invalid(core, f"expected {first.__name__}", name), message[name])
    for name in message:
        if name not in fields and name not in ("id", "type"):
            raise with_value(unknown_key(core, name), message[name])


def with_value(error: RefusedError, value: Any) -> RefusedError:
    """Return the error of a command, which also names the wrong value."""
    return RefusedError(error.code, f"{error.message}. Got {value!r}")
