"""`WebTransport`: reach Home Assistant over the network, with aiohttp."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from ssl import SSLError
from typing import Self
from urllib.parse import urlsplit

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    TCPConnector,
    TraceConfig,
    TraceRequestRedirectParams,
    TraceRequestStartParams,
    WSCloseCode,
    WSMessage,
    WSMsgType,
    WSServerHandshakeError,
)

from hassette_core.config import HomeAssistantSettings
from hassette_core.errors import LinkError, UnreachableError
from hassette_core.link.address import Address, parse_address
from hassette_core.link.lookups import Lookups
from hassette_core.link.reads import check_request, check_text
from hassette_core.link.redirects import MAX_REDIRECTS, redirected
from hassette_core.link.tls import describe_tls_error, tls_context
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
REDIRECTS = (301, 302, 303, 307, 308)
PROXY_STATUSES = (502, 503, 504)


class WebChannel:
    """A `Channel` over the network. `WebTransport.open` creates it.

    Args:
        session: The HTTP session. Closing it closes all sockets at once, even if the server hangs.
        socket: The open WebSocket.
        address: The address of Home Assistant, after all redirects.
        max_message_bytes: Limit for a received message.
    """

    def __init__(
        self, session: ClientSession, socket: ClientWebSocketResponse, address: Address, max_message_bytes: int
    ) -> None:
        self._session = session
        self._socket = socket
        self._address = address
        self._max_message_bytes = max_message_bytes
        self._repeated = RepeatedLog(logger)

    @property
    def closed(self) -> bool:
        """Whether no text can be sent any more."""
        return self._socket.closed

    async def send(self, text: str) -> None:
        """Send one text; see `Channel.send`."""
        check_text(text)
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
        check_request(method, path)
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        address = self._address
        try:
            for _ in range(MAX_REDIRECTS):
                # The token is a header of this request and not of the HTTP session. aiohttp would also send the headers
                # of the session in the WebSocket handshake, and an exception of the handshake would contain them.
                async with self._session.request(
                    method,
                    address.url + path,
                    data=body,
                    headers=headers,
                    timeout=ClientTimeout(total=REST_TIMEOUT_S),
                    allow_redirects=False,
                ) as response:
                    if response.status not in REDIRECTS or "Location" not in response.headers:
                        return HttpAnswer(response.status, await response.text(errors="replace"))
                    address = redirected(address, path, response.headers["Location"])
        except TimeoutError:
            raise
        except (ClientError, RuntimeError) as error:  # RuntimeError: the HTTP session was closed
            raise ConnectionResetError(first_line(error)) from None
        raise LinkError(f"cannot send a request to {self._address.url}: more than {MAX_REDIRECTS} redirects")

    async def close(self) -> None:
        """Close the connection. The server gets at most `CLOSE_TIMEOUT_S` to respond."""
        try:
            with suppress(TimeoutError, ClientError, OSError):  # the session closes the socket
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._socket.close()
        finally:
            await self._session.close()


class _Redirect(Exception):  # noqa: N818  It is no error, and it stops aiohttp from following a redirect.
    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


async def _stop_at_redirect(_session: object, _context: object, facts: TraceRequestRedirectParams) -> None:
    # aiohttp has no option against redirects of a WebSocket, and would follow them to any host.
    facts.response.close()
    raise _Redirect(facts.response.headers.get("Location", ""))


class GuardedWebSocket(ClientWebSocketResponse):
    """A WebSocket on which an app that rehearses can only send reads, even if it finds this object."""

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Send a text."""
        check_text(data)
        await super().send_str(data, compress)

    async def send_bytes(self, data: bytes, compress: int | None = None) -> None:
        """Send bytes."""
        check_text(data)
        await super().send_bytes(data, compress)

    async def send_frame(self, message: bytes, opcode: WSMsgType, compress: int | None = None) -> None:
        """Send a frame."""
        check_text(message)
        await super().send_frame(message, opcode, compress)


