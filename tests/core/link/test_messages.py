"""A state change that is decoded straight into values is the same as one whose fields are checked one by one."""

import json
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from hassette_core.events import State, StateChanged, parse_event
from hassette_core.link.messages import ReceivedChange, UnparsedData, UnreadableMessageError, parse_frame, parse_json
from support.message_parts import REMOVED, PartPath, paths, with_part

TIME = "2026-11-23T01:14:10.301321+00:00"
CONTEXT = {"id": "C1", "parent_id": None, "user_id": "U1"}


def state(text: str, **attributes: object) -> dict[str, Any]:
    times = {"last_changed": TIME, "last_reported": TIME, "last_updated": TIME}
    return {"entity_id": "light.hall", "state": text, "attributes": attributes, **times, "context": CONTEXT}


MESSAGE: dict[str, Any] = {
    "id": 3,
    "type": "event",
    "event": {
        "event_type": "state_changed",
        "data": {"entity_id": "light.hall", "old_state": state("off"), "new_state": state("on", brightness=9, rgb=[1])},
        "origin": "LOCAL",
        "time_fired": TIME,
        "context": CONTEXT,
    },
}


JSON = st.recursive(
    st.sampled_from([None, True, False, 0, 5, -1, 1.0, 2**70, "", "x", "on", "light.hall", "event", "state_changed"])
    | st.sampled_from(
        [TIME, "2026-11-23T01:14:10", "20261123T011410Z", "2026-11-23T01:14:10+02:00", "2026-W48-1", "never"]
    )
    | st.text(max_size=3)
    | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def text_of(message: object) -> str:
    return json.dumps(message, separators=(",", ":"))


def same(one: object, other: object) -> bool:
    return repr(one) == repr(other)  # NaN differs from NaN


@given(
    path=st.sampled_from([path for path in paths(MESSAGE) if path]),
    value=JSON | st.just(REMOVED),
    ascii_only=st.booleans(),
)
def test_decoded_change_is_the_same_as_the_checked_one(path: PartPath, value: Any, ascii_only: bool) -> None:
    message = with_part(MESSAGE, path, value)
    text = json.dumps(message, ensure_ascii=ascii_only)
    (received,) = parse_frame(text, 7)
    if not isinstance(received, ReceivedChange):
        return  # it has odd content, and the inbox checks each field
    checked = parse_event(message["event"], 7)
    decoded = received.event
    assert isinstance(checked, StateChanged)
    assert same(decoded.old_state, checked.old_state)
    assert same(decoded.new_state, checked.new_state)
    assert (decoded.entity_id, decoded.time_fired, decoded.context) == (
        checked.entity_id,
        checked.time_fired,
        checked.context,
    )
    assert (decoded.received_ns, decoded.missed, received.number) == (7, False, message["id"])
    assert same(dict(decoded.data), dict(checked.data))


@given(value=JSON, path=st.sampled_from([path for path in paths(MESSAGE) if len(path) > 1]))
def test_message_with_odd_content_affects_no_other_message_of_its_frame(path: PartPath, value: Any) -> None:
    texts = [text_of(MESSAGE), text_of(with_part(MESSAGE, path, value)), text_of(MESSAGE)]
    first, odd, last = parse_frame(f"[{','.join(texts)}]", 0)
    (expected,) = parse_frame(text_of(MESSAGE), 0)
    for received in (first, last):
        assert same(changed(received).new_state, changed(expected).new_state)
    assert not isinstance(odd, UnreadableMessageError)


def changed(received: object) -> StateChanged:
    """Return a received change, which msgspec or the slower way has parsed."""
    event = received.event if isinstance(received, ReceivedChange) else parse_event(cast("Any", received)["event"], 0)
    assert isinstance(event, StateChanged)
    return event


def test_message_of_normal_content_is_decoded_straight() -> None:
    (received,) = parse_frame(text_of(MESSAGE), 7)
    assert isinstance(received, ReceivedChange)
    new = received.event.new_state
    assert isinstance(new, State)
    assert (new.state, dict(new.attributes), new.last_changed.isoformat()) == (
        "on",
        {"brightness": 9, "rgb": [1]},
        TIME,
    )
    assert received.event.context.user_id == "U1"


def test_attributes_of_a_decoded_state_cannot_be_changed() -> None:
    (received,) = parse_frame(text_of(MESSAGE), 7)
    assert isinstance(received, ReceivedChange)
    assert received.event.new_state is not None
    assert not hasattr(received.event.new_state.attributes, "__setitem__")


def test_data_of_a_decoded_change_is_what_home_assistant_sent() -> None:
    (received,) = parse_frame(text_of(MESSAGE), 7)
    assert isinstance(received, ReceivedChange)
    data = received.event.data
    assert data == MESSAGE["event"]["data"]
    assert (data["new_state"]["last_reported"], len(data), list(data)) == (
        TIME,
        3,
        ["entity_id", "old_state", "new_state"],
    )
    assert repr(data) == repr(MESSAGE["event"]["data"])


def test_event_of_another_type_and_an_answer_are_passed_on_as_objects() -> None:
    event = {
        "id": 3,
        "type": "event",
        "event": {"event_type": "keypad", "data": {}, "time_fired": TIME, "context": CONTEXT},
    }
    answer = {"id": 4, "type": "result", "success": True, "result": [state("on")]}
    assert list(parse_frame(text_of(event), 0)) == [event]
    assert list(parse_frame(text_of([event, answer, 5]), 0))[:2] == [event, answer]


def test_frame_keeps_no_reference_to_the_frame_in_its_changes() -> None:
    frame = "[" + ",".join([text_of(MESSAGE)] * 50) + "]"
    changes = list(parse_frame(frame, 0))
    assert len(changes) == 50
    for change in changes:
        assert isinstance(change, ReceivedChange)
        assert len(change.text) == len(text_of(MESSAGE))


def test_numbers_and_texts_that_msgspec_refuses_are_parsed() -> None:
    assert parse_json('{"a": 1e999, "b": NaN, "c": "\\ud800", "d": ' + "9" * 5_000 + "}").keys() == {"a", "b", "c", "d"}
    message = text_of(with_part(MESSAGE, ("event", "data", "new_state", "attributes"), {"big": "@"})).replace(
        '"@"', "9" * 5_000
    )
    (received,) = parse_frame(message, 0)
    assert isinstance(received, dict)
    event = parse_event(received["event"], 0)
    assert isinstance(event, StateChanged)
    assert event.new_state is not None


def test_unparsed_data_parses_its_message_once() -> None:
    data = UnparsedData(text_of(MESSAGE))
    assert data["new_state"] is data["new_state"]
