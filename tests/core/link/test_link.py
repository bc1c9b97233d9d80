"""The link to a simulated home: states and events, reconnects, failures, and the secrecy of the token."""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from hassette_core.errors import AuthenticationError, NotConnectedError, UrlError
from hassette_core.events import StateChanged
from hassette_core.link import HomeAssistantLink, LivenessCheck, WebTransport, parse_address
from hassette_core.link.web_transport import WebChannel
from hassette_core.simulation.home import SimulatedHome
from hassette_core.states import StateCache
from support.linked_home import LinkedHome, MakeLinked
from support.waiting import eventually, patience


async def test_ready_link_knows_all_states_and_the_configuration(linked: LinkedHome) -> None:
    link = linked.link
    assert len(linked.states) == len(linked.home.core.states) > 30
    assert linked.states["climate.living_room"].attributes["temperature"] == 21.0
    assert (link.connected, link.ready.is_set(), link.home_assistant_version) == (True, True, "2025.4.4")
    assert link.configuration is not None
    assert link.configuration.time_zone == "Europe/Amsterdam"
    assert (link.configuration.latitude, link.configuration.longitude) == (52.37, 4.89)


async def test_states_change_before_the_event_is_passed_on(linked: LinkedHome) -> None:
    linked.home.core.change("light.hall", "on")
    linked.home.core.remove("light.kitchen")
    await linked.settle()
    assert linked.changes() == [("light.hall", "off", "on"), ("light.kitchen", "off", None)]
    assert linked.states_at_event == ["on", None]


async def test_changed_configuration_of_home_assistant_is_applied(linked: LinkedHome) -> None:
    linked.home.core.fire("core_config_updated", {"time_zone": "Asia/Tokyo", "latitude": 35.7})
    await linked.settle()
    configuration = linked.link.configuration
    assert configuration is not None
    assert (configuration.time_zone, configuration.latitude, configuration.longitude) == ("Asia/Tokyo", 35.7, 4.89)


async def test_reconnect_updates_states_and_passes_on_missed_changes_before_real_events(linked: LinkedHome) -> None:
    core = linked.home.core
    linked.home.drop_connections()
    core.change("light.hall", "on")
    core.remove("light.kitchen")
    core.set("light.new", "on")
    await linked.restored()
    states = linked.states
    assert (states["light.hall"].state, "light.kitchen" in states, "light.new" in states) == ("on", False, True)
    assert sorted(linked.changes(), key=str) == [
        ("light.hall", "off", "on"),
        ("light.kitchen", "off", None),
        ("light.new", None, "on"),
    ]
    assert all(isinstance(event, StateChanged) and event.missed for event in linked.events)
    core.change("light.hall", "off")
    await linked.settle()
    (last,) = [event for event in linked.events[3:] if isinstance(event, StateChanged)]
    assert (linked.changes()[3], last.missed) == (("light.hall", "on", "off"), False)
    assert [(kind, subject) for kind, subject, _ in linked.reports] == [
        ("connection_lost", linked.home.url),
        ("connection_restored", linked.home.url),
    ]


