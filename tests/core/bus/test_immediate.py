"""The option ``immediate`` runs a listener at its registration. With ``duration``, the time that has passed counts."""

from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any

import pytest

from hassette_core.bus import Subscription
from hassette_core.conditions import state_is
from hassette_core.errors import RegistrationError
from hassette_core.events import Context, State, StateChanged
from hassette_core.handlers import Attr, NewState, OldState
from hassette_executor import EventTrigger, Status
from support.home import Home
from support.linked_bus import linked_bus
from support.records import nothing
from support.waiting import eventually


def put(home: Home, entity_id: str, value: str, *, changed_s: float, updated_s: float = 0, **attributes: Any) -> None:
    """Set a state that changed, and whose attributes changed, a number of seconds ago."""
    now = home.clock.now()
    home.states[entity_id] = State(
        entity_id,
        value,
        MappingProxyType(attributes),
        now - timedelta(seconds=changed_s),
        now - timedelta(seconds=updated_s),
        Context("C"),
    )


async def test_handler_runs_with_the_current_state_and_its_trigger_is_marked(home: Home, calls: list[Any]) -> None:
    async def note(event: StateChanged, new: NewState, old: OldState | None) -> None:
        calls.append((event.immediate, new.state, old))

    home.set_state("light.hall", "on")
    subscription = home.bus.on_state_change(note, "light.hall", changed_from="off", changed_to="on", immediate=True)
    (record,) = await home.records(1)
    assert calls == [(True, "on", None)]
    assert record.trigger == EventTrigger("state_changed", "light.hall", None, "on", immediate=True)
    assert ("immediate", "yes") in subscription.registration.settings
    home.change("light.hall", "off")
    home.change("light.hall", "on")
    assert [each.trigger.immediate for each in await home.records(2)] == [True, False]


async def test_state_that_does_not_match_leads_to_no_run(home: Home) -> None:
    home.set_state("light.hall", "off")
    home.bus.on_state_change(nothing, "light.hall", changed_to="on", immediate=True)
    home.bus.on_state_change(nothing, "light.hall", name="later")
    home.bus.on_state_change(nothing, "light.gone", immediate=True)
    home.bus.on_state_change(nothing, "light.hall", where=state_is("light.x", "on"), immediate=True, name="where")
    await home.records(0)
    assert await home.skipped() == {"condition": 1}


@pytest.mark.parametrize(
    ("passed_s", "left_s"), [(0, 300), (100, 200), (299.5, 0.5), (300, 0), (86_400, 0), (-50, 300)]
)
async def test_time_that_has_passed_counts_for_the_duration(home: Home, passed_s: float, left_s: float) -> None:
    put(home, "binary_sensor.door", "on", changed_s=passed_s)
    home.bus.on_state_change(nothing, "binary_sensor.door", changed_to="on", duration=300, immediate=True)
    if left_s:
        await home.pass_time(left_s - 0.2, step=0.5 if left_s < 10 else 50)
        await home.records(0)
    await home.pass_time(0.2, step=0.1)
    await home.records(1)
    await home.pass_time(600, step=100)
    await home.records(1)


async def test_change_during_the_rest_of_the_duration_ends_it(home: Home) -> None:
    put(home, "binary_sensor.door", "on", changed_s=100)
    home.bus.on_state_change(nothing, "binary_sensor.door", changed_to="on", duration=300, immediate=True)
    await home.pass_time(150, step=50)
    home.change("binary_sensor.door", "off")
    home.change("binary_sensor.door", "on")
    await home.pass_time(250, step=50)
    await home.records(0)
    await home.pass_time(50, step=10)
    (record,) = await home.records(1)
    assert not record.trigger.immediate


async def test_state_that_changed_without_an_event_does_not_end_the_duration(home: Home) -> None:
    put(home, "binary_sensor.door", "on", changed_s=100)
    home.bus.on_state_change(nothing, "binary_sensor.door", changed_to="on", duration=300, immediate=True)
    home.set_state("binary_sensor.door", "off")
    await home.pass_time(400, step=100)
    await home.records(0)


async def test_each_entity_of_a_list_and_glob_is_checked(home: Home, calls: list[Any]) -> None:
    async def note(event: StateChanged) -> None:
        calls.append(event.entity_id)

    for name, passed_s in (("a", 400), ("b", 100), ("c", 400)):
        put(home, f"light.{name}", "on" if name != "c" else "off", changed_s=passed_s)
    home.bus.on_state_change(note, ["light.b", "light.*", "light.gone"], changed_to="on", duration=300, immediate=True)
    await home.pass_time(1)
    assert calls == ["light.a"]
    await home.pass_time(200, step=50)
    await home.records(2)
    assert calls == ["light.a", "light.b"]


