"""The simulated home answers as a real Home Assistant does: one suite over both, and what is left of difference.

Each question is put to a home through the link's own code (`HomeAssistantLink`, `Connection`, `Api`), but for what the
link never sends; the answer is written down with what differs from run to run replaced (ids, times, users, and the
names under which the two have the same kind of thing). `ANSWERS` holds what Home Assistant 2025.4.4 says.
"""

import asyncio
import dataclasses
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hassette_core.api import Api
from hassette_core.errors import CallFailedError
from hassette_core.events import Event, StateChanged
from hassette_core.link import HomeAssistantLink
from hassette_core.states import StateCache, States

pytestmark = pytest.mark.timeout(120)

ANSWERS = Path(__file__).with_name("answers_2025.4.4.json")
"""Written anew by HASSETTE_RECORD_ANSWERS=1 pytest tests/homeassistant/test_contract.py -m homeassistant."""

# What the real one does and the simulated one does not: nothing that Hassette uses.
KNOWN_DIFFERENCES = {
    "knows render_template",
    "knows subscribe_entities",
    "knows subscribe_trigger",
    "knows config/area_registry/list",
    "knows config/entity_registry/list",
    "serves /api/template",
    "describes the selectors of a service's fields",
    "translates its errors",
    "sends several messages as one to who can take it",
}


class Asker:
    """A link to a home, with an ear for its events."""

    def __init__(self, home: Any, link: HomeAssistantLink, heard: list[Event], states: States) -> None:
        self.home = home
        self.names = home.names
        self.link = link
        self.states = states
        self.api = Api(link)
        self._heard = heard
        self._changed = asyncio.Event()

    def tell(self, event: Event) -> None:
        self._heard.append(event)
        self._changed.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something to have been heard of."""
        async with asyncio.timeout(20):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def settle(self) -> None:
        """Wait until everything that was caused so far has been heard."""
        mark = await self.api.fire_event("contract_mark")
        await self.until(lambda: any(event.context.id == mark for event in self._heard))

    def heard(self) -> list[Event]:
        """Return what is heard of, in order, of the things with names; and forget it."""
        ours = {*dataclasses.astuple(self.names), "sensor.contract"}
        events = [
            event
            for event in self._heard
            if event.event_type != "contract_mark" and (not isinstance(event, StateChanged) or event.entity_id in ours)
        ]
        self._heard.clear()
        return events

    async def refusal(self, call: Awaitable[object]) -> str:
        """Return Home Assistant's words for not doing something."""
        try:
            await call
        except CallFailedError as error:
            return error.reason
        return "done"


@asynccontextmanager
async def asking(home: Any) -> AsyncIterator[Asker]:
    heard: list[Event] = []
    cache = StateCache()
    askers: list[Asker] = []
    link = HomeAssistantLink(home.url, home.token, cache=cache, on_event=lambda event: askers[0].tell(event))
    askers.append(Asker(home, link, heard, cache.states))
    async with link:
        await link.wait_ready()
        yield askers[0]


class Normaliser:
    """Replaces what differs from run to run and from home to home."""

    def __init__(self, names: Any) -> None:
        self._names = {value: f"<{name}>" for name, value in dataclasses.asdict(names).items()}
        self._contexts: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self(key): self(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self(item) for item in value]
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


def told(event: Event) -> list[Any]:
    """An event in short: what, about whom, from what to what, and its context's three ids."""
    if isinstance(event, StateChanged):
        what = [event.entity_id, event.old_state and event.old_state.state, event.new_state and event.new_state.state]
    else:
        what = [dict(event.data)]
    return [event.event_type, *what, list(event.context)]


# ---------------------------------------------------------------- questions


async def switching_a_boolean(asker: Asker) -> Any:
    await asker.api.call_service("input_boolean", "turn_off", target=asker.names.boolean)
    await asker.settle()
    asker.heard()
    result = await asker.api.call_service("input_boolean", "toggle", target=asker.names.boolean)
    await asker.settle()
    return [told(event) for event in asker.heard()] + [["result", result.context_id, result.response]]


