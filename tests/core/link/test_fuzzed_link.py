"""Whatever Home Assistant sends, the link goes on, its log stays short, and the next good message works."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hassette_core.events import Event, StateChanged
from hassette_core.link import ConnectionEnd, HomeAssistantLink, HttpAnswer
from hassette_core.states import StateCache
from support.linked_home import short_sleep
from support.waiting import eventually

MAX_LOG_LINES = 25
"""More than the number of different log messages of the link. Each is logged once a minute."""
TIME = "2026-11-23T01:14:10.301321+00:00"
CONTEXT = {"id": "C1", "parent_id": None, "user_id": None}


def state(entity_id: str, text: str) -> dict[str, Any]:
    times = {"last_changed": TIME, "last_reported": TIME, "last_updated": TIME}
    return {"entity_id": entity_id, "state": text, "attributes": {"a": [1, {"b": None}]}, **times, "context": CONTEXT}


def change(number: object, entity_id: str, text: str) -> dict[str, Any]:
    data = {"entity_id": entity_id, "old_state": state(entity_id, "old"), "new_state": state(entity_id, text)}
    event = {"event_type": "state_changed", "data": data, "origin": "LOCAL", "time_fired": TIME, "context": CONTEXT}
    return {"id": number, "type": "event", "event": event}


class FuzzedHome:
    """A transport whose other side answers like Home Assistant, and inserts the given texts everywhere.

    Args:
        texts: The texts. Each is sent twice: once between the answers of a setup, and once after it.
    """

    in_process = True

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self.opened = 0

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def open(self) -> "FuzzedChannel":
        self.opened += 1
        # The first connections are fuzzed. A connection that ends because of a text must not have ended for ever.
        return FuzzedChannel(list(self._texts) if self.opened <= len(self._texts) + 1 else [])


class FuzzedChannel:
    def __init__(self, texts: list[str]) -> None:
        self.closed = False
        self._texts = texts
        self._waiting: asyncio.Queue[str | ConnectionEnd] = asyncio.Queue()
        self._subscription: object = 0
        self._count = 0
        self._answer({"type": "auth_required", "ha_version": "1"})

    def _answer(self, message: object) -> None:
        self._waiting.put_nowait(json.dumps(message))

    async def send(self, text: str) -> None:
        message = json.loads(text)
        kind, number = message["type"], message.get("id")
        if kind == "auth":
            self._answer({"type": "auth_ok", "ha_version": "1"})
            return
        if kind == "ping":
            self._answer({"id": number, "type": "pong"})
            return
        for fuzz in self._texts[:2]:
            self._waiting.put_nowait(fuzz)
        if kind == "subscribe_events":
            self._subscription = number
        result = {"get_config": {"state": "RUNNING", "version": "1"}, "get_states": [state("light.hall", "off")]}
        self._answer({"id": number, "type": "result", "success": True, "result": result.get(kind)})
        if kind == "get_states":
            for fuzz in self._texts:
                self._waiting.put_nowait(fuzz)
            self._answer(change(self._subscription, "light.good", "good"))

    async def receive(self) -> str | ConnectionEnd:
        received = await self._waiting.get()
        if isinstance(received, ConnectionEnd):
            self.closed = True
        return received

    async def request(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> HttpAnswer:
        return HttpAnswer(404, "")

    async def close(self) -> None:
        self.closed = True
        self._waiting.put_nowait(ConnectionEnd("closed"))


VALUES = st.recursive(
    st.sampled_from(
        [None, True, False, 0, 1, 2, 3, 4, 5, -1, 2**70, 1e300, "", "x", "event", "result", "pong", "auth_ok"]
    )
    | st.sampled_from(["state_changed", "homeassistant_started", "core_config_updated", "light.hall", TIME, "\ud800"])
    | st.floats()
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(["id", "type", "event", "data"]), inner, max_size=4)
    ),
    max_leaves=8,
)
NUMBERS = st.integers(-1, 6) | VALUES
MESSAGES = st.one_of(
    VALUES,
    st.builds(lambda number, text: change(number, "light.hall", text), NUMBERS, st.text(max_size=3)),
    st.builds(lambda number, event: {"id": number, "type": "event", "event": event}, NUMBERS, VALUES),
    st.builds(
        lambda number, kind, data: {
            "id": number,
            "type": "event",
            "event": {"event_type": kind, "data": data, "time_fired": TIME, "context": CONTEXT},
        },
        NUMBERS,
        st.sampled_from(["state_changed", "homeassistant_started", "core_config_updated", "homeassistant_stop"]),
        VALUES,
    ),
    st.builds(
        lambda number, ok, result, error: {
            "id": number,
            "type": "result",
            "success": ok,
            "result": result,
            "error": error,
        },
        NUMBERS,
        st.booleans() | VALUES,
        VALUES,
        VALUES,
    ),
)


@st.composite
def fuzz(draw: st.DrawFn) -> list[str]:
    """Return texts: good and bad messages, lists of them, repeated, reordered, cut off and huge."""
    messages = draw(st.lists(MESSAGES, min_size=1, max_size=5))
    texts = [json.dumps(message) for message in messages]
    if draw(st.booleans()):
        texts.append(f"[{','.join(texts)}]")
    if draw(st.booleans()):
        texts += texts[::-1]
    if draw(st.booleans()):
        where = draw(st.integers(0, len(texts) - 1))
        texts[where] = texts[where][: draw(st.integers(0, len(texts[where])))]
    return texts + draw(st.lists(st.text(max_size=6), max_size=1))


async def survive(texts: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Connect to a home that sends the texts, until a good change arrives."""
    events: list[Event] = []
    cache, home = StateCache(), FuzzedHome(texts)
    link = HomeAssistantLink(
        "http://home:8123",
        "token",
        cache=cache,
        on_event=events.append,
        transport=home,
        sleep=short_sleep,
        setup_timeout_s=0.2,
        startup_interval_s=0.01,
    )
    caplog.clear()

    def good() -> bool:
        return any(isinstance(event, StateChanged) and event.entity_id == "light.good" for event in events)

    async with link:
        await eventually(good)
        # On a slow machine, the setup may take too long. Then the link connects again, and fetches the states again.
        await eventually(lambda: link.ready.is_set() and "light.good" in cache.states)
        assert cache.states["light.good"].state == "good"
        assert link.serve_task is not None
        assert not link.serve_task.done()
    # Each loss of a connection is logged. A pause before each attempt limits their number.
    losses = [record for record in caplog.records if record.getMessage().startswith("Connection to Home Assistant")]
    assert len(losses) <= 2 * home.opened
    assert len(caplog.records) - len(losses) <= MAX_LOG_LINES
    assert all(
        len(record.getMessage()) + len(str(vars(record).get("problem", ""))) < 2_000 for record in caplog.records
    )
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@given(texts=fuzz())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_link_survives_any_messages(texts: list[str], caplog: pytest.LogCaptureFixture) -> None:
    await survive(texts, caplog)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(change(2, "light.hall", "x" * 3_000_000)),
        "[" * 100_000,
        "[" + ",".join(['{"id":2,"type":"event"}'] * 20_000) + "]",
        json.dumps({"id": 2, "type": "event", "event": {"event_type": "x" * 1_000_000, "data": 5}}),
        '{"id":2,"type":"event","event":' + '{"a":' * 5_000 + "1" + "}" * 5_000 + "}",
        "9" * 10_000,
    ],
    ids=["large state", "deep list", "many bad messages", "large type", "deep object", "large number"],
)
async def test_link_survives_huge_messages(text: str, caplog: pytest.LogCaptureFixture) -> None:
    await survive([text], caplog)
