"""The simulated home lives, the same way for the same seed; and its API keeps the promises that the contract needs."""

import asyncio
import errno
import re
from random import Random
from typing import Any

import aiohttp
import pytest

from hassette_core.simulation.home import HomeCore, Life, SimulatedHome
from hassette_core.simulation.home.house import furnish
from hassette_core.simulation.home.load import Load
from hassette_core.simulation.home.ulids import UlidSource


def live(seed: int, seconds: float, meddle: Any = None) -> list[tuple[float, str, str]]:
    """Let a house live for some of its own seconds, and return (when, entity, new state)."""
    core = HomeCore(Random(0))
    furnish(core)
    life = Life(core, Random(seed), speed=60)
    seen: list[tuple[float, str, str]] = []
    now = 0.0
    core.listen(
        "state_changed",
        lambda event: seen.append((now, event["data"]["entity_id"], event["data"]["new_state"]["state"])),
    )
    if meddle is not None:
        meddle(core)
    while now < seconds:
        now = life.step()
    return seen


def test_the_same_seed_brings_the_same_life_and_another_brings_another() -> None:
    day = 86_400
    assert live(1, day) == live(1, day)
    assert live(1, day) != live(2, day)


@pytest.mark.parametrize("seed", range(5))
def test_a_quarter_of_an_hour_gives_every_example_something_to_do(seed: int) -> None:
    """Fifteen seconds of demonstration: motion that ends, a door that stays open, a heated room with an open window."""
    seen = live(seed, 900)

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


def test_a_day_is_lived_without_a_room_freezing_or_boiling() -> None:
    temperatures = [
        float(new) for _, entity, new in live(3, 86_400) if entity.endswith("_temperature") and "outdoor" not in entity
    ]
    assert 5 < min(temperatures) < max(temperatures) < 26


def test_heating_that_is_turned_off_cools_the_room() -> None:
    def turn_off(core: HomeCore) -> None:
        core.change("climate.bedroom", "off", hvac_action="off")

    with_heating = [float(new) for _, entity, new in live(1, 6 * 3_600) if entity == "sensor.bedroom_temperature"]
    without = [float(new) for _, entity, new in live(1, 6 * 3_600, turn_off) if entity == "sensor.bedroom_temperature"]
    assert without[-1] < with_heating[-1] - 2


def test_lights_and_the_coffee_machine_show_in_the_power() -> None:
    def switch_on(core: HomeCore) -> None:
        core.change("light.hall", "on", brightness=255)
        core.change("switch.coffee_machine", "on")

    def first_watts(meddle: Any) -> float:
        return next(float(new) for _, entity, new in live(1, 300, meddle) if entity == "sensor.power")

    assert first_watts(switch_on) == pytest.approx(first_watts(None) + 959, abs=1)


def test_the_house_has_about_thirty_things_and_every_kind_that_an_example_needs() -> None:
    core = HomeCore(Random(0))
    furnish(core)
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
    times = iter([1_700_000_000_000_000_000, 1_700_000_000_001_000_000, 2**48 * 1_000_000 - 1])
    source = UlidSource(Random(1), lambda: next(times))
    made = [source() for _ in range(3)]
    assert made == sorted(made)
    assert all(re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", one) for one in made)
    assert made[2].startswith("7ZZZZZZZZZ")


def test_writing_what_is_there_already_is_no_event_and_last_changed_follows_the_state_only() -> None:
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
def test_what_is_no_entity_id_is_refused(entity_id: str) -> None:
    with pytest.raises(ValueError, match="Invalid entity ID specified"):
        HomeCore(Random(0)).set(entity_id, 1)


async def test_load_brings_as_many_events_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    core = HomeCore(Random(0))
    heard: list[Any] = []
    core.listen("state_changed", heard.append)
    load = Load(core, 1_000)
    loop = asyncio.get_running_loop()
    began = loop.time()
    pressing = asyncio.create_task(load.press())
    async with asyncio.timeout(10):
        while load.sent < 300:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.01)
    took = loop.time() - began
    pressing.cancel()
    assert load.sent == len(heard)
    assert took >= 0.3
    assert {event["data"]["entity_id"] for event in heard} == {f"sensor.load_{n}" for n in range(1, 11)}


async def test_a_home_that_serves_lives_and_one_at_speed_zero_does_not() -> None:
    async with SimulatedHome(speed=1_000) as lively, SimulatedHome(speed=0) as still:
        heard = asyncio.Event()
        lively.core.listen("state_changed", lambda event: heard.set())
        still.core.listen("*", lambda event: pytest.fail("something happened"))
        async with asyncio.timeout(10):
            await heard.wait()


async def test_a_taken_port_is_said_to_be() -> None:
    async with SimulatedHome(speed=0) as home:
        other = SimulatedHome(port=home.port, speed=0)
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{home.port}: ") as raised:
            await other.start()
        assert raised.value.errno == errno.EADDRINUSE
        await other.stop()


async def test_stopped_it_starts_again_on_the_same_port_with_its_states() -> None:
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


async def test_it_takes_no_json_that_home_assistant_does_not_take() -> None:
    """Taken in, a NaN would be among its states, and nobody who reads JSON strictly could fetch them any more."""
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


async def test_stop_hangs_up_on_a_client_though_the_home_hangs() -> None:
    async with aiohttp.ClientSession() as session:
        home = SimulatedHome(speed=0)
        await home.start()
        async with session.ws_connect(f"{home.url}/api/websocket") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": home.token})
            await socket.receive_json()
            home.hang()
            async with asyncio.timeout(10):
                await home.stop()
                assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
