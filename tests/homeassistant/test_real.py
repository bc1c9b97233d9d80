"""The link and the API with a real Home Assistant, which is also killed, restarted and suspended."""

import asyncio
import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest

from hassette_core.api import Api
from hassette_core.errors import AuthenticationError, NotConnectedError
from hassette_core.events import Event, StateChanged
from hassette_core.link import HomeAssistantLink
from hassette_core.states import StateCache
from support.home_assistant import RealHomeAssistant
from support.waiting import eventually, patience

pytestmark = [pytest.mark.homeassistant, pytest.mark.timeout(180)]


class RealLink:
    """A link to a real Home Assistant, with its events and reports."""

    def __init__(self, url: str, token: str) -> None:
        self.events: list[Event] = []
        self.reports: list[tuple[str, str, str]] = []
        cache = StateCache()
        self.states = cache.states
        self.link = HomeAssistantLink(url, token, cache=cache, on_event=self.events.append, report=self._report)
        self.api = Api(self.link)

    def _report(self, kind: str, subject: str, detail: str) -> None:
        self.reports.append((kind, subject, detail))

    async def change_of(self, entity_id: str, state: str) -> StateChanged:
        """Wait until an entity changes to a state, and return the newest such change."""

        def find() -> list[StateChanged]:
            return [
                event
                for event in self.events
                if isinstance(event, StateChanged)
                and event.entity_id == entity_id
                and event.new_state is not None
                and event.new_state.state == state
            ]

        return (await eventually(find, within_s=20))[-1]


@pytest.fixture
async def linked(real: RealHomeAssistant) -> AsyncIterator[RealLink]:
    linked = RealLink(real.home.url, real.home.token)
    async with linked.link:
        await linked.link.wait_ready()
        yield linked


async def test_toggle_through_the_rest_api_arrives_with_states_and_context(
    real: RealHomeAssistant, linked: RealLink
) -> None:
    await linked.api.call_service("input_boolean", "turn_off", target="input_boolean.test_1")
    await eventually(lambda: linked.states["input_boolean.test_1"].state == "off")
    linked.events.clear()

    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {real.home.token}"}) as session,
        session.post(
            f"{real.home.url}/api/services/input_boolean/toggle", json={"entity_id": "input_boolean.test_1"}
        ) as response,
    ):
        changed = await response.json()

    change = await linked.change_of("input_boolean.test_1", "on")
    assert change.old_state is not None
    assert change.new_state is not None
    assert (change.old_state.state, change.new_state.state) == ("off", "on")
    assert change.context == change.new_state.context
    assert change.context.id == next(each for each in changed if each["entity_id"] == change.entity_id)["context"]["id"]
    assert linked.states["input_boolean.test_1"] is change.new_state


async def test_service_call_returns_the_context_id_of_the_change(linked: RealLink) -> None:
    await linked.api.call_service("input_number", "set_value", target="input_number.level", value=1)
    result = await linked.api.call_service("input_number", "set_value", target="input_number.level", value=77)
    change = await linked.change_of("input_number.level", "77.0")
    assert change.context.id == result.context_id
    assert len(result.context_id) == 26


async def test_actions_of_an_automation_have_the_context_of_the_call_as_parent(linked: RealLink) -> None:
    await linked.api.call_service("input_boolean", "turn_off", target="input_boolean.source")
    await eventually(lambda: linked.states["input_boolean.mirror"].state == "off")
    linked.events.clear()
    result = await linked.api.call_service("input_boolean", "turn_on", target="input_boolean.source")
    change = await linked.change_of("input_boolean.mirror", "on")
    assert change.context.parent_id == result.context_id


async def test_script_receives_fields_named_like_our_own_parameters(linked: RealLink) -> None:
    await linked.api.call_service(
        "script", "burst", domain="light", service="turn_on", count=0, data={"target": "hall", "return_response": True}
    )
    await eventually(lambda: any(event.event_type == "call_service" for event in linked.events))
    (call,) = [event.data for event in linked.events if event.event_type == "call_service"]
    assert call["service_data"] == {
        "domain": "light",
        "service": "turn_on",
        "count": 0,
        "target": "hall",
        "return_response": True,
    }


async def test_burst_of_4000_events_arrives_complete_and_in_order(linked: RealLink) -> None:
    await linked.api.call_service("script", "turn_on", target="script.burst", variables={"count": 4_000})

    def numbers() -> list[int]:
        return [event.data["n"] for event in linked.events if event.event_type == "burst_event"]

    await eventually(lambda: len(numbers()) == 4_000, within_s=60)
    assert numbers() == list(range(1, 4_001))
    assert linked.reports == []


async def test_link_reconnects_after_home_assistant_was_killed_and_restarted(
    real: RealHomeAssistant, linked: RealLink
) -> None:
    real.kill()
    await eventually(lambda: linked.reports)
    assert linked.reports[0][:2] == ("connection_lost", real.home.url)
    assert not linked.link.ready.is_set()
    with pytest.raises(NotConnectedError):
        await linked.api.call_service("input_boolean", "turn_on", target="input_boolean.test_2")
    linked.events.clear()

    await asyncio.to_thread(real.bring_back)
    await eventually(lambda: len(linked.reports) >= 2, within_s=60)
    assert [kind for kind, *_ in linked.reports] == ["connection_lost", "connection_restored"]
    assert linked.link.ready.is_set()
    # The link passes on new entities that appear after the startup. Home Assistant adds its backup sensors at that time
    # if it was killed before it had saved them. So check only the events from before the end of the startup.
    started = [event.time_fired for event in linked.events if event.event_type == "homeassistant_started"]
    while_starting = [
        event.entity_id
        for event in linked.events
        if isinstance(event, StateChanged) and event.old_state is None and started and event.time_fired < started[0]
    ]
    assert while_starting == [], "entities that appear while Home Assistant starts are not changes"

    result = await linked.api.call_service("input_boolean", "toggle", target="input_boolean.test_2")
    change = await linked.change_of("input_boolean.test_2", linked.states["input_boolean.test_2"].state)
    assert change.context.id == result.context_id


async def test_hanging_home_assistant_is_detected_within_20_s_and_reconnected(
    real: RealHomeAssistant, linked: RealLink
) -> None:
    loop = asyncio.get_running_loop()
    real.hang()
    try:
        began = loop.time()
        await eventually(lambda: linked.reports, within_s=25)
        assert loop.time() - began < patience(20)
        assert linked.reports[0][0] == "connection_lost"
        assert "no answer to a ping" in linked.reports[0][2]
        assert not linked.link.ready.is_set()
    finally:
        real.wake()
    await eventually(lambda: len(linked.reports) >= 2, within_s=90)
    assert [kind for kind, *_ in linked.reports] == ["connection_lost", "connection_restored"]
    await linked.api.fire_event("back")
    await eventually(lambda: any(event.event_type == "back" for event in linked.events))


async def test_error_for_a_wrong_token_does_not_contain_it(
    real: RealHomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "wrong-token"
    link = HomeAssistantLink(real.home.url, token, cache=StateCache(), on_event=lambda event: None)
    with pytest.raises(AuthenticationError, match="refused the access token") as raised:
        await link.serve()
    assert token not in str(raised.value) + repr(raised.value) + caplog.text
