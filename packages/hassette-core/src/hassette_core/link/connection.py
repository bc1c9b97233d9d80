"""`Connection`: one WebSocket connection to Home Assistant, and REST requests while it is open."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

from aiohttp import ClientError, ClientSession, ClientTimeout
from hass_client import HomeAssistantClient  # pyright: ignore[reportMissingTypeStubs]  typed, but without a py.typed file
from hass_client.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    AuthenticationFailed,
    BaseHassClientError,
    FailedCommand,
    NotConnected,
)

from hassette_core.errors import (
    AuthenticationError,
    CallFailedError,
    LinkError,
    NoAnswerError,
    NotConnectedError,
)
from hassette_core.link.address import Address

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Limit for a received message. The largest message is the answer to ``get_states``, with about 1 kB per entity."""
MAX_SENT_BYTES = 4_000_000
"""Limit for a command. Home Assistant closes the connection after a message of 4 MiB, aiohttp's default limit."""
OPEN_TIMEOUT_S = 15.0
REST_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 1.0

# Errors that hass-client raises if a server disconnects during the handshake, or is not Home Assistant.
_HANDSHAKE_ERRORS = (BaseHassClientError, ClientError, OSError, TypeError, ValueError, LookupError)


class RestAnswer(NamedTuple):
    """The answer to a REST request.

    Attributes:
        status: The HTTP status.
        body: The parsed JSON body. None if the body is not JSON.
    """

    status: int
    body: Any


