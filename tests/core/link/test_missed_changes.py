"""Changes during a loss of the connection reach listeners, and no duration ends that was not seen unbroken."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from hassette_core.events import StateChanged
from hassette_executor import Record
from support.linked_bus import LinkedBus, linked_bus
from support.waiting import eventually, patience

DOOR = "binary_sensor.front_door"
DURATION_S = 0.4


@pytest.fixture
async def linked() -> AsyncIterator[LinkedBus]:
    async with linked_bus() as linked:
        yield linked


class Seen:
    """A handler that collects its events."""

    def __init__(self) -> None:
        self.events: list[StateChanged] = []

    async def handler(self, event: StateChanged) -> None:
        self.events.append(event)

    def changes(self) -> list[tuple[str, str | None, str | None, bool]]:
        return [
            (
                event.entity_id,
                event.old_state and event.old_state.state,
                event.new_state and event.new_state.state,
                event.missed,
            )
            for event in self.events
        ]


def lasted(record: Record, since: str) -> timedelta:
    """Return the time from a time of the home to the start of a run."""
    return timedelta(microseconds=record.started_us) - (
        datetime.fromisoformat(since) - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    )


async def pass_time(seconds: float) -> None:
    """Wait until the clock of the event loop has moved on. A duration of the listener under test ends meanwhile."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    await eventually(lambda: loop.time() > until)


async def test_change_while_disconnected_reaches_listeners_as_a_missed_change(linked: LinkedBus) -> None:
    seen, of_any = Seen(), Seen()
    linked.bus.on_state_change(seen.handler, "*", changed_to=lambda _: True, name="changes")
    linked.bus.on_event(of_any.handler, "state_changed", name="events")
    await linked.disconnect()
    linked.home.core.change(DOOR, "on")
    linked.home.core.change("light.hall", "on")
    linked.home.core.change("light.hall", "off")
    linked.home.core.set("sensor.new", "7")
    await linked.reconnect()
    await linked.records(4)
    assert seen.changes() == [(DOOR, "off", "on", True), ("sensor.new", None, "7", True)]
    assert of_any.changes() == seen.changes()
    assert seen.events[0].context.id == linked.home.core.states[DOOR]["context"]["id"]
    assert seen.events[0].data["new_state"]["state"] == "on"
    assert seen.events[0].time_fired.isoformat() == linked.home.core.states[DOOR]["last_updated"]


async def test_entity_removed_while_disconnected_is_a_missed_change_without_a_cause(linked: LinkedBus) -> None:
    seen = Seen()
    linked.bus.on_state_change(seen.handler, DOOR)
    await linked.disconnect()
    linked.home.core.remove(DOOR)
    await linked.reconnect()
    (record,) = await linked.records(1)
    assert seen.changes() == [(DOOR, "off", None, True)]
    assert record.trigger.context_id is None


async def test_attribute_changed_while_disconnected_reaches_its_listener(linked: LinkedBus) -> None:
    seen = Seen()
    linked.bus.on_attribute_change(seen.handler, "light.*", "brightness")
    await linked.disconnect()
    linked.home.core.change("light.hall", brightness=40)
    await linked.reconnect()
    await linked.records(1)
    assert seen.changes() == [("light.hall", "off", "off", True)]


async def test_listener_that_ignores_missed_changes_receives_only_others(linked: LinkedBus) -> None:
    seen = Seen()
    linked.bus.on_state_change(seen.handler, "*", missed="ignore")
    linked.bus.on_event(seen.handler, "state_changed", missed="ignore", name="events")
    await linked.disconnect()
    linked.home.core.change(DOOR, "on")
    await linked.reconnect()
    linked.home.core.change(DOOR, "off")
    await linked.records(2)
    assert seen.changes() == [(DOOR, "on", "off", False)] * 2


async def test_burst_of_missed_changes_costs_no_run(linked: LinkedBus) -> None:
    seen = Seen()
    linked.bus.on_state_change(seen.handler, "sensor.number_*")
    await linked.disconnect()
    for number in range(1_500):
        linked.home.core.set(f"sensor.number_{number}", "1")
    await linked.reconnect()
    await linked.records(1_500)


