"""Queries that a simulated home and a real Home Assistant answer in the same way."""

import dataclasses
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import quote

import aiohttp

from hassette_core.api import Api
from hassette_core.errors import CallFailedError
from hassette_core.events import Event, State, StateChanged
from hassette_core.link import HomeAssistantLink
from hassette_core.states import StateCache
from support.home_assistant import Endpoint, Names
from support.waiting import eventually


class HomeClient:
    """A link to a home, and the events that the link passed on."""

    def __init__(self, home: Endpoint) -> None:
        self.home = home
        self.names = home.names
        cache = StateCache()
        self.states = cache.states
        self._events: list[Event] = []
        self.link = HomeAssistantLink(home.url, home.token, cache=cache, on_event=self._events.append)
        self.api = Api(self.link)

    async def until(self, condition: Callable[[], bool]) -> None:
        await eventually(condition, within_s=20)

    async def settle(self) -> None:
        """Wait until every event that was fired so far has been passed on."""
        mark = await self.api.fire_event("contract_mark")
        await self.until(lambda: any(event.context.id == mark for event in self._events))

    def take_events(self) -> list[Event]:
        """Return the events about the named entities, and forget all events."""
        ours = {*dataclasses.astuple(self.names), "sensor.contract"}
        events = [
            event
            for event in self._events
            if event.event_type != "contract_mark" and (not isinstance(event, StateChanged) or event.entity_id in ours)
        ]
        self._events.clear()
        return events

    async def refusal(self, call: Awaitable[object]) -> str:
        """Return Home Assistant's message for a refused call, or ``done``."""
        try:
            await call
        except CallFailedError as error:
            return error.reason
        return "done"


@asynccontextmanager
async def connected(home: Endpoint) -> AsyncGenerator[HomeClient]:
    client = HomeClient(home)
    async with client.link:
        await client.link.wait_ready()
        yield client


class Normaliser:
    """Replaces values that differ between runs and between homes."""

    def __init__(self, names: Names) -> None:
        self._names = {value: f"<{name}>" for name, value in dataclasses.asdict(names).items()}
        self._contexts: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self(key): self(item) for key, item in cast("dict[Any, Any]", value).items()}
        if isinstance(value, list | tuple):
            return [self(item) for item in cast("Sequence[Any]", value)]
        if not isinstance(value, str):
            return value
        if re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", value):
            return self._contexts.setdefault(value, f"<context {len(self._contexts) + 1}>")
        if re.fullmatch(r"[0-9a-f]{32}", value):
            return "<user>"
        if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", value):
            return "<time>"
        for name, replacement in self._names.items():
            value = value.replace(name, replacement)
        return value


def ids(event: Event) -> list[str | None]:
    """Return the ids of the context."""
    return [event.context.id, event.context.parent_id, event.context.user_id]


def summary(event: Event) -> list[Any]:
    """Return the type of an event, the entity with its states or the data, and the ids of the context."""
    if isinstance(event, StateChanged):
        details = [
            event.entity_id,
            event.old_state and event.old_state.state,
            event.new_state and event.new_state.state,
        ]
    else:
        details = [dict(event.data)]
    return [event.event_type, *details, [event.context.id, event.context.parent_id, event.context.user_id]]


async def switching_a_boolean(client: HomeClient) -> Any:
    await client.api.call_service("input_boolean", "turn_off", target=client.names.boolean)
    await client.settle()
    client.take_events()
    result = await client.api.call_service("input_boolean", "toggle", target=client.names.boolean)
    await client.settle()
    return [summary(event) for event in client.take_events()] + [["result", result.context_id, result.response]]


async def switching_to_the_same_state(client: HomeClient) -> Any:
    await client.api.call_service("input_boolean", "turn_on", target=client.names.boolean)
    await client.settle()
    client.take_events()
    await client.api.call_service("input_boolean", "turn_on", entity_id=[client.names.boolean])
    await client.settle()
    return [event.event_type for event in client.take_events()]


async def automation(client: HomeClient) -> Any:
    await client.api.call_service("input_boolean", "turn_off", target=client.names.source)
    await client.until(lambda: client.states[client.names.mirror].state == "off")
    await client.settle()
    client.take_events()
    await client.api.call_service("input_boolean", "turn_on", target=client.names.source)
    await client.until(lambda: client.states[client.names.mirror].state == "on")
    await client.settle()
    events = [event for event in client.take_events() if event.event_type != "call_service"]
    return [
        [
            event.event_type,
            sorted(event.data) if event.event_type != "state_changed" else summary(event)[1:4],
            ids(event),
        ]
        for event in events
    ]


