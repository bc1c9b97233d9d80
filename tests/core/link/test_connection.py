"""A connection to servers that are not Home Assistant, or do not behave like it."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from hassette_core.errors import LinkError, NotConnectedError
from hassette_core.link import Connection, WebTransport, parse_address
from support.waiting import patience

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk | None) -> AsyncIterator[str]:
    """Serve a conversation at ``/api/websocket``. If ``talk`` is None, this path does not exist."""

    async def converse(request: web.Request) -> web.WebSocketResponse:
        assert talk is not None
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await talk(socket)
        await socket.close()
        return socket

    app = web.Application()
    if talk is not None:
        app.router.add_get("/api/websocket", converse)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def connection_to(url: str, token: str = "token") -> Connection:
    return Connection(WebTransport(parse_address(url)), url, token)


@asynccontextmanager
async def connected_to(talk: Talk) -> AsyncIterator[Connection]:
    """Connect to a server that runs ``talk`` with its client."""
    limit = asyncio.timeout(patience(10))
    async with limit, server(talk) as url, connection_to(url) as connection:
        yield connection


async def greet(socket: web.WebSocketResponse) -> None:
    await socket.send_json({"type": "auth_required", "ha_version": "1"})
    await socket.receive()
    await socket.send_json({"type": "auth_ok", "ha_version": "1"})


async def sends_another_message(socket: web.WebSocketResponse) -> None:
    await socket.send_json({"hello": "I am a chat server"})


async def sends_a_list(socket: web.WebSocketResponse) -> None:
    await socket.send_json([1, 2])


async def disconnects(socket: web.WebSocketResponse) -> None:
    await socket.close()


async def disconnects_after_the_token(socket: web.WebSocketResponse) -> None:
    await socket.send_json({"type": "auth_required", "ha_version": "1"})
    await socket.receive()


async def sends_no_json(socket: web.WebSocketResponse) -> None:
    await socket.send_str("<html>")


@pytest.mark.parametrize(
    "talk", [None, sends_another_message, sends_a_list, disconnects, disconnects_after_the_token, sends_no_json]
)
async def test_server_that_is_not_home_assistant_is_a_link_error_with_its_address(talk: Talk | None) -> None:
    async with server(talk) as url:
        with pytest.raises(LinkError, match=f"cannot connect to {url}: ") as raised:
            async with connection_to(url, "hunter2"):
                pytest.fail("it connected")
        assert "hunter2" not in repr(raised.value) + repr(raised.value.__context__)


async def test_proxy_without_home_assistant_is_an_error_with_its_status() -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=503)

    app = web.Application()
    app.router.add_get("/api/websocket", refuse)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        with pytest.raises(LinkError, match=f"cannot connect to {url}: the server answers with the HTTP status 503"):
            async with asyncio.timeout(patience(10)), connection_to(url):
                pytest.fail("it connected")
    finally:
        await runner.cleanup()


async def test_closed_port_is_a_link_error() -> None:
    with pytest.raises(LinkError, match="cannot connect to"):
        async with asyncio.timeout(patience(10)), connection_to("http://127.0.0.1:1"):
            pytest.fail("it connected")


async def test_frame_that_is_not_json_ends_the_connection_and_pending_commands_raise() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await greet(socket)
        await socket.receive()
        await socket.send_str("<html>")
        await socket.receive()

    async with (
        server(talk) as url,
        asyncio.timeout(patience(10)),
        connection_to(url) as connection,
    ):
        with pytest.raises(NotConnectedError):
            await connection.command("look", "get_states")
        end = await connection.wait_until_lost()
        assert (end.cause.startswith("the message is not JSON"), "<html>" in end.cause) == (True, True)
        assert not connection.open
        with pytest.raises(NotConnectedError, match="cannot look: not connected"):
            await connection.command("look", "get_states")
        with pytest.raises(NotConnectedError):
            await connection.ping()
        with pytest.raises(NotConnectedError):
            await connection.rest("look", "GET", "/api/")


async def test_refused_ping_counts_as_an_answer() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await greet(socket)
        message = json.loads((await socket.receive()).data)
        error: dict[str, Any] = {"code": "unknown_command", "message": "Unknown command."}
        await socket.send_json({"id": message["id"], "type": "result", "success": False, "error": error})
        await socket.receive()

    async with (
        server(talk) as url,
        asyncio.timeout(patience(10)),
        connection_to(url) as connection,
    ):
        await connection.ping()
        assert connection.open


@pytest.mark.parametrize("data", [object(), math.nan, {"deep": [-math.inf]}, "\ud83d", 5_000_000 * "x"], ids=type)
async def test_data_that_cannot_be_sent_raises_and_the_connection_stays(data: object) -> None:
    """Home Assistant disconnects a client that sends a NaN or an oversized message."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await greet(socket)
        while True:
            received = await socket.receive()
            if received.type is not web.WSMsgType.TEXT:
                return
            message = json.loads(received.data)
            await socket.send_json({"id": message["id"], "type": "result", "success": True, "result": "here"})

    async with (
        server(talk) as url,
        asyncio.timeout(patience(10)),
        connection_to(url) as connection,
    ):
        with pytest.raises((TypeError, ValueError)):
            await connection.command("look", "get_states", data=data)
        assert await connection.command("look", "get_states") == "here"