class Connection:
    """A connection. It is opened once and closed once.

    It hides two properties of hass-client from apps:

    - When the connection is lost, hass-client cancels pending commands. `command` raises `NotConnectedError` instead.
    - When the caller of a command is cancelled, hass-client stops reading messages as soon as the result arrives.
      `command` therefore runs each command in a separate task, and does not cancel this task.

    Args:
        address: The address of Home Assistant.
        token: A long-lived access token.
        max_message_bytes: Limit for a received message.
    """

    def __init__(self, address: Address, token: str, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._address = address
        self._token = token
        # Each connection has an HTTP session. Closing the session closes all sockets at once, even if the server hangs.
        self._session = ClientSession()
        self._client = HomeAssistantClient(address.websocket_url, token, self._session, max_message_bytes)
        self._listening: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        """Connect and authenticate.

        Raises:
            AuthenticationError: Home Assistant refused the token.
            LinkError: The connection failed for another reason. A retry may succeed.
        """
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._client.connect()
        except AuthenticationFailed:
            await self.close()
            raise AuthenticationError(self._address.url) from None
        except TimeoutError:
            await self.close()
            raise NoAnswerError(f"connect to {self._address.url}", OPEN_TIMEOUT_S) from None
        except _HANDSHAKE_ERRORS as error:
            # `from None` removes aiohttp's exception from the error, because it can contain the whole request.
            await self.close()
            raise LinkError(f"cannot connect to {self._address.url}: {_first_line(error)}") from None
        except BaseException:
            await self.close()
            raise
        self._listening = asyncio.create_task(self._client.start_listening(), name="home assistant reader")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def open(self) -> bool:
        """Whether commands can be sent."""
        return self._listening is not None and not self._listening.done() and self._client.connected

    async def wait_until_lost(self) -> str:
        """Wait until the connection is lost, and return the cause in one sentence."""
        assert self._listening is not None
        await asyncio.wait((self._listening,))
        if self._listening.cancelled() or (error := self._listening.exception()) is None:
            return "Home Assistant closed the connection"
        return _first_line(error)

    async def close(self) -> None:
        """Close the connection and release all resources. The server gets at most `CLOSE_TIMEOUT_S` to respond."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._client.disconnect()
        except (TimeoutError, ClientError, OSError):
            pass
        finally:
            await self._session.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait((self._listening,))
            if not self._listening.cancelled():
                self._listening.exception()  # if the exception were never read, asyncio would log it

    async def command(self, action: str, command: str, **fields: Any) -> Any:
        """Send a command and return the ``result`` of the answer.

        If the caller is cancelled, Home Assistant still carries out the command.

        Args:
            action: The purpose of the command, for error messages: ``call light.turn_on``.
            command: The ``type`` of the message.
            fields: The other fields of the message.

        Raises:
            CallFailedError: Home Assistant refused the command.
            NotConnectedError: There is no connection, or it was lost before the answer.
            TypeError, ValueError: A field cannot be written as JSON, or the message is too large.
        """
        if not self.open:
            raise NotConnectedError(action)
        # Home Assistant disconnects a client that sends a NaN, a lone surrogate or an oversized message. Without this
        # check, an error in one app would close the connection of all apps, and they would miss events.
        size = len(json.dumps(fields, allow_nan=False, ensure_ascii=False).encode())
        if size > MAX_SENT_BYTES:
            raise ValueError(f"the message must have at most {MAX_SENT_BYTES} bytes, got {size}")
        sending = self._start(self._client.send_command(command, **fields))
        await asyncio.wait((sending,))
        return _outcome(sending, action)

    async def subscribe(self, receive: Callable[[Mapping[str, Any]], None]) -> None:
        """Subscribe to all events of Home Assistant, and call ``receive`` with the message of each event.

        Raises:
            CallFailedError, NotConnectedError: See `command`.
        """
        action = "subscribe to events"
        # hass-client's subscribe_events is not used, because it takes two turns of the event loop per event.
        subscribing = self._start(self._client.subscribe(cast("Callable[[Any], None]", receive), "subscribe_events"))
        await asyncio.wait((subscribing,))
        _outcome(subscribing, action)

    async def ping(self) -> None:
        """Send a ping and return once Home Assistant has answered.

        Raises:
            NotConnectedError: The connection is lost.
        """
        action = "ping Home Assistant"
        if not self.open:
            raise NotConnectedError(action)
        answered = asyncio.Event()

        def receive_answer(_message: Any) -> None:
            answered.set()

        # hass-client's send_command cannot send a ping, because it waits for a result and Home Assistant sends a pong.
        # A pong has the id of its ping, just as an event has the id of its subscription. So the ping is sent as a
        # subscription.
        pinging = self._start(self._client.subscribe(receive_answer, "ping"))
        waiting = self._start(answered.wait())
        try:
            await asyncio.wait((pinging, waiting), return_when=asyncio.FIRST_COMPLETED)
            if pinging.done():
                with suppress(CallFailedError):  # a refusal also shows that Home Assistant answers
                    _outcome(pinging, action)
        finally:
            pinging.cancel()
            waiting.cancel()

    async def rest(self, action: str, method: str, path: str, body: object = None) -> RestAnswer:
        """Send a request to the REST API.

        Args:
            action: The purpose of the request, for error messages: ``fetch the state of light.hall``.
            method: ``GET``, ``POST`` or ``DELETE``.
            path: The path of the request. It starts with ``/api/``.
            body: The body, which is sent as JSON; None for no body.

        Raises:
            NotConnectedError: The connection is lost.
            NoAnswerError: Home Assistant did not answer within 30 s.
        """
        if not self.open:
            raise NotConnectedError(action)
        try:
            # The token is a header of this request and not of the HTTP session. aiohttp would also send the headers of
            # the session in the WebSocket handshake, and an exception of the handshake would contain them.
            async with self._session.request(
                method,
                self._address.url + path,
                json=body,
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=ClientTimeout(total=REST_TIMEOUT_S),
                allow_redirects=False,
            ) as response:
                text = await response.text()
        except TimeoutError:
            raise NoAnswerError(action, REST_TIMEOUT_S) from None
        except (ClientError, OSError, RuntimeError):  # RuntimeError: the HTTP session was closed
            raise NotConnectedError(action, sent=True) from None
        try:
            return RestAnswer(response.status, json.loads(text))
        except ValueError:
            return RestAnswer(response.status, None)

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # if the exception were never read, asyncio would log it


def _outcome(sending: asyncio.Task[Any], action: str) -> Any:
    """Return the result of a finished command, or raise a `LinkError` in place of hass-client's error."""
    if sending.cancelled():  # hass-client cancels pending commands when the connection is lost
        raise NotConnectedError(action, sent=True)
    try:
        return sending.result()
    except FailedCommand as error:
        raise CallFailedError(action, str(error)) from None
    except NotConnected:
        raise NotConnectedError(action) from None
    except (ClientError, OSError):
        raise NotConnectedError(action, sent=True) from None


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return text or type(error).__name__


def limit_hass_client_logging() -> None:
    """Prevent hass-client from logging whole messages at DEBUG.

    Formatting a message takes more than a millisecond, and service data may contain the code of a lock.
    """
    library = logging.getLogger("hass_client")
    if library.getEffectiveLevel() < logging.INFO:
        library.setLevel(logging.INFO)
