"""`ClientConnection`: the WebSocket API of the simulated home, for one client."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from aiohttp import WSMsgType, web

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import MATCH_ALL, HomeCore, Json
from hassette_core.simulation.home.json_parsing import parse_json
from hassette_core.simulation.home.services import TARGET_KEYS, ServiceRegistry, parse_ids

logger = logging.getLogger(__name__)

MAX_PENDING_MESSAGES = 4_096
"""A client with this many unread messages is disconnected, as in Home Assistant."""
PEAK_MESSAGES = 1_024
PEAK_S = 10.0
"""A client that has more than `PEAK_MESSAGES` unread messages for this time is disconnected, as in Home Assistant."""
AUTH_TIMEOUT_S = 10.0


class ClientConnection:
    """The connection of one client: authentication, then commands and events.

    Args:
        core: The states and events of the home.
        services: The services of the home.
        configuration: Returns the answer to ``get_config``.
        token: The access token that the client must send.
        awake: While this event is not set, no message is read or sent. The home then seems to hang.
    """

    def __init__(
        self,
        core: HomeCore,
        services: ServiceRegistry,
        configuration: Callable[[], Json],
        token: str,
        awake: asyncio.Event,
    ) -> None:
        self._core = core
        self._services = services
        self._configuration = configuration
        self._token = token
        self._awake = awake
        self._socket = web.WebSocketResponse(heartbeat=55)
        self._pending: deque[str] = deque()
        self._has_pending = asyncio.Event()
        self._peak: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._handler: asyncio.Task[None] | None = None
        self._subscriptions: dict[int, Callable[[], None]] = {}
        self._last_id = 0
        self._dropped = False
        self._commands: dict[str, Callable[[Json], None]] = {
            "call_service": self._call_service,
            "fire_event": self._fire_event,
            "get_config": lambda message: self._answer(message, self._configuration()),
            "get_services": lambda message: self._answer(message, self._services.describe()),
            "get_states": lambda message: self._answer(message, list(self._core.states.values())),
            "ping": lambda message: self._send({"id": message["id"], "type": "pong"}),
            "subscribe_events": self._subscribe,
            "supported_features": self._answer,
            "unsubscribe_events": self._unsubscribe,
        }

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve the client until it disconnects or is dropped."""
        await self._socket.prepare(request)
        self._transport = request.transport
        self._handler = cast("asyncio.Task[None]", asyncio.current_task())
        writer: asyncio.Task[None] | None = None
        try:
            if await self._authenticate():
                writer = asyncio.create_task(self._write())
                async for received in self._socket:
                    await self._awake.wait()
                    if received.type is WSMsgType.TEXT:
                        self._handle(parse_json(received.data))
        except ValueError:
            pass  # the message is not JSON; Home Assistant also disconnects such a client
        except asyncio.CancelledError:
            if not self._dropped:
                raise
        finally:
            for unsubscribe in self._subscriptions.values():
                unsubscribe()
            self._subscriptions.clear()
            self._stop_peak()
            if writer is not None:
                writer.cancel()
            await self._socket.close()
        return self._socket

    def drop(self) -> None:
        """Discard all unread messages and close the connection in an orderly way, as Home Assistant does."""
        self._dropped = True
        if self._handler is not None:
            self._handler.cancel()

    def abort(self) -> None:
        """Break the connection without a closing message, as a failure of the network does."""
        if self._transport is not None:
            self._transport.abort()
        self.drop()

    async def _authenticate(self) -> bool:
        version = self._configuration()["version"]
        await self._socket.send_json({"type": "auth_required", "ha_version": version})
        received = await self._socket.receive(AUTH_TIMEOUT_S)
        if received.type is not WSMsgType.TEXT:
            return False
        message = json.loads(received.data)
        if isinstance(message, dict) and cast("Json", message).get("access_token") == self._token:
            await self._socket.send_json({"type": "auth_ok", "ha_version": version})
            return True
        await self._socket.send_json({"type": "auth_invalid", "message": "Invalid access token or password"})
        return False

    def _send(self, message: Json) -> None:
        if self._dropped:
            return
        self._pending.append(json.dumps(message, separators=(",", ":")))
        self._has_pending.set()
        if len(self._pending) >= MAX_PENDING_MESSAGES:
            self.drop()
        elif len(self._pending) <= PEAK_MESSAGES:
            self._stop_peak()
        elif self._peak is None:
            self._peak = asyncio.get_running_loop().call_later(PEAK_S, self._check_peak)

    def _check_peak(self) -> None:
        self._peak = None
        if len(self._pending) >= PEAK_MESSAGES:
            self.drop()

    def _stop_peak(self) -> None:
        if self._peak is not None:
            self._peak.cancel()
            self._peak = None

    async def _write(self) -> None:
        while not self._socket.closed and not self._dropped:
            await self._awake.wait()
            if not self._pending:
                self._has_pending.clear()
                await self._has_pending.wait()
                continue
            try:
                await self._socket.send_str(self._pending.popleft())
            except ConnectionError:
                return

    def _answer(self, message: Json, result: Any = None) -> None:
        self._send({"id": message["id"], "type": "result", "success": True, "result": result})

    def _refuse(self, message_id: Any, code: str, text: str) -> None:
        error = {"code": code, "message": text}
        self._send({"id": message_id, "type": "result", "success": False, "error": error})

    def _handle(self, raw: Any) -> None:
        message = cast("Json", raw) if isinstance(raw, dict) else {"id": 0}
        message_id, command = message.get("id"), message.get("type")
        if type(message_id) is not int or message_id < 1 or not isinstance(command, str):
            self._refuse(message_id, "invalid_format", "Message incorrectly formatted.")
        elif message_id <= self._last_id:
            self._refuse(message_id, "id_reuse", "Identifier values have to increase.")
        elif command not in self._commands:
            self._refuse(message_id, "unknown_command", "Unknown command.")
        else:
            self._last_id = message_id
            try:
                self._commands[command](message)
            except RefusedError as problem:
                self._refuse(message_id, problem.code, problem.message)
            except Exception:  # as in Home Assistant, the failure of one command must not close the connection
                logger.exception("Command failed; the connection stays open", extra={"command": command})
                self._refuse(message_id, "unknown_error", "Unknown error")

    def _subscribe(self, message: Json) -> None:
        _check(message, event_type=(str, False))
        subscription = message["id"]

        def forward(event: Json) -> None:
            self._send({"type": "event", "event": event, "id": subscription})

        self._subscriptions[subscription] = self._core.listen(message.get("event_type", MATCH_ALL), forward)
        self._answer(message)

    def _unsubscribe(self, message: Json) -> None:
        _check(message, subscription=(int, True))
        unsubscribe = self._subscriptions.pop(message["subscription"], None)
        if unsubscribe is None:
            raise RefusedError("not_found", "Subscription not found.")
        unsubscribe()
        self._answer(message)

    def _fire_event(self, message: Json) -> None:
        _check(message, event_type=(str, True), event_data=(dict, False))
        context = self._core.context(user=True)
        self._core.fire(message["event_type"], message.get("event_data"), context)
        self._answer(message, {"context": context.as_json()})

    def _call_service(self, message: Json) -> None:
        _check(
            message,
            domain=(str, True),
            service=(str, True),
            target=(dict, False),
            service_data=(dict, False),
            return_response=(bool, False),
        )
        context = self._core.context(user=True)
        wants_response = message.get("return_response", False)
        response = self._services.call(
            message["domain"],
            message["service"],
            {**message.get("service_data", {}), **_parse_target(message.get("target", {}))},
            context,
            return_response=wants_response,
        )
        self._answer(message, {"context": context.as_json(), **({"response": response} if wants_response else {})})


def _check(message: Json, **fields: tuple[type, bool]) -> None:
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
