"""A fake Home Assistant for one benchmark: it serves several clients, and sends prepared events to one of them."""

import asyncio
import json
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import WSMsgType, web

NOISE = 400
TIME = "2026-11-23T01:14:10.301321+00:00"
CONTEXT = {"id": "01JDABCDEFGHJKMNPQRSTVWXYZ", "parent_id": None, "user_id": None}
ATTRIBUTES = {
    "state_class": "measurement",
    "unit_of_measurement": "W",
    "device_class": "power",
    "icon": "mdi:flash",
    "friendly_name": "Power of the washing machine",
    "voltage": 229.8,
    "current": 0.61,
    "supported_features": 0,
}
CONFIGURATION = {
    "latitude": 52.37,
    "longitude": 4.89,
    "elevation": 2,
    "radius": 100,
    "unit_system": {"length": "km", "temperature": "°C", "mass": "g", "volume": "L", "pressure": "Pa"},
    "location_name": "Fake home",
    "time_zone": "Europe/Amsterdam",
    "components": ["api", "sensor"],
    "config_dir": "/config",
    "allowlist_external_dirs": [],
    "whitelist_external_dirs": [],
    "allowlist_external_urls": [],
    "version": "2026.11.0",
    "config_source": "storage",
    "recovery_mode": False,
    "safe_mode": False,
    "state": "RUNNING",
    "external_url": None,
    "internal_url": None,
    "currency": "EUR",
    "country": "NL",
    "language": "en",
    "debug": False,
}
# The answers to the commands that other frameworks send while they connect.
ANSWERS: dict[str, Any] = {"get_config": CONFIGURATION, "get_services": {}, "subscribe_events": None}


def state_of(entity_id: str, state: str) -> dict[str, Any]:
    """Return a state of an entity in Home Assistant's form."""
    times = {"last_changed": TIME, "last_reported": TIME, "last_updated": TIME}
    return {"entity_id": entity_id, "state": state, "attributes": ATTRIBUTES, **times, "context": CONTEXT}


class Frame(NamedTuple):
    """The text of an event of one entity, which has room for the new state."""

    before: str
    after: str

    @classmethod
    def of(cls, entity_id: str, subscription: int) -> "Frame":
        """Return the frame of one entity."""
        data = {"entity_id": entity_id, "old_state": state_of(entity_id, "1"), "new_state": state_of(entity_id, "@")}
        event = {
            "event_type": "state_changed",
            "data": data,
            "origin": "LOCAL",
            "time_fired": TIME,
            "context": CONTEXT,
        }
        message = {"id": subscription, "type": "event", "event": event}
        before, after = json.dumps(message, separators=(",", ":")).split("@")
        return cls(before, after)


class Client:
    """The connection of one contender."""

    def __init__(self, listeners: int, *, coalesces: bool) -> None:
        self._listeners = listeners
        self._may_coalesce = coalesces
        self._coalesces = False
        self._socket: web.WebSocketResponse | None = None
        self._matching: list[Frame] = []
        self._noise: list[Frame] = []
        self._sent = 0

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Answer all commands until the client disconnects."""
        async for received in socket:
            if received.type is WSMsgType.TEXT:
                sent = json.loads(received.data)
                for message in sent if isinstance(sent, list) else [sent]:
                    await socket.send_str(json.dumps(self._answer(socket, message)))

    def _answer(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> dict[str, Any]:
        number, kind = message["id"], message["type"]
        if kind == "ping":
            return {"id": number, "type": "pong"}
        if kind == "supported_features":
            self._coalesces = self._may_coalesce and bool(message["features"].get("coalesce_messages"))
        if kind == "subscribe_events" and message.get("event_type", "state_changed") == "state_changed":
            self._socket = socket
            self._matching = [Frame.of(f"sensor.matching_{n}", number) for n in range(self._listeners)]
            self._noise = [Frame.of(f"sensor.noise_{n}", number) for n in range(NOISE)]
        result: Any = ANSWERS.get(kind, [])
        if kind == "get_states":
            result = self.states()
        return {"id": number, "type": "result", "success": True, "result": result}

    def states(self) -> list[dict[str, Any]]:
        """Return all states."""
        matching = [state_of(f"sensor.matching_{n}", "1") for n in range(self._listeners)]
        return [*matching, *(state_of(f"sensor.noise_{n}", "1") for n in range(NOISE))]

    async def send(self, count: int, *, noise: int = 0, report: bool = False) -> None:
        """Send events, as fast as the socket allows.

        Args:
            count: Number of events with a listener.
            noise: Number of events without a listener, before the others.
            report: Whether the last event asks the contender for a report.
        """
        frames = [self._noise[self._next() % NOISE] for _ in range(noise)]
        frames += [self._matching[self._next() % 100] for _ in range(count)]
        last = len(frames) - 1
        texts = [
            f"{frame.before}{time.monotonic_ns()}{'!' * (report and position == last)}{frame.after}"
            for position, frame in enumerate(frames)
        ]
        assert self._socket is not None
        if self._coalesces and len(texts) > 1:
            await self._socket.send_str(f"[{','.join(texts)}]")
            return
        for text in texts:
            await self._socket.send_str(text)

    def _next(self) -> int:
        self._sent += 1
        return self._sent


class FakeHome:
    """Serves all contenders at one address. The token of a contender is its name.

    Attributes:
        url: The address.
        report_port: The port to which the contenders send their reports.
        clients: The connection of each contender.
    """

    def __init__(self, listeners: dict[str, int], *, coalesces: bool) -> None:
        self.url = ""
        self.clients = {name: Client(count, coalesces=coalesces) for name, count in listeners.items()}
        self._reports: defaultdict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)
        self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._receiver.setblocking(False)
        self._receiver.bind(("127.0.0.1", 0))
        self.report_port = self._receiver.getsockname()[1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeHome"]:
        """Serve the contenders."""
        app = web.Application()
        app.router.add_get("/api/websocket", self._serve)
        app.router.add_get("/api/config", lambda request: _json(CONFIGURATION))
        app.router.add_get("/api/states", self._states)
        app.router.add_route("*", "/api/{rest:.*}", lambda request: _json({}))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        loop = asyncio.get_running_loop()
        loop.add_reader(self._receiver, self._receive_report)
        try:
            yield self
        finally:
            loop.remove_reader(self._receiver)
            self._receiver.close()
            await runner.cleanup()

    def _receive_report(self) -> None:
        report = json.loads(self._receiver.recv(65_536))
        self._reports[report["contender"]].put_nowait(report)

    async def report_of(self, name: str, timeout_s: float) -> dict[str, Any]:
        """Return the next report of a contender.

        Raises:
            TimeoutError: There was no report in time.
        """
        async with asyncio.timeout(timeout_s):
            return await self._reports[name].get()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        # The fake home must not spend time on compression, and Home Assistant's clients rarely ask for it.
        socket = web.WebSocketResponse(max_msg_size=0, compress=False)
        await socket.prepare(request)
        await socket.send_str(json.dumps({"type": "auth_required", "ha_version": "2026.11.0"}))
        name = (await socket.receive_json())["access_token"]
        await socket.send_str(json.dumps({"type": "auth_ok", "ha_version": "2026.11.0"}))
        await self.clients[name].serve(socket)
        return socket

    async def _states(self, request: web.Request) -> web.Response:
        name = request.headers["Authorization"].removeprefix("Bearer ")
        return web.json_response(self.clients[name].states())


async def _json(content: Any) -> web.Response:
    return web.json_response(content)
