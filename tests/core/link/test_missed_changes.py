"""Changes during an interruption reach listeners, and a duration ends only if the state was surely unbroken."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hassette_core.events import StateChanged
from support.linked_bus import LinkedBus, linked_bus
from support.waiting import eventually

DOOR = "binary_sensor.front_door"
DURATION_S = 60


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
    records = await linked.records(4)
    assert all(record.trigger.missed for record in records)
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
    linked.home.core.restore()
    await linked.reconnect()
    linked.home.core.change(DOOR, "on")
    await linked.records(2)
    assert seen.changes() == [(DOOR, "off", "on", False)] * 2


# Durations. The clock of the bus moves only in the tests.


async def close_and_open_door_unseen(linked: LinkedBus) -> None:
    await linked.disconnect()
    linked.home.core.change(DOOR, "off")
    linked.home.core.change(DOOR, "on")
    await linked.reconnect()


async def open_door(linked: LinkedBus) -> None:
    linked.bus.on_state_change(Seen().handler, DOOR, changed_to="on", duration=DURATION_S)
    linked.home.core.change(DOOR, "on")
    await linked.settle()


async def turns() -> None:
    """Let all tasks run except the tasks that wait for the home."""
    for _ in range(50):
        await asyncio.sleep(0)


async def runs_after(linked: LinkedBus, seconds: float) -> int:
    """Move the clock, wait until all due durations have ended, and return the number of runs so far."""
    linked.clock.advance(seconds)
    await linked.settle()
    await linked.settle()  # the ping of the observation was sent before the ping of settle()
    await eventually(lambda: not linked.executor.running())
    return linked.executor.accounting().executed


async def test_duration_of_an_unbroken_connection_ends_on_time(linked: LinkedBus) -> None:
    await open_door(linked)
    assert await runs_after(linked, DURATION_S - 1) == 0
    linked.clock.advance(1)
    await linked.records(1)


async def test_door_that_closed_and_reopened_while_disconnected_counts_from_its_last_change(linked: LinkedBus) -> None:
    await open_door(linked)
    linked.clock.advance(DURATION_S - 1)
    await close_and_open_door_unseen(linked)
    assert await runs_after(linked, 30) == 0
    linked.clock.advance(DURATION_S - 30)
    await linked.records(1)


async def test_run_after_a_missed_change_has_the_time_of_the_last_change(linked: LinkedBus) -> None:
    seen = Seen()
    linked.bus.on_state_change(seen.handler, DOOR, changed_to="on", duration=DURATION_S)
    linked.home.core.change(DOOR, "on")
    await linked.settle()
    await close_and_open_door_unseen(linked)
    linked.clock.advance(DURATION_S)
    await linked.records(1)
    (event,) = seen.events
    assert event.new_state is not None
    assert event.new_state.last_changed.isoformat() == linked.home.core.states[DOOR]["last_changed"]
    assert event.missed


async def test_duration_that_ends_while_disconnected_waits_for_the_connection(linked: LinkedBus) -> None:
    await open_door(linked)
    await linked.disconnect()
    linked.clock.advance(2 * DURATION_S)
    await turns()
    assert linked.executor.accounting().executed == 0
    await linked.reconnect()
    await linked.records(1)


async def test_duration_that_ends_while_disconnected_is_dropped_if_the_door_has_closed(linked: LinkedBus) -> None:
    await open_door(linked)
    await linked.disconnect()
    linked.home.core.change(DOOR, "off")
    linked.clock.advance(2 * DURATION_S)
    await linked.reconnect()
    assert await runs_after(linked, 2 * DURATION_S) == 0


async def test_duration_that_ends_while_disconnected_starts_again_if_the_door_was_closed_in_between(
    linked: LinkedBus,
) -> None:
    await open_door(linked)
    await linked.disconnect()
    linked.clock.advance(2 * DURATION_S)
    linked.home.core.change(DOOR, "off")
    linked.home.core.change(DOOR, "on")
    await linked.reconnect()
    assert await runs_after(linked, 30) == 0
    linked.clock.advance(DURATION_S - 30)
    await linked.records(1)


async def test_missed_change_starts_a_duration_at_the_time_of_the_change(linked: LinkedBus) -> None:
    linked.bus.on_state_change(Seen().handler, DOOR, changed_to="on", duration=DURATION_S)
    linked.home.core.fire("compares_the_clocks")
    await linked.settle()
    await linked.disconnect()
    linked.home.core.change(DOOR, "on")
    loop = asyncio.get_running_loop()
    later = loop.time() + 1
    await eventually(lambda: loop.time() > later)
    await linked.reconnect()
    linked.clock.advance(DURATION_S - 0.9)
    await linked.records(1)


async def test_restart_of_home_assistant_starts_a_duration_again(linked: LinkedBus) -> None:
    """Nothing is known about the door for the time in which Home Assistant did not run."""
    await open_door(linked)
    linked.clock.advance(DURATION_S - 1)
    await linked.disconnect()
    linked.home.core.restore()
    await linked.reconnect()
    assert await runs_after(linked, 30) == 0
    linked.clock.advance(DURATION_S - 30)
    await linked.records(1)


@pytest.mark.parametrize("state", ["unavailable", None])
async def test_entity_that_is_unavailable_or_gone_after_the_reconnect_ends_a_duration(
    linked: LinkedBus, state: str | None
) -> None:
    await open_door(linked)
    await linked.disconnect()
    if state is None:
        linked.home.core.remove(DOOR)
    else:
        linked.home.core.change(DOOR, state)
    await linked.reconnect()
    assert await runs_after(linked, 2 * DURATION_S) == 0


async def test_malformed_state_after_the_reconnect_ends_a_duration(linked: LinkedBus) -> None:
    await open_door(linked)
    await linked.disconnect()
    del linked.home.core.states[DOOR]["last_changed"]
    await linked.reconnect()
    assert await runs_after(linked, 2 * DURATION_S) == 0


async def test_duration_of_an_attribute_counts_from_the_last_update(linked: LinkedBus) -> None:
    linked.bus.on_attribute_change(Seen().handler, "light.hall", "brightness", changed_to=40, duration=DURATION_S)
    linked.home.core.change("light.hall", brightness=40)
    await linked.settle()
    linked.clock.advance(DURATION_S - 1)
    await linked.disconnect()
    linked.home.core.change("light.hall", brightness=50)
    linked.home.core.change("light.hall", brightness=40)
    await linked.reconnect()
    assert await runs_after(linked, 30) == 0
    linked.clock.advance(DURATION_S - 30)
    await linked.records(1)


async def test_duration_without_changed_to_counts_from_the_last_change(linked: LinkedBus) -> None:
    linked.bus.on_state_change(Seen().handler, DOOR, duration=DURATION_S)
    linked.home.core.change(DOOR, "on")
    await linked.settle()
    linked.clock.advance(DURATION_S - 1)
    await close_and_open_door_unseen(linked)
    assert await runs_after(linked, 30) == 0


async def test_new_value_that_meets_the_condition_counts_from_its_change(linked: LinkedBus) -> None:
    """The value may have left the accepted range in between."""
    linked.home.core.set("sensor.heat", "10")
    await linked.settle()
    linked.bus.on_state_change(
        Seen().handler, "sensor.heat", changed_to=lambda state: float(state) > 20, duration=DURATION_S
    )
    linked.home.core.change("sensor.heat", "21")
    await linked.settle()
    linked.clock.advance(DURATION_S - 1)
    await linked.disconnect()
    linked.home.core.change("sensor.heat", "22")
    await linked.reconnect()
    assert await runs_after(linked, 30) == 0
    linked.clock.advance(DURATION_S - 30)
    await linked.records(1)


async def test_interruption_without_a_change_does_not_touch_a_duration(linked: LinkedBus) -> None:
    await open_door(linked)
    linked.clock.advance(DURATION_S - 1)
    await linked.disconnect()
    linked.home.core.change("light.hall", "on")
    await linked.reconnect()
    linked.clock.advance(1)
    await linked.records(1)


async def test_each_entity_of_a_glob_is_judged_by_its_own_missed_changes(linked: LinkedBus) -> None:
    seen = Seen()
    linked.bus.on_state_change(seen.handler, "binary_sensor.*_door", changed_to="on", duration=DURATION_S)
    for door in (DOOR, "binary_sensor.back_door"):
        linked.home.core.change(door, "on")
    await linked.settle()
    await linked.disconnect()
    linked.home.core.change("binary_sensor.back_door", "off")
    await linked.reconnect()
    linked.clock.advance(DURATION_S)
    await linked.records(1)
    assert [event.entity_id for event in seen.events] == [DOOR]


async def test_duration_of_a_listener_that_ignores_missed_changes_counts_from_the_last_change(
    linked: LinkedBus,
) -> None:
    linked.bus.on_state_change(Seen().handler, DOOR, changed_to="on", duration=DURATION_S, missed="ignore")
    linked.home.core.change(DOOR, "on")
    await linked.settle()
    linked.clock.advance(DURATION_S - 1)
    await close_and_open_door_unseen(linked)
    assert await runs_after(linked, 30) == 0
    linked.clock.advance(DURATION_S - 30)
    await linked.records(1)


async def test_duration_does_not_end_while_its_end_waits_unread(linked: LinkedBus) -> None:
    """If a handler blocks the event loop, a due timer fires before the message that the door has closed is read."""
    await open_door(linked)
    linked.home.core.change(DOOR, "off")
    assert linked.states[DOOR].state == "on", "the message is unread"
    assert await runs_after(linked, DURATION_S) == 0


async def test_duration_ends_only_once_a_silent_home_answers(linked: LinkedBus) -> None:
    """A home that hangs sends no changes, although its devices may change."""
    await open_door(linked)
    linked.home.hang()
    linked.clock.advance(DURATION_S)
    await turns()
    assert linked.executor.accounting().executed == 0
    linked.home.wake()
    await linked.records(1)


async def test_cancelled_listener_does_not_run_after_the_reconnect(linked: LinkedBus) -> None:
    subscription = linked.bus.on_state_change(Seen().handler, DOOR, changed_to="on", duration=DURATION_S)
    linked.home.core.change(DOOR, "on")
    await linked.settle()
    await linked.disconnect()
    linked.clock.advance(DURATION_S)
    subscription.cancel()
    await linked.reconnect()
    assert await runs_after(linked, DURATION_S) == 0


async def test_1500_durations_that_end_together_cost_no_run(linked: LinkedBus) -> None:
    linked.bus.on_state_change(Seen().handler, "sensor.number_*", changed_to="1", duration=DURATION_S)
    for number in range(1_500):
        linked.home.core.set(f"sensor.number_{number}", "1")
    await linked.settle()
    linked.clock.advance(DURATION_S)
    await linked.records(1_500)
