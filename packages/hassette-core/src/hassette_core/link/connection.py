"""`Connection`: one WebSocket connection to Home Assistant, and REST requests while it is open."""

import asyncio
import json
import logging
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    TCPConnector,
    WSCloseCode,
    WSMessage,
    WSMsgType,
    WSServerHandshakeError,
)

from hassette_core.errors import (
    AuthenticationError,
    CallFailedError,
    LinkError,
    NoAnswerError,
    NotConnectedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from hassette_core.link.address import Address
from hassette_core.link.lookups import Lookups
from hassette_core.link.messages import Message, UnreadableMessageError, describe, parse_frame
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Limit for a received message. The largest message is the answer to ``get_states``, with about 1 kB per entity."""
MAX_SENT_BYTES = 4_000_000
"""Limit for a command. Home Assistant closes the connection after a message of 4 MiB, aiohttp's default limit."""
TCP_TIMEOUT_S = 2.0
"""Limit for one attempt to reach the host. A host that is still booting drops packets, and TCP repeats them after
growing pauses. So a new attempt reaches the host sooner than an old attempt that goes on."""
OPEN_TIMEOUT_S = 15.0
REST_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 1.0
SLICE_S = 0.005
"""The reader lets other tasks run after this time. While messages wait, reading them would otherwise never end, and the
handlers could not start."""


class RestAnswer(NamedTuple):
    """The answer to a REST request.

    Attributes:
        status: The HTTP status.
        body: The parsed JSON body. None if the body is not JSON.
    """

    status: int
    body: Any


class ConnectionEnd(NamedTuple):
    """The end of a connection.

    Attributes:
        cause: The cause in one sentence.
        closed_by_home: True if Home Assistant closed the connection in an orderly way. False if the connection broke.
    """

    cause: str
    closed_by_home: bool = False


class Connection:
    """A connection. It is opened once and closed once.

    A message of unknown shape is logged and ignored. A frame that is not JSON ends the connection, because its content
    is lost.

    Args:
        address: The address of Home Assistant.
        token: A long-lived access token.
        max_message_bytes: Limit for a received message.
        lookups: Looks up the address of the host.
    """

    def __init__(
        self,
        address: Address,
        token: str,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        lookups: Lookups | None = None,
    ) -> None:
        self._address = address
        self._token = token
        self._max_message_bytes = max_message_bytes
        # Each connection has an HTTP session. Closing the session closes all sockets at once, even if the server hangs.
        self._session = ClientSession(
            connector=TCPConnector(resolver=(lookups or Lookups()).resolver()),
            timeout=ClientTimeout(total=None, sock_connect=TCP_TIMEOUT_S),
        )
        self._socket: ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[ConnectionEnd] | None = None
        self._ids = count(1)
        self._answers: dict[int, tuple[asyncio.Future[Any], str]] = {}
        self._receivers: dict[int, Callable[[Message], None]] = {}
        self._repeated = RepeatedLog(logger)

    async def __aenter__(self) -> Self:
        """Connect and authenticate.

        Raises:
            AuthenticationError: Home Assistant refused the token.
            UnreachableError: No server answers.
            LinkError: The connection failed for another reason. A retry may succeed.
        """
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                # aiohttp's heartbeat is not used. It would end the connection if the event loop of this process is
                # blocked for half a minute, and the liveness check of the link is quicker.
                self._socket = await self._session.ws_connect(
                    self._address.websocket_url, max_msg_size=self._max_message_bytes
                )
                await self._authenticate(self._socket)
        except AuthenticationError:
            await self.close()
            raise
        except (ClientError, OSError, ValueError, UnreadableMessageError) as error:
            await self.close()
            # `from None` removes aiohttp's exception from the error, because it can contain the whole request.
            if isinstance(error, TimeoutError) and not isinstance(error, ClientError):
                raise NoAnswerError(f"connect to {self._address.url}", OPEN_TIMEOUT_S) from None
            if isinstance(error, ClientConnectorError):
                raise UnreachableError(self._address.url, _first_line(error)) from None
            problem = _first_line(error)
            if isinstance(error, WSServerHandshakeError):
                problem = f"the server answers with the HTTP status {error.status}, and not like Home Assistant"
            raise LinkError(f"cannot connect to {self._address.url}: {problem}") from None
        except BaseException:
            await self.close()
            raise
        self._reading = asyncio.create_task(self._read(self._socket), name="home assistant reader")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _authenticate(self, socket: ClientWebSocketResponse) -> None:
        await self._expect(socket, "auth_required")
        await socket.send_str(json.dumps({"type": "auth", "access_token": self._token}))
        await self._expect(socket, "auth_ok")

    async def _expect(self, socket: ClientWebSocketResponse, expected: str) -> None:
        received = await socket.receive()
        if received.type is not WSMsgType.TEXT:
            raise UnreadableMessageError(f"{_end_of(received, self._max_message_bytes).cause} before {expected!r}")
        frame = parse_frame(received.data)
        kind = frame.messages[0]["type"] if frame.messages else None
        if kind == "auth_invalid":
            raise AuthenticationError(self._address.url)
        if kind != expected:
            raise UnreadableMessageError(
                f"the server does not answer like Home Assistant: expected {expected!r}, got {describe(received.data)}"
            )

    @property
    def open(self) -> bool:
        """Whether commands can be sent."""
        return (
            self._socket is not None
            and self._reading is not None
            and not self._reading.done()
            and not self._socket.closed
        )

    async def wait_until_lost(self) -> ConnectionEnd:
        """Wait until the connection is lost, and return the cause."""
        assert self._reading is not None
        await asyncio.wait((self._reading,))
        return ConnectionEnd("the connection was closed") if self._reading.cancelled() else self._reading.result()

    async def close(self) -> None:
        """Close the connection and release all resources. The server gets at most `CLOSE_TIMEOUT_S` to respond."""
        reading = self._reading
        if reading is not None:
            reading.cancel()
            await asyncio.wait((reading,))
        try:
            if self._socket is not None:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._socket.close()
        except (TimeoutError, ClientError, OSError):
            pass  # the session closes the socket
        finally:
            await self._session.close()

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
            UnexpectedAnswerError: The answer has an unknown shape.
            TypeError, ValueError: A field cannot be written as JSON, or the message is too large.
        """
        return await self._send(next(self._ids), action, command, fields)

    async def subscribe(self, receive: Callable[[Message], None]) -> None:
        """Subscribe to all events of Home Assistant, and call ``receive`` with the message of each event.

        Raises:
            CallFailedError, NotConnectedError, UnexpectedAnswerError: See `command`.
        """
        number = next(self._ids)
        # Before the command is sent, because the first event may arrive together with the answer.
        self._receivers[number] = receive
        await self._send(number, "subscribe to events", "subscribe_events", {})

    async def ping(self) -> None:
        """Send a ping and return once Home Assistant has answered.

        Home Assistant answers in order, so all messages that it sent before the answer have been received when this
        method returns.

        Raises:
            NotConnectedError: The connection is lost.
        """
        try:
            await self._send(next(self._ids), "ping Home Assistant", "ping", {})
        except (CallFailedError, UnexpectedAnswerError):
            return  # a refusal also shows that Home Assistant answers

    async def _send(self, number: int, action: str, command: str, fields: dict[str, Any]) -> Any:
        # Home Assistant disconnects a client that sends a NaN, a lone surrogate or an oversized message. Without this
        # check, an error in one app would close the connection of all apps, and they would miss events.
        message = {**fields, "id": number, "type": command}
        text = json.dumps(message, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        if (size := len(text.encode())) > MAX_SENT_BYTES:
            raise ValueError(f"the message must have at most {MAX_SENT_BYTES} bytes, got {size}")
        if not self.open:
            raise NotConnectedError(action)
        assert self._socket is not None  # the connection is open
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = (answer, action)
        try:
            await self._socket.send_str(text)
            return await answer
        except (ClientError, OSError):
            raise NotConnectedError(action, sent=True) from None
        finally:
            self._answers.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # if sending has failed too, asyncio would log that the exception was never read

    async def _read(self, socket: ClientWebSocketResponse) -> ConnectionEnd:
        """Read messages until the connection ends, and return the cause."""
        loop = asyncio.get_running_loop()
        slice_ends = loop.time() + SLICE_S
        try:
            while True:
                received = await socket.receive()
                if received.type is WSMsgType.TEXT:
                    frame = parse_frame(received.data)
                    for message in frame.messages:
                        self._receive(message)
                    for problem in frame.problems:
                        self._ignore(problem)
                elif received.type is WSMsgType.BINARY:
                    self._ignore("the message must be a text, got bytes")
                else:
                    return _end_of(received, self._max_message_bytes)
                # receive() does not wait while messages are waiting.
                if loop.time() >= slice_ends:
                    await asyncio.sleep(0)
                    slice_ends = loop.time() + SLICE_S
        except UnreadableMessageError as error:
            return ConnectionEnd(str(error))
        finally:
            for answer, action in self._answers.values():
                if not answer.done():
                    answer.set_exception(NotConnectedError(action, sent=True))

    def _receive(self, message: Message) -> None:
        number, kind = message.get("id"), message["type"]
        if kind == "event":
            receive = self._receivers.get(number) if type(number) is int else None
            if receive is not None:
                receive(message)
            else:
                self._ignore(f"id must be the number of a subscription, got the message {describe(message)}")
            return
        if kind not in ("result", "pong"):
            self._ignore(f"type must be event, result or pong, got the message {describe(message)}")
            return
        if type(number) is not int:
            self._ignore(f"id must be an integer, got the message {describe(message)}")
            return
        answer, action = self._answers.get(number, (None, ""))
        if answer is None or answer.done():
            return  # the caller was cancelled
        if kind == "pong" or message.get("success") is True:
            answer.set_result(message.get("result"))
        elif message.get("success") is False:
            answer.set_exception(_refusal(action, message.get("error")))
        else:
            answer.set_exception(
                UnexpectedAnswerError(action, f"success must be true or false, got {describe(message)}")
            )

    def _ignore(self, problem: str) -> None:
        self._repeated.log(
            "unreadable",
            logging.WARNING,
            "Message of Home Assistant has an unknown shape; the message is ignored",
            extra={"problem": problem},
        )

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
                text = await response.text(errors="replace")
        except TimeoutError:
            raise NoAnswerError(action, REST_TIMEOUT_S) from None
        except (ClientError, OSError, RuntimeError):  # RuntimeError: the HTTP session was closed
            raise NotConnectedError(action, sent=True) from None
        try:
            return RestAnswer(response.status, json.loads(text))
        except ValueError:
            return RestAnswer(response.status, None)


def _end_of(received: WSMessage, max_message_bytes: int) -> ConnectionEnd:
    """Return why a connection ended, from the last result of ``receive``."""
    if received.type is WSMsgType.CLOSE:
        orderly = received.data == WSCloseCode.OK
        code = "" if orderly else f" with the code {received.data}"
        return ConnectionEnd(f"Home Assistant closed the connection{code}", closed_by_home=orderly)
    if received.type is not WSMsgType.ERROR:
        return ConnectionEnd("the connection to Home Assistant broke")
    if getattr(received.data, "code", None) == WSCloseCode.MESSAGE_TOO_BIG:
        return ConnectionEnd(f"a message of Home Assistant is larger than {max_message_bytes} bytes")
    return ConnectionEnd(f"the connection to Home Assistant broke: {_first_line(received.data)}")


def _refusal(action: str, error: object) -> CallFailedError:
    """Return the error for the answer to a command that failed."""
    code, reason = "", "no reason given"
    if isinstance(error, dict):
        code, reason = (str(error.get(key, default)) for key, default in (("code", code), ("message", reason)))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType, reportUnknownVariableType]  JSON
    return CallFailedError(action, reason, code)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return text or type(error).__name__
