"""`COMMANDS`: the commands of the WebSocket API."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import MATCH_ALL, HomeContext, Json
from hassette_core.simulation.home.model import HomeModel
from hassette_core.simulation.home.services.registry import TARGET_KEYS, PreparedCall, parse_ids


class CommandClient(Protocol):
    """The client of a command; see `ClientConnection`."""

    model: HomeModel

    def send(self, message: Json) -> None: ...
    def answer(self, message: Json, result: Any = None) -> None: ...
    def send_event(self, subscription: int, event: Any) -> None: ...
    def context(self) -> HomeContext: ...
    def keep_subscription(self, message: Json, unsubscribe: Callable[[], None]) -> None: ...
    def end_subscription(self, subscription: int) -> None: ...
    def run_later(self, message: Json, work: Any) -> None: ...


WebSocketCommand = Callable[[CommandClient, Json], None]


def _ping(client: CommandClient, message: Json) -> None:
    client.send({"id": message["id"], "type": "pong"})


def _get_config(client: CommandClient, message: Json) -> None:
    client.answer(message, client.model.configuration())


def _get_services(client: CommandClient, message: Json) -> None:
    client.answer(message, client.model.services.describe())


def _get_states(client: CommandClient, message: Json) -> None:
    client.answer(message, list(client.model.core.states.values()))


def _subscribe_events(client: CommandClient, message: Json) -> None:
    check(message, event_type=(str, False))
    subscription = message["id"]
    unsubscribe = client.model.core.listen(
        message.get("event_type", MATCH_ALL), lambda event: client.send_event(subscription, event)
    )
    client.keep_subscription(message, unsubscribe)
    client.answer(message)


def _unsubscribe_events(client: CommandClient, message: Json) -> None:
    check(message, subscription=(int, True))
    client.end_subscription(message["subscription"])
    client.answer(message)


def _fire_event(client: CommandClient, message: Json) -> None:
    check(message, event_type=(str, True), event_data=(dict, False))
    context = client.context()
    client.model.core.fire(message["event_type"], message.get("event_data"), context)
    client.answer(message, {"context": context.as_json()})


def _call_service(client: CommandClient, message: Json) -> None:
    check(
        message,
        domain=(str, True),
        service=(str, True),
        target=(dict, False),
        service_data=(dict, False),
        return_response=(bool, False),
    )
    context = client.context()
    call = client.model.services.prepare(
        message["domain"],
        message["service"],
        {**message.get("service_data", {}), **_parse_target(message.get("target", {}))},
        context,
        return_response=message.get("return_response", False),
    )
    if call.delay_s > 0:
        client.run_later(message, _carry_out_later(client, message, call, context))
    else:
        _carry_out(client, message, call, context)


def _carry_out(client: CommandClient, message: Json, call: PreparedCall, context: HomeContext) -> None:
    response = {"response": call.carry_out()}
    client.answer(
        message, {"context": context.as_json(), **(response if message.get("return_response", False) else {})}
    )


async def _carry_out_later(client: CommandClient, message: Json, call: PreparedCall, context: HomeContext) -> None:
    await client.model.core.sleep(call.delay_s)
    _carry_out(client, message, call, context)


def check(message: Json, **fields: tuple[type, bool]) -> None:
    """Raise a `RefusedError` if a field is wrong. ``fields`` has the type of each field, and whether it is required."""
    for name, (kind, required) in fields.items():
        if name not in message:
            if required:
                raise RefusedError("invalid_format", f"required key not provided @ data['{name}']. Got None")
        elif not isinstance(message[name], kind):
            problem = f"expected {kind.__name__} for dictionary value @ data['{name}']. Got {message[name]!r}"
            raise RefusedError("invalid_format", problem)
    for name in message:
        if name not in fields and name not in ("id", "type"):
            raise RefusedError("invalid_format", f"extra keys not allowed @ data['{name}']. Got {message[name]!r}")


def _parse_target(target: Json) -> dict[str, list[str]]:
    parsed: dict[str, list[str]] = {}
    for key, value in target.items():
        if key not in TARGET_KEYS:
            raise RefusedError("invalid_format", f"extra keys not allowed @ data['target']['{key}']. Got {value!r}")
        try:
            parsed[key] = parse_ids(key, value)
        except RefusedError as problem:
            where = f"data['target']['{key}']. Got {value!r}"
            raise RefusedError(problem.code, f"not a valid value for dictionary value @ {where}") from None
    return parsed


COMMANDS: Mapping[str, WebSocketCommand] = {
    "call_service": _call_service,
    "fire_event": _fire_event,
    "get_config": _get_config,
    "get_services": _get_services,
    "get_states": _get_states,
    "ping": _ping,
    "subscribe_events": _subscribe_events,
    "supported_features": lambda client, message: client.answer(message),
    "unsubscribe_events": _unsubscribe_events,
}
