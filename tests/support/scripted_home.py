"""A Home Assistant in memory that follows the script of a test, and keeps every message that it receives."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hassette_core.api import Api
from hassette_core.clock import ManualClock
from hassette_core.link import ConnectionEnd, HomeAssistantLink
from hassette_core.link.reads import check_request, check_text
from hassette_core.link.transport import HttpAnswer
from hassette_core.states import StateCache, States
from hassette_executor import ServiceCall

Json = dict[str, Any]
NOW = "2026-06-01T10:00:00+00:00"


class RefusedCommandError(Exception):
    """The scripted home answers with an error: code and message."""


class ScriptedHome:
    """A transport whose other side is a script.

    Attributes:
        received: The messages of the WebSocket, without authentication and pings.
        requests: The HTTP requests: method, path and body.
        answers: Functions that answer a command by its type. A function returns the result, or raises
            `RefusedCommandError`. An `asyncio.Future` as the result never answers.
        http: Functions that answer a request by method and path.
        states: All states by entity id.
        opened: How often a channel was opened.
        in_process: True, because the home runs in the event loop of the test.
    """

    in_process = True

    def __init__(self, states: Mapping[str, str] | None = None) -> None:
        self.received: list[Json] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.states: dict[str, Json] = {}
        self.opened = 0
        self._contexts = count(1)
        self._channel: _ScriptedChannel | None = None
        self.answers: dict[str, Callable[[Json], Any]] = {
            "get_config": lambda message: {"state": "RUNNING", "version": "2026.11.0", "time_zone": "Europe/Berlin"},
            "get_states": lambda message: list(self.states.values()),
            "subscribe_events": lambda message: None,
            "unsubscribe_events": lambda message: None,
            "call_service": lambda message: {"context": self.context()},
            "fire_event": lambda message: {"context": self.context()},
        }
        self.http: dict[tuple[str, str], Callable[[Any], HttpAnswer]] = {}
        for entity_id, state in (states or {}).items():
            self.states[entity_id] = self._state(entity_id, state, {})

    def context(self) -> Json:
        """Return a new context."""
        return {"id": f"C{next(self._contexts)}", "parent_id": None, "user_id": "hassette"}

    def _state(self, entity_id: str, state: str, attributes: Mapping[str, Any]) -> Json:
        times = dict.fromkeys(("last_changed", "last_updated", "last_reported"), NOW)
        return {
            "entity_id": entity_id,
            "state": state,
            "attributes": dict(attributes),
            **times,
            "context": self.context(),
        }

    def sent(self, command: str) -> list[Json]:
        """Return the received messages of one type."""
        return [message for message in self.received if message["type"] == command]

    def change(self, entity_id: str, state: str | None, **attributes: Any) -> None:
        """Change a state and send the event. None removes the state."""
        old = self.states.pop(entity_id, None)
        new = None if state is None else self._state(entity_id, state, attributes)
        if new is not None:
            self.states[entity_id] = new
        self.fire("state_changed", {"entity_id": entity_id, "old_state": old, "new_state": new})

    def fire(self, event_type: str, data: Json) -> None:
        """Send an event to the last subscriber of all events."""
        for message in [each for each in self.sent("subscribe_events") if "event_type" not in each][-1:]:
            event = {"event_type": event_type, "data": data, "origin": "LOCAL", "time_fired": NOW}
            self.send_event(message["id"], {**event, "context": self.context()})

    def send_event(self, number: int, event: Any) -> None:
        """Send a message to a subscription."""
        self.send({"id": number, "type": "event", "event": event})

    def send(self, message: Json) -> None:
        """Send any message."""
        if self._channel is not None:
            self._channel.texts.put_nowait(json.dumps(message))

    def cut(self) -> None:
        """Break the connection."""
        if self._channel is not None:
            self._channel.end("the scripted home broke the connection")

    async def pause(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)

    async def open(self) -> "_ScriptedChannel":
        """Open a channel."""
        self.opened += 1
        self._channel = _ScriptedChannel(self)
        self.send({"type": "auth_required", "ha_version": "2026.11.0"})
        return self._channel

    def receive(self, message: Json) -> None:
        """Answer a message."""
        kind, number = message["type"], message.get("id")
        if kind == "auth":
            self.send({"type": "auth_ok", "ha_version": "2026.11.0"})
            return
        if kind == "ping":
            self.send({"id": number, "type": "pong"})
            return
        self.received.append(message)
        if kind not in self.answers:
            self._refuse(number, "unknown_command", "Unknown command.")
            return
        try:
            result = self.answers[kind](message)
        except RefusedCommandError as error:
            self._refuse(number, *error.args)
            return
        if not isinstance(result, asyncio.Future):
            self.send({"id": number, "type": "result", "success": True, "result": result})

    def _refuse(self, number: Any, code: str, text: str) -> None:
        error = {"code": code, "message": text}
        self.send({"id": number, "type": "result", "success": False, "error": error})


class _ScriptedChannel:
    def __init__(self, home: ScriptedHome) -> None:
        self._home = home
        self.texts: asyncio.Queue[str | ConnectionEnd] = asyncio.Queue()
        self.closed = False

    def end(self, cause: str) -> None:
        self.closed = True
        self.texts.put_nowait(ConnectionEnd(cause))

    async def send(self, text: str) -> None:
        check_text(text)
        if self.closed:
            raise ConnectionResetError("closed")
        self._home.receive(json.loads(text))

    async def receive(self) -> str | ConnectionEnd:
        return await self.texts.get()

    async def request(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> HttpAnswer:
        check_request(method, path)
        given = None if body is None else json.loads(body)
        self._home.requests.append((method, path, given))
        answer = self._home.http.get((method, path))
        return HttpAnswer(404, '{"message": "Not found."}') if answer is None else answer(given)

    async def close(self) -> None:
        self.closed = True


@dataclass
class ScriptedApi:
    """A scripted Home Assistant, an API to it, and the service calls that the API recorded."""

    home: ScriptedHome
    link: HomeAssistantLink
    states: States
    clock: ManualClock
    api: Api
    recorded: list[ServiceCall] = field(default_factory=list[ServiceCall])

    async def pass_time(self, seconds: float) -> None:
        """Let all tasks run, and move the clock."""
        await self.settle()
        self.clock.advance(seconds)
        await self.settle()

    async def settle(self) -> None:
        """Let all tasks run until they wait for time."""
        for _ in range(25):
            await asyncio.sleep(0)


@asynccontextmanager
async def scripted(home: ScriptedHome) -> AsyncGenerator[ScriptedApi]:
    """Connect an API to a scripted Home Assistant."""
    cache, clock, recorded = StateCache(), ManualClock(), list[ServiceCall]()
    link = HomeAssistantLink(
        "http://127.0.0.1:1", "token", cache=cache, on_event=lambda event: None, transport=home, clock=clock
    )
    async with link:
        await link.wait_ready()
        api = Api(link, clock=clock, record=recorded.append)
        yield ScriptedApi(home, link, cache.states, clock, api, recorded)