async def test_missed_changes_come_after_the_start_of_home_assistant(linked: LinkedBus) -> None:
    """While Home Assistant starts, an entity that appears late seems to be removed."""
    seen = Seen()
    linked.bus.on_state_change(seen.handler, "*")
    linked.home.begin_starting()
    await linked.disconnect()
    door = linked.home.core.states.pop(DOOR)
    linked.home.core.change("light.hall", "on")
    task = asyncio.create_task(linked.reconnect())
    await eventually(lambda: linked.link.connection == "starting" and DOOR not in linked.states)
    linked.home.core.set(DOOR, door["state"], door["attributes"])
    await linked.settle()
    assert seen.events == []
    linked.home.finish_starting()
    await task
    await linked.records(1)
    assert seen.changes() == [("light.hall", "off", "on", True)]


async def test_change_that_arrives_while_the_states_are_fetched_follows_the_missed_change(linked: LinkedBus) -> None:
    seen = Seen()
    linked.bus.on_state_change(seen.handler, DOOR)
    await linked.disconnect()
    linked.home.core.change(DOOR, "on")
    reconnecting = asyncio.create_task(linked.reconnect())
    await eventually(lambda: linked.link.connected)
    linked.home.core.change(DOOR, "off")
    await reconnecting
    await linked.settle()
    # If the home handled the subscription after the second change, no event was sent, and nothing differs.
    await eventually(lambda: not linked.executor.running())
    assert [change[1:3] for change in seen.changes()] in ([("off", "on"), ("on", "off")], [])


async def test_restart_without_a_change_runs_no_handler(linked: LinkedBus) -> None:
    seen = Seen()
    linked.bus.on_state_change(seen.handler, "*", include_attributes=True)
    linked.bus.on_event(seen.handler, "state_changed", name="events")
    await linked.disconnect()
    linked.restart_home()
    await linked.reconnect()
    linked.home.core.change(DOOR, "on")
    await linked.records(2)
    assert seen.changes() == [(DOOR, "off", "on", False)] * 2


# Durations.


async def open_door_and_disconnect(linked: LinkedBus, **options: Any) -> None:
    linked.bus.on_state_change(Seen().handler, DOOR, changed_to="on", duration=DURATION_S, **options)
    linked.home.core.change(DOOR, "on")
    await linked.settle()
    await linked.disconnect()


async def test_door_that_closed_and_reopened_while_disconnected_counts_from_its_last_change(linked: LinkedBus) -> None:
    await open_door_and_disconnect(linked)
    await pass_time(DURATION_S / 2)
    linked.home.core.change(DOOR, "off")
    linked.home.core.change(DOOR, "on")
    await linked.reconnect()
    (record,) = await linked.records(1)
    assert lasted(record, linked.home.core.states[DOOR]["last_changed"]) >= timedelta(seconds=DURATION_S)


async def test_duration_that_ends_while_disconnected_waits_for_the_connection(linked: LinkedBus) -> None:
    await open_door_and_disconnect(linked)
    await pass_time(DURATION_S * 1.5)
    assert linked.executor.accounting().executed == 0
    await linked.reconnect()
    await linked.records(1)


async def test_duration_that_ends_while_disconnected_is_dropped_if_the_door_has_closed(linked: LinkedBus) -> None:
    await open_door_and_disconnect(linked)
    linked.home.core.change(DOOR, "off")
    await pass_time(DURATION_S * 1.5)
    await linked.reconnect()
    await linked.settle()
    await pass_time(DURATION_S * 1.5)
    await linked.records(0)


async def test_duration_that_ends_while_disconnected_starts_again_if_the_door_was_closed_in_between(
    linked: LinkedBus,
) -> None:
    await open_door_and_disconnect(linked)
    await pass_time(DURATION_S * 1.5)
    linked.home.core.change(DOOR, "off")
    linked.home.core.change(DOOR, "on")
    await linked.reconnect()
    (record,) = await linked.records(1)
    assert lasted(record, linked.home.core.states[DOOR]["last_changed"]) >= timedelta(seconds=DURATION_S)


