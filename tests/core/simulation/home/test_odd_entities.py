"""Services handle entities without attributes, entities with odd attributes, and states that a client wrote."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import aiohttp
import pytest

from hassette_core.clock import ManualClock
from hassette_core.errors import RefusedError
from hassette_core.simulation.home import HomeActivity, HomeCore, SimulatedHome
from hassette_core.simulation.home.activity.automation import AUTOMATION, SWITCH
from hassette_core.simulation.home.entities import add_entities
from hassette_core.simulation.home.services.registry import EntityCall, ServiceRegistry, SimulatedService
from hassette_core.simulation.home.services.table import SERVICES
from support.waiting import eventually

pytestmark = pytest.mark.heavy

ODD: list[Any] = [None, "x", "", -1, 0, 1e300, True, [], {}, ["a", 1]]
NAMES = (
    "brightness",
    "color_mode",
    "friendly_name",
    "min_temp",
    "max_temp",
    "temperature",
    "hvac_modes",
    "hvac_action",
    "current_position",
    "supported_features",
    "options",
    "min",
    "max",
    "duration",
    "percentage_step",
    "volume_level",
    "pattern",
    "entity_id",
)
SAMPLES: dict[str, Any] = {
    "area": ["hall"],
    "boolean": True,
    "date": "2026-03-01",
    "datetime": "2026-03-01 12:00:00",
    "duration": "00:00:05",
    "entity": ["media_player.other"],
    "number": 1,
    "object": {"light.other": "on"},
    "template": "on",
    "text": "1",
    "time": "12:00:00",
}
CHOICES = {
    "date": "2026-03-01",
    "object_id": "odd",
    "type": "daily",
    "repeat": "all",
    "direction": "forward",
    "hvac_mode": "heat",
}


class Client:
    """A WebSocket client of the home."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def call(self, domain: str, service: str, **fields: Any) -> dict[str, Any]:
        message = {"id": next(self._ids), "type": "call_service", "domain": domain, "service": service, **fields}
        await self._socket.send_json(message)
        answer = await self._socket.receive_json()  # fails if the home has closed the connection
        assert answer["id"] == message["id"]
        return answer


async def connect(session: aiohttp.ClientSession, home: SimulatedHome) -> Client:
    socket = await session.ws_connect(f"{home.url}/api/websocket")
    await socket.receive_json()
    await socket.send_json({"type": "auth", "access_token": home.token})
    await socket.receive_json()
    return Client(socket)


@pytest.fixture
async def home() -> AsyncIterator[SimulatedHome]:
    async with SimulatedHome(speed=0) as home:
        yield home


@pytest.fixture
async def client(home: SimulatedHome) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield await connect(session, home)


def sample_data(service: SimulatedService) -> dict[str, Any]:
    """Return a value for each required field, and for one of the fields of which one is required."""
    needed = [name for name, field in service.fields.items() if field.required or name in service.one_of[:1]]
    return {name: CHOICES.get(name, SAMPLES.get(service.fields[name].selector or "", "x")) for name in needed}


# A call of these services with sample data is refused for a reason that has nothing to do with attributes.
REFUSED = {"delete", "change", "create_event", "update_item", "remove_item", "set_datetime", "set_temperature"}


@pytest.mark.parametrize("domain", SERVICES)
async def test_service_answers_whatever_attributes_an_entity_has(domain: str) -> None:
    home = SimulatedHome(speed=0, version="2026.11.0", empty=True, clock=ManualClock())
    valid: set[str] = set()  # the services whose data the home has accepted, even if the service then failed
    home.core.listen("call_service", lambda event: valid.add(event["data"]["service"]))
    odd_attributes: list[dict[str, Any]] = [{}, *({name: value} for name in NAMES for value in ("x", None, 1e300))]
    odd_attributes += [dict.fromkeys(NAMES, value) for value in ODD]
    entity_id = f"{'light' if domain == 'homeassistant' else domain}.odd"
    for service, found in SERVICES[domain].items():
        if domain == "homeassistant" and service in ("restart", "stop"):
            continue
        target = {"entity_id": [entity_id]} if found.targeted or found.of_any_domain else {}
        data, wants_response, accepted = {**sample_data(found), **target}, found.response == "only", 0
        for attributes in odd_attributes:
            home.core.set(entity_id, "off", attributes)
            with contextlib.suppress(RefusedError):  # any other exception is a fault of the service
                home.services.call(domain, service, data, home.context(), return_response=wants_response)
                accepted += 1
        assert service in valid, f"{service} refuses the sample data {data}"
        assert accepted > 0 or service in REFUSED, service