async def lighting(client: HomeClient) -> Any:
    light = client.names.light
    await client.api.call_service("light", "turn_off", target=light)
    dark = client.states[light]
    await client.api.call_service("light", "turn_on", target={"entity_id": light}, brightness=1000)
    await client.settle()
    bright = client.states[light]
    await client.api.call_service("light", "toggle", target=[light])
    await client.settle()
    return [
        [dark.state, dark.attributes["brightness"]],
        [bright.state, bright.attributes["brightness"]],
        client.states[light].state,
    ]


async def heating(client: HomeClient) -> Any:
    climate = client.names.climate
    outcomes: list[Any] = []
    calls: list[tuple[str, dict[str, Any]]] = [
        ("set_temperature", {"temperature": 22.5}),
        ("set_temperature", {"temperature": "warm"}),
        ("set_temperature", {}),
        ("set_hvac_mode", {"hvac_mode": "off"}),
        ("set_hvac_mode", {"hvac_mode": "heat"}),
        ("set_hvac_mode", {"hvac_mode": "bogus_name"}),
        ("set_hvac_mode", {}),
    ]
    for service, data in calls:
        outcome = await client.refusal(client.api.call_service("climate", service, target=climate, **data))
        await client.settle()
        state = client.states[climate]
        outcomes.append([outcome, state.state, state.attributes["temperature"]])
    too_hot = await client.refusal(
        client.api.call_service("climate", "set_temperature", target=climate, temperature=99)
    )
    # The numbers depend on the unit of the demo's heat pump.
    return [*outcomes, re.sub(r"[\d.]+", "…", too_hot)]


async def refused_calls(client: HomeClient) -> Any:
    boolean, weather = client.names.boolean, client.names.weather
    call = client.api.call_service
    return [
        await client.refusal(made)
        for made in (
            call("bogus_name", "bogus_name"),
            call("input_boolean", "bogus_name", target=boolean),
            call("input_boolean", "turn_on"),
            call("input_boolean", "turn_on", target="input_boolean.missing"),
            client.api.command(
                "call_service", domain="input_boolean", service="turn_on", target={"entity_id": "bogus_name"}
            ),
            call("input_boolean", "turn_on", target={"area_id": "no_such_area"}),
            call("input_boolean", "turn_on", target=boolean, bogus=1),
            call("input_boolean", "turn_on", target=boolean, return_response=True),
            call("light", "turn_on", target=boolean),
            call("cover", "set_cover_position", target="all", position=101),
            call("cover", "set_cover_position", target="all"),
            call("weather", "get_forecasts", target=weather, type="daily"),
            call("persistent_notification", "create"),
            call("persistent_notification", "create", message="hello"),
            call("homeassistant", "turn_off", target=boolean),
            call("homeassistant", "turn_off", target="input_boolean.missing"),
        )
    ]


async def fields_of_any_name(client: HomeClient) -> Any:
    """Send fields that are named like parameters of call_service. The refusal of a field proves that it arrived."""
    boolean, call = client.names.boolean, client.api.call_service
    return [
        *[
            await client.refusal(call("input_boolean", "turn_on", target=boolean, data={name: 1}))
            for name in ("self", "domain", "service", "target", "data", "return_response")
        ],
        await client.refusal(call("input_boolean", "turn_on", target=boolean, domain=1)),
        await client.refusal(call("input_boolean", "turn_on", target=boolean, service=1)),
    ]


async def asking_for_a_response(client: HomeClient) -> Any:
    result = await client.api.call_service(
        "weather", "get_forecasts", target=client.names.weather, type="daily", return_response=True
    )
    return {entity_id: sorted(answer) for entity_id, answer in result.response.items()}


async def firing_events(client: HomeClient) -> Any:
    client.take_events()
    contexts = [await client.api.fire_event("contract_event", {"n": 1}), await client.api.fire_event("contract_event")]
    await client.settle()
    return [summary(event) for event in client.take_events()] + [contexts]


async def event_types_of_any_form(client: HomeClient) -> Any:
    client.take_events()
    types = [
        "Doorbell pressed",
        "esphome.button Küche",
        " ",
        "tab\tand\nline",
        "按钮",
        "a[1]*?",
        "",
        "x" * 64,
        "x" * 65,
    ]
    # `fire_event` itself refuses the types without a character.
    outcomes = [
        await client.refusal(client.api.command("fire_event", event_type=event_type, event_data={}))
        for event_type in types
    ]
    await client.settle()
    connection = client.link.require_connection("fire over REST")
    statuses = [
        (await connection.rest("ask", "POST", f"/api/events/{quote(event_type)}", {})).status
        for event_type in ("Doorbell pressed", "x" * 64, "x" * 65)
    ]
    await client.settle()
    return [
        ["done" if re.fullmatch("[0-9A-Z]{26}", outcome) else outcome for outcome in outcomes],
        statuses,
        [event.event_type for event in client.take_events()],
    ]


