"""`Connection`: one authenticated connection to Home Assistant, with commands, subscriptions and REST requests."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from itertools import count
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

from hassette_core.errors import (
    AuthenticationError,
    CallFailedError,
    LinkError,
    NoAnswerError,
    NotConnectedError,
    UnexpectedAnswerError,
)
from hassette_core.link.messages import (
    Message,
    ReceivedChange,
    UnreadableMessageError,
    describe,
    parse_frame,
    parse_json,
)
from hassette_core.link.reads import check_command, check_request
from hassette_core.link.subscriptions import Receive, ReceiveEvent, Subscriptions
from hassette_core.link.transport import Channel, ConnectionEnd, Transport
from hassette_core.link.web_transport import REST_TIMEOUT_S, first_line
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

MAX_SENT_BYTES = 4_000_000
"""Limit for a command. Home Assistant closes the connection after a message of 4 MiB, aiohttp's default limit."""
OPEN_TIMEOUT_S = 15.0
"""Default limit for opening a connection, in seconds."""
COMMAND_TIMEOUT_S = 30.0
"""Default limit for the answer to a command."""
SLICE_S = 0.005
"""The reader lets other tasks run after this time. Otherwise, handlers could not start while messages wait."""


class RestAnswer(NamedTuple):
    """The answer to a REST request.

    Attributes:
        status: The HTTP status.
        body: The parsed JSON body. None if the body is not JSON.
        text: The body as text.
    """

    status: int
    body: Any
    text: str = ""