async def switching_to_what_it_is(asker: Asker) -> Any:
    await asker.api.call_service("input_boolean", "turn_on", target=asker.names.boolean)
    await asker.settle()
    asker.heard()
    await asker.api.call_service("input_boolean", "turn_on", entity_id=[asker.names.boolean])
    await asker.settle()
    return [event.event_type for event in asker.heard()]


async def an_automation(asker: Asker) -> Any:
    await asker.api.call_service("input_boolean", "turn_off", target=asker.names.source)
    await asker.until(lambda: asker.states[asker.names.mirror].state == "off")
    await asker.settle()
    asker.heard()
    await asker.api.call_service("input_boolean", "turn_on", target=asker.names.source)
    await asker.until(lambda: asker.states[asker.names.mirror].state == "on")
    await asker.settle()
    heard = [event for event in asker.heard() if event.event_type != "call_service"]
    return [
        [
            event.event_type,
            sorted(event.data) if event.event_type != "state_changed" else told(event)[1:4],
            event.context,
        ]
        for event in heard
    ]


async def lighting(asker: Asker) -> Any:
    light = asker.names.light
    await asker.api.call_service("light", "turn_off", target=light)
    dark = asker.states[light]
    await asker.api.call_service("light", "turn_on", target={"entity_id": light}, brightness=1000)
    await asker.settle()
    bright = asker.states[light]
    await asker.api.call_service("light", "toggle", target=[light])
    await asker.settle()
    return [
        [dark.state, dark.attributes["brightness"]],
        [bright.state, bright.attributes["brightness"]],
        asker.states[light].state,
    ]


async def heating(asker: Asker) -> Any:
    climate = asker.names.climate
    said = []
    for service, data in (
        ("set_temperature", {"temperature": 22.5}),
        ("set_temperature", {"temperature": "warm"}),
        ("set_temperature", {}),
        ("set_hvac_mode", {"hvac_mode": "off"}),
        ("set_hvac_mode", {"hvac_mode": "heat"}),
        ("set_hvac_mode", {"hvac_mode": "nonsense"}),
        ("set_hvac_mode", {}),
    ):
        words = await asker.refusal(asker.api.call_service("climate", service, target=climate, **data))
        await asker.settle()
        state = asker.states[climate]
        said.append([words, state.state, state.attributes["temperature"]])
    too_hot = await asker.refusal(asker.api.call_service("climate", "set_temperature", target=climate, temperature=99))
    # The demo's heat pump thinks in other units.
    return [*said, re.sub(r"[\d.]+", "…", too_hot)]