async def writing_states(client: HomeClient) -> Any:
    await client.api.remove_state("sensor.contract")
    await client.settle()
    client.take_events()
    answers = [
        await client.api.set_state("sensor.contract", 1, {"a": [1, {"b": None}]}),
        await client.api.set_state("sensor.contract", 1, {"a": [1, {"b": None}]}),
        await client.api.set_state("sensor.contract", 1),
        await client.api.get_state("sensor.contract"),
        await client.api.remove_state("sensor.contract"),
        await client.api.get_state("sensor.contract"),
        await client.api.remove_state("sensor.contract"),
    ]
    await client.settle()
    return [
        [[state.state, dict(state.attributes)] if isinstance(state, State) else state for state in answers],
        [summary(event)[:4] for event in client.take_events()],
        [
            await client.refusal(client.api.rest("POST", "/api/states/Bogus", {"state": "1"})),
            await client.refusal(client.api.set_state("a.b", "1" * 256)),
        ],
    ]


async def services_after_a_client_wrote_the_state(client: HomeClient) -> Any:
    """Write or remove the states of real and made-up entities, without or with odd attributes; then call services."""
    names, call = client.names, client.api.call_service
    odd: dict[str, Any] = {
        "brightness": "x",
        "temperature": "warm",
        "hvac_modes": None,
        "min_temp": "low",
        "max_temp": [],
    }
    calls: list[tuple[str, str, str, dict[str, Any]]] = [
        (names.light, "light", "turn_off", {}),
        (names.light, "light", "turn_on", {"brightness_pct": 50}),
        (names.light, "light", "toggle", {}),
        (names.light, "light", "turn_on", {"brightness": 0}),
        (names.boolean, "input_boolean", "turn_on", {}),
        (names.boolean, "input_boolean", "toggle", {}),
        (names.automation, "automation", "turn_off", {}),
        (names.automation, "automation", "turn_on", {}),
        (names.climate, "climate", "set_temperature", {"temperature": 22.5}),
        (names.climate, "climate", "set_hvac_mode", {"hvac_mode": "off"}),
        (names.climate, "climate", "turn_on", {}),
        (names.climate, "climate", "turn_off", {}),
        (names.climate, "climate", "set_hvac_mode", {"hvac_mode": "heat"}),
    ]

    def shown(state: State | None) -> str:
        if state is None:
            return "no state"
        kinds = {
            name: "number" if type(value) in (int, float) else type(value).__name__
            for name, value in state.attributes.items()
        }
        return " ".join([state.state, *(f"{name}={kinds[name]}" for name in compared if name in kinds)])

    compared = ("brightness", "temperature", "min_temp", "hvac_modes", "editable")
    answers: list[Any] = []
    for entity_id, domain, service, data in calls:
        for target in (entity_id, f"{domain}.made_up"):
            for state, attributes in (("off", {}), ("unavailable", {}), ("strange", odd), (None, {})):
                if state is None:
                    await client.api.remove_state(target)
                else:
                    await client.api.set_state(target, state, attributes)
                await client.settle()
                outcome = await client.refusal(call(domain, service, target=target, **data))
                await client.settle()
                answers.append(f"{target} {service}, {state} before: {outcome}, {shown(client.states.get(target))}")
        await client.api.remove_state(f"{domain}.made_up")
    for entity_id in (names.weather, "weather.made_up"):
        await client.api.set_state(entity_id, "off")
        answers.append(await client.refusal(call("weather", "get_forecasts", target=entity_id, type="daily")))
        answers.append(
            await client.refusal(call("weather", "get_forecasts", target=entity_id, type="daily", return_response=True))
        )
    await client.api.remove_state("weather.made_up")
    return answers


async def fields_of_answers(client: HomeClient) -> Any:
    connection = client.link.require_connection("read fields")
    await client.api.call_service("input_boolean", "toggle", target=client.names.boolean)
    configuration = await connection.command("look", "get_config")
    services = await connection.command("look", "get_services")
    states = await connection.command("look", "get_states")
    boolean = next(state for state in states if state["entity_id"] == client.names.boolean)
    client.take_events()
    await client.api.call_service("input_boolean", "toggle", target=client.names.boolean)
    await client.settle()
    change = next(event for event in client.take_events() if isinstance(event, StateChanged))
    return {
        "configuration": {
            key: type(value).__name__ for key, value in sorted(configuration.items()) if key not in _OPTIONAL
        },
        "state": boolean | {"attributes": sorted(boolean["attributes"]), "state": "<state>"},
        "change": [sorted(change.data), sorted(change.data["new_state"]), sorted(change.data["new_state"]["context"])],
        "service": sorted(services["input_boolean"]["toggle"]),
    }


