"""If a part of a message is malformed, the link ignores at most that message, logs the part, and continues."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hassette_core.events import Event, StateChanged
from hassette_core.link import HomeAssistantLink, HomeConfiguration
from hassette_core.simulation.home import SimulatedHome
from hassette_core.states import StateCache
from support.linked_home import short_sleep
from support.message_parts import REMOVED, PartPath, paths, with_part
from support.message_proxy import Message, MessageProxy, message_proxy, unchanged
from support.waiting import eventually, patience

pytestmark = [pytest.mark.timeout(300), pytest.mark.heavy]

WRONG_VALUES = (REMOVED, None, True, 5, "x", [], {"x": 1}, "2026-11-23T01:14:10")
READ = HomeConfiguration._fields
"""The fields of Home Assistant's configuration that Hassette reads."""


class ProxiedLink:
    """A link to a simulated home behind a proxy that changes messages."""

    def __init__(self, home: SimulatedHome, proxy: MessageProxy, *, setup_timeout_s: float) -> None:
        self.home = home
        self.proxy = proxy
        self.events: list[Event] = []
        self.reports: list[str] = []
        self.cache = StateCache()
        self._count = 0
        self.link = HomeAssistantLink(
            proxy.url,
            home.token,
            cache=self.cache,
            on_event=self.events.append,
            report=lambda kind, subject, detail: self.reports.append(kind),
            sleep=short_sleep,
            setup_timeout_s=setup_timeout_s,
            startup_interval_s=0.05,
        )

    async def ready(self) -> None:
        async with asyncio.timeout(patience(20)):
            await self.link.wait_ready()

    async def works(self) -> None:
        """Check that the link is ready and passes on a change of an entity that no test changes."""
        await self.ready()
        self._count += 1
        state = str(self._count)
        self.home.core.set("sensor.probe", state)

        def passed_on() -> bool:
            return any(
                isinstance(event, StateChanged) and event.new_state is not None and event.new_state.state == state
                for event in self.events
            )

        await eventually(passed_on, 20)
        self.events.clear()


@pytest.fixture
async def proxied() -> AsyncIterator[ProxiedLink]:
    """Return a link that also completes the setup of a connection if the machine is slow."""
    async with SimulatedHome(speed=0) as home, message_proxy(home.url) as proxy:
        yield ProxiedLink(home, proxy, setup_timeout_s=patience(20))


@pytest.fixture
def impatient(proxied: ProxiedLink) -> ProxiedLink:
    """Return a link that soon connects again if an answer of the setup is missing."""
    return ProxiedLink(proxied.home, proxied.proxy, setup_timeout_s=0.2)


def kind_of(message: Message, proxy: MessageProxy) -> str:
    """Return the type of a message; for an answer, the type of the command."""
    return proxy.sent.get(message.get("id", 0), "") if message["type"] == "result" else message["type"]


class ChangeOnce:
    """Replaces one part of the first message of a kind, and forwards all other messages."""

    def __init__(self, proxy: MessageProxy, kind: str, path: PartPath, value: Any) -> None:
        self.done = False
        self._proxy = proxy
        self._kind = kind
        self._path = path
        self._value = value

    def __call__(self, message: Message) -> list[str]:
        if self.done or kind_of(message, self._proxy) != self._kind:
            return unchanged(message)
        self.done = True
        return [json.dumps(with_part(message, self._path, self._value))]


async def samples(proxied: ProxiedLink) -> dict[str, Message]:
    """Return one message of each kind that the link receives while it connects."""
    found: dict[str, Message] = {}

    def collect(message: Message) -> list[str]:
        found.setdefault(kind_of(message, proxied.proxy), message)
        return unchanged(message)

    proxied.proxy.change = collect
    async with proxied.link:
        await proxied.works()
    proxied.proxy.change = unchanged
    return found


