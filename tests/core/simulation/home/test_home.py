"""The simulated home: its activity, its states and events, and its server."""

import asyncio
import errno
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import aiohttp
import pytest

from hassette_core.clock import ManualClock
from hassette_core.simulation.home import HomeActivity, HomeCore, RestRequest, SimulatedHome
from hassette_core.simulation.home.activity.load import LoadGenerator
from hassette_core.simulation.home.core import UlidSource
from hassette_core.simulation.home.entities import add_entities
from support.waiting import eventually, patience


def simulate(
    seed: int, seconds: float, prepare: Callable[[HomeCore], None] | None = None
) -> list[tuple[float, str, str]]:
    """Run the activity for some simulated seconds, and return (time, entity, new state) of each change."""
    core = HomeCore(Random(0))
    add_entities(core)
    activity = HomeActivity(core, Random(seed), speed=60)
    seen: list[tuple[float, str, str]] = []
    now = 0.0
    core.listen(
        "state_changed",
        lambda event: seen.append((now, event["data"]["entity_id"], event["data"]["new_state"]["state"])),
    )
    if prepare is not None:
        prepare(core)
    while now < seconds:
        now = activity.step()
    return seen


def test_same_seed_leads_to_the_same_activity_and_another_seed_to_another() -> None:
    day = 86_400
    assert simulate(1, day) == simulate(1, day)
    assert simulate(1, day) != simulate(2, day)


@pytest.mark.parametrize("seed", range(5))
def test_fifteen_minutes_have_a_change_for_every_example_app(seed: int) -> None:
    """In fifteen seconds of the demo, motion ends, a door stays open, and a window is open in a heated room."""
    seen = simulate(seed, 900)

    def when(entity_id: str, state: str) -> list[float]:
        return [at for at, entity, new in seen if (entity, new) == (entity_id, state)]

    assert when("binary_sensor.hall_motion", "on")[0] < 60
    assert when("binary_sensor.hall_motion", "off")[0] < 180
    assert when("binary_sensor.front_door", "off")[0] - when("binary_sensor.front_door", "on")[0] > 400
    assert when("binary_sensor.living_room_window", "off")[0] - when("binary_sensor.living_room_window", "on")[0] > 400
    cooling = [float(new) for _, entity, new in seen if entity == "sensor.living_room_temperature"]
    assert min(cooling) < cooling[0] - 0.8
    assert len({entity.partition(".")[0] for _, entity, _ in seen}) >= 4
    assert len(seen) < 900 / 60 * 10, "a few events a second, no more"


def test_rooms_stay_between_5_and_26_degrees_for_a_day() -> None:
    temperatures = [
        float(new)
        for _, entity, new in simulate(3, 86_400)
        if entity.endswith("_temperature") and "outdoor" not in entity
    ]
    assert 5 < min(temperatures) < max(temperatures) < 26


def test_room_without_heating_cools_down() -> None:
    def turn_off(core: HomeCore) -> None:
        core.change("climate.bedroom", "off", hvac_action="off")

    with_heating = [float(new) for _, entity, new in simulate(1, 6 * 3_600) if entity == "sensor.bedroom_temperature"]
    without = [
        float(new) for _, entity, new in simulate(1, 6 * 3_600, turn_off) if entity == "sensor.bedroom_temperature"
    ]
    assert without[-1] < with_heating[-1] - 2


def test_lights_and_the_coffee_machine_add_to_the_power() -> None:
    def switch_on(core: HomeCore) -> None:
        core.change("light.hall", "on", brightness=255)
        core.change("switch.coffee_machine", "on")

    def first_watts(prepare: Callable[[HomeCore], None] | None) -> float:
        return next(float(new) for _, entity, new in simulate(1, 300, prepare) if entity == "sensor.power")

    assert first_watts(switch_on) == pytest.approx(first_watts(None) + 959, abs=1)


def test_home_has_30_to_40_entities_and_every_domain_that_an_example_needs() -> None:
    core = HomeCore(Random(0))
    add_entities(core)
    assert 30 <= len(core.states) <= 40
    domains = {entity_id.partition(".")[0] for entity_id in core.states}
    assert {
        "binary_sensor",
        "sensor",
        "light",
        "climate",
        "cover",
        "switch",
        "input_boolean",
        "person",
        "sun",
    } <= domains


