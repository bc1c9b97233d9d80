"""A connection to servers that are not Home Assistant, or do not behave like it."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from hassette_core.errors import CallFailedError, LinkError, NoAnswerError, NotConnectedError
from hassette_core.link import Connection, WebTransport, parse_address
from support.waiting import eventually, patience

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


async def next_command(socket: web.WebSocketResponse) -> dict[str, Any]:
    return json.loads((await socket.receive()).data)


async def succeed(socket: web.WebSocketResponse, number: int, result: object = None) -> None:
    await socket.send_json({"id": number, "type": "result", "success": True, "result": result})


async def test_command_without_an_answer_raises_after_its_limit_and_the_connection_stays() -> None:
    """Home Assistant 2025.4.4 never answers ``test_condition`` with an unknown entity."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await greet(socket)
        late = await next_command(socket)
        message = await next_command(socket)
        await succeed(socket, late["id"], "too late")
        await succeed(socket, message["id"], "here")
        await socket.receive()

    async with connected_to(talk) as connection:
        with pytest.raises(
            NoAnswerError, match=r"cannot test a condition: Home Assistant did not answer within 0\.01 s"
        ):
            await connection.command("test a condition", "test_condition", timeout_s=0.01, condition={})
        assert await connection.command("look", "get_states", timeout_s=None) == "here"


async def test_subscription_receives_its_messages_until_it_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[dict[str, Any]] = []

    async def talk(socket: web.WebSocketResponse) -> None:
        await greet(socket)
        message = await next_command(socket)
        sent.append(message)
        await socket.send_json({"id": message["id"], "type": "event", "event": {"early": True}})
        await succeed(socket, message["id"])
        await socket.send_json({"id": message["id"], "type": "event", "event": "odd"})
        await socket.send_json({"id": message["id"], "type": "event"})
        end = await next_command(socket)
        sent.append(end)
        await socket.send_json({"id": message["id"], "type": "event", "event": {"late": True}})
        await succeed(socket, end["id"])
        await succeed(socket, (await next_command(socket))["id"])
        await socket.receive()

    received: list[object] = []

    def receive(event: object) -> None:
        received.append(event)
        raise ValueError("a defect of the receiver")

    async with connected_to(talk) as connection:
        number = await connection.subscribe_command("hear a trigger", receive, "subscribe_trigger", trigger={"x": 1})
        await eventually(lambda: len(received) == 3)
        await connection.unsubscribe(number)
        await connection.unsubscribe(number)
        await connection.ping()
    assert received == [{"early": True}, "odd", None]
    assert [message["type"] for message in sent] == ["subscribe_trigger", "unsubscribe_events"]
    assert (sent[0]["trigger"], sent[1]["subscription"]) == ({"x": 1}, number)
    assert "unknown shape" not in caplog.text
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "a defect of the receiver" in vars(line)["error"]


async def test_other_tasks_run_before_the_last_message_of_a_large_frame() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await greet(socket)
        message = await next_command(socket)
        await succeed(socket, message["id"])
        await socket.send_json([{"id": message["id"], "type": "event", "event": number} for number in range(50)])
        await socket.receive()

    others: list[int] = []
    received: list[tuple[int, bool]] = []

    def receive(event: int) -> None:
        if not received:
            asyncio.get_running_loop().call_soon(others.append, 1)
        received.append((event, bool(others)))
        time.sleep(0.001)

    async with connected_to(talk) as connection:
        await connection.subscribe_command("hear a trigger", receive, "subscribe_trigger", trigger={"x": 1})
        await eventually(lambda: len(received) == 50)
    assert [event for event, _ in received] == list(range(50))
    assert [other for _, other in received][::49] == [False, True]


async def test_refused_subscription_receives_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await greet(socket)
        message = await next_command(socket)
        error = {"code": "unknown_command", "message": "Unknown command."}
        await socket.send_json({"id": message["id"], "type": "result", "success": False, "error": error})
        await socket.send_json({"id": message["id"], "type": "event", "event": {}})
        await succeed(socket, (await next_command(socket))["id"])
        await socket.receive()

    received: list[object] = []
    async with connected_to(talk) as connection:
        with pytest.raises(CallFailedError) as raised:
            await connection.subscribe_command("hear a condition", received.append, "subscribe_condition")
        assert raised.value.code == "unknown_command"
        await connection.ping()
    assert received == []
    assert caplog.records == []


async def test_close_right_after_the_authentication_means_that_home_assistant_is_starting() -> None:
    """The proxy of the Supervisor accepts the token before it is connected to Home Assistant."""
    async with connected_to(greet) as connection:
        end = await connection.wait_until_lost()
    assert end.cause == (
        "Home Assistant closed the connection right after the authentication; Home Assistant is probably starting"
    )