@pytest.mark.parametrize(
    "kind", ["auth_required", "auth_ok", "supported_features", "subscribe_events", "get_config", "get_states"]
)
async def test_link_becomes_ready_after_any_malformed_message_of_the_setup(
    impatient: ProxiedLink, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    sample = (await samples(impatient))[kind]
    for path in paths(sample):
        if kind == "get_config" and path[:1] == ("result",) and len(path) > 1 and path[1] not in READ:
            continue
        for value in WRONG_VALUES:
            impatient.proxy.change = change = ChangeOnce(impatient.proxy, kind, path, value)
            caplog.clear()
            async with impatient.link:
                await impatient.works()
            assert change.done
            assert not [record for record in caplog.records if record.levelno >= logging.ERROR], (path, value)


async def test_any_malformed_event_costs_only_itself(proxied: ProxiedLink, caplog: pytest.LogCaptureFixture) -> None:
    async with proxied.link:
        await proxied.works()
        for fire in (
            lambda: proxied.home.core.change("light.hall", "on"),
            lambda: proxied.home.core.fire("my_event", {"n": 1, "entity_id": "light.hall"}),
            lambda: proxied.home.core.fire("core_config_updated", {"latitude": 1.0, "time_zone": "Europe/Berlin"}),
            lambda: proxied.home.core.remove("light.kitchen"),
        ):
            proxied.home.core.change("light.hall", "off")
            proxied.home.core.set("light.kitchen", "off")
            await proxied.works()
            sample: list[Message] = []

            def collect(message: Message, sample: list[Message] = sample) -> list[str]:
                sample.append(message)
                return []

            proxied.proxy.change = collect
            fire()
            await eventually(lambda sample=sample: sample)
            for path in paths(sample[0]):
                for value in WRONG_VALUES:
                    frame = json.dumps(with_part(sample[0], path, value))
                    proxied.proxy.change = lambda message, frame=frame: [frame, *unchanged(message)]
                    await proxied.works()
            proxied.proxy.change = unchanged
        assert proxied.reports == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_malformed_state_leaves_out_only_its_entity_and_names_it(
    proxied: ProxiedLink, caplog: pytest.LogCaptureFixture
) -> None:
    del proxied.home.core.states["light.hall"]["last_changed"]
    proxied.home.core.states["light.kitchen"]["attributes"] = None
    async with proxied.link:
        await proxied.works()
        assert proxied.cache.states.keys() == proxied.home.core.states.keys() - {"light.hall", "light.kitchen"}
        (line,) = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert line.message == "States of Home Assistant have an unknown shape; their entities are left out"
        problem = vars(line)["problem"]
        assert "light.hall: KeyError('last_changed')" in problem
        assert "light.kitchen: TypeError('expected an object, got None')" in problem
        proxied.home.core.set("light.hall", "on")
        await eventually(lambda: "light.hall" in proxied.cache.states)


async def test_entity_whose_state_becomes_malformed_is_not_reported_as_removed(proxied: ProxiedLink) -> None:
    async with proxied.link:
        await proxied.works()
        del proxied.home.core.states["light.hall"]["last_changed"]
        proxied.home.drop_connections()
        await eventually(lambda: "connection_restored" in proxied.reports)
        assert "light.hall" not in proxied.cache.states
        assert [event for event in proxied.events if isinstance(event, StateChanged)] == []


async def test_refused_command_of_the_setup_is_repeated_after_growing_pauses(proxied: ProxiedLink) -> None:
    """Home Assistant refuses the subscription if the user of the token is not an administrator."""

    def refuse(message: Message) -> list[str]:
        if kind_of(message, proxied.proxy) != "subscribe_events":
            return unchanged(message)
        error = {"code": "unauthorized", "message": "Unauthorized"}
        return [json.dumps({"id": message["id"], "type": "result", "success": False, "error": error})]

    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    proxied.proxy.change = refuse
    link = HomeAssistantLink(
        proxied.proxy.url,
        proxied.home.token,
        cache=StateCache(),
        on_event=lambda event: None,
        random=lambda: 1.0,
        sleep=sleep,
    )
    async with link:
        await eventually(lambda: len(waits) >= 9)
        assert link.problem == "cannot subscribe to events: Home Assistant answered: Unauthorized"
    assert waits[:9] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


async def test_message_without_a_type_is_ignored_and_described(
    proxied: ProxiedLink, caplog: pytest.LogCaptureFixture
) -> None:
    async with proxied.link:
        await proxied.works()
        proxied.proxy.change = lambda message: ['{"id": 1, "hello": "there"}', *unchanged(message)]
        await proxied.works()
    assert proxied.reports == []
    lines = [record for record in caplog.records if "unknown shape" in record.message]
    assert "type must be a string, got the message {'hello': 'there', 'id': 1}" in vars(lines[0])["problem"]


async def test_several_messages_in_one_frame_are_passed_on_in_order(proxied: ProxiedLink) -> None:
    waiting: list[Message] = []

    def collect(message: Message) -> list[str]:
        if message["type"] != "event":
            return unchanged(message)
        waiting.append(message)
        return [json.dumps(waiting)] if len(waiting) == 100 else []

    async with proxied.link:
        await proxied.works()
        proxied.proxy.change = collect
        for number in range(100):
            proxied.home.core.fire("burst", {"n": number})
        await eventually(lambda: len(proxied.events) == 100)
        assert [event.data["n"] for event in proxied.events] == list(range(100))


async def test_malformed_event_does_not_show_its_data_in_the_log(
    proxied: ProxiedLink, caplog: pytest.LogCaptureFixture
) -> None:
    """The data of an event may contain the code of a lock."""
    async with proxied.link:
        await proxied.works()
        event = {"event_type": "keypad", "data": {"code": "2468"}, "time_fired": "never", "context": {}}
        number = next(number for number, command in proxied.proxy.sent.items() if command == "subscribe_events")
        frame = json.dumps({"id": number, "type": "event", "event": event})
        proxied.proxy.change = lambda message: [frame, *unchanged(message)]
        await proxied.works()
    (line,) = [record for record in caplog.records if "unknown shape" in record.message]
    assert vars(line)["event"] == "'keypad'"
    assert "2468" not in str(vars(line))


@pytest.mark.parametrize(
    "answer",
    [
        {"success": True, "result": []},
        {"success": True, "result": None},
        {"success": False, "error": {"code": "unknown_error", "message": "Unknown error"}},
        {},
    ],
)
async def test_home_assistant_whose_start_event_and_first_answer_are_malformed_becomes_ready(
    proxied: ProxiedLink, answer: Message, caplog: pytest.LogCaptureFixture
) -> None:
    replaced = False

    def change(message: Message) -> list[str]:
        nonlocal replaced
        if message["type"] == "event" and message["event"]["event_type"] == "homeassistant_started":
            return []
        if kind_of(message, proxied.proxy) == "get_config" and not replaced:
            replaced = True
            return [json.dumps({"id": message["id"], "type": "result", **answer})]
        return unchanged(message)

    proxied.home.begin_starting()
    async with proxied.link:
        await eventually(lambda: "light.hall" in proxied.cache.states)  # the setup has ended
        proxied.proxy.change = change
        proxied.home.finish_starting()
        await proxied.works()
    lines = [record for record in caplog.records if "does not report whether it has started" in record.message]
    assert (replaced, len(lines)) == (True, 1)


@pytest.mark.parametrize("number", ["9" * 5_000, "-" + "9" * 5_000, "1e999", "NaN", "-Infinity", '"\\ud800"'])
async def test_number_that_is_too_large_affects_only_its_own_state(proxied: ProxiedLink, number: str) -> None:
    proxied.home.core.states["light.hall"]["attributes"]["brightness"] = "odd"

    def change(message: Message) -> list[str]:
        return [text.replace('"odd"', number) for text in unchanged(message)]

    proxied.proxy.change = change
    async with proxied.link:
        await proxied.works()
        assert proxied.cache.states.keys() == proxied.home.core.states.keys()
        proxied.home.core.change("light.hall", "on", brightness="odd")
        await eventually(lambda: proxied.cache.states["light.hall"].state == "on")
    assert proxied.reports == []
