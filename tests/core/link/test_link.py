"""The link over a simulated home: it tells the truth, comes back when the line breaks, and gives no secret away."""

import asyncio
import logging
from typing import Any

import pytest

from hassette_core.errors import AuthenticationError, NotConnectedError, UrlError
from hassette_core.link import HomeAssistantLink
from hassette_core.simulation.home import SimulatedHome
from hassette_core.states import StateCache


async def test_once_ready_all_states_and_the_homes_facts_are_known(listening: Any) -> None:
    link = listening.link
    assert len(listening.states) == len(listening.home.core.states) > 30
    assert listening.states["climate.living_room"].attributes["temperature"] == 21.0
    assert (link.connected, link.ready.is_set(), link.home_assistant_version) == (True, True, "2025.4.4")
    assert (link.time_zone, link.latitude, link.longitude) == ("Europe/Amsterdam", 52.37, 4.89)


async def test_a_change_is_in_the_states_before_the_listener_hears_of_it(listening: Any) -> None:
    listening.home.core.change("light.hall", "on")
    listening.home.core.remove("light.kitchen")
    await listening.settle()
    assert listening.changes() == [("light.hall", "off", "on"), ("light.kitchen", "off", None)]
    assert listening.states_when_heard == ["on", None]


async def test_changed_settings_of_home_assistant_are_taken_over(listening: Any) -> None:
    listening.home.core.fire("core_config_updated", {"time_zone": "Asia/Tokyo", "latitude": 35.7})
    await listening.settle()
    link = listening.link
    assert (link.time_zone, link.latitude, link.longitude) == ("Asia/Tokyo", 35.7, 4.89)


async def test_after_a_lost_connection_states_are_fresh_events_flow_and_none_is_invented(listening: Any) -> None:
    core = listening.home.core
    listening.home.drop_connections()
    core.change("light.hall", "on")
    core.remove("light.kitchen")
    core.set("light.new", "on")
    await listening.restored()
    states = listening.states
    assert (states["light.hall"].state, "light.kitchen" in states, "light.new" in states) == ("on", False, True)
    assert listening.events == [], "what changed while we were away is known, but it is not an event"
    core.change("light.hall", "off")
    await listening.settle()
    assert listening.changes() == [("light.hall", "on", "off")]
    assert [(kind, subject) for kind, subject, _ in listening.reports] == [
        ("connection_lost", listening.home.url),
        ("connection_restored", listening.home.url),
    ]


