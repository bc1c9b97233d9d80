"""`HomeServer`: the simulated home's APIs on a loopback port, with aiohttp."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from hassette_core.simulation.home.api import ClientSocket, RestRequest, RestResponse

HOST = "127.0.0.1"
HEARTBEAT_S = 55.0
"""Seconds between two pings of a WebSocket client, as in Home Assistant."""


class HomeServer:
    """A server on a loopback port. It passes WebSocket clients and REST requests on.

    Args:
        serve_client: Serves a WebSocket client until the connection ends.
        answer: Answers a REST request.
    """

    def __init__(
        self,
        serve_client: Callable[[ClientSocket], Awaitable[None]],
        answer: Callable[[RestRequest], Awaitable[RestResponse]],
    ) -> None:
        self._serve_client = serve_client
        self._answer = answer
        self._runner: web.AppRunner | None = None
        self._opening: asyncio.Task[None] | None = None

    async def open(self, port: int) -> int:
        """Open a port, and return its number. With 0, choose a free port.

        Raises:
            OSError: The port is taken.
        """
        app = web.Application()
        app.router.add_get("/api/websocket", self._serve_websocket)
        app.router.add_route("*", "/{path:.*}", self._serve_rest)
        # `_runner` is set before the first `await`, so that `close` can close the port of a cancelled start.
        self._runner = runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            # A task, so that the port is opened completely even if this start is cancelled. `close` then closes it.
            self._opening = asyncio.create_task(web.TCPSite(runner, HOST, port).start())
            await asyncio.shield(self._opening)
        except OSError as error:
            await self.close()
            raise OSError(
                error.errno, f"the simulated home cannot listen on {HOST}:{port}: the port is taken"
            ) from None
        return runner.addresses[0][1]

    async def close(self) -> None:
        """Close the port, if it is open."""
        if (opening := self._opening) is not None:
            await asyncio.wait((opening,))
            if not opening.cancelled():
                opening.exception()  # if nothing reads the exception after a cancelled start, asyncio logs it
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _serve_websocket(self, request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(heartbeat=HEARTBEAT_S)
        await response.prepare(request)
        await self._serve_client(_ServerSocket(response, request.transport))
        return response

    async def _serve_rest(self, request: web.Request) -> web.Response:
        asked = RestRequest(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            authorization=request.headers.get("Authorization", ""),
            body=await request.text(),
        )
        answer = await self._answer(asked)
        return web.Response(
            status=answer.status, text=answer.text, content_type=answer.content_type, headers=answer.headers
        )


class _ServerSocket:
    def __init__(self, response: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self._response = response
        self._transport = transport

    async def receive(self) -> str | None:
        while True:
            message = await self._response.receive()
            if message.type is WSMsgType.TEXT:
                return message.data
            if message.type is not WSMsgType.BINARY:
                return None

    async def send(self, text: str) -> None:
        await self._response.send_str(text)

    async def close(self) -> None:
        await self._response.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