async def test_once_listener_runs_once_and_has_ended(home: Home) -> None:
    home.set_state("light.a", "on")
    home.set_state("light.b", "on")
    subscription = home.bus.on_state_change(nothing, "light.*", once=True, immediate=True)
    assert not subscription.active
    home.change("light.a", "off")
    await home.records(1)
    assert await home.retired() == ["nothing"]


async def test_handler_may_cancel_its_subscription(home: Home) -> None:
    found: list[Subscription] = []

    async def stop() -> None:
        found[0].cancel()

    home.set_state("light.a", "on")
    found.append(home.bus.on_state_change(stop, "light.a", immediate=True))
    await home.records(1)
    home.change("light.a", "off")
    await home.records(1)


async def test_debounce_and_throttle_apply_to_immediate_runs(home: Home) -> None:
    for name in "ab":
        home.set_state(f"light.{name}", "on")
    home.bus.on_state_change(nothing, "light.*", throttle=60, immediate=True)
    home.bus.on_state_change(nothing, "light.*", debounce=60, immediate=True, name="debounced")
    await home.records(1)
    await home.pass_time(60, step=20)
    await home.records(2)
    assert await home.skipped() == {"rate_limited": 2}


async def test_attribute_counts_since_its_last_possible_change(home: Home, calls: list[Any]) -> None:
    async def note(level: Annotated[int, Attr("brightness")]) -> None:
        calls.append(level)

    put(home, "light.a", "on", changed_s=1000, updated_s=100, brightness=50)
    put(home, "light.b", "on", changed_s=1000)
    home.bus.on_attribute_change(note, ["light.a", "light.b"], "brightness", immediate=True)
    home.bus.on_attribute_change(
        note, "light.*", "brightness", changed_to=lambda value: value > 20, duration=300, immediate=True, name="lasting"
    )
    await home.pass_time(150, step=50)
    await home.records(1)
    await home.pass_time(50, step=10)
    await home.records(2)
    assert calls == [50, 50]


async def test_entity_that_appears_later_runs_the_handler_as_a_change(home: Home) -> None:
    home.bus.on_state_change(nothing, "light.later", changed_to="on", duration=60, immediate=True)
    home.change("light.later", "on")
    await home.pass_time(60, step=20)
    (record,) = await home.records(1)
    assert not record.trigger.immediate


async def test_old_state_of_an_immediate_run_is_missing_with_the_reason(home: Home) -> None:
    async def needs_old(old: OldState) -> None: ...

    home.set_state("light.a", "on")
    home.bus.on_state_change(needs_old, "light.a", immediate=True)
    (record,) = await home.records(1)
    assert record.status is Status.ERROR
    assert "light.a has not changed, because the run is immediate" in record.failure.message


async def test_failed_condition_concerns_only_its_entity(home: Home) -> None:
    home.set_state("sensor.a", "warm")
    home.set_state("sensor.b", "21")
    home.bus.on_state_change(nothing, "sensor.*", changed_to=lambda value: float(value) > 20, immediate=True)
    (record,) = await home.records(1)
    assert record.trigger.entity_id == "sensor.b"
    assert await home.skipped() == {"predicate_failed": 1}


@pytest.mark.parametrize("value", [1, "yes", None])
async def test_value_other_than_true_and_false_is_rejected(home: Home, value: Any) -> None:
    with pytest.raises(RegistrationError, match="immediate must be True or False"):
        home.bus.on_state_change(nothing, "light.a", immediate=value)
    with pytest.raises(RegistrationError, match="no option 'immediate'"):
        home.bus.on_event(nothing, "button", immediate=True)  # type: ignore[call-arg]


async def test_duration_waits_for_the_connection_and_for_its_missed_changes() -> None:
    async with linked_bus() as linked:
        linked.home.core.change("binary_sensor.hall_motion", "on")
        await linked.settle()
        linked.bus.on_state_change(nothing, "binary_sensor.hall_motion", changed_to="on", duration=300, immediate=True)
        await linked.disconnect()
        linked.home.core.change("binary_sensor.hall_motion", "off")
        linked.home.core.change("binary_sensor.hall_motion", "on")
        linked.clock.advance(300)
        await linked.records(0)
        await linked.reconnect()
        await linked.settle()
        await linked.records(0)  # the window was closed for a moment
        linked.clock.advance(300)
        await eventually(lambda: linked.executor.accounting().executed == 1)
