"""What an app asks of Home Assistant, over a simulated home; and what is kept of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hassette_core.api import Api, ServiceResult
from hassette_core.errors import CallFailedError, NotConnectedError, UnexpectedAnswerError
from hassette_core.events import Event
from hassette_core.link import HomeAssistantLink
from hassette_core.simulation.home import SimulatedHome
from hassette_core.states import States
from hassette_executor.records import ServiceCall


class House:
    """A house, an API to it, and what was kept of the calls."""

    def __init__(self, home: SimulatedHome, link: HomeAssistantLink, states: States, events: list[Any]) -> None:
        self.core, self.link, self.states, self.events = home.core, link, states, events
        clock = iter(range(0, 10**12, 5_000_000))
        self.api = Api(link, monotonic_ns=lambda: next(clock), time_ns=lambda: 1_700_000_000_000_000_000)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    states, events = States(), list[Any]()
    async with (
        SimulatedHome(speed=0) as home,
        HomeAssistantLink(home.url, home.token, states=states, on_event=events.append) as link,
    ):
        await link.wait_ready()
        yield House(home, link, states, events)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[ServiceCall]:
    calls: list[ServiceCall] = []
    monkeypatch.setattr("hassette_core.api.api.record_service_call", calls.append)
    return calls


async def test_a_call_acts_and_is_kept_with_its_context(house: House, kept: list[ServiceCall]) -> None:
    result = await house.api.call_service("light", "turn_on", target="light.hall", brightness=120)
    assert house.core.states["light.hall"]["attributes"]["brightness"] == 120
    assert house.core.states["light.hall"]["context"]["id"] == result.context_id
    assert kept == [
        ServiceCall(
            at_us=1_700_000_000_000_000,
            domain="light",
            service="turn_on",
            target='{"entity_id":"light.hall"}',
            data='{"brightness":120}',
            duration_us=5_000,
            context_id=result.context_id,
            error=None,
        )
    ]


@pytest.mark.parametrize(
    "target",
    [
        "light.hall",
        "light.hall, light.nowhere",
        ["light.hall"],
        ("light.hall",),
        {"entity_id": "light.hall"},
        {"area_id": "hall"},
    ],
    ids=str,
)
async def test_a_target_may_be_one_several_or_home_assistants_own_form(house: House, target: Any) -> None:
    await house.api.call_service("light", "turn_on", target=target)
    lit = [
        entity_id for entity_id, state in house.core.states.items() if state["state"] == "on" and "light." in entity_id
    ]
    assert lit == ["light.hall"]


@pytest.mark.parametrize("nonsense", [5, True, [5], [["light.hall"]], {"a": 1}, "hall", ""], ids=repr)
async def test_a_target_of_nonsense_is_refused_and_costs_nothing(house: House, nonsense: Any) -> None:
    for call, where in (
        ({"target": {"entity_id": nonsense}}, r"@ data\['target'\]\['entity_id'\]. Got"),
        ({"entity_id": nonsense}, r"@ data\['entity_id'\]$"),
    ):
        with pytest.raises(CallFailedError, match="not a valid value for dictionary value " + where):
            await house.api.call_service("light", "turn_on", **call)
    if not isinstance(nonsense, str):
        with pytest.raises(CallFailedError, match="not a valid value"):
            await house.api.call_service("light", "turn_on", target={"area_id": nonsense})
    assert house.link.connected
    await house.api.call_service("light", "turn_on", target={"entity_id": None})


@pytest.mark.parametrize(("message", "says"), [(None, "string value is None"), ([], "value should be a string")])
async def test_a_message_that_is_no_text_is_refused(house: House, message: Any, says: str) -> None:
    with pytest.raises(CallFailedError, match=rf"{says} for dictionary value @ data\['message'\]$"):
        await house.api.call_service("persistent_notification", "create", message=message)


async def test_entities_named_in_the_data_are_kept_as_the_target(house: House, kept: list[ServiceCall]) -> None:
    await house.api.call_service("light", "turn_on", entity_id="light.hall", brightness=9)
    assert (kept[0].target, kept[0].data) == ('{"entity_id":"light.hall"}', '{"brightness":9}')


async def test_a_refused_call_is_an_error_in_home_assistants_words_and_is_kept(
    house: House, kept: list[ServiceCall]
) -> None:
    with pytest.raises(CallFailedError, match=r"cannot call light.nonsense: .* Service light.nonsense not found."):
        await house.api.call_service("light", "nonsense")
    assert (kept[0].context_id, kept[0].error) == (
        None,
        "cannot call light.nonsense: Home Assistant says: Service light.nonsense not found.",
    )


async def test_a_call_with_data_that_cannot_be_sent_is_kept_too(house: House, kept: list[ServiceCall]) -> None:
    with pytest.raises(TypeError):
        await house.api.call_service("light", "turn_on", target="light.hall", brightness=object())
    assert kept[0].error is not None
    assert "cannot call light.turn_on: " in kept[0].error
    assert house.link.connected


async def test_a_call_without_a_connection_is_kept_too(kept: list[ServiceCall]) -> None:
    link = HomeAssistantLink("http://127.0.0.1:1", "token", states=States(), on_event=lambda event: None)
    with pytest.raises(NotConnectedError):
        await Api(link).call_service("light", "turn_on", target="light.hall")
    assert kept[0].error == "cannot call light.turn_on: not connected to Home Assistant"


async def test_secrets_in_the_data_are_sent_but_not_kept(house: House, kept: list[ServiceCall]) -> None:
    data = {"code": "1234", "deep": [{"Access_Token": "abc", "volume": 3}], "zip_code_of_area": "x", "brightness": 4}
    with pytest.raises(CallFailedError):
        await house.api.call_service("light", "turn_on", target="light.hall", **data)
    assert kept[0].data == (
        '{"code":"(hidden)","deep":[{"Access_Token":"(hidden)","volume":3}],"zip_code_of_area":"x","brightness":4}'
    )
    assert "1234" not in str(kept)


async def test_headers_in_the_data_are_hidden_whole_and_so_are_keys_with_hyphens_and_humps(
    house: House, kept: list[ServiceCall]
) -> None:
    data = {"headers": {"X-Scope": "home"}, "X-Api-Key": "abc", "accessToken": "abc"}
    with pytest.raises(CallFailedError):
        await house.api.call_service("light", "turn_on", target="light.hall", **data)
    assert kept[0].data == '{"headers":"(hidden)","X-Api-Key":"(hidden)","accessToken":"(hidden)"}'


async def test_long_data_is_cut(house: House, kept: list[ServiceCall]) -> None:
    await house.api.call_service("notify", "notify", message="x" * 10_000)
    assert (len(kept[0].data), kept[0].data[-1]) == (2_000, "…")


async def test_a_response_comes_back(house: House) -> None:
    result = await house.api.call_service(
        "weather", "get_forecasts", target="weather.home", type="daily", return_response=True
    )
    assert [day["condition"] for day in result.response["weather.home"]["forecast"]] == ["rainy", "cloudy", "sunny"]


async def test_no_response_is_none(house: House) -> None:
    result = await house.api.call_service("light", "turn_off", target="light.hall")
    assert result == ServiceResult(result.context_id, None)


async def test_states_are_fetched_one_and_all(house: House) -> None:
    assert {state.entity_id: state for state in await house.api.get_states()} == dict(house.states)
    assert await house.api.get_state("light.hall") == house.states["light.hall"]
    assert await house.api.get_state("light.nowhere") is None


async def test_a_state_is_written_and_removed(house: House) -> None:
    made = await house.api.set_state("sensor.made_up", 1.5, {"unit_of_measurement": "m"})
    assert (made.state, made.attributes) == ("1.5", {"unit_of_measurement": "m"})
    assert (await house.api.set_state("sensor.made_up", "2")).attributes == {}
    assert await house.api.remove_state("sensor.made_up") is True
    assert await house.api.remove_state("sensor.made_up") is False


async def test_a_state_that_home_assistant_refuses_is_an_error_in_its_words(house: House) -> None:
    with pytest.raises(CallFailedError, match=r"cannot set the state of Nonsense: .* Invalid entity ID specified."):
        await house.api.set_state("Nonsense", 1)
    with pytest.raises(CallFailedError, match="Invalid state specified"):
        await house.api.set_state("sensor.a", "x" * 256)


@pytest.mark.parametrize("entity_id", ["../config", "a/b", "sensor.x?y", "sensor.ü"])
async def test_an_entity_id_cannot_lead_anywhere_else(house: House, entity_id: str) -> None:
    assert await house.api.get_state(entity_id) is None


async def test_an_event_is_fired_with_its_data_and_heard_under_the_context_returned(house: House) -> None:
    context_id = await house.api.fire_event("my_event", {"n": 1})
    await house.api.get_states()
    heard = house.events[-1]
    assert isinstance(heard, Event)
    assert (heard.event_type, heard.data, heard.context.id) == ("my_event", {"n": 1}, context_id)


async def test_an_answer_of_unknown_shape_is_said_to_be(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = house.link.require_connection("look")

    async def answer(*_: Any, **__: Any) -> Any:
        return {"surprise": 1}

    monkeypatch.setattr(connection, "command", answer)
    with pytest.raises(UnexpectedAnswerError, match=r"cannot call light.turn_on: .*'context'"):
        await house.api.call_service("light", "turn_on")
    with pytest.raises(UnexpectedAnswerError, match="cannot read the states"):
        await house.api.get_states()
