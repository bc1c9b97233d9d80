"""The simulated home disconnects a slow client as Home Assistant does."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from hassette_core.simulation.home import SimulatedHome
from support.waiting import eventually, patience


@pytest.fixture
async def home() -> AsyncIterator[SimulatedHome]:
    async with SimulatedHome(speed=0) as home:
        yield home


async def subscribe(session: aiohttp.ClientSession, home: SimulatedHome) -> aiohttp.ClientWebSocketResponse:
    client = await session.ws_connect(f"{home.url}/api/websocket")
    await client.receive_json()
    await client.send_json({"type": "auth", "access_token": home.token})
    await client.receive_json()
    await client.send_json({"id": 1, "type": "subscribe_events"})
    await client.receive_json()
    return client


async def test_cut_closes_the_connection_in_an_orderly_way_without_any_waiting_message(home: SimulatedHome) -> None:
    """The real Home Assistant does the same: see tests/homeassistant/test_bursts.py."""
    async with aiohttp.ClientSession() as session:
        client = await subscribe(session, home)
        for number in range(5_000):
            home.core.fire("burst_event", {"n": number})
        async with asyncio.timeout(patience(10)):
            received = await client.receive()
        assert (received.type, received.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.OK)


async def test_client_with_4095_waiting_messages_receives_them_all(home: SimulatedHome) -> None:
    async with aiohttp.ClientSession() as session:
        client = await subscribe(session, home)
        for number in range(4_095):
            home.core.fire("burst_event", {"n": number})
        async with asyncio.timeout(patience(10)):
            numbers = [(await client.receive_json())["event"]["data"]["n"] for _ in range(4_095)]
        assert numbers == list(range(4_095))


async def test_broken_connection_ends_without_a_closing_message(home: SimulatedHome) -> None:
    async with aiohttp.ClientSession() as session:
        client = await subscribe(session, home)
        home.drop_connections()
        async with asyncio.timeout(patience(10)):
            received = await client.receive()
        assert received.type is not aiohttp.WSMsgType.CLOSE
        assert client.close_code != aiohttp.WSCloseCode.OK


async def test_home_that_starts_again_restores_its_states_with_new_times(home: SimulatedHome) -> None:
    home.core.change("light.hall", "on")
    before = dict(home.core.states)
    await home.stop()
    await home.start()
    await eventually(lambda: home.core.states["light.hall"]["last_changed"] > before["light.hall"]["last_changed"])
    for entity_id, state in home.core.states.items():
        assert (state["state"], state["attributes"]) == (before[entity_id]["state"], before[entity_id]["attributes"])
        assert state["last_updated"] > before[entity_id]["last_updated"]