def test_context_ids_are_ulids_that_sort_by_time() -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    times = iter([first, first + timedelta(milliseconds=1), datetime.max.replace(tzinfo=UTC)])
    source = UlidSource(Random(1), lambda: next(times))
    made = [source() for _ in range(3)]
    assert made == sorted(made)
    assert all(re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", ulid) for ulid in made)
    assert made[2].startswith("76EZ91ZPZZ")


def test_setting_the_same_state_fires_no_event_and_attributes_do_not_change_last_changed() -> None:
    core = HomeCore(Random(0))
    heard: list[Any] = []
    core.listen("*", heard.append)
    assert core.set("sensor.a", 1, {"x": 1}) is True
    assert core.set("sensor.a", "1", {"x": 1}) is False
    first = core.states["sensor.a"]
    core.set("sensor.a", 1, {"x": 2})
    second = core.states["sensor.a"]
    assert len(heard) == 2
    assert second["last_changed"] == first["last_changed"]
    assert second["last_updated"] > first["last_updated"]


@pytest.mark.parametrize(
    "entity_id", ["", "light", "Light.hall", "light.", ".hall", "light.a.b", "light._a", "light.a__b"]
)
def test_invalid_entity_id_is_refused(entity_id: str) -> None:
    with pytest.raises(ValueError, match="Invalid entity ID specified"):
        HomeCore(Random(0)).set(entity_id, 1)


async def test_load_generator_keeps_the_given_rate() -> None:
    core = HomeCore(Random(0))
    heard: list[Any] = []
    core.listen("state_changed", heard.append)
    load = LoadGenerator(core, 1_000)
    loop = asyncio.get_running_loop()
    began = loop.time()
    running = asyncio.create_task(load.run())
    await eventually(lambda: load.sent >= 300)
    took = loop.time() - began
    running.cancel()
    assert load.sent == len(heard)
    assert took >= 0.3
    assert {event["data"]["entity_id"] for event in heard} == {f"sensor.load_{n}" for n in range(1, 11)}


async def test_home_has_activity_except_at_speed_zero() -> None:
    async with SimulatedHome(speed=1_000) as active, SimulatedHome(speed=0) as still:
        heard = asyncio.Event()
        active.core.listen("state_changed", lambda event: heard.set())
        still.core.listen("*", lambda event: pytest.fail("something happened"))
        async with asyncio.timeout(patience(10)):
            await heard.wait()


class MemorySocket:
    """A client in the same process: queues in place of a socket."""

    def __init__(self, token: str, *commands: dict[str, Any]) -> None:
        self._to_home = [{"type": "auth", "access_token": token}, *commands]
        self.received: list[dict[str, Any]] = []
        self.closed = asyncio.Event()

    async def receive(self) -> str | None:
        if self._to_home:
            return json.dumps(self._to_home.pop(0))
        await self.closed.wait()
        return None

    async def send(self, text: str) -> None:
        self.received.append(json.loads(text))

    async def close(self) -> None:
        self.closed.set()

    def abort(self) -> None:
        self.closed.set()


async def test_client_in_the_same_process_needs_no_port_and_sees_the_times_of_the_given_clock() -> None:
    clock = ManualClock(datetime(2026, 3, 29, 0, 55, tzinfo=UTC))
    home = SimulatedHome(speed=0, clock=clock)
    socket = MemorySocket(home.token, {"id": 1, "type": "subscribe_events"})
    serving = asyncio.create_task(home.serve_client(socket))
    await eventually(lambda: len(socket.received) == 3)
    clock.advance(60)
    home.core.change("light.hall", "on")
    await eventually(lambda: len(socket.received) == 4)
    event = socket.received[3]["event"]
    assert event["time_fired"] == event["data"]["new_state"]["last_changed"] == "2026-03-29T00:56:00+00:00"
    answer = await home.answer(RestRequest("GET", "/api/states/light.hall", authorization=f"Bearer {home.token}"))
    assert (answer.status, json.loads(answer.text)["state"]) == (200, "on")
    assert (await home.answer(RestRequest("GET", "/api/states/light.hall"))).status == 401
    assert home.port == 0
    await socket.close()
    await serving


async def test_activity_follows_the_given_clock() -> None:
    clock = ManualClock()
    home = SimulatedHome(speed=1, clock=clock)
    changes: list[Any] = []
    home.core.listen("state_changed", changes.append)
    serving = asyncio.create_task(home.serve())
    await eventually(lambda: clock.waiting > 0)
    before = len(changes)
    clock.advance(3_600)
    await eventually(lambda: len(changes) > before + 20)
    await home.stop()
    await serving


async def test_error_for_a_taken_port_names_it() -> None:
    async with SimulatedHome(speed=0) as home:
        other = SimulatedHome(port=home.port, speed=0)
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{home.port}: ") as raised:
            await other.start()
        assert raised.value.errno == errno.EADDRINUSE
        await other.stop()


async def test_restart_keeps_the_port_and_the_states() -> None:
    home = SimulatedHome(speed=0)
    await home.start()
    port = home.port
    home.core.change("light.hall", "on")
    await home.stop()
    await home.stop()
    await home.start()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {home.token}"}) as session,
        session.get(f"{home.url}/api/states/light.hall") as response,
    ):
        assert (home.port, (await response.json())["state"]) == (port, "on")
    await home.stop()


async def test_json_that_home_assistant_refuses_is_refused() -> None:
    """If a NaN became a state, no client with a strict JSON parser could fetch the states."""
    async with SimulatedHome(speed=0) as home, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {home.token}", "Content-Type": "application/json"}
        for body in (b'{"state": "1", "attributes": {"a": NaN}}', b'{"state": "\\ud83d"}'):
            answer = await session.post(f"{home.url}/api/states/sensor.a", data=body, headers=headers)
            assert answer.status == 400
            assert await answer.json() == {"message": "Invalid JSON specified."}
        answer = await session.post(f"{home.url}/api/events/a", data=b'{"a": Infinity}', headers=headers)
        assert answer.status == 400
        async with session.ws_connect(f"{home.url}/api/websocket") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": home.token})
            await socket.receive_json()
            await socket.send_str('{"id": 1, "type": "fire_event", "event_type": "a", "event_data": {"a": NaN}}')
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_stop_disconnects_clients_of_a_hanging_home() -> None:
    async with aiohttp.ClientSession() as session:
        home = SimulatedHome(speed=0)
        await home.start()
        async with session.ws_connect(f"{home.url}/api/websocket") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": home.token})
            await socket.receive_json()
            home.hang()
            async with asyncio.timeout(patience(10)):
                await home.stop()
                assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