async def refused_calls(asker: Asker) -> Any:
    boolean, weather = asker.names.boolean, asker.names.weather
    call = asker.api.call_service
    return [
        await asker.refusal(made)
        for made in (
            call("nonsense", "nonsense"),
            call("input_boolean", "nonsense", target=boolean),
            call("input_boolean", "turn_on"),
            call("input_boolean", "turn_on", target="input_boolean.missing"),
            call("input_boolean", "turn_on", target="nonsense"),
            call("input_boolean", "turn_on", target={"area_id": "nowhere"}),
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


async def fields_of_any_name(asker: Asker) -> Any:
    """Send fields that have the names of call_service's own parameters: each refusal shows that the field arrived."""
    boolean, call = asker.names.boolean, asker.api.call_service
    return [
        *[
            await asker.refusal(call("input_boolean", "turn_on", target=boolean, data={name: 1}))
            for name in ("self", "domain", "service", "target", "data", "return_response")
        ],
        await asker.refusal(call("input_boolean", "turn_on", target=boolean, domain=1)),
        await asker.refusal(call("input_boolean", "turn_on", target=boolean, service=1)),
    ]


async def asking_for_a_response(asker: Asker) -> Any:
    result = await asker.api.call_service(
        "weather", "get_forecasts", target=asker.names.weather, type="daily", return_response=True
    )
    return {entity_id: sorted(answer) for entity_id, answer in result.response.items()}


async def firing_events(asker: Asker) -> Any:
    asker.heard()
    contexts = [await asker.api.fire_event("contract_event", {"n": 1}), await asker.api.fire_event("contract_event")]
    await asker.settle()
    return [told(event) for event in asker.heard()] + [contexts]


async def writing_states(asker: Asker) -> Any:
    await asker.api.remove_state("sensor.contract")
    await asker.settle()
    asker.heard()
    answers = [
        await asker.api.set_state("sensor.contract", 1, {"a": [1, {"b": None}]}),
        await asker.api.set_state("sensor.contract", 1, {"a": [1, {"b": None}]}),
        await asker.api.set_state("sensor.contract", 1),
        await asker.api.get_state("sensor.contract"),
        await asker.api.remove_state("sensor.contract"),
        await asker.api.get_state("sensor.contract"),
        await asker.api.remove_state("sensor.contract"),
    ]
    await asker.settle()
    return [
        [[state.state, dict(state.attributes)] if isinstance(state, tuple) else state for state in answers],
        [told(event)[:4] for event in asker.heard()],
        [
            await asker.refusal(asker.api.set_state("Nonsense", "1")),
            await asker.refusal(asker.api.set_state("a.b", "1" * 256)),
        ],
    ]


async def the_shape_of_things(asker: Asker) -> Any:
    connection = asker.link.require_connection("look around")
    await asker.api.call_service("input_boolean", "toggle", target=asker.names.boolean)
    configuration = await connection.command("look", "get_config")
    services = await connection.command("look", "get_services")
    states = await connection.command("look", "get_states")
    boolean = next(state for state in states if state["entity_id"] == asker.names.boolean)
    asker.heard()
    await asker.api.call_service("input_boolean", "toggle", target=asker.names.boolean)
    await asker.settle()
    change = next(event for event in asker.heard() if isinstance(event, StateChanged))
    return {
        "configuration": {
            key: type(value).__name__ for key, value in sorted(configuration.items()) if key not in _OPTIONAL
        },
        "state": boolean | {"attributes": sorted(boolean["attributes"]), "state": "<state>"},
        "change": [sorted(change.data), sorted(change.data["new_state"]), sorted(change.data["new_state"]["context"])],
        "service": sorted(services["input_boolean"]["toggle"]),
    }


_OPTIONAL = ("external_url", "internal_url", "elevation", "latitude", "longitude")


async def rest(asker: Asker) -> Any:
    connection = asker.link.require_connection("ask over REST")
    answers = []
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
        ("POST", "/api/services/input_boolean/turn_off", {"entity_id": asker.names.boolean}),
        ("POST", "/api/services/input_boolean/nonsense", {}),
        ("POST", "/api/services/input_boolean/turn_off", {}),
        ("GET", "/api/nonsense", None),
        ("PUT", "/api/states/sensor.contract", {}),
    ):
        answer = await connection.rest("ask", method, path, body)
        answers.append(
            [method, path, answer.status, answer.body if answer.status != 200 else type(answer.body).__name__]
        )
    return answers


async def raw_commands(asker: Asker) -> Any:
    """What the link never sends, so past the link: refusals with their codes."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{asker.home.url}/api/websocket") as socket:
        greeting = await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": asker.home.token})
        answers: list[Any] = [sorted(greeting), sorted(await socket.receive_json())]
        for message in (
            {"id": 1, "type": "subscribe_events", "event_type": "contract_event"},
            {"id": 2, "type": "ping"},
            {"id": 2, "type": "ping"},
            {"id": 3, "type": "nonsense"},
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
            {"id": 12, "type": "call_service", "domain": "nonsense", "service": "nonsense"},
            {"id": 13, "type": "supported_features", "features": {}},
        ):
            await socket.send_json(message)
            answer = await socket.receive_json()
            if "error" in answer:
                answer["error"] = {key: answer["error"][key] for key in ("code", "message")}
            answers.append(answer)
        return answers


async def wrong_tokens(asker: Asker) -> Any:
    answers: list[Any] = []
    async with aiohttp.ClientSession() as session:
        for shown in ({"type": "auth", "access_token": "wrong"}, {"type": "auth"}, "nonsense"):
            async with session.ws_connect(f"{asker.home.url}/api/websocket") as socket:
                await socket.receive_json()
                await (socket.send_str(shown) if isinstance(shown, str) else socket.send_json(shown))
                received = await socket.receive()
                said = json.loads(received.data) if received.type is aiohttp.WSMsgType.TEXT else received.type.name
                answers.append(
                    [said, (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)]
                )
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            async with session.get(f"{asker.home.url}/api/", headers=headers) as response:
                answers.append([response.status, await response.text()])
    return answers


QUESTIONS: dict[str, Callable[[Asker], Awaitable[Any]]] = {
    question.__name__: question
    for question in (
        switching_a_boolean,
        switching_to_what_it_is,
        an_automation,
        lighting,
        heating,
        refused_calls,
        fields_of_any_name,
        asking_for_a_response,
        firing_events,
        writing_states,
        the_shape_of_things,
        rest,
        raw_commands,
        wrong_tokens,
    )
}


async def beyond_what_we_use(asker: Asker) -> dict[str, bool]:
    """Ask for what Hassette does not use: here the two may differ, if it is known."""
    connection = asker.link.require_connection("look further")
    can: dict[str, bool] = {}
    for command in (
        "get_config",
        "render_template",
        "subscribe_entities",
        "subscribe_trigger",
        "config/area_registry/list",
        "config/entity_registry/list",
    ):
        can[f"knows {command}"] = await asker.refusal(connection.command("look", command)) != "Unknown command."
    can["serves /api/template"] = (
        await connection.rest("look", "POST", "/api/template", {"template": "1"})
    ).status != 404
    services = await connection.command("look", "get_services")
    can["describes the selectors of a service's fields"] = "selector" in str(services["light"]["turn_on"])
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{asker.home.url}/api/websocket") as socket:
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": asker.home.token})
        await socket.receive_json()
        await socket.send_json({"id": 1, "type": "call_service", "domain": "nonsense", "service": "nonsense"})
        can["translates its errors"] = "translation_key" in (await socket.receive_json())["error"]
        await socket.send_json({"id": 2, "type": "supported_features", "features": {"coalesce_messages": 1}})
        await socket.receive_json()
        await socket.send_json({"id": 3, "type": "subscribe_events"})
        await socket.receive_json()
        await socket.send_json({"id": 4, "type": "fire_event", "event_type": "contract_event"})
        coalesced = isinstance(await socket.receive_json(), list)
        can["sends several messages as one to who can take it"] = coalesced
    return can


async def ask(home: Any, question: Callable[[Asker], Awaitable[Any]]) -> Any:
    async with asking(home) as asker:
        return Normaliser(home.names)(await question(asker))


# ---------------------------------------------------------------- claims


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_home_answers_as_home_assistant_2025_4_4_does(home: Any, question: str) -> None:
    answer = await ask(home, QUESTIONS[question])
    recorded = json.loads(ANSWERS.read_text())
    if os.environ.get("HASSETTE_RECORD_ANSWERS") and home.names.boolean == "input_boolean.test_1":
        recorded[question] = answer
        ANSWERS.write_text(json.dumps(recorded, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    assert answer == recorded[question]


@pytest.mark.homeassistant
async def test_the_simulated_home_differs_from_the_real_one_only_where_we_know(
    simulated: Any, real: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {
        question: (await ask(real.home, QUESTIONS[question]), await ask(simulated, QUESTIONS[question]))
        for question in QUESTIONS
    }
    ours, theirs = await ask(simulated, beyond_what_we_use), await ask(real.home, beyond_what_we_use)
    rows |= {facet: (theirs[facet], ours[facet]) for facet in theirs}
    with capsys.disabled():
        print("\n" + table(rows))
    assert {name for name, (one, other) in rows.items() if one != other} == KNOWN_DIFFERENCES


def table(rows: dict[str, tuple[Any, Any]]) -> str:
    """The comparison as a Markdown table; a boolean answer is shown, a longer one only as the same or not."""
    lines = ["| asked | Home Assistant 2025.4.4 | simulated home |", "|---|---|---|"]
    words = {True: "yes", False: "no"}
    for name, (real_answer, simulated_answer) in rows.items():
        if isinstance(real_answer, bool):
            lines.append(f"| {name} | {words[real_answer]} | {words[simulated_answer]} |")
        else:
            lines.append(
                f"| {name.replace('_', ' ')} | … | {'the same' if real_answer == simulated_answer else 'DIFFERENT'} |"
            )
    return "\n".join(lines)