class Connection:
    """A connection. It is opened once and closed once.

    A message of unknown shape is logged and ignored. A frame that is not JSON ends the connection, because its content
    is lost.

    Args:
        transport: Opens the channel.
        url: The address of Home Assistant, for error messages.
        token: A long-lived access token.
        monotonic_ns: Clock for the `received_ns` of events.
        repeated: Logs messages of unknown shape, each kind once a minute. All connections of a link share it, so that
            the log stays short if each connection ends after such a message.
        open_timeout_s: Limit for opening the channel and for the authentication, in seconds.
    """

    def __init__(
        self,
        transport: Transport,
        url: str,
        token: str,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        repeated: RepeatedLog | None = None,
        open_timeout_s: float = OPEN_TIMEOUT_S,
    ) -> None:
        self._transport = transport
        self._url = url
        self._token = token
        self._monotonic_ns = monotonic_ns
        self._open_timeout_s = open_timeout_s
        self._channel: Channel | None = None
        self._reading: asyncio.Task[ConnectionEnd] | None = None
        self._ids = count(1)
        self._answers: dict[int, tuple[asyncio.Future[Any], str]] = {}
        self._repeated = repeated or RepeatedLog(logger)
        self._subscriptions = Subscriptions(self._repeated)

    async def __aenter__(self) -> Self:
        """Connect and authenticate.

        Raises:
            AuthenticationError: Home Assistant refused the token.
            UnreachableError: No server answers.
            LinkError: The connection failed for another reason. A retry may succeed.
        """
        try:
            async with asyncio.timeout(self._open_timeout_s):
                self._channel = await self._transport.open()
                await self._authenticate(self._channel)
        except BaseException as error:
            await self.close()
            # `from None` removes exceptions of the transport, because they can contain the whole request.
            if isinstance(error, TimeoutError):
                raise NoAnswerError(f"connect to {self._url}", self._open_timeout_s) from None
            if isinstance(error, OSError | UnreadableMessageError):
                raise LinkError(f"cannot connect to {self._url}: {first_line(error)}") from None
            raise
        self._reading = asyncio.create_task(self._read(self._channel), name="home assistant reader")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _authenticate(self, channel: Channel) -> None:
        await self._expect(channel, "auth_required")
        await channel.send(json.dumps({"type": "auth", "access_token": self._token}))
        await self._expect(channel, "auth_ok")

    async def _expect(self, channel: Channel, expected: str) -> None:
        received = await channel.receive()
        if isinstance(received, ConnectionEnd):
            raise UnreadableMessageError(f"{received.cause} before {expected!r}")
        first = next(iter(parse_frame(received, 0)), None)
        kind = first["type"] if isinstance(first, Mapping) else None
        if kind == "auth_invalid":
            raise AuthenticationError(self._url)
        if kind != expected:
            raise UnreadableMessageError(
                f"the server does not answer like Home Assistant: expected {expected!r}, got {describe(received)}"
            )

    @property
    def open(self) -> bool:
        """Whether commands can be sent."""
        return (
            self._channel is not None
            and self._reading is not None
            and not self._reading.done()
            and not self._channel.closed
        )

    async def wait_until_lost(self) -> ConnectionEnd:
        """Wait until the connection is lost, and return the cause."""
        assert self._reading is not None
        await asyncio.wait((self._reading,))
        return ConnectionEnd("the connection was closed") if self._reading.cancelled() else self._reading.result()

    async def close(self) -> None:
        """Close the connection and release all resources."""
        reading = self._reading
        if reading is not None:
            reading.cancel()
            await asyncio.wait((reading,))
        if self._channel is not None:
            await self._channel.close()

    async def command(
        self, action: str, command: str, /, *, timeout_s: float | None = COMMAND_TIMEOUT_S, **fields: Any
    ) -> Any:
        """Send a command and return the ``result`` of the answer.

        If the caller is cancelled or the time limit passes, Home Assistant may still carry out the command.

        Args:
            action: The purpose of the command, for error messages: ``call light.turn_on``.
            command: The ``type`` of the message.
            timeout_s: Limit for the answer, in seconds. Home Assistant never answers some malformed commands. None
                waits without a limit.
            fields: The other fields of the message.

        Raises:
            CallFailedError: Home Assistant refused the command. Its ``code`` is ``unknown_command`` if this version of
                Home Assistant does not have the command.
            NoAnswerError: There was no answer within the time limit.
            NotConnectedError: There is no connection, or it was lost before the answer.
            UnexpectedAnswerError: The answer has an unknown shape.
            TypeError, ValueError: A field cannot be written as JSON, or the message is too large.
        """
        return await self._send(next(self._ids), action, command, fields, timeout_s)

    async def subscribe(self, receive: ReceiveEvent) -> None:
        """Subscribe to all events of Home Assistant. Call this method once.

        Args:
            receive: Called on the event loop with each event: with a state change, or with the message of any other
                event. The message of a state change with odd content is passed on as a message, too.

        Raises:
            CallFailedError, NoAnswerError, NotConnectedError, UnexpectedAnswerError: See `command`.
        """
        number = next(self._ids)
        self._subscriptions.add_all_events(number, receive)
        sending = self._send(number, "subscribe to events", "subscribe_events", {}, COMMAND_TIMEOUT_S)
        await self._subscribe(number, sending)

    async def subscribe_command(
        self, action: str, receive: Receive, command: str, /, timeout_s: float | None = COMMAND_TIMEOUT_S, **fields: Any
    ) -> int:
        """Send a command that subscribes to something, such as ``subscribe_trigger`` or ``render_template``.

        A subscription ends with the connection.

        Args:
            action: The purpose of the command, for error messages.
            receive: Called on the event loop with the ``event`` of each message, in order, from the answer on or
                earlier. It must return at once. An exception that it raises is logged.
            command: The ``type`` of the message.
            timeout_s: As in `command`.
            fields: The other fields of the message.

        Returns:
            The number of the subscription, for `unsubscribe`.

        Raises:
            CallFailedError, NoAnswerError, NotConnectedError, UnexpectedAnswerError: See `command`.
            TypeError, ValueError: See `command`.
        """
        number = next(self._ids)
        self._subscriptions.add(number, receive, command)
        await self._subscribe(number, self._send(number, action, command, fields, timeout_s))
        return number

    async def unsubscribe(self, number: int) -> None:
        """End a subscription. If it has already ended, do nothing.

        Raises:
            CallFailedError, NoAnswerError, NotConnectedError, UnexpectedAnswerError: See `command`. No more messages
                are passed on, even if Home Assistant refuses the command.
        """
        if self._subscriptions.end(number):
            await self.command("end a subscription", "unsubscribe_events", subscription=number)

    async def _subscribe(self, number: int, sending: Coroutine[Any, Any, Any]) -> None:
        # The receiver is added before the command is sent: the first event may arrive together with the answer.
        try:
            await sending
        except BaseException:
            self._subscriptions.end(number)
            raise

    async def ping(self) -> None:
        """Send a ping and return once Home Assistant has answered.

        Home Assistant answers in order, so all messages that it sent before the answer have been received when this
        method returns.

        Raises:
            NotConnectedError: The connection is lost.
        """
        try:
            await self._send(next(self._ids), "ping Home Assistant", "ping", {}, None)
        except (CallFailedError, UnexpectedAnswerError):
            return  # a refusal also shows that Home Assistant answers

    async def _send(
        self, number: int, action: str, command: str, fields: dict[str, Any], timeout_s: float | None
    ) -> Any:
        # Home Assistant disconnects a client that sends a NaN, a lone surrogate or an oversized message. Without this
        # check, an error in one app would close the connection of all apps, and they would miss events.
        check_command(action, command)
        message = {**fields, "id": number, "type": command}
        text = json.dumps(message, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        if (size := len(text.encode())) > MAX_SENT_BYTES:
            raise ValueError(f"the message must have at most {MAX_SENT_BYTES} bytes, got {size}")
        if not self.open:
            raise NotConnectedError(action)
        assert self._channel is not None  # the connection is open
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = (answer, action)
        try:
            async with asyncio.timeout(timeout_s):
                await self._channel.send(text)
                return await answer
        except TimeoutError:
            raise NoAnswerError(action, timeout_s or 0.0) from None
        except OSError:
            raise NotConnectedError(action, sent=True) from None
        finally:
            self._answers.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # if sending has failed too, asyncio would log that the exception was never read

    async def _read(self, channel: Channel) -> ConnectionEnd:
        """Read messages until the connection ends, and return the cause."""
        loop = asyncio.get_running_loop()
        slice_ends = read_s = loop.time()
        count = 0
        try:
            while True:
                received = await channel.receive()
                if isinstance(received, ConnectionEnd):
                    # The proxy of the Supervisor accepts the token before it is connected to Home Assistant.
                    return received if count else received.right_after_authentication()
                count += 1
                if (now_s := loop.time()) - read_s > SLICE_S / 10:  # it has waited, and other tasks have run
                    slice_ends = now_s + SLICE_S
                for message in parse_frame(received, self._monotonic_ns()):
                    if type(message) is ReceivedChange:
                        if not self._subscriptions.receive_change(message):
                            self._ignore_number(parse_json(message.text))
                    elif isinstance(message, UnreadableMessageError):
                        self._ignore(str(message))
                    else:
                        self._receive(cast("Message", message))
                    # receive() does not wait while messages are waiting, and one frame may contain thousands of them.
                    if (read_s := loop.time()) >= slice_ends:
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
            if not self._subscriptions.receive(number, message):
                self._ignore_number(message)
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
            self._subscriptions.end(number)
            answer.set_exception(_refusal(action, message.get("error")))
        else:
            answer.set_exception(
                UnexpectedAnswerError(action, f"success must be true or false, got {describe(message)}")
            )

    def _ignore_number(self, message: Message) -> None:
        self._ignore(f"id must be the number of a subscription, got the message {describe(message)}")

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
            TypeError, ValueError: The body cannot be written as JSON.
        """
        check_request(method, path)
        text = None if body is None else json.dumps(body)
        if not self.open:
            raise NotConnectedError(action)
        assert self._channel is not None  # the connection is open
        try:
            answer = await self._channel.request(method, path, text, {"Authorization": f"Bearer {self._token}"})
        except TimeoutError:
            raise NoAnswerError(action, REST_TIMEOUT_S) from None
        except OSError:
            raise NotConnectedError(action, sent=True) from None
        try:
            return RestAnswer(answer.status, json.loads(answer.text), answer.text)
        except ValueError:
            return RestAnswer(answer.status, None, answer.text)


def _refusal(action: str, error: object) -> CallFailedError:
    """Return the error for the answer to a command that failed."""
    code, reason = "", "no reason given"
    if isinstance(error, dict):
        code, reason = (str(error.get(key, default)) for key, default in (("code", code), ("message", reason)))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType, reportUnknownVariableType]  JSON
    return CallFailedError(action, reason, code)
