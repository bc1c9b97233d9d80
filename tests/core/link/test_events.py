"""Parsing events, and refusing everything that is not an event."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.errors import UnreadableEventError
from hassette_core.events import Context, Event, StateChanged, parse_event

CONTEXT = {"id": "01M82ZFDZW3A8V66Q9J8YAHWBC", "parent_id": None, "user_id": "e91d5a510bbb8121a0382b62b0c42321"}
TIME = "2026-11-23T01:14:10.301321+00:00"
STATE = {
    "entity_id": "light.hall",
    "state": "on",
    "attributes": {"brightness": 120},
    "last_changed": TIME,
    "last_reported": TIME,
    "last_updated": TIME,
    "context": CONTEXT,
}
CHANGE: dict[str, Any] = {
    "event_type": "state_changed",
    "data": {"entity_id": "light.hall", "old_state": None, "new_state": STATE},
    "origin": "LOCAL",
    "time_fired": TIME,
    "context": CONTEXT,
}


def test_change_of_state_is_parsed() -> None:
    event = parse_event(CHANGE, 42)
    assert isinstance(event, StateChanged)
    assert (event.entity_id, event.domain, event.old_state, event.received_ns) == ("light.hall", "light", None, 42)
    assert event.new_state is not None
    assert (event.new_state.state, event.new_state.attributes["brightness"], event.new_state.domain) == (
        "on",
        120,
        "light",
    )
    assert event.time_fired == event.new_state.last_changed == datetime(2026, 11, 23, 1, 14, 10, 301321, tzinfo=UTC)
    assert event.context == event.new_state.context == Context(CONTEXT["id"], None, CONTEXT["user_id"])


def test_event_of_another_type_keeps_its_data() -> None:
    event = parse_event({**CHANGE, "event_type": "my_event", "data": {"n": 1}}, 42)
    assert type(event) is Event
    assert (event.event_type, event.data, event.received_ns) == ("my_event", {"n": 1}, 42)


def test_event_cannot_be_changed() -> None:
    event = parse_event(copy.deepcopy(CHANGE), 0)
    assert isinstance(event, StateChanged)
    assert event.new_state is not None
    with pytest.raises(AttributeError):
        event.entity_id = "light.other"  # pyright: ignore[reportAttributeAccessIssue]
    for mapping in (event.data, event.new_state.attributes):
        with pytest.raises(TypeError):
            mapping["x"] = 1  # type: ignore[index]


def paths(value: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return []
    return [path for key in value for path in ((*before, key), *paths(value[key], (*before, key)))]


OPTIONAL = ("origin", "last_reported", "brightness", "parent_id", "user_id")
NEEDED = [path for path in paths(CHANGE) if path[-1] not in OPTIONAL]


@pytest.mark.parametrize("path", NEEDED, ids=".".join)
def test_event_without_a_required_field_is_unreadable(path: tuple[str, ...]) -> None:
    raw = copy.deepcopy(CHANGE)
    part = raw
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    with pytest.raises(UnreadableEventError, match=path[-1]):
        parse_event(raw, 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(path=st.sampled_from(NEEDED), value=JSON)
def test_event_with_any_value_in_a_field_is_parsed_or_unreadable(path: tuple[str, ...], value: Any) -> None:
    raw = json.loads(json.dumps(CHANGE))
    part = raw
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    try:
        event = parse_event(raw, 0)
    except UnreadableEventError:
        return
    assert isinstance(event.event_type, str)
    assert isinstance(event.context.id, str)
    dict(event.data)
    if isinstance(event, StateChanged):
        assert isinstance(event.entity_id, str)
        if event.new_state is not None:
            assert isinstance(event.new_state.state, str)
            dict(event.new_state.attributes)
