"""`WebTransport`: reach Home Assistant over the network, with aiohttp."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

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

from hassette_core.errors import LinkError, UnreachableError
from hassette_core.link.address import Address
from hassette_core.link.lookups import Lookups
from hassette_core.link.transport import ConnectionEnd, HttpAnswer
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Limit for a received message. The largest message is the answer to ``get_states``, with about 1 kB per entity."""
TCP_TIMEOUT_S = 2.0
"""Limit for one attempt to reach the host. A host that is still booting drops packets, and TCP repeats them after
growing pauses. So a new attempt reaches the host sooner than an old attempt that goes on."""
REST_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 1.0


class WebChannel:
    """A `Channel` over the network. `WebTransport.open` creates it.

    Args:
        session: The HTTP session. Closing it closes all sockets at once, even if the server hangs.
        socket: The open WebSocket.
        url: The address of Home Assistant, which is the prefix of the paths of requests.
        max_message_bytes: Limit for a received message.
    """

    def __init__(
        self, session: ClientSession, socket: ClientWebSocketResponse, url: str, max_message_bytes: int
    ) -> None:
        self._session = session
        self._socket = socket
        self._url = url
        self._max_message_bytes = max_message_bytes
        self._repeated = RepeatedLog(logger)

    @property
    def closed(self) -> bool:
        """Whether no text can be sent any more."""
        return self._socket.closed

    async def send(self, text: str) -> None:
        """Send one text; see `Channel.send`."""
        try:
            await self._socket.send_str(text)
        except ClientError as error:
            raise ConnectionResetError(first_line(error)) from None

    async def receive(self) -> str | ConnectionEnd:
        """Return the next text, or the end of the connection; see `Channel.receive`."""
        while True:
            received = await self._socket.receive()
            if received.type is WSMsgType.TEXT:
                return received.data
            if received.type is not WSMsgType.BINARY:
                return self._end_of(received)
            self._repeated.log(
                "binary",
                logging.WARNING,
                "Message of Home Assistant has an unknown shape; the message is ignored",
                extra={"problem": "the message must be a text, got bytes"},
            )

    def _end_of(self, received: WSMessage) -> ConnectionEnd:
        if received.type is WSMsgType.CLOSE:
            orderly = received.data == WSCloseCode.OK
            code = "" if orderly else f" with the code {received.data}"
            return ConnectionEnd(f"Home Assistant closed the connection{code}", closed_by_home=orderly)
        if received.type is not WSMsgType.ERROR:
            return ConnectionEnd("the connection to Home Assistant broke")
        if getattr(received.data, "code", None) == WSCloseCode.MESSAGE_TOO_BIG:
            return ConnectionEnd(f"a message of Home Assistant is larger than {self._max_message_bytes} bytes")
        return ConnectionEnd(f"the connection to Home Assistant broke: {first_line(received.data)}")

    async def request(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> HttpAnswer:
        """Send an HTTP request; see `Channel.request`. The limit is 30 s."""
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        try:
            # The token is a header of this request and not of the HTTP session. aiohttp would also send the headers of
            # the session in the WebSocket handshake, and an exception of the handshake would contain them.
            async with self._session.request(
                method,
                self._url + path,
                data=body,
                headers=headers,
                timeout=ClientTimeout(total=REST_TIMEOUT_S),
                allow_redirects=False,
            ) as response:
                return HttpAnswer(response.status, await response.text(errors="replace"))
        except TimeoutError:
            raise
        except (ClientError, RuntimeError) as error:  # RuntimeError: the HTTP session was closed
            raise ConnectionResetError(first_line(error)) from None

    async def close(self) -> None:
        """Close the connection. The server gets at most `CLOSE_TIMEOUT_S` to respond."""
        try:
            with suppress(TimeoutError, ClientError, OSError):  # the session closes the socket
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._socket.close()
        finally:
            await self._session.close()


class WebTransport:
    """A `Transport` over the network.

    Args:
        address: The address of Home Assistant.
        max_message_bytes: Limit for a received message.
    """

    def __init__(self, address: Address, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._address = address
        self._max_message_bytes = max_message_bytes
        self._lookups = Lookups()

    @property
    def in_process(self) -> bool:
        """False: the server is another process; see `Transport.in_process`."""
        return False

    async def pause(self, seconds: float) -> None:
        """Wait; see `Transport.pause`."""
        await asyncio.sleep(seconds)

    async def open(self) -> WebChannel:
        """Open a channel; see `Transport.open`.

        Raises:
            UnreachableError: No server answers.
            LinkError: The server does not open a WebSocket.
        """
        # Each channel has an HTTP session, because closing the session closes all sockets.
        session = ClientSession(
            connector=TCPConnector(resolver=self._lookups.resolver()),
            timeout=ClientTimeout(total=None, sock_connect=TCP_TIMEOUT_S),
        )
        url = self._address.url
        try:
            # aiohttp's heartbeat is not used. It would end the connection if the event loop of this process is blocked
            # for half a minute, and the liveness check of the link is quicker.
            socket = await session.ws_connect(self._address.websocket_url, max_msg_size=self._max_message_bytes)
        except BaseException as error:
            await session.close()
            # `from None` removes aiohttp's exception from the error, because it can contain the whole request.
            if isinstance(error, ClientConnectorError):
                raise UnreachableError(url, first_line(error)) from None
            if isinstance(error, WSServerHandshakeError):
                problem = f"the server answers with the HTTP status {error.status}, and not like Home Assistant"
            elif isinstance(error, ClientError | OSError | ValueError):
                problem = first_line(error)
            else:
                raise
            raise LinkError(f"cannot connect to {url}: {problem}") from None
        return WebChannel(session, socket, url, self._max_message_bytes)


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or the name of its class."""
    text = str(error).strip().partition("\n")[0]
    return text or type(error).__name__