async def test_missed_change_starts_a_duration_at_the_time_of_the_change(linked: LinkedBus) -> None:
    linked.bus.on_state_change(Seen().handler, DOOR, changed_to="on", duration=30)
    linked.home.core.fire("clock_sample")
    await linked.settle()
    await linked.disconnect()
    linked.home.core.change(DOOR, "on")
    past = datetime.fromisoformat(linked.home.core.states[DOOR]["last_changed"]) - timedelta(seconds=31)
    linked.home.core.states[DOOR]["last_changed"] = past.isoformat()
    await linked.reconnect()
    await linked.records(1)


async def test_restart_of_home_assistant_starts_a_duration_again(linked: LinkedBus) -> None:
    """Nothing is known about the door while Home Assistant was down."""
    await open_door_and_disconnect(linked)
    await pass_time(DURATION_S)
    linked.restart_home()
    await linked.reconnect()
    (record,) = await linked.records(1)
    assert lasted(record, linked.home.core.states[DOOR]["last_changed"]) >= timedelta(seconds=DURATION_S)


@pytest.mark.parametrize("state", ["unavailable", None])
async def test_entity_that_is_unavailable_or_gone_after_the_reconnect_ends_a_duration(
    linked: LinkedBus, state: str | None
) -> None:
    await open_door_and_disconnect(linked)
    if state is None:
        linked.home.core.remove(DOOR)
    else:
        linked.home.core.change(DOOR, state)
    await linked.reconnect()
    await pass_time(DURATION_S * 1.5)
    await linked.settle()
    await linked.records(0)


async def test_duration_of_an_attribute_counts_from_the_last_update(linked: LinkedBus) -> None:
    linked.bus.on_attribute_change(Seen().handler, "light.hall", "brightness", changed_to=40, duration=DURATION_S)
    linked.home.core.change("light.hall", brightness=40)
    await linked.settle()
    await linked.disconnect()
    await pass_time(DURATION_S)
    linked.home.core.change("light.hall", brightness=50)
    linked.home.core.change("light.hall", brightness=40)
    await linked.reconnect()
    (record,) = await linked.records(1)
    assert lasted(record, linked.home.core.states["light.hall"]["last_updated"]) >= timedelta(seconds=DURATION_S)


async def test_each_entity_of_a_glob_is_judged_by_its_own_missed_changes(linked: LinkedBus) -> None:
    seen = Seen()
    linked.bus.on_state_change(seen.handler, "binary_sensor.*_door", changed_to="on", duration=DURATION_S)
    for door in (DOOR, "binary_sensor.back_door"):
        linked.home.core.change(door, "on")
    await linked.settle()
    await linked.disconnect()
    linked.home.core.change("binary_sensor.back_door", "off")
    await pass_time(DURATION_S)
    await linked.reconnect()
    await linked.records(1)
    assert [event.entity_id for event in seen.events] == [DOOR]


async def test_duration_does_not_end_while_its_end_waits_unread(linked: LinkedBus) -> None:
    """A handler that blocks the event loop delays the message that the door has closed, but not the timer."""
    linked.bus.on_state_change(Seen().handler, DOOR, changed_to="on", duration=DURATION_S)
    linked.home.core.change(DOOR, "on")
    await linked.settle()

    def close_door_and_block() -> None:
        linked.home.core.change(DOOR, "off")
        time.sleep(DURATION_S * 1.5)

    asyncio.get_running_loop().call_soon(close_door_and_block)
    await pass_time(DURATION_S * 2)
    await linked.settle()
    await linked.records(0)


async def test_duration_ends_only_once_a_silent_home_answers(linked: LinkedBus) -> None:
    """A home that hangs sends no changes, although its devices may change."""
    linked.bus.on_state_change(Seen().handler, DOOR, changed_to="on", duration=DURATION_S)
    linked.home.core.change(DOOR, "on")
    await linked.settle()
    linked.home.hang()
    await pass_time(DURATION_S * 1.5)
    assert linked.executor.accounting().executed == 0
    linked.home.wake()
    await linked.records(1)


async def test_1500_durations_that_end_together_cost_no_run(linked: LinkedBus) -> None:
    linked.bus.on_state_change(Seen().handler, "sensor.number_*", changed_to="1", duration=DURATION_S)
    for number in range(1_500):
        linked.home.core.set(f"sensor.number_{number}", "1")
    async with asyncio.timeout(patience(30)):
        await linked.records(1_500)