async def test_an_absent_home_assistant_makes_not_ready_and_is_found_when_it_comes(
    make_listening: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    home = SimulatedHome(speed=0)
    await home.start()
    await home.stop()  # its port is known now, and free
    listening = make_listening(home)
    async with listening.link as link:
        await troubled(link)
        assert "cannot connect" in link.problem
        assert not link.ready.is_set()
        with pytest.raises(NotConnectedError, match=r"cannot call light.turn_on: not connected to Home Assistant"):
            await listening.api.call_service("light", "turn_on", target="light.hall")
        await home.start()
        await link.wait_ready()
        assert link.problem == ""
        assert listening.reports == [], "what was never there is neither lost nor restored"
        said = [record.message for record in caplog.records if record.name.startswith("hassette_core")]
        assert set(said) == {"No connection to Home Assistant yet", "Connected to Home Assistant"}
    await home.stop()


async def troubled(link: HomeAssistantLink) -> None:
    async with asyncio.timeout(10):
        while not link.problem:  # noqa: ASYNC110  a first attempt that fails is reported to nobody
            await asyncio.sleep(0.001)


class Attempts:
    """The link's pauses, made short and counted."""

    def __init__(self, enough: int) -> None:
        self.left = enough
        self.enough = asyncio.Event()

    async def sleep(self, _seconds: float) -> None:
        self.left -= 1
        if not self.left:
            self.enough.set()
        await asyncio.sleep(0)


async def test_a_first_connection_that_fails_again_and_again_is_said_once_and_reported_never(
    make_listening: Any, caplog: pytest.LogCaptureFixture
) -> None:
    home = SimulatedHome(speed=0)
    await home.start()
    await home.stop()
    attempts = Attempts(20)
    listening = make_listening(home, sleep=attempts.sleep)
    async with listening.link, asyncio.timeout(10):
        await attempts.enough.wait()
    assert listening.reports == []
    assert len([record for record in caplog.records if record.name.startswith("hassette_core")]) == 1


async def test_a_connection_that_never_lasts_is_made_ever_less_often(make_listening: Any, home: SimulatedHome) -> None:
    """One that breaks as soon as it is made would otherwise fetch all states twice a second."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.001)

    listening = make_listening(home, sleep=sleep, random=lambda: 1.0)
    async with listening.link as link, asyncio.timeout(20):
        for lost in range(1, 5):
            await link.wait_ready()
            home.drop_connections()
            await listening.until(
                lambda lost=lost: [kind for kind, *_ in listening.reports].count("connection_lost") == lost
            )
            while not waits[lost - 1 :]:  # noqa: ASYNC110  the next line after the report
                await asyncio.sleep(0)
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]


async def test_a_loss_that_lasts_is_reported_once(
    make_listening: Any, home: SimulatedHome, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = Attempts(20)
    listening = make_listening(home, sleep=attempts.sleep)
    async with listening.link as link, asyncio.timeout(10):
        await link.wait_ready()
        await home.stop()
        await attempts.enough.wait()
    assert [kind for kind, _, _ in listening.reports] == ["connection_lost"]
    said = [record.message for record in caplog.records if record.name.startswith("hassette_core.link")]
    assert said == ["Connection to Home Assistant lost", "Still no connection to Home Assistant"]


async def test_while_home_assistant_starts_changes_only_become_known(make_listening: Any, home: SimulatedHome) -> None:
    home.begin_starting()
    listening = make_listening(home)
    async with listening.link as link:
        async with asyncio.timeout(10):
            while not len(listening.states):  # noqa: ASYNC110  states tell nobody that they are there
                await asyncio.sleep(0.001)
        home.core.set("sensor.slow_to_appear", "7")
        await listening.settle()
        assert not link.ready.is_set()
        assert listening.states["sensor.slow_to_appear"].state == "7"
        assert listening.changes() == []
        assert (link.inbox.withheld, [event.event_type for event in listening.events]) == (1, ["mark"])

        home.finish_starting()
        await link.wait_ready()
        home.core.set("sensor.slow_to_appear", "8")
        await listening.settle()
        assert listening.changes() == [("sensor.slow_to_appear", "7", "8")]
        assert listening.events[1].event_type == "homeassistant_started"


async def test_a_home_assistant_that_hangs_is_noticed_and_left_quickly(
    make_listening: Any, home: SimulatedHome, quick_pulse: Any
) -> None:
    listening = make_listening(home, make_pulse=quick_pulse)
    async with listening.link as link:
        await link.wait_ready()
        home.hang()
        await listening.until(lambda: listening.reports)
        assert listening.reports[0] == ("connection_lost", home.url, "no answer to a ping for 0.1 s")
        home.wake()
        await listening.restored()


async def test_a_home_assistant_that_hangs_before_it_has_told_its_states_is_noticed_as_soon(
    make_listening: Any, home: SimulatedHome, quick_pulse: Any
) -> None:
    home.hang()
    listening = make_listening(home, make_pulse=quick_pulse)
    async with listening.link as link:
        await troubled(link)
        assert link.problem == "no answer to a ping for 0.1 s"
        home.wake()
        await link.wait_ready()


async def test_a_call_whose_connection_is_lost_ends_with_our_error_and_no_cancellation(listening: Any) -> None:
    listening.home.hang()
    calling = asyncio.create_task(listening.api.call_service("light", "turn_on", target="light.hall"))
    await asyncio.sleep(0)
    listening.home.drop_connections()
    with pytest.raises(NotConnectedError, match="may still carry out the request") as raised:
        async with asyncio.timeout(10):
            await calling
    assert raised.value.sent
    listening.home.wake()


async def test_a_cancelled_caller_does_not_cost_the_connection(listening: Any) -> None:
    """hass-client stops listening when a result comes for a future that has been cancelled."""
    listening.home.hang()
    calling = asyncio.create_task(listening.api.call_service("light", "turn_on", target="light.hall"))
    while not calling.cancelling():
        await asyncio.sleep(0)
        calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    listening.home.wake()
    await listening.settle()
    assert listening.reports == []


async def test_a_burst_arrives_whole_and_in_order_though_every_listener_is_slow(listening: Any) -> None:
    for n in range(4_000):
        listening.home.core.fire("burst", {"n": n})
    await listening.settle()
    assert [event.data["n"] for event in listening.events[:-1]] == list(range(4_000))
    assert listening.reports == []


async def test_cut_off_for_being_slow_the_link_comes_back(listening: Any) -> None:
    for n in range(5_000):
        listening.home.core.fire("burst", {"n": n})
    await listening.restored()
    await listening.settle()


async def test_events_of_unknown_shape_are_counted_and_logged_once(
    make_listening: Any, home: SimulatedHome, caplog: pytest.LogCaptureFixture
) -> None:
    home.core.listen("odd", lambda event: event.pop("context"))
    home.core.listen("*", lambda event: event["data"].pop("new_state", None))
    listening = make_listening(home)
    async with listening.link as link:
        await link.wait_ready()
        for _ in range(5):
            home.core.change("light.hall", "on")
            home.core.change("light.hall", "off")
        await listening.settle()
        assert (link.inbox.unreadable, listening.reports) == (10, [])
    assert [record.message for record in caplog.records].count("Passed over an event of unknown shape") == 1


async def test_an_answer_that_is_too_large_is_said_to_be(make_listening: Any, home: SimulatedHome) -> None:
    listening = make_listening(home, max_message_bytes=5_000)
    async with listening.link:
        await listening.until(lambda: listening.reports)
    assert "exceeded the maximum message size (5000 bytes)" in listening.reports[0][2]


async def test_a_wrong_token_ends_serve_and_appears_nowhere(
    home: SimulatedHome, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    link = HomeAssistantLink(home.url, "hunter2-hunter2", cache=StateCache(), on_event=lambda event: None)
    with pytest.raises(AuthenticationError) as raised:
        async with asyncio.timeout(10):
            await link.serve()
    assert "hunter2" not in caplog.text + repr(raised.value) + str(raised.value)
    with pytest.raises(AuthenticationError):
        async with HomeAssistantLink(home.url, "hunter2", cache=StateCache(), on_event=lambda event: None) as link:
            await link.wait_ready()


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_token_is_refused_before_anything_is_sent(token: str) -> None:
    with pytest.raises(ValueError, match="token for Home Assistant is empty"):
        HomeAssistantLink("http://127.0.0.1:1", token, cache=StateCache(), on_event=lambda event: None)


def test_a_wrong_address_is_refused_at_once() -> None:
    with pytest.raises(UrlError):
        HomeAssistantLink("127.0.0.1:8123", "token", cache=StateCache(), on_event=lambda event: None)


async def test_stop_ends_serve_without_cancelling_who_awaits_it_and_may_come_twice(home: SimulatedHome) -> None:
    link = HomeAssistantLink(home.url, home.token, cache=StateCache(), on_event=lambda event: None)
    await link.stop()
    await link.start()
    serving = asyncio.create_task(link.serve())
    async with asyncio.timeout(10):
        await link.ready.wait()
        await link.stop()
        await link.stop()
        await serving
    assert not serving.cancelled()
    assert (link.connected, link.ready.is_set()) == (False, False)


async def test_serve_that_is_cancelled_closes_its_connection(home: SimulatedHome) -> None:
    link = HomeAssistantLink(home.url, home.token, cache=StateCache(), on_event=lambda event: None)
    serving = asyncio.create_task(link.serve())
    async with asyncio.timeout(10):
        await link.ready.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert not link.connected
