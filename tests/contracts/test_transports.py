"""Every transport keeps the promises of `Transport` and `Channel`. The other side is the simulated home."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hassette_core.errors import UnreachableError
from hassette_core.link import Channel, ConnectionEnd, LivenessCheck, Transport, WebTransport, parse_address
from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.memory_transport import MemoryTransport
from support.waiting import patience

TRANSPORTS: dict[str, Callable[[SimulatedHome], Transport]] = {
    "web": lambda home: WebTransport(parse_address(home.url)),
    "memory": MemoryTransport,
}


@pytest.fixture
async def home() -> AsyncIterator[SimulatedHome]:
    async with SimulatedHome(speed=0) as home, asyncio.timeout(patience(20)):
        yield home


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest, home: SimulatedHome) -> Transport:
    return TRANSPORTS[request.param](home)


async def read(channel: Channel) -> dict[str, Any]:
    received = await channel.receive()
    assert isinstance(received, str), received
    return json.loads(received)


async def authenticated(transport: Transport, token: str) -> Channel:
    channel = await transport.open()
    assert (await read(channel))["type"] == "auth_required"
    await channel.send(json.dumps({"type": "auth", "access_token": token}))
    assert (await read(channel))["type"] == "auth_ok"
    return channel


async def test_texts_arrive_in_order_in_both_directions(home: SimulatedHome, transport: Transport) -> None:
    channel = await authenticated(transport, home.token)
    for number in range(1, 101):
        await channel.send(json.dumps({"id": number, "type": "ping"}))
    assert [(await read(channel))["id"] for _ in range(100)] == list(range(1, 101))
    assert not channel.closed
    await channel.close()


async def test_texts_that_arrive_before_they_are_read_are_kept(home: SimulatedHome, transport: Transport) -> None:
    channel = await authenticated(transport, home.token)
    await channel.send(json.dumps({"id": 1, "type": "subscribe_events"}))
    assert (await read(channel))["success"] is True
    for number in range(50):
        home.core.fire("burst", {"n": number, "text": "ä€😀"})
    events = [(await read(channel))["event"]["data"] for _ in range(50)]
    assert events == [{"n": number, "text": "ä€😀"} for number in range(50)]
    await channel.close()


async def test_more_texts_than_a_buffer_holds_arrive_in_order(home: SimulatedHome, transport: Transport) -> None:
    channel = await authenticated(transport, home.token)
    await channel.send(json.dumps({"id": 1, "type": "subscribe_events"}))
    assert (await read(channel))["success"] is True
    for number in range(1_000):
        home.core.fire("burst", {"n": number})
        await asyncio.sleep(0)
    assert [(await read(channel))["event"]["data"]["n"] for _ in range(1_000)] == list(range(1_000))
    await channel.close()


async def test_request_is_answered_with_status_and_text(home: SimulatedHome, transport: Transport) -> None:
    channel = await authenticated(transport, home.token)
    headers = {"Authorization": f"Bearer {home.token}"}
    answer = await channel.request("GET", "/api/states/light.hall", None, headers)
    assert (answer.status, json.loads(answer.text)["entity_id"]) == (200, "light.hall")
    answer = await channel.request("GET", "/api/states/light.no_such", None, headers)
    assert answer.status == 404
    answer = await channel.request("POST", "/api/states/sensor.made_up", '{"state": "42"}', headers)
    assert (answer.status, home.core.states["sensor.made_up"]["state"]) == (201, "42")
    assert (await channel.request("DELETE", "/api/states/sensor.made_up", None, headers)).status == 200
    assert (await channel.request("GET", "/api/states/light.hall", None, {"Authorization": "Bearer x"})).status == 401
    await channel.close()


async def test_lost_connection_ends_receive_and_refuses_texts(home: SimulatedHome, transport: Transport) -> None:
    channel = await authenticated(transport, home.token)
    receiving = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    home.drop_connections()
    end = await receiving
    assert isinstance(end, ConnectionEnd)
    assert (bool(end.cause), end.closed_by_home) == (True, False)
    assert isinstance(await channel.receive(), ConnectionEnd)
    assert channel.closed
    with pytest.raises(ConnectionError):
        await channel.send("{}")
    await channel.close()


async def test_closed_channel_refuses_texts_and_requests(home: SimulatedHome, transport: Transport) -> None:
    channel = await authenticated(transport, home.token)
    await channel.close()
    await channel.close()
    assert channel.closed
    with pytest.raises(ConnectionError):
        await channel.send("{}")
    with pytest.raises(ConnectionError):
        await channel.request("GET", "/api/", None, {})


async def test_closed_home_is_unreachable_until_it_starts_again(home: SimulatedHome, transport: Transport) -> None:
    await home.stop()
    with pytest.raises(UnreachableError):
        await transport.open()
    await home.start()
    channel = await authenticated(transport, home.token)
    await channel.close()


async def test_transport_opens_one_channel_after_another(home: SimulatedHome, transport: Transport) -> None:
    for _ in range(3):
        channel = await authenticated(transport, home.token)
        await channel.close()


async def test_link_finds_out_that_the_home_hangs(home: SimulatedHome, transport: Transport) -> None:
    channel = await authenticated(transport, home.token)

    async def ping() -> None:
        await channel.send('{"id": 1, "type": "ping"}')
        await channel.receive()

    check = LivenessCheck(ping, lambda: 0, interval_s=0, tick_s=0.01, pause=transport.pause)
    home.hang()
    assert await check.wait_until_silent() == "no answer to a ping for 0.1 s"
    home.wake()
    await channel.close()
