"""Bursts and interruptions with a real Home Assistant: no run of a quick handler is lost, and a cut is counted."""

import asyncio
import json
import socket
import time
import urllib.request
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest

from hassette_core.bus import AppBus, BusService
from hassette_core.events import StateChanged
from hassette_core.link import HomeAssistantLink
from hassette_core.states import Observation, StateCache
from hassette_executor import CommandExecutor, MemorySink
from support.home_assistant import RealHomeAssistant
from support.waiting import eventually, patience

pytestmark = [pytest.mark.homeassistant, pytest.mark.timeout(300)]

BURSTS = 5
BURST = 1_500


class RealBus:
    """A bus that is linked to a real Home Assistant."""

    def __init__(self, real: RealHomeAssistant) -> None:
        self.real = real
        self.reports: list[tuple[str, str, str]] = []
        self.losses: list[tuple[str, str, int]] = []
        self.executor = CommandExecutor(MemorySink())
        cache, observation = StateCache(), Observation()
        self.states = cache.states
        self.service = BusService(self.executor, states=cache.states, observation=observation, grace_s=0.5)
        self.bus = AppBus(self.service, "app", "one")
        self.link = HomeAssistantLink(
            real.home.url,
            real.home.token,
            cache=cache,
            on_event=self.service.dispatch,
            observation=observation,
            report=lambda kind, subject, detail: self.reports.append((kind, subject, detail)),
            count_loss=lambda reason, what, count, first_us, last_us: self.losses.append((reason, what, count)),
        )

    def post(self, path: str, **body: object) -> None:
        """Send a REST request from any thread."""
        request = urllib.request.Request(
            self.real.home.url + path,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.real.home.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=patience(60)) as answer:
            answer.read()

    async def set_states(self, name: str, count: int) -> None:
        """Change many entities as fast as Home Assistant can."""
        numbers = iter(range(count))
        headers = {"Authorization": f"Bearer {self.real.home.token}"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def change_some() -> None:
                for number in numbers:
                    url = f"{self.real.home.url}/api/states/sensor.{name}_{number}"
                    async with session.post(url, json={"state": str(number)}) as answer:
                        assert answer.status in (200, 201)

            await asyncio.gather(*(change_some() for _ in range(20)))


@pytest.fixture
async def linked(real: RealHomeAssistant) -> AsyncIterator[RealBus]:
    linked = RealBus(real)
    async with linked.executor, linked.service, linked.link:
        await linked.link.wait_ready()
        yield linked


async def empty() -> None: ...


async def test_five_bursts_of_1500_events_cost_no_run(linked: RealBus) -> None:
    linked.bus.on_event(empty, "burst_event")
    linked.bus.on_event(empty, "burst_event", name="queued", mode="queued")
    for number in range(BURSTS):
        await asyncio.to_thread(linked.post, "/api/services/script/turn_on", **burst_of(BURST))
        await eventually(lambda n=number: linked.executor.accounting().executed == 2 * BURST * (n + 1), 60)
    assert linked.reports == []


async def test_five_bursts_of_1500_changes_cost_no_run(linked: RealBus) -> None:
    linked.bus.on_state_change(empty, "sensor.burst_*")
    for number in range(BURSTS):
        await linked.set_states(f"burst_{number}", BURST)
    await eventually(lambda: linked.executor.accounting().executed == BURSTS * BURST, 60)
    assert linked.reports == []


def burst_of(count: int) -> dict[str, object]:
    return {"entity_id": "script.burst", "variables": {"count": count}}


def block(seconds: float) -> None:
    time.sleep(seconds)


async def test_events_that_wait_while_the_event_loop_is_blocked_for_12_s_cost_no_run(linked: RealBus) -> None:
    linked.bus.on_event(empty, "burst_event")
    bursts = asyncio.create_task(asyncio.to_thread(linked.post, "/api/services/script/turn_on", **burst_of(BURST)))
    await asyncio.sleep(0)  # the thread starts, and sends the request while the event loop is blocked
    block(12)
    await bursts
    await eventually(lambda: linked.executor.accounting().executed == BURST, 60)
    assert (linked.reports, linked.losses) == ([], [])


async def test_cut_of_a_blocked_reader_is_counted_and_its_changes_are_delivered(linked: RealBus) -> None:
    seen: dict[str, str] = {}

    async def handler(event: StateChanged) -> None:
        assert event.new_state is not None
        seen[event.entity_id] = event.new_state.state

    await linked.set_states("cut", 50)
    linked.bus.on_state_change(handler, "sensor.cut_*")

    def fill_buffers_and_burst() -> None:
        # The operating system stores about ten megabytes of unread messages. Only after that do messages wait
        # in Home Assistant.
        for number in range(800):
            linked.post("/api/states/sensor.large", state=str(number), attributes={"text": f"{number} " + 8_000 * "x"})
        for _ in range(3):
            linked.post("/api/services/script/turn_on", **burst_of(3_900))
        for number in range(50):
            linked.post(f"/api/states/sensor.cut_{number}", state="after")

    firing = asyncio.create_task(asyncio.to_thread(fill_buffers_and_burst))
    await asyncio.sleep(0)
    block(12)
    await firing
    await eventually(lambda: linked.losses, 60)
    ((reason, what, count),) = linked.losses
    # If the client reads the close too late, the lower bound is only the number of changed entities.
    assert (reason, what, count >= 50) == ("slow_reader", "events", True)
    assert "the event loop of Hassette was blocked for" in linked.reports[0][2]
    assert [kind for kind, *_ in linked.reports] == ["connection_lost", "connection_restored", "events_lost"]
    await eventually(lambda: set(seen.values()) == {"after"} and len(seen) == 50)


def seconds_until_open(url: str) -> float:
    """Wait until a port accepts connections, and return the time of the monotonic clock."""
    address = urlsplit(url)
    until = time.monotonic() + patience(90)
    while time.monotonic() < until:
        try:
            with socket.create_connection((address.hostname, address.port), timeout=0.2):
                return time.monotonic()
        except OSError:
            time.sleep(0.01)
    pytest.fail("Home Assistant did not come back")


@pytest.mark.parametrize("how", ["restart", "kill"])
async def test_link_is_connected_within_3_s_of_home_assistant_accepting_connections(
    real: RealHomeAssistant, linked: RealBus, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "kill":
        real.kill()
        await eventually(lambda: linked.reports, 30)
        opening = asyncio.create_task(asyncio.to_thread(seconds_until_open, real.home.url))
        back = asyncio.create_task(asyncio.to_thread(real.bring_back))
    else:
        back = asyncio.create_task(asyncio.to_thread(real.restart))
        await eventually(lambda: linked.reports, 30)
        await asyncio.to_thread(wait_closed, real.home.url)
        opening = asyncio.create_task(asyncio.to_thread(seconds_until_open, real.home.url))
    await eventually(lambda: linked.link.connected and opening.done(), 90)
    connected = time.monotonic()
    await eventually(lambda: linked.link.ready.is_set(), 60)
    ready = time.monotonic()
    opened = await opening
    await back
    with capsys.disabled():
        print(f"\n{how}: connected {connected - opened:.2f} s and ready {ready - opened:.2f} s after the port was open")
    assert connected - opened < patience(3)
    assert linked.losses == []
    assert [kind for kind, *_ in linked.reports] == ["connection_lost", "connection_restored"]


def wait_closed(url: str) -> None:
    address = urlsplit(url)
    until = time.monotonic() + patience(60)
    while time.monotonic() < until:
        try:
            socket.create_connection((address.hostname, address.port), timeout=0.2).close()
        except OSError:
            return
        time.sleep(0.01)


async def test_cut_closes_the_connection_in_an_orderly_way_without_any_waiting_message(
    real: RealHomeAssistant, linked: RealBus
) -> None:
    """`tests/core/simulation/home/test_cut.py` checks the same for the simulated home."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{real.home.url}/api/websocket") as client:
        await client.receive_json()
        await client.send_json({"type": "auth", "access_token": real.home.token})
        await client.receive_json()
        await client.send_json({"id": 1, "type": "subscribe_events", "event_type": "burst_event"})
        await client.receive_json()
        await asyncio.to_thread(linked.post, "/api/services/script/turn_on", **burst_of(5_000))
        async with asyncio.timeout(patience(30)):
            received = await client.receive()
        assert (received.type, received.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.OK)
