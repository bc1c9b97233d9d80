"""`WebService`, which serves the pages and the API on a socket."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Generator
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from hassette_sync.service import DataSyncService
from hassette_sync.settings import WebSettings
from hassette_sync.web.access import MAX_HEADER_BYTES
from hassette_sync.web.application import create_app
from hassette_sync.web.browser_sessions import BrowserSessions
from hassette_sync.web.connections import ConnectionAcceptor, ConnectionLimits, Connections
from hassette_sync.web.preparation import PREPARE_AFTER_S, prepare_pages
from hassette_sync.web.protocols import MAX_MESSAGE_BYTES, HttpProtocol, WebSocketProtocol

_logger = logging.getLogger(__name__)

_CLOSE_CLIENTS_WITHIN_S = 0.5
_STOP_WITHIN_S = 1.0
# Connections that wait while the event loop is busy. If there are more, the system drops the next one, and its visitor
# waits for a second. An attacker opens some hundreds in the time of one slow handler.
_QUEUE = 1_024


class _State(ServerState):
    """The state of a server that makes the header ``Date`` when it is needed."""

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The headers of each answer. uvicorn would write the time into them every second."""
        return [(b"date", formatdate(usegmt=True).encode())]

    @default_headers.setter
    def default_headers(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Ignore the headers of uvicorn."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves the signal handlers to the framework, and does not wake up ten times per second."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self.server_state = _State()
        self._connections = connections
        self._exit_requested = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        def create_protocol() -> asyncio.Protocol:
            return HttpProtocol(self.config, self.server_state, {}, self._connections)

        listeners = [ConnectionAcceptor(one, create_protocol, self._connections) for one in sockets or ()]
        self.servers = cast("list[asyncio.Server]", listeners)
        self.started = True

    async def main_loop(self) -> None:
        await self._exit_requested.wait()

    def request_exit(self) -> None:
        self.should_exit = True
        self._exit_requested.set()


class WebService:
    """Service that serves the pages and the API. Without a supervisor, use it as an async context manager.

    Args:
        data: The service that answers the questions. `stop` also closes it.
        settings: Address, token and host names.
        sessions_file: File of the sessions of browsers; None keeps them in memory.
        limits: Limits on connections; None derives them from the number of file descriptors.

    Attributes:
        name: Name of the service, for the supervisor.
        data: The service that answers the questions.
        url: Address of the pages while the service is started, otherwise None.
    """

    name = "sync"

    def __init__(
        self,
        data: DataSyncService,
        settings: WebSettings,
        sessions_file: Path | None = None,
        limits: ConnectionLimits | None = None,
    ) -> None:
        self.data = data
        self.url: str | None = None
        self._settings = settings
        self._sessions_file = sessions_file
        self._limits = limits
        self._app: FastAPI | None = None
        self._server: _Server | None = None
        self._socket: socket.socket | None = None
        self._stopped = asyncio.Event()
        self._stop_lock = asyncio.Lock()
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind the port. Requests wait until `serve` is called.

        Raises:
            OSError: The port is in use, or the address does not belong to this machine.
        """
        self._socket = _bind(self._settings.host, self._settings.port)
        self._stopped.clear()
        sessions = BrowserSessions(self._settings.token, self._sessions_file)
        await sessions.load()
        self._app = await asyncio.to_thread(create_app, self.data, self._settings, sessions)
        config = uvicorn.Config(
            self._app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ws=WebSocketProtocol,
            ws_max_size=MAX_MESSAGE_BYTES,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            timeout_graceful_shutdown=1,
        )
        limits = self._limits or ConnectionLimits.of_this_process()
        self._app.state.max_followers = max(1, limits.total // 2)
        self._server = _Server(config, Connections(limits, self._app.state.refusals))
        port = self._socket.getsockname()[1]
        host = self._settings.host
        if host in ("0.0.0.0", "::", ""):  # noqa: S104  an address to show, not to bind
            host = "127.0.0.1"
        self.url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    async def serve(self) -> None:
        """Respond to requests until stopped or cancelled."""
        server = self._server
        if server is None or self._socket is None:
            raise RuntimeError("serve() was called before start()")
        preparing = asyncio.create_task(self._prepare(), name="hassette-sync preparation")
        try:
            await server.serve(sockets=[self._socket])
        except asyncio.CancelledError:
            await self._close_connections(server)
            raise
        finally:
            self._stopped.set()
            preparing.cancel()

    async def _prepare(self) -> None:
        await asyncio.sleep(PREPARE_AFTER_S)
        try:
            if self._app is not None:
                await prepare_pages(self._app)
        except Exception:
            # The pages work without it, only the first of them takes longer.
            _logger.exception("Preparation of the pages failed")

    async def stop(self) -> None:
        """Close all connections and release the port, within about a second. Idempotent."""
        # A second caller waits for the first one. Without the wait, it would close the socket while the server uses it.
        async with self._stop_lock:
            await self._stop()

    async def _stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await self._stop_server(server)
        if self._serving is not None:
            serving, self._serving = self._serving, None
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.url = None
        if self._app is not None:
            app, self._app = self._app, None
            app.state.wrong_tokens.close()
            await app.state.sessions.close()
        await self.data.close()

    async def _stop_server(self, server: _Server) -> None:
        if self._app is not None:
            self._app.state.stopping.set()
            if followers := self._app.state.followers:
                # Close live clients first, with the WebSocket code for "going away". uvicorn would send another code.
                await asyncio.wait(followers, timeout=_CLOSE_CLIENTS_WITHIN_S)
        server.request_exit()
        if not server.started:
            return
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await self._stopped.wait()
        except TimeoutError:
            server.force_exit = True
            # The remaining clients do not read, so a normal close would wait for them.
            for connection in tuple(server.server_state.connections):
                connection.transport.abort()

    async def _close_connections(self, server: _Server) -> None:
        # When cancelled, uvicorn leaves its loop without closing its connections.
        if self._app is not None:
            self._app.state.stopping.set()
        if server.started:
            server.force_exit = True
            await server.shutdown()

    async def __aenter__(self) -> Self:
        await self.start()
        self._serving = asyncio.create_task(self.serve(), name="hassette-sync web")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        serving = self._serving
        await self.stop()
        if error is None and serving is not None and not serving.cancelled() and (failure := serving.exception()):
            raise failure


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OSError(error.errno, f"The address {host!r} cannot be used for the pages: {error.strerror}.") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_QUEUE)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            problem = "is in use by another program. Set port in [sync] to another port, or to 0 for any free one."
        elif error.errno == errno.EACCES:
            problem = "needs more privileges than this process has. Set port in [sync] to 1024 or more."
        else:
            problem = f"cannot be opened for the pages: {error.strerror}."
        raise OSError(error.errno, f"Port {port} on {host} {problem}") from error
    return bound
