"""A proxy in front of a simulated home that changes the home's messages."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import ClientSession, WSMsgType, web

Message = dict[str, Any]
Change = Callable[[Message], list[str]]
"""Takes a message of the home, and returns the frames to send to the client instead."""


def unchanged(message: Message) -> list[str]:
    return [json.dumps(message)]


def _messages_in(frame: str) -> list[Message]:
    parsed: Any = json.loads(frame)
    return cast("list[Message]", parsed) if isinstance(parsed, list) else [parsed]


class MessageProxy:
    """Forwards the WebSocket messages between a client and a home.

    Attributes:
        url: The address for the client.
        change: Called with each message of the home.
        sent: The type of each message that the client has sent, by its id.
    """

    def __init__(self, home_url: str) -> None:
        self.url = ""
        self.change: Change = unchanged
        self.sent: dict[int, str] = {}
        self._home_url = home_url

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        client = web.WebSocketResponse()
        await client.prepare(request)
        async with ClientSession() as session, session.ws_connect(f"{self._home_url}/api/websocket") as home:

            async def forward_commands() -> None:
                async for received in client:
                    message = json.loads(received.data)
                    if "id" in message:
                        self.sent[message["id"]] = message["type"]
                    await home.send_str(received.data)
                await home.close()

            forwarding = asyncio.create_task(forward_commands())
            async for received in home:
                if received.type is WSMsgType.TEXT:
                    for message in _messages_in(received.data):
                        for frame in self.change(message):
                            await client.send_str(frame)
            forwarding.cancel()
            await asyncio.wait((forwarding,))
        await client.close()
        return client


@asynccontextmanager
async def message_proxy(home_url: str) -> AsyncGenerator[MessageProxy]:
    """Start a proxy on a loopback port."""
    proxy = MessageProxy(home_url)
    app = web.Application()
    app.router.add_get("/api/websocket", proxy.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield proxy
    finally:
        await runner.cleanup()