async def _stop_changes_of_rehearsals(_session: object, _context: object, facts: TraceRequestStartParams) -> None:
    check_request(facts.method, facts.url.path)


class WebTransport:
    """A `Transport` over the network.

    Args:
        address: The address of Home Assistant.
        max_message_bytes: Limit for a received message.
        verify_ssl: False accepts every certificate of the server.
        ca_file: A PEM file with more trusted certificates.

    Raises:
        OSError: ``ca_file`` cannot be read, or contains no certificate.
    """

    def __init__(
        self,
        address: Address,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        verify_ssl: bool = True,
        ca_file: Path | None = None,
    ) -> None:
        self._address = address
        self._max_message_bytes = max_message_bytes
        self._tls = tls_context(ca_file, verify=verify_ssl)
        self._lookups = Lookups()
        self._repeated = RepeatedLog(logger)

    @classmethod
    def for_settings(cls, settings: HomeAssistantSettings) -> Self:
        """Return the transport for the table ``[home_assistant]``.

        Raises:
            UrlError: The address is not valid.
        """
        return cls(parse_address(settings.url), verify_ssl=settings.verify_ssl, ca_file=settings.ca_file)

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
        tracing = TraceConfig()
        tracing.on_request_redirect.append(_stop_at_redirect)
        tracing.on_request_start.append(_stop_changes_of_rehearsals)
        # Each channel has an HTTP session, because closing the session closes all sockets.
        session = ClientSession(
            connector=TCPConnector(resolver=self._lookups.resolver(), ssl=self._tls),
            timeout=ClientTimeout(total=None, sock_connect=TCP_TIMEOUT_S),
            trace_configs=[tracing],
            ws_response_class=GuardedWebSocket,
        )
        try:
            return await self._open(session)
        except BaseException:
            await session.close()
            raise

    async def _open(self, session: ClientSession) -> WebChannel:
        address = self._address
        for _ in range(MAX_REDIRECTS):
            try:
                # aiohttp's heartbeat is not used. It would end the connection if the event loop of this process is
                # blocked for half a minute, and the liveness check of the link is quicker.
                socket = await session.ws_connect(address.websocket_url, max_msg_size=self._max_message_bytes)
            except _Redirect as redirect:
                address = redirected(address, address.websocket_path, redirect.location)
                self._repeated.log(
                    "redirect",
                    logging.WARNING,
                    "Home Assistant redirects to another address; set url in [home_assistant] to it",
                    extra={"url": self._address.url, "new_url": address.url},
                )
            except (ClientError, OSError, ValueError) as error:
                # `from None` removes aiohttp's exception from the error, because it can contain the whole request.
                raise _explain(error, address) from None
            else:
                return WebChannel(session, socket, address, self._max_message_bytes)
        raise LinkError(f"cannot connect to {self._address.url}: the server redirects more than {MAX_REDIRECTS} times")


def _explain(error: Exception, address: Address) -> LinkError:
    """Return the error for an address at which no WebSocket could be opened."""
    if isinstance(error, WSServerHandshakeError):
        status = error.status
        problem = f"the server answers with the HTTP status {status}, and not like Home Assistant"
        if status in PROXY_STATUSES:
            problem = (
                f"the server answers with the HTTP status {status}: it is a proxy, and Home Assistant behind it is"
                " starting or does not run"
            )
    elif (cause := _cause_of(error)) is None:
        problem = first_line(error)
    elif not isinstance(cause, SSLError):
        return UnreachableError(address.url, first_line(error))
    else:
        problem = describe_tls_error(cause, urlsplit(address.url).hostname or "")
    return LinkError(f"cannot connect to {address.url}: {problem}")


def _cause_of(error: Exception) -> Exception | None:
    """Return the failure of a connection, or None if the server was reached."""
    if isinstance(error, ClientConnectorCertificateError):
        return error.certificate_error
    return error.os_error if isinstance(error, ClientConnectorError) else None


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or the name of its class."""
    text = str(error).strip().partition("\n")[0]
    return text or type(error).__name__
