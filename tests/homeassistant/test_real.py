"""The link and the API against a real Home Assistant, that is also killed, restarted and stopped in its tracks."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from hassette_core.api import Api
from hassette_core.errors import AuthenticationError, NotConnectedError
from hassette_core.events import Event, StateChanged
from hassette_core.link import HomeAssistantLink
from hassette_core.states import StateCache

pytestmark = [pytest.mark.homeassistant, pytest.mark.timeout(180)]


class Listening:
    """A link with an ear for its events and reports."""

    def __init__(self, url: str, token: str) -> None:
        self.events: list[Event] = []
        self.reports: list[tuple[str, str, str]] = []
        cache = StateCache()
        self.states = cache.states
        self._news = asyncio.Event()
        self.link = HomeAssistantLink(
            url,
            token,
            cache=cache,
            on_event=lambda event: (self.events.append(event), self._news.set())[1],
            report=lambda *report: (self.reports.append(report), self._news.set())[1],
        )
        self.api = Api(self.link)

    async def until(self, is_so: Callable[[], Any], within_s: float = 20) -> None:
        async with asyncio.timeout(within_s):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    async def change_of(self, entity_id: str, state: str) -> StateChanged:
        def found() -> list[StateChanged]:
            return [
                event
                for event in self.events
                if isinstance(event, StateChanged)
                and event.entity_id == entity_id
                and event.new_state is not None
                and event.new_state.state == state
            ]

        await self.until(found)
        return found()[-1]


@pytest.fixture
async def listening(real: Any) -> AsyncIterator[Listening]:
    listening = Listening(real.home.url, real.home.token)
    async with listening.link:
        await listening.link.wait_ready()
        yield listening


async def test_a_toggle_over_home_assistants_own_api_is_heard_with_entity_states_and_context(
    real: Any, listening: Listening
) -> None:
    await listening.api.call_service("input_boolean", "turn_off", target="input_boolean.test_1")
    await listening.until(lambda: listening.states["input_boolean.test_1"].state == "off")
    listening.events.clear()

    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {real.home.token}"}) as session,
        session.post(
            f"{real.home.url}/api/services/input_boolean/toggle", json={"entity_id": "input_boolean.test_1"}
        ) as response,
    ):
        said = await response.json()

    change = await listening.change_of("input_boolean.test_1", "on")
    assert change.old_state is not None
    assert change.new_state is not None
    assert (change.old_state.state, change.new_state.state) == ("off", "on")
    assert change.context == change.new_state.context
    assert change.context.id == next(one for one in said if one["entity_id"] == change.entity_id)["context"]["id"]
    assert listening.states["input_boolean.test_1"] is change.new_state


async def test_a_service_call_changes_an_entity_under_the_context_id_that_it_returns(listening: Listening) -> None:
    await listening.api.call_service("input_number", "set_value", target="input_number.level", value=1)
    result = await listening.api.call_service("input_number", "set_value", target="input_number.level", value=77)
    change = await listening.change_of("input_number.level", "77.0")
    assert change.context.id == result.context_id
    assert len(result.context_id) == 26


async def test_what_an_automation_does_carries_our_call_as_its_parent(listening: Listening) -> None:
    await listening.api.call_service("input_boolean", "turn_off", target="input_boolean.source")
    await listening.until(lambda: listening.states["input_boolean.mirror"].state == "off")
    listening.events.clear()
    result = await listening.api.call_service("input_boolean", "turn_on", target="input_boolean.source")
    change = await listening.change_of("input_boolean.mirror", "on")
    assert change.context.parent_id == result.context_id


async def test_a_script_receives_fields_named_like_our_own_parameters(listening: Listening) -> None:
    await listening.api.call_service(
        "script", "burst", domain="light", service="turn_on", count=0, data={"target": "hall", "return_response": True}
    )
    await listening.until(lambda: any(event.event_type == "call_service" for event in listening.events))
    (call,) = [event.data for event in listening.events if event.event_type == "call_service"]
    assert call["service_data"] == {
        "domain": "light",
        "service": "turn_on",
        "count": 0,
        "target": "hall",
        "return_response": True,
    }


async def test_a_burst_of_four_thousand_events_arrives_whole_and_in_order(listening: Listening) -> None:
    await listening.api.call_service("script", "turn_on", target="script.burst", variables={"count": 4_000})

    def numbers() -> list[int]:
        return [event.data["n"] for event in listening.events if event.event_type == "burst_event"]

    await listening.until(lambda: len(numbers()) == 4_000, within_s=60)
    assert numbers() == list(range(1, 4_001))
    assert listening.reports == []


async def test_killed_and_started_again_home_assistant_is_found_by_itself_and_events_flow(
    real: Any, listening: Listening
) -> None:
    real.kill()
    await listening.until(lambda: listening.reports)
    assert listening.reports[0][:2] == ("connection_lost", real.home.url)
    assert not listening.link.ready.is_set()
    with pytest.raises(NotConnectedError):
        await listening.api.call_service("input_boolean", "turn_on", target="input_boolean.test_2")
    listening.events.clear()

    await asyncio.to_thread(real.bring_back)
    await listening.until(lambda: len(listening.reports) == 2, within_s=60)
    assert listening.reports[1][0] == "connection_restored"
    assert listening.link.ready.is_set()
    invented = [event for event in listening.events if isinstance(event, StateChanged) and event.old_state is None]
    assert invented == [], "entities that appear while Home Assistant starts are no changes in the house"

    result = await listening.api.call_service("input_boolean", "toggle", target="input_boolean.test_2")
    change = await listening.change_of("input_boolean.test_2", listening.states["input_boolean.test_2"].state)
    assert change.context.id == result.context_id


async def test_a_home_assistant_that_hangs_is_noticed_within_twenty_seconds_and_found_again(
    real: Any, listening: Listening
) -> None:
    loop = asyncio.get_running_loop()
    real.hang()
    try:
        began = loop.time()
        await listening.until(lambda: listening.reports, within_s=25)
        assert loop.time() - began < 20
        assert listening.reports[0][0] == "connection_lost"
        assert "no answer to a ping" in listening.reports[0][2]
        assert not listening.link.ready.is_set()
    finally:
        real.wake()
    await listening.until(lambda: len(listening.reports) == 2, within_s=90)
    await listening.api.fire_event("here_again")
    await listening.until(lambda: listening.events[-1].event_type == "here_again")


async def test_a_wrong_token_ends_the_link_with_one_sentence_that_does_not_repeat_it(
    real: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "wrong-token-of-nobody"
    link = HomeAssistantLink(real.home.url, token, cache=StateCache(), on_event=lambda event: None)
    with pytest.raises(AuthenticationError, match="refused the access token") as raised:
        await link.serve()
    assert token not in str(raised.value) + repr(raised.value) + caplog.text
