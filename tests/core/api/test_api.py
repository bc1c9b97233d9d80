"""The API for apps against a simulated home, and the service calls that it records."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from hassette_core.api import Api, ServiceResult
from hassette_core.clock import ManualClock
from hassette_core.errors import CallFailedError, NotConnectedError, UnexpectedAnswerError
from hassette_core.events import Event
from hassette_core.link import Connection, HomeAssistantLink
from hassette_core.redaction import Redaction
from hassette_core.simulation.home import HomeCore, SimulatedHome
from hassette_core.states import StateCache, States
from hassette_executor import ServiceCall


@dataclass
class ApiHome:
    """A simulated home, an API to it, the service calls that the API recorded, and the events that arrived."""

    core: HomeCore
    link: HomeAssistantLink
    states: States
    events: list[Event]
    recorded: list[ServiceCall]
    api: Api


class CountingClock(ManualClock):
    """A clock whose monotonic time advances by 5 ms with each look at it."""

    def monotonic_ns(self) -> int:
        self.advance(0.005)
        return super().monotonic_ns()

    def wall_ns(self) -> int:
        return 1_700_000_000_000_000_000


@pytest.fixture
async def home() -> AsyncIterator[ApiHome]:
    cache, events, recorded = StateCache(), list[Event](), list[ServiceCall]()
    async with (
        SimulatedHome(speed=0) as simulated,
        HomeAssistantLink(simulated.url, simulated.token, cache=cache, on_event=events.append) as link,
    ):
        await link.wait_ready()
        api = Api(link, record=recorded.append, clock=CountingClock())
        yield ApiHome(simulated.core, link, cache.states, events, recorded, api)


async def test_call_takes_effect_and_is_recorded_with_its_context(home: ApiHome) -> None:
    result = await home.api.call_service("light", "turn_on", target="light.hall", brightness=120)
    assert home.core.states["light.hall"]["attributes"]["brightness"] == 120
    assert home.core.states["light.hall"]["context"]["id"] == result.context_id
    assert home.recorded == [
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
async def test_target_may_be_an_id_a_list_of_ids_or_a_dict(home: ApiHome, target: Any) -> None:
    await home.api.call_service("light", "turn_on", target=target)
    lit = [
        entity_id for entity_id, state in home.core.states.items() if state["state"] == "on" and "light." in entity_id
    ]
    assert lit == ["light.hall"]


@pytest.mark.parametrize("wrong", [5, True, [5], [["light.hall"]], {"a": 1}, "hall", ""], ids=repr)
async def test_target_of_a_wrong_type_is_refused_and_the_connection_stays(home: ApiHome, wrong: Any) -> None:
    with pytest.raises(CallFailedError, match=r"not a valid value for dictionary value @ data\['entity_id'\]$"):
        await home.api.call_service("light", "turn_on", entity_id=wrong)
    with pytest.raises((TypeError, ValueError), match=r"^target\['entity_id'\] must "):
        await home.api.call_service("light", "turn_on", target={"entity_id": wrong})
    if wrong != "hall":
        with pytest.raises(
            ValueError, match=r"^target\['area_id'\] must be an id, such as 'hall', or several ids, got"
        ):
            await home.api.call_service("light", "turn_on", target={"area_id": wrong})
    assert home.link.connected


@pytest.mark.parametrize(("message", "reason"), [(None, "string value is None"), ([], "value should be a string")])
async def test_message_that_is_not_text_is_refused(home: ApiHome, message: Any, reason: str) -> None:
    with pytest.raises(CallFailedError, match=rf"{reason} for dictionary value @ data\['message'\]$"):
        await home.api.call_service("persistent_notification", "create", message=message)


async def test_entities_in_the_data_are_recorded_as_the_target(home: ApiHome) -> None:
    await home.api.call_service("light", "turn_on", entity_id="light.hall", brightness=9)
    assert (home.recorded[0].target, home.recorded[0].data) == ('{"entity_id":"light.hall"}', '{"brightness":9}')


async def test_refused_call_raises_home_assistants_message_and_is_recorded(home: ApiHome) -> None:
    with pytest.raises(CallFailedError, match=r"cannot call light.dance: .* Service light.dance not found."):
        await home.api.call_service("light", "dance")
    assert (home.recorded[0].context_id, home.recorded[0].error) == (
        None,
        "cannot call light.dance: Home Assistant answered: Service light.dance not found.",
    )


async def test_call_with_data_that_json_cannot_hold_is_recorded(home: ApiHome) -> None:
    with pytest.raises(TypeError):
        await home.api.call_service("light", "turn_on", target="light.hall", brightness=object())
    assert home.recorded[0].error is not None
    assert "cannot call light.turn_on: " in home.recorded[0].error
    assert home.link.connected


async def test_call_without_a_connection_is_recorded() -> None:
    recorded: list[ServiceCall] = []
    link = HomeAssistantLink("http://127.0.0.1:1", "token", cache=StateCache(), on_event=lambda event: None)
    with pytest.raises(NotConnectedError):
        await Api(link, record=recorded.append).call_service("light", "turn_on", target="light.hall")
    assert recorded[0].error == "cannot call light.turn_on: not connected to Home Assistant"


@pytest.mark.parametrize("name", ["self", "domain", "service", "target", "data", "return_response"])
async def test_field_of_any_name_can_be_sent_in_data(home: ApiHome, name: str) -> None:
    # light.turn_off has no field of this name. The error shows that the name was sent as a field of the service.
    with pytest.raises(CallFailedError, match=rf"extra keys not allowed @ data\['{name}'\]"):
        await home.api.call_service("light", "turn_off", target="light.hall", data={name: "x"})
    assert home.recorded[0].data == f'{{"{name}":"x"}}'


@pytest.mark.parametrize("name", ["self", "domain", "service"])
async def test_field_named_like_a_positional_parameter_can_be_a_keyword(home: ApiHome, name: str) -> None:
    with pytest.raises(CallFailedError, match=rf"extra keys not allowed @ data\['{name}'\]"):
        await home.api.call_service("light", "turn_off", target="light.hall", **{name: "x"})  # pyright: ignore[reportArgumentType]  the type checker does not know the name


async def test_data_and_keywords_are_merged(home: ApiHome) -> None:
    await home.api.call_service("notify", "notify", data={"target": ["alex"]}, title="Hall", message="The door is open")
    await home.api.get_states()  # the answer arrives after the event of the first call
    (call,) = [event.data for event in home.events if event.event_type == "call_service"]
    assert call["service_data"] == {"target": ["alex"], "title": "Hall", "message": "The door is open"}


async def test_field_given_twice_is_refused_by_name(home: ApiHome) -> None:
    with pytest.raises(TypeError, match="brightness must be given in data or as a keyword, got both"):
        await home.api.call_service("light", "turn_on", target="light.hall", data={"brightness": 1}, brightness=2)
    assert home.core.states["light.hall"]["state"] == "off"


async def test_secrets_in_the_data_are_sent_but_not_recorded(home: ApiHome) -> None:
    data = {"code": "1234", "deep": [{"Access_Token": "abc", "volume": 3}], "zip_code_of_area": "x", "brightness": 4}
    with pytest.raises(CallFailedError):
        await home.api.call_service("light", "turn_on", target="light.hall", **data)
    assert home.recorded[0].data == (
        '{"code":"•••","deep":[{"Access_Token":"•••","volume":3}],"zip_code_of_area":"x","brightness":4}'
    )
    assert "1234" not in str(home.recorded)


async def test_headers_and_secret_keys_in_kebab_and_camel_case_are_masked(home: ApiHome) -> None:
    data = {"headers": {"X-Scope": "home"}, "X-Api-Key": "abc", "accessToken": "abc"}
    with pytest.raises(CallFailedError):
        await home.api.call_service("light", "turn_on", target="light.hall", **data)
    assert home.recorded[0].data == '{"headers":"•••","X-Api-Key":"•••","accessToken":"•••"}'


async def test_long_data_is_cut_in_the_record(home: ApiHome) -> None:
    await home.api.call_service("notify", "notify", message="x" * 10_000)
    assert (len(home.recorded[0].data), home.recorded[0].data[-1]) == (2_000, "…")


async def test_secret_at_the_cut_of_long_data_is_masked(home: ApiHome) -> None:
    recorded: list[ServiceCall] = []
    api = Api(home.link, record=recorded.append, redact=Redaction({"Sesame-Open99"}))
    await api.call_service("notify", "notify", message="x" * 1_980 + "Sesame-Open99" + "y" * 100)
    assert "x•••y" in recorded[0].data
    assert "Sesame" not in recorded[0].data


async def test_response_is_returned(home: ApiHome) -> None:
    result = await home.api.call_service(
        "weather", "get_forecasts", target="weather.home", type="daily", return_response=True
    )
    assert [day["condition"] for day in result.response["weather.home"]["forecast"]] == ["rainy", "cloudy", "sunny"]


async def test_call_without_a_response_returns_none(home: ApiHome) -> None:
    result = await home.api.call_service("light", "turn_off", target="light.hall")
    assert result == ServiceResult(result.context_id, None)


async def test_one_state_and_all_states_are_fetched(home: ApiHome) -> None:
    assert {state.entity_id: state for state in await home.api.get_states()} == dict(home.states)
    assert await home.api.get_state("light.hall") == home.states["light.hall"]
    assert await home.api.get_state("light.nowhere") is None


async def test_state_is_written_and_removed(home: ApiHome) -> None:
    made = await home.api.set_state("sensor.made_up", 1.5, {"unit_of_measurement": "m"})
    assert (made.state, made.attributes) == ("1.5", {"unit_of_measurement": "m"})
    assert (await home.api.set_state("sensor.made_up", "2")).attributes == {}
    assert await home.api.remove_state("sensor.made_up") is True
    assert await home.api.remove_state("sensor.made_up") is False


async def test_refused_state_raises_home_assistants_message(home: ApiHome) -> None:
    with pytest.raises(CallFailedError, match="Invalid state specified"):
        await home.api.set_state("sensor.a", "x" * 256)


@pytest.mark.parametrize("entity_id", ["../config", "a/b", "sensor.x?y", "sensor.ü"])
async def test_entity_id_cannot_address_another_path(home: ApiHome, entity_id: str) -> None:
    assert await home.api.get_state(entity_id) is None


async def test_fired_event_has_its_data_and_the_returned_context(home: ApiHome) -> None:
    context_id = await home.api.fire_event("my_event", {"n": 1})
    await home.api.get_states()
    heard = home.events[-1]
    assert isinstance(heard, Event)
    assert (heard.event_type, heard.data, heard.context.id) == ("my_event", {"n": 1}, context_id)


async def test_answer_without_a_context_is_reported(home: ApiHome) -> None:
    with pytest.raises(UnexpectedAnswerError, match=r"cannot call light.turn_on: .*'context'"):
        await Api(StrangeLink()).call_service("light", "turn_on")


async def test_malformed_state_is_left_out_of_all_states_and_is_an_error_alone(home: ApiHome) -> None:
    del home.core.states["light.hall"]["state"]
    states = await home.api.get_states()
    assert {state.entity_id for state in states} == home.core.states.keys() - {"light.hall"}
    with pytest.raises(UnexpectedAnswerError, match=r"cannot fetch the state of light.hall: .*'state'"):
        await home.api.get_state("light.hall")


class StrangeConnection(Connection):
    """A connection that is never opened and returns an unexpected answer to every command."""

    def __init__(self) -> None: ...

    async def command(self, action: str, command: str, *, timeout_s: float | None = None, **fields: Any) -> Any:
        return {"surprise": 1}


class StrangeLink(HomeAssistantLink):
    """A link with a `StrangeConnection`."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", "token", cache=StateCache(), on_event=lambda event: None)

    def require_connection(self, action: str) -> Connection:
        return StrangeConnection()