async def test_light_without_attributes_is_switched(home: SimulatedHome, client: Client) -> None:
    home.core.set("light.lamp", "off")
    assert (await client.call("light", "turn_on", target={"entity_id": "light.lamp"}))["success"]
    assert home.core.states["light.lamp"]["state"] == "on"
    assert home.core.states["light.lamp"]["attributes"]["brightness"] == 255
    assert (await client.call("light", "toggle", target={"entity_id": "light.lamp"}))["success"]
    assert home.core.states["light.lamp"]["state"] == "off"


async def test_unavailable_entity_ignores_services(home: SimulatedHome, client: Client) -> None:
    home.core.change("light.hall", "unavailable")
    assert (await client.call("light", "turn_on", target={"entity_id": "light.hall"}))["success"]
    assert home.core.states["light.hall"]["state"] == "unavailable"
    home.core.change("light.hall", "off")
    assert (await client.call("light", "turn_on", target={"entity_id": "light.hall"}))["success"]
    assert home.core.states["light.hall"]["state"] == "on"


@pytest.mark.parametrize("field", ["brightness", "brightness_pct", "transition"])
async def test_number_that_overflows_does_not_close_the_connection(client: Client, field: str) -> None:
    answer = await client.call("light", "turn_on", target={"entity_id": "light.hall"}, service_data={field: 10**400})
    assert answer["success"] or answer["error"]["code"] == "invalid_format"
    assert (await client.call("light", "turn_on", target={"entity_id": "light.hall"}))["success"]


async def test_failing_service_of_the_home_is_an_unknown_error_and_the_connection_stays_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: EntityCall) -> None:
        raise KeyError("brightness")

    table = {"light": {"fail": SimulatedService(fail), "turn_off": SERVICES["light"]["turn_off"]}}
    async with (
        SimulatedHome(speed=0, make_services=lambda model: ServiceRegistry(model, table)) as home,
        aiohttp.ClientSession() as session,
    ):
        client = await connect(session, home)
        answer = await client.call("light", "fail", target={"entity_id": "light.hall"})
        assert answer["error"] == {"code": "unknown_error", "message": "Unknown error"}
        assert (await client.call("light", "turn_off", target={"entity_id": "light.hall"}))["success"]
    assert "Command failed; the connection stays open" in caplog.text


@pytest.mark.parametrize("write", ["write", "remove", "replace"])
def test_activity_goes_on_when_clients_overwrite_or_remove_all_states(write: str) -> None:
    core = HomeCore(Random(0))
    add_entities(core)
    activity = HomeActivity(core, Random(1), speed=60)
    now, changes = 0.0, 0

    def count(_: object) -> None:
        nonlocal changes
        changes += 1

    while now < 7_200:
        for entity_id in list(core.entities):
            if write == "remove":
                core.remove_state(entity_id)
            elif write == "write":
                core.write_state(entity_id, "strange")
            elif entity_id != "sensor.outdoor_temperature":
                core.set(entity_id, "strange", dict.fromkeys(NAMES, "x"))
        stop = core.listen("state_changed", count)
        now = activity.step()
        stop()
    assert changes > 50


