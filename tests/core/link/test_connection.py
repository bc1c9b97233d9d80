"""One connection, to servers that are not what they should be."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from hassette_core.errors import LinkError, NotConnectedError
from hassette_core.link import Connection, parse_address

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk | None) -> AsyncIterator[str]:
    """Serve one conversation at ``/api/websocket``; nothing at all there if it is None."""

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


async def greet(socket: web.WebSocketResponse) -> None:
    await socket.send_json({"type": "auth_required", "ha_version": "1"})
    await socket.receive()
    await socket.send_json({"type": "auth_ok", "ha_version": "1"})


async def says_something_else(socket: web.WebSocketResponse) -> None:
    await socket.send_json({"hello": "I am a chat server"})


async def says_a_list(socket: web.WebSocketResponse) -> None:
    await socket.send_json([1, 2])


async def hangs_up(socket: web.WebSocketResponse) -> None:
    await socket.close()


async def hangs_up_on_the_token(socket: web.WebSocketResponse) -> None:
    await socket.send_json({"type": "auth_required", "ha_version": "1"})
    await socket.receive()


async def says_no_json(socket: web.WebSocketResponse) -> None:
    await socket.send_str("<html>")


@pytest.mark.parametrize(
    "talk", [None, says_something_else, says_a_list, hangs_up, hangs_up_on_the_token, says_no_json]
)
async def test_a_server_that_is_no_home_assistant_is_a_link_error_with_its_address(talk: Talk | None) -> None:
    async with server(talk) as url:
        with pytest.raises(LinkError, match=f"cannot connect to {url}: ") as raised:
            async with Connection(parse_address(url), "hunter2"):
                pytest.fail("it connected")
        assert "hunter2" not in repr(raised.value) + repr(raised.value.__context__)


async def test_nobody_there_is_a_link_error() -> None:
    with pytest.raises(LinkError, match="cannot connect to"):
        async with asyncio.timeout(10), Connection(parse_address("http://127.0.0.1:1"), "token"):
            pytest.fail("it connected")


@pytest.mark.parametrize("junk", ["<html>", "[]", '{"no": "type"}', '{"type": "pong"}'])
async def test_junk_on_the_wire_ends_the_connection_and_whoever_waits_is_told(junk: str) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await greet(socket)
        await socket.receive()
        await socket.send_str(junk)
        await socket.receive()

    async with server(talk) as url, asyncio.timeout(10), Connection(parse_address(url), "token") as connection:
        with pytest.raises(NotConnectedError):
            await connection.command("look", "get_states")
        assert await connection.until_lost()
        assert not connection.open
        with pytest.raises(NotConnectedError, match="cannot look: not connected"):
            await connection.command("look", "get_states")
        with pytest.raises(NotConnectedError):
            await connection.ping()
        with pytest.raises(NotConnectedError):
            await connection.rest("look", "GET", "/api/")


async def test_a_home_assistant_that_does_not_know_ping_is_alive_all_the_same() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await greet(socket)
        message = json.loads((await socket.receive()).data)
        error: dict[str, Any] = {"code": "unknown_command", "message": "Unknown command."}
        await socket.send_json({"id": message["id"], "type": "result", "success": False, "error": error})
        await socket.receive()

    async with server(talk) as url, asyncio.timeout(10), Connection(parse_address(url), "token") as connection:
        await connection.ping()
        assert connection.open


@pytest.mark.parametrize("data", [object(), math.nan, {"deep": [-math.inf]}, "\ud83d", 5_000_000 * "x"], ids=type)
async def test_data_that_cannot_be_sent_is_the_callers_error_and_costs_nothing(data: object) -> None:
    """Python writes a NaN without a word, and Home Assistant hangs up on who sends one, or a picture: on all apps."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await greet(socket)
        while True:
            received = await socket.receive()
            if received.type is not web.WSMsgType.TEXT:
                return
            message = json.loads(received.data)
            await socket.send_json({"id": message["id"], "type": "result", "success": True, "result": "here"})

    async with server(talk) as url, asyncio.timeout(10), Connection(parse_address(url), "token") as connection:
        with pytest.raises((TypeError, ValueError)):
            await connection.command("look", "get_states", data=data)
        assert await connection.command("look", "get_states") == "here"
