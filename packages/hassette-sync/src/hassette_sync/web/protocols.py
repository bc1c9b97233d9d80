"""Protocols of one connection: uvicorn's, with limits on time, size and log lines."""

import asyncio
import logging
from typing import Any, Final, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from hassette_sync.web.access import MAX_HEADER_BYTES
from hassette_sync.web.connections import Connections
from hassette_sync.web.problems import PROBLEM_TYPE, problem_body

# uvicorn logs each invalid request and message, so a sender without the token could fill the log. `AccessControl` logs
# the errors of the application.
_silent = logging.getLogger(f"{__name__}.silent")
_silent.setLevel(logging.CRITICAL)

MAX_MESSAGE_BYTES: Final = 4 * 1024
"""Limit on a message from a client of the live stream. Clients send no messages."""


_HANDSHAKE_LIMITS: Final = problem_body(
    400, "invalid_http", "The header of a WebSocket must have at most 128 fields of at most 8192 bytes each."
)
_REFUSED_HANDSHAKE: Final = (
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b"
    % (PROBLEM_TYPE.encode(), len(_HANDSHAKE_LIMITS), _HANDSHAKE_LIMITS)
)


class HttpProtocol(H11Protocol):
    """HTTP connection that ends if a request does not arrive in time, or its answer is not read."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], open_connections: Connections
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.logger = _silent
        self.access_log = False
        self._open_connections = open_connections
        self._request_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._open_connections.add(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timers()
        self._open_connections.remove(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._open_connections.limits.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        # Otherwise, the timer would end the live stream.
        self._cancel_timers()
        self._open_connections.set_idle(self.transport, False)
        super().handle_websocket_upgrade(event)
        protocol = cast("WebSocketProtocol", self.transport.get_protocol())
        protocol.open_connections = self._open_connections

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is not valid HTTP, or whose header is too long."""
        detail = f"A request must be valid HTTP with a header of at most {MAX_HEADER_BYTES} bytes."
        body = problem_body(400, "invalid_http", detail)
        headers = [("content-type", PROBLEM_TYPE), ("content-length", str(len(body))), ("connection", "close")]
        try:
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            # The answer to the request before has begun.
            self.transport.abort()
            return
        self.transport.close()

    def _watch(self) -> None:
        """Limit the time while a request is incomplete."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        is_idle = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        self._open_connections.set_idle(self.transport, is_idle)
        if not is_idle:
            self._cancel_request_timer()
        elif self._request_timer is None:
            self._request_timer = self.loop.call_later(self._open_connections.limits.request_s, self.transport.abort)

    def _cancel_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _cancel_timers(self) -> None:
        self._cancel_request_timer()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """WebSocket connection that is counted until it ends."""

    open_connections: Connections | None = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _silent
        self.conn.logger = _silent

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # The HTTP parser has accepted the header, but the WebSocket parser has stricter limits. uvicorn would leave
            # the connection open without an answer, and its shutdown would raise an error.
            self.handshake_complete = self.close_sent = True
            self.transport.write(_REFUSED_HANDSHAKE)
            self.transport.close()

    def handle_ping(self) -> None:
        """Answer pings, unless the client does not read the answers.

        uvicorn would keep all answers in memory, 30 MB for each second of such a client. RFC 6455 allows a server
        to leave out answers.
        """
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.open_connections is not None:
            self.open_connections.remove(self.transport)
        super().connection_lost(exc)