def test_changed_state_of_a_client_becomes_an_entity() -> None:
    core = HomeCore(Random(0))
    core.write_state("light.lamp", "off", {"brightness": 5})
    assert "light.lamp" not in core.entities
    core.change("light.lamp", "on", color_mode="brightness")
    assert core.entities["light.lamp"] == ("on", {"brightness": 5, "color_mode": "brightness"})
    with pytest.raises(KeyError):
        core.change("light.missing", "on")


@pytest.mark.parametrize("state", ["unavailable", "maybe", ""])
async def test_automation_survives_a_state_that_its_switch_cannot_have(
    state: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with SimulatedHome(speed=0) as home:
        home.core.write_state("input_boolean.guests", state)
        await eventually(lambda: "Automation failed" in caplog.text)
        assert home.core.entities[AUTOMATION].attributes["current"] == 0
        home.core.change("input_boolean.guests", "on")
        await eventually(lambda: home.core.entities[SWITCH].state == "on")
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_automation_that_is_removed_after_its_trigger_does_not_run(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedHome(speed=0) as home:
        home.core.change("input_boolean.guests", "on")
        home.core.remove(AUTOMATION)
        for _ in range(5):
            await asyncio.sleep(0)
        assert home.core.entities[SWITCH].state == "off"
    assert caplog.records == []


async def test_case_of_a_service_and_of_an_entity_id_does_not_matter(home: SimulatedHome, client: Client) -> None:
    assert (await client.call("Light", "TURN_ON", target={"entity_id": "Light.HALL"}))["success"]
    assert home.core.states["light.hall"]["state"] == "on"
    assert (await client.call("homeassistant", "turn_off", service_data={"entity_id": "LIGHT.hall"}))["success"]
    assert home.core.states["light.hall"]["state"] == "off"


@pytest.mark.parametrize(
    ("version", "levels"),
    # As Home Assistant 2025.4.4 and 2026.11.0 answered.
    [("2025.4.4", [151, 49, 228, 103, 255, None]), ("2026.11.0", [150, 48, 227, 102, 255, None])],
)
async def test_step_of_the_brightness_is_rounded_as_in_the_version(version: str, levels: list[int | None]) -> None:
    async with SimulatedHome(speed=0, version=version) as home:
        found: list[int | None] = []
        for step in (20, -20, 50, 1, 100, -100):
            home.call("light.turn_on", "light.hall", brightness=100)
            home.call("light.turn_on", "light.hall", brightness_step_pct=step)
            found.append(home.core.states["light.hall"]["attributes"].get("brightness"))
    assert found == levels


async def test_service_of_any_domain_passes_its_fields_to_the_service_of_the_domain(
    home: SimulatedHome, client: Client
) -> None:
    light = {"entity_id": "light.hall"}
    assert (await client.call("homeassistant", "turn_on", target=light, service_data={"brightness": 33}))["success"]
    assert home.core.states["light.hall"]["attributes"]["brightness"] == 33
    switch = {"entity_id": "switch.coffee_machine"}
    for target, field in ((switch, "brightness"), (light, "no_such_field")):
        answer = await client.call("homeassistant", "turn_on", target=target, service_data={field: 33})
        assert answer["error"]["code"] == "invalid_format"


@pytest.mark.parametrize("body", ["null", "[]", "1", '"x"', "[" * 5_000, '{"state":'])
@pytest.mark.parametrize("path", ["states/light.hall", "services/light/turn_on", "events/my event"])
async def test_body_that_is_not_an_object_is_refused_and_changes_nothing(
    home: SimulatedHome, path: str, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = dict(home.core.states)
    headers = {"Authorization": f"Bearer {home.token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(f"{home.url}/api/{path}", data=body) as response:
            allowed = path != "states/light.hall" and body in ("null", "[]")  # for Home Assistant, both mean no data
            assert response.status == 400 or (allowed and response.status in (200, 400))
        async with session.get(f"{home.url}/api/states/Light.Hall") as response:
            assert response.status == 200
    assert home.core.states == before
    assert caplog.records == []