async def test_link_waits_for_an_absent_home_assistant_and_connects_when_it_starts(
    make_linked: MakeLinked, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    home = SimulatedHome(speed=0)
    await home.start()
    await home.stop()  # the home keeps its port number for the next start
    linked = make_linked(home)
    async with linked.link as link:
        await eventually(lambda: link.problem)
        assert "cannot connect" in link.problem
        assert not link.ready.is_set()
        with pytest.raises(NotConnectedError, match=r"cannot call light.turn_on: not connected to Home Assistant"):
            await linked.api.call_service("light", "turn_on", target="light.hall")
        await home.start()
        await link.wait_ready()
        assert link.problem == ""
        assert linked.reports == [], "a first connection is neither lost nor restored"
        messages = {record.message for record in caplog.records if record.name.startswith("hassette_core")}
        assert messages == {"Home Assistant is not connected yet", "Home Assistant connected"}
    await home.stop()


class Attempts:
    """Replaces each wait of the link by a short one, and counts the waits."""

    def __init__(self, enough: int) -> None:
        self.left = enough
        self.enough = asyncio.Event()

    async def sleep(self, _seconds: float) -> None:
        self.left -= 1
        if not self.left:
            self.enough.set()
        await asyncio.sleep(0)


async def test_repeated_failures_of_the_first_connection_are_logged_once_and_not_reported(
    make_linked: MakeLinked, caplog: pytest.LogCaptureFixture
) -> None:
    home = SimulatedHome(speed=0)
    await home.start()
    await home.stop()
    attempts = Attempts(20)
    linked = make_linked(home, sleep=attempts.sleep)
    async with linked.link, asyncio.timeout(patience(10)):
        await attempts.enough.wait()
    assert linked.reports == []
    assert len([record for record in caplog.records if record.name.startswith("hassette_core")]) == 1


async def test_wait_grows_if_connections_break_at_once(make_linked: MakeLinked, home: SimulatedHome) -> None:
    """If the wait did not grow, the link would fetch all states several times a second."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.001)

    linked = make_linked(home, sleep=sleep, random=lambda: 1.0)
    async with linked.link as link, asyncio.timeout(patience(20)):
        for lost in range(1, 5):
            await link.wait_ready()
            home.drop_connections()
            await linked.lost(lost)
            await eventually(lambda lost=lost: len(waits) >= lost)
    assert waits[:4] == [0.25, 0.5, 1.0, 2.0]


async def test_lasting_loss_is_reported_once(
    make_linked: MakeLinked, home: SimulatedHome, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = Attempts(20)
    linked = make_linked(home, sleep=attempts.sleep)
    async with linked.link as link, asyncio.timeout(patience(10)):
        await link.wait_ready()
        await home.stop()
        await attempts.enough.wait()
    assert [kind for kind, _, _ in linked.reports] == ["connection_lost"]
    messages = [record.message for record in caplog.records if record.name.startswith("hassette_core.link")]
    assert messages == ["Connection to Home Assistant lost", "Connection to Home Assistant is still lost"]


async def test_while_home_assistant_starts_changes_are_applied_but_not_passed_on(
    make_linked: MakeLinked, home: SimulatedHome
) -> None:
    home.begin_starting()
    linked = make_linked(home)
    async with linked.link as link:
        await eventually(lambda: len(linked.states))
        home.core.set("sensor.slow_to_appear", "7")
        await linked.settle()
        assert not link.ready.is_set()
        assert linked.states["sensor.slow_to_appear"].state == "7"
        assert linked.changes() == []
        assert [event.event_type for event in linked.events] == ["mark"]

        home.finish_starting()
        await link.wait_ready()
        home.core.set("sensor.slow_to_appear", "8")
        await linked.settle()
        assert linked.changes() == [("sensor.slow_to_appear", "7", "8")]
        assert linked.events[1].event_type == "homeassistant_started"


async def test_hanging_home_assistant_is_detected(
    make_linked: MakeLinked, home: SimulatedHome, quick_liveness_check: Callable[..., LivenessCheck]
) -> None:
    linked = make_linked(home, make_liveness_check=quick_liveness_check)
    async with linked.link as link:
        await link.wait_ready()
        home.hang()
        await linked.lost()
        assert linked.reports[0] == ("connection_lost", home.url, "no answer to a ping for 0.1 s")
        home.wake()
        await linked.restored()


async def test_home_assistant_that_hangs_before_it_sends_the_states_is_detected(
    make_linked: MakeLinked, home: SimulatedHome, quick_liveness_check: Callable[..., LivenessCheck]
) -> None:
    home.hang()
    linked = make_linked(home, make_liveness_check=quick_liveness_check)
    async with linked.link as link:
        await eventually(lambda: link.problem)
        assert link.problem == "no answer to a ping for 0.1 s"
        home.wake()
        await link.wait_ready()


async def test_call_whose_connection_is_lost_raises_and_is_not_cancelled(linked: LinkedHome) -> None:
    linked.home.hang()
    calling = asyncio.create_task(linked.api.call_service("light", "turn_on", target="light.hall"))
    await asyncio.sleep(0)
    linked.home.drop_connections()
    with pytest.raises(NotConnectedError, match="may still carry out the request") as raised:
        async with asyncio.timeout(patience(10)):
            await calling
    assert raised.value.sent
    linked.home.wake()


async def test_commands_that_break_while_they_are_sent_log_no_unread_exception(
    linked: LinkedHome, caplog: pytest.LogCaptureFixture
) -> None:
    connection = linked.link.require_connection("send")

    async def send() -> bool:
        try:
            await connection.command("send", "large", data="x" * 3_000_000)
        except NotConnectedError as error:
            return error.sent
        return False

    linked.home.hang()
    sending = [asyncio.create_task(send()) for _ in range(8)]
    await asyncio.sleep(0)  # now the commands wait, because the socket is full
    linked.home.drop_connections()
    async with asyncio.timeout(patience(10)):
        assert await asyncio.gather(*sending) == [True] * 8
    linked.home.wake()
    gc.collect()  # asyncio logs an unread exception when its future is collected
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


async def test_cancelled_caller_does_not_end_the_connection(linked: LinkedHome) -> None:
    """The answer to a command arrives even if the caller of the command has been cancelled."""
    linked.home.hang()
    calling = asyncio.create_task(linked.api.call_service("light", "turn_on", target="light.hall"))
    while not calling.cancelling():
        await asyncio.sleep(0)
        calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    linked.home.wake()
    await linked.settle()
    assert linked.reports == []


async def test_burst_of_4000_events_arrives_complete_and_in_order(linked: LinkedHome) -> None:
    for n in range(4_000):
        linked.home.core.fire("burst", {"n": n})
    await linked.settle()
    assert [event.data["n"] for event in linked.events[:-1]] == list(range(4_000))
    assert linked.reports == []


async def test_cut_of_a_slow_client_is_recognised_counted_and_reported_with_its_cause(linked: LinkedHome) -> None:
    linked.home.core.fire("before")
    await linked.settle()
    began_us = time.time_ns() // 1000
    for n in range(5_000):
        linked.home.core.set(f"sensor.number_{n % 2_000}", str(n))
    await eventually(lambda: linked.losses)
    ((reason, what, count, first_us, last_us),) = linked.losses
    assert (reason, what) == ("slow_reader", "events")
    assert 2_000 <= count <= 5_000, "at least one event of each entity was discarded"
    # Times in the past are computed from the monotonic clock, and the system may adjust the wall clock meanwhile.
    assert first_us - 1_000_000 <= began_us <= last_us + 1_000_000
    assert [kind for kind, *_ in linked.reports] == ["connection_lost", "connection_restored", "events_lost"]
    assert linked.reports[0][2].startswith("Home Assistant closed the connection, because it stops or because")
    assert "kept running and discarded at least 2,000 events; 2,000 entities changed" in linked.reports[2][2]
    assert all(linked.states[f"sensor.number_{n % 2_000}"].state == str(n) for n in range(3_000, 5_000))
    missed = [event for event in linked.events if isinstance(event, StateChanged) and event.missed]
    assert len(missed) == 2_000


async def test_cut_by_events_that_change_no_state_is_counted_too(linked: LinkedHome) -> None:
    for n in range(5_000):
        linked.home.core.fire("burst", {"n": n})
    await eventually(lambda: linked.losses)
    assert [loss[:3] for loss in linked.losses] == [("slow_reader", "events", 1_024)]
    await linked.settle()


async def test_cut_after_a_blocked_event_loop_names_the_delay(linked: LinkedHome) -> None:
    """The home writes messages into the socket, and cuts the client later. So the client reads the messages late."""
    linked.home.core.fire("before")
    await linked.settle()
    for n in range(100):
        linked.home.core.fire("delayed", {"n": n})
    await asyncio.sleep(0)
    time.sleep(1.2)  # noqa: ASYNC251  the event loop must be blocked
    for n in range(5_000):
        linked.home.core.fire("burst", {"n": n})
    await eventually(lambda: linked.losses)
    assert "s after it had been sent" in linked.reports[0][2]


async def test_broken_connection_is_no_cut(linked: LinkedHome) -> None:
    linked.home.drop_connections()
    linked.home.core.change("light.hall", "on")
    await linked.restored()
    assert linked.losses == []
    assert linked.reports[0][2] == "the connection to Home Assistant broke"
    assert "1 entity changed" in linked.reports[1][2]


async def test_restart_of_home_assistant_that_was_never_unreachable_is_no_cut(linked: LinkedHome) -> None:
    """A restart gives all states new times."""
    await linked.home.stop()
    await linked.home.start()
    await linked.restored()
    assert linked.losses == []


async def test_link_waits_at_most_2_s_between_attempts_however_long_the_home_is_away(
    make_linked: MakeLinked, home: SimulatedHome
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.001)

    linked = make_linked(home, sleep=sleep, random=lambda: 1.0)
    async with linked.link as link:
        await linked.ready()
        await home.stop()
        await eventually(lambda: len(waits) > 12)
        await home.start()
        async with asyncio.timeout(patience(10)):
            await link.wait_ready()
    assert waits[:4] == [0.25, 0.5, 1.0, 2.0]
    assert set(waits[4:]) == {2.0}


async def test_stop_of_home_assistant_is_no_cut(make_linked: MakeLinked, home: SimulatedHome) -> None:
    linked = make_linked(home)
    async with linked.link as link:
        await link.wait_ready()
        await home.stop()
        await eventually(lambda: "cannot connect" in link.problem)
        await home.start()
        await linked.restored()
    assert linked.losses == []


async def test_events_of_an_unknown_form_are_ignored_and_logged_once(
    make_linked: MakeLinked, home: SimulatedHome, caplog: pytest.LogCaptureFixture
) -> None:
    home.core.listen("odd", lambda event: event.pop("context"))
    home.core.listen("*", lambda event: event["data"].pop("new_state", None))
    linked = make_linked(home)
    async with linked.link as link:
        await link.wait_ready()
        for _ in range(5):
            home.core.change("light.hall", "on")
            home.core.change("light.hall", "off")
        await linked.settle()
        assert (linked.changes(), linked.reports) == ([], [])
    assert [record.message for record in caplog.records].count("Event has an unknown shape; the event is ignored") == 1


async def test_report_names_an_answer_that_is_too_large(make_linked: MakeLinked, home: SimulatedHome) -> None:
    linked = make_linked(home, max_message_bytes=5_000)
    async with linked.link:
        await linked.lost()
    assert linked.reports[0][2] == "a message of Home Assistant is larger than 5000 bytes"


async def test_wrong_token_ends_serve_and_is_in_no_log_or_error(
    home: SimulatedHome, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    link = HomeAssistantLink(home.url, "hunter2-hunter2", cache=StateCache(), on_event=lambda event: None)
    with pytest.raises(AuthenticationError) as raised:
        async with asyncio.timeout(patience(10)):
            await link.serve()
    assert "hunter2" not in caplog.text + repr(raised.value) + str(raised.value)
    with pytest.raises(AuthenticationError):
        async with HomeAssistantLink(home.url, "hunter2", cache=StateCache(), on_event=lambda event: None) as link:
            await link.wait_ready()


@pytest.mark.parametrize("token", ["", "  "])
def test_empty_token_is_refused_before_anything_is_sent(token: str) -> None:
    with pytest.raises(ValueError, match="token must be a non-empty string, got "):
        HomeAssistantLink("http://127.0.0.1:1", token, cache=StateCache(), on_event=lambda event: None)


def test_wrong_address_is_refused_at_once() -> None:
    with pytest.raises(UrlError):
        HomeAssistantLink("127.0.0.1:8123", "token", cache=StateCache(), on_event=lambda event: None)


async def test_stop_ends_serve_without_cancelling_its_caller_and_may_be_called_twice(home: SimulatedHome) -> None:
    link = HomeAssistantLink(home.url, home.token, cache=StateCache(), on_event=lambda event: None)
    await link.stop()
    await link.start()
    serving = asyncio.create_task(link.serve())
    async with asyncio.timeout(patience(10)):
        await link.ready.wait()
        await link.stop()
        await link.stop()
        await serving
    assert not serving.cancelled()
    assert (link.connected, link.ready.is_set()) == (False, False)


async def test_cancelled_serve_closes_its_connection(home: SimulatedHome) -> None:
    link = HomeAssistantLink(home.url, home.token, cache=StateCache(), on_event=lambda event: None)
    serving = asyncio.create_task(link.serve())
    async with asyncio.timeout(patience(10)):
        await link.ready.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert not link.connected


@pytest.mark.parametrize("how", ["hang", "shut down"])
async def test_host_name_is_resolved_even_if_an_app_uses_up_the_threads_of_the_event_loop(
    home: SimulatedHome, how: str
) -> None:
    loop, released = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    hung = loop.run_in_executor(None, released.wait)
    if how == "shut down":
        released.set()
        await loop.shutdown_default_executor()
    url = home.url.replace("127.0.0.1", "localhost")
    try:
        link = HomeAssistantLink(url, home.token, cache=StateCache(), on_event=lambda _: None)
        async with asyncio.timeout(patience(10)), link:
            await link.wait_ready()
    finally:
        released.set()
        await hung


class HangingTransport(WebTransport):
    """A transport whose first two channels are never opened."""

    opened = 0

    async def open(self) -> WebChannel:
        self.opened += 1
        if self.opened <= 2:
            await asyncio.Event().wait()
        return await super().open()


async def test_connection_that_is_not_opened_in_time_is_replaced_soon(home: SimulatedHome) -> None:
    """A Home Assistant that starts sometimes accepts a connection and never answers on it."""
    transport = HangingTransport(parse_address(home.url))
    link = HomeAssistantLink(
        home.url,
        home.token,
        cache=StateCache(),
        on_event=lambda _: None,
        transport=transport,
        open_timeout_s=0.1,
    )
    async with link, asyncio.timeout(patience(10)):
        await link.wait_ready()
    assert transport.opened == 3
