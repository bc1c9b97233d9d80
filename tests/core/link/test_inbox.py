"""Changes that arrive while the states are fetched."""

from typing import Any

from hassette_core.events import Event, StateChanged, parse_state
from hassette_core.link.inbox import Inbox
from hassette_core.states import StateCache

TIME = "2026-11-23T01:14:10.301321+00:00"
CONTEXT = {"id": "C1", "parent_id": None, "user_id": None}


def light(state: str) -> dict[str, Any]:
    return {
        "entity_id": "light.hall",
        "state": state,
        "attributes": {},
        "last_changed": TIME,
        "last_updated": TIME,
        "context": CONTEXT,
    }


def test_change_that_arrives_before_the_fetched_states_is_newer_and_is_passed_on_after_them() -> None:
    cache, passed_on = StateCache(), list[tuple[str, str]]()

    def on_event(event: Event) -> None:
        assert isinstance(event, StateChanged)
        assert event.new_state is not None
        passed_on.append((event.new_state.state, cache.states["light.hall"].state))

    inbox = Inbox(cache, on_event)
    for fetched, newer in (("off", "on"), ("dim", "bright")):
        inbox.begin()
        data = {"entity_id": "light.hall", "old_state": light(fetched), "new_state": light(newer)}
        event = {"event_type": "state_changed", "data": data, "time_fired": TIME, "context": CONTEXT}
        inbox.receive({"event": event})
        assert (newer, newer) not in passed_on
        inbox.load([parse_state(light(fetched))], running=True)
        assert cache.states["light.hall"].state == newer
        assert passed_on[-1] == (newer, newer)


def test_change_that_follows_a_buffered_start_is_passed_on_once() -> None:
    """Home Assistant may send its start event, and changes after it, while the states are fetched."""
    cache, passed_on = StateCache(), list[tuple[str, str | None, str | None, bool] | str]()

    def on_event(event: Event) -> None:
        if not isinstance(event, StateChanged):
            inbox.home_started()  # as the link does
            passed_on.append(event.event_type)
        else:
            old, new = event.old_state, event.new_state
            passed_on.append((event.entity_id, old and old.state, new and new.state, event.missed))

    inbox = Inbox(cache, on_event)
    inbox.begin()
    inbox.load([parse_state(light("off"))], running=True)
    inbox.begin()
    for event_type, data in (
        ("state_changed", {"entity_id": "light.hall", "old_state": light("off"), "new_state": light("dim")}),
        ("homeassistant_started", {}),
        ("state_changed", {"entity_id": "light.hall", "old_state": light("dim"), "new_state": light("on")}),
    ):
        inbox.receive({"event": {"event_type": event_type, "data": data, "time_fired": TIME, "context": CONTEXT}})
    inbox.load([parse_state(light("on"))], running=False)
    assert passed_on == [
        ("light.hall", "off", "dim", True),
        "homeassistant_started",
        ("light.hall", "dim", "on", False),
    ]
