"""`ClientConnection`: one WebSocket client of the simulated home: authentication, messages, and the cut."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

from hassette_core.clock import Timer
from hassette_core.errors import RefusedError
from hassette_core.simulation.home.api.commands import COMMANDS
from hassette_core.simulation.home.api.json_parsing import parse_json
from hassette_core.simulation.home.core import HomeContext, Json
from hassette_core.simulation.home.model import HomeModel, HomeUser
from hassette_core.simulation.home.services import ServiceRegistry

logger = logging.getLogger(__name__)

MAX_PENDING_MESSAGES = 4_096
"""A client with this many unread messages is disconnected, as in Home Assistant."""
PEAK_MESSAGES = 1_024
PEAK_S = 10.0
"""A client that has more than `PEAK_MESSAGES` unread messages for this time is disconnected, as in Home Assistant."""
AUTH_TIMEOUT_S = 10.0


class ClientSocket(Protocol):
    """The socket of a WebSocket client, or a queue in memory in its place."""

    async def receive(self) -> str | None:
        """Return the next text message of the client. None: the client has closed the connection."""
        ...

    async def send(self, text: str) -> None:
        """Send a text message. Wait while the client does not read.

        Raises:
            ConnectionError: The connection is closed.
        """
        ...

    async def close(self) -> None:
        """Close the connection in an orderly way."""
        ...

    def abort(self) -> None:
        """Break the connection without a closing message."""
        ...


class ClientConnection:
    """The connection of one client: authentication, then commands and events.

    Args:
        services: The services of the home, with its other parts.
        socket: The client's socket.
        awake: While this event is not set, no message is read or sent. The home then seems to hang.

    Attributes:
        services: The services of the home.
        model: The other parts of the home behind its APIs.
        user: The user whose access token the client has sent.
    """

    def __init__(self, services: ServiceRegistry, socket: ClientSocket, awake: asyncio.Event) -> None:
        self.services = services
        self.model: HomeModel = services.model
        self.user: HomeUser | None = None
        self._socket = socket
        self._coalesces = False
        self._awake = awake
        self._pending: deque[str] = deque()
        self._has_pending = asyncio.Event()
        self._peak: Timer | None = None
        self._handler: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: dict[int, Callable[[], None]] = {}
        self._last_id = 0
        self._dropped = False

    async def serve(self) -> None:
        """Serve the client until it disconnects or is dropped."""
        self._handler = cast("asyncio.Task[None]", asyncio.current_task())
        writer: asyncio.Task[None] | None = None
        try:
            if await self._authenticate():
                writer = asyncio.create_task(self._write())
                while (text := await self._socket.receive()) is not None:
                    await self._awake.wait()
                    received = parse_json(text)
                    for message in cast("list[Any]", received) if isinstance(received, list) else [received]:
                        self._handle(message)
        except ValueError:
            pass  # the message is not JSON; Home Assistant also disconnects such a client
        except ConnectionError:
            pass  # the client has closed the connection
        except asyncio.CancelledError:
            if not self._dropped:
                raise
        finally:
            for unsubscribe in self._subscriptions.values():
                unsubscribe()
            self._subscriptions.clear()
            self._stop_peak()
            for task in (*self._tasks, *([] if writer is None else [writer])):
                task.cancel()
            await self._socket.close()

    def drop(self) -> None:
        """Discard all unread messages and close the connection in an orderly way, as Home Assistant does."""
        self._dropped = True
        if self._handler is not None:
            self._handler.cancel()

    def abort(self) -> None:
        """Break the connection without a closing message, as a failure of the network does."""
        self._socket.abort()
        self.drop()

    async def _authenticate(self) -> bool:
        version = self.model.core.version
        await self._send_now({"type": "auth_required", "ha_version": version})
        timer = self.model.core.clock.call_later(AUTH_TIMEOUT_S, self.drop)
        try:
            received = await self._socket.receive()
        finally:
            timer.cancel()
        if received is None:
            return False
        message = json.loads(received)
        if isinstance(message, dict):
            self.user = self.model.users.with_token(cast("Json", message).get("access_token"))
        if self.user is not None:
            await self._send_now({"type": "auth_ok", "ha_version": version})
            return True
        await self._send_now({"type": "auth_invalid", "message": "Invalid access token or password"})
        return False

    async def _send_now(self, message: Json) -> None:
        await self._socket.send(json.dumps(message))

    def send(self, message: Json) -> None:
        """Add a message to the queue of the client. Drop a client that reads too slowly."""
        if self._dropped:
            return
        self._pending.append(json.dumps(message, separators=(",", ":")))
        self._has_pending.set()
        if len(self._pending) >= MAX_PENDING_MESSAGES:
            self.drop()
        elif len(self._pending) <= PEAK_MESSAGES:
            self._stop_peak()
        elif self._peak is None:
            self._peak = self.model.core.clock.call_later(PEAK_S, self._check_peak)

    def _check_peak(self) -> None:
        self._peak = None
        if len(self._pending) >= PEAK_MESSAGES:
            self.drop()

    def _stop_peak(self) -> None:
        if self._peak is not None:
            self._peak.cancel()
            self._peak = None

    async def _write(self) -> None:
        while not self._dropped:
            await self._awake.wait()
            if not self._pending:
                self._has_pending.clear()
                await self._has_pending.wait()
                continue
            if self._coalesces and len(self._pending) > 1:
                text = f"[{','.join(self._pending)}]"
                self._pending.clear()
            else:
                text = self._pending.popleft()
            try:
                await self._socket.send(text)
            except ConnectionError:
                return

    def coalesce(self) -> None:
        """From now on, send all waiting messages as one list, if there are several."""
        self._coalesces = True

    def answer(self, message: Json, result: Any = None) -> None:
        """Answer a command with success."""
        self.send({"id": message["id"], "type": "result", "success": True, "result": result})

    def send_event(self, subscription: int, event: Any) -> None:
        """Send an event of a subscription."""
        self.send({"type": "event", "event": event, "id": subscription})

    def refuse(self, message_id: Any, code: str, text: str) -> None:
        """Answer a command with an error."""
        error = {"code": code, "message": text}
        self.send({"id": message_id, "type": "result", "success": False, "error": error})

    def context(self) -> HomeContext:
        """Return a new context with the user of the client."""
        return self.model.core.context(user=True if self.user is None else self.user.id)

    def keep_subscription(self, message: Json, unsubscribe: Callable[[], None]) -> None:
        """Keep the function that ends a subscription until the client unsubscribes or disconnects."""
        self._subscriptions[message["id"]] = unsubscribe

    def end_subscription(self, subscription: int) -> None:
        """End a subscription.

        Raises:
            RefusedError: The client has no such subscription.
        """
        unsubscribe = self._subscriptions.pop(subscription, None)
        if unsubscribe is None:
            raise RefusedError("not_found", "Subscription not found.")
        unsubscribe()

    def run_later(self, message: Json, work: Coroutine[Any, Any, None]) -> None:
        """Answer a command in a task, while the client sends more commands."""

        async def run() -> None:
            with self._refusing(message):
                await work

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refusing(self, message: Json) -> "_Refusing":
        return _Refusing(self, message)

    def _handle(self, raw: Any) -> None:
        message = cast("Json", raw) if isinstance(raw, dict) else {"id": 0}
        message_id, command = message.get("id"), message.get("type")
        if type(message_id) is not int or message_id < 1 or not isinstance(command, str):
            self.refuse(message_id, "invalid_format", "Message incorrectly formatted.")
        elif message_id <= self._last_id:
            self.refuse(message_id, "id_reuse", "Identifier values have to increase.")
        elif (found := COMMANDS.get(command)) is None or not found.is_known(self.model):
            self.refuse(message_id, "unknown_command", "Unknown command.")
        else:
            self._last_id = message_id
            if self.model.failures.take_unanswered(command):
                return
            with self._refusing(message):
                found.run(self, message)


class _Refusing:
    """Answers a command with an error if its code raises an exception."""

    def __init__(self, client: ClientConnection, message: Json) -> None:
        self._client = client
        self._message = message

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if isinstance(error, RefusedError):
            self._client.refuse(self._message["id"], error.code, error.message)
        elif isinstance(error, Exception):  # as in Home Assistant, a failed command does not close the connection
            logger.error(
                "Command failed; the connection stays open", exc_info=error, extra={"command": self._message["type"]}
            )
            self._client.refuse(self._message["id"], "unknown_error", "Unknown error")
        else:
            return False
        return True