_OPTIONAL = ("external_url", "internal_url", "elevation", "latitude", "longitude")


async def rest(client: HomeClient) -> Any:
    connection = client.link.require_connection("ask over REST")
    answers: list[Any] = []
    for method, path, body in (
        ("GET", "/api/", None),
        ("GET", "/api/states/sensor.missing", None),
        ("POST", "/api/states/sensor.contract", {}),
        ("POST", "/api/states/sensor.contract", {"state": 1}),
        ("POST", "/api/states/sensor.contract", {"state": 2}),
        ("DELETE", "/api/states/sensor.contract", None),
        ("DELETE", "/api/states/sensor.contract", None),
        ("POST", "/api/events/contract_event", {"n": 1}),
        ("POST", "/api/events/contract_event", [1]),
        ("POST", "/api/services/input_boolean/turn_off", {"entity_id": client.names.boolean}),
        ("POST", "/api/services/input_boolean/bogus_name", {}),
        ("POST", "/api/services/input_boolean/turn_off", {}),
        ("GET", "/api/bogus_name", None),
        ("PUT", "/api/states/sensor.contract", {}),
    ):
        answer = await connection.rest("ask", method, path, body)
        answers.append(
            [method, path, answer.status, answer.body if answer.status != 200 else type(answer.body).__name__]
        )
    return answers


async def raw_commands(client: HomeClient) -> Any:
    """Send messages that the link never sends, and return the refusals with their codes."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{client.home.url}/api/websocket") as socket:
        greeting = await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": client.home.token})
        answers: list[Any] = [sorted(greeting), sorted(await socket.receive_json())]
        messages: list[dict[str, Any]] = [
            {"id": 1, "type": "subscribe_events", "event_type": "contract_event"},
            {"id": 2, "type": "ping"},
            {"id": 2, "type": "ping"},
            {"id": 3, "type": "bogus_name"},
            {"id": "x", "type": "ping"},
            {"id": 1_000},
            {"id": 4, "type": "unsubscribe_events", "subscription": 99},
            {"id": 5, "type": "unsubscribe_events"},
            {"id": 6, "type": "unsubscribe_events", "subscription": 1},
            {"id": 7, "type": "fire_event"},
            {"id": 8, "type": "fire_event", "event_type": 3},
            {"id": 9, "type": "call_service", "domain": "light"},
            {"id": 10, "type": "call_service", "domain": "light", "service": "turn_on", "service_data": 3},
            {"id": 11, "type": "call_service", "domain": "light", "service": "turn_on", "bogus": 3},
            {"id": 12, "type": "call_service", "domain": "bogus_name", "service": "bogus_name"},
            {"id": 13, "type": "supported_features", "features": {}},
        ]
        for message in messages:
            await socket.send_json(message)
            answer = await socket.receive_json()
            if "error" in answer:
                answer["error"] = {key: answer["error"][key] for key in ("code", "message")}
            answers.append(answer)
        return answers


async def wrong_tokens(client: HomeClient) -> Any:
    answers: list[Any] = []
    async with aiohttp.ClientSession() as session:
        for shown in ({"type": "auth", "access_token": "wrong"}, {"type": "auth"}, "bogus_name"):
            async with session.ws_connect(f"{client.home.url}/api/websocket") as socket:
                await socket.receive_json()
                await (socket.send_str(shown) if isinstance(shown, str) else socket.send_json(shown))
                received = await socket.receive()
                answer = json.loads(received.data) if received.type is aiohttp.WSMsgType.TEXT else received.type.name
                answers.append(
                    [answer, (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)]
                )
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            async with session.get(f"{client.home.url}/api/", headers=headers) as response:
                answers.append([response.status, await response.text()])
    return answers


QUERIES: dict[str, Callable[[HomeClient], Awaitable[Any]]] = {
    query.__name__: query
    for query in (
        switching_a_boolean,
        switching_to_the_same_state,
        automation,
        lighting,
        heating,
        refused_calls,
        fields_of_any_name,
        asking_for_a_response,
        firing_events,
        event_types_of_any_form,
        writing_states,
        services_after_a_client_wrote_the_state,
        fields_of_answers,
        rest,
        raw_commands,
        wrong_tokens,
    )
}
