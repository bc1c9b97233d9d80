"""The option ``where`` of listeners: when a condition is checked, and what a false or failed condition counts as."""

from typing import Any

import pytest

from hassette_core.conditions import Condition, ConditionView, above, state_is
from hassette_core.containment import ACTOR
from hassette_core.events import StateChanged
from hassette_executor import EventTrigger
from support.home import Home
from support.records import nothing


class Counted(Condition):
    """A condition that counts its checks."""

    def __init__(self) -> None:
        self.actors: list[Any] = []

    def holds(self, view: ConditionView) -> bool:
        self.actors.append(ACTOR.get())
        return True

    def describe(self) -> str:
        return "counted"


async def test_false_condition_is_counted_as_not_run(home: Home) -> None:
    home.set_state("sensor.lux", "80")
    home.bus.on_state_change(nothing, "light.hall", where=above("sensor.lux", 100))
    home.change("light.hall", "on")
    home.set_state("sensor.lux", "200")
    home.change("light.hall", "off")
    await home.records(1)
    assert await home.skipped() == {"condition": 1}
    (not_run,) = [each for batch in home.sink.batches for each in batch.not_runs]
    assert not_run.detail == "sensor.lux is above 100: it was 80"
    assert isinstance(not_run.trigger, EventTrigger)
    assert (not_run.trigger.entity_id, not_run.trigger.new_state) == ("light.hall", "on")


async def test_condition_is_shown_in_the_settings(home: Home) -> None:
    where = [state_is("light.desk", "on"), lambda event: True]
    subscription = home.bus.on_state_change(nothing, "light.hall", where=where)
    assert ("where", "light.desk is on and a function is true") in subscription.registration.settings


async def test_condition_is_checked_only_for_a_change_that_the_other_options_accept(home: Home) -> None:
    counted = Counted()
    home.set_state("light.hall", "off", brightness=1)
    home.bus.on_state_change(nothing, "light.hall", changed_from="off", changed_to="on", where=counted)
    home.change("light.hall", "off", brightness=2)
    home.change("light.hall", "dim")
    home.change("light.hall", "on")
    home.change("light.desk", "on")
    assert counted.actors == []
    home.change("light.hall", "off")
    home.change("light.hall", "on")
    await home.records(1)
    assert counted.actors == [("app", "one", "nothing", "state_changed.light.hall")]


async def test_condition_is_checked_at_the_end_of_the_duration(home: Home) -> None:
    home.set_state("light.hall", "on")
    home.bus.on_state_change(
        nothing, "binary_sensor.x", changed_to="off", duration=300, where=state_is("light.hall", "on")
    )
    home.change("binary_sensor.x", "off")
    await home.pass_time(200, step=50)
    home.set_state("light.hall", "off")
    assert await home.skipped() == {}
    await home.pass_time(100, step=50)
    await home.records(0)
    assert await home.skipped() == {"condition": 1}
    home.change("binary_sensor.x", "on")
    home.change("binary_sensor.x", "off")
    home.set_state("light.hall", "on")
    await home.pass_time(300, step=50)
    await home.records(1)


async def test_event_with_a_false_condition_does_not_start_a_throttle_or_end_a_once_listener(home: Home) -> None:
    where = state_is("light.desk", "on")
    home.bus.on_event(nothing, "button", throttle=60, where=where)
    once = home.bus.on_event(nothing, "button", once=True, where=where, name="once")
    home.fire("button")
    assert once.active
    home.set_state("light.desk", "on")
    home.fire("button")
    await home.records(2)
    assert await home.skipped() == {"condition": 2}


async def test_false_condition_does_not_replace_the_event_that_debounce_holds(home: Home, calls: list[Any]) -> None:
    async def note(event: StateChanged) -> None:
        calls.append(event.new_state and event.new_state.state)

    home.bus.on_state_change(note, "light.hall", debounce=5, where=lambda event: event.new_state.state != "2")
    for value in ("1", "2"):
        home.change("light.hall", value)
    await home.pass_time(6)
    await home.records(1)
    assert calls == ["1"]
    assert await home.skipped() == {"condition": 1}


class _Failing(Condition):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def holds(self, view: ConditionView) -> bool:
        raise self.error

    def describe(self) -> str:
        return "failing"


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
async def test_failed_condition_affects_only_its_listener(home: Home, error: BaseException) -> None:
    home.bus.on_event(nothing, "button", name="first", where=_Failing(error) & state_is("light.a", "on"))
    home.bus.on_event(nothing, "button", name="second")
    home.fire("button")
    home.fire("button")
    records = await home.records(2)
    assert {record.registration.name for record in records} == {"second"}
    assert await home.skipped() == {"predicate_failed": 2}


async def test_generator_of_conditions_is_read_once(home: Home) -> None:
    home.bus.on_event(nothing, "button", where=(each for each in [lambda: True, state_is("light.a", "on")]))
    home.fire("button")
    home.set_state("light.a", "on")
    home.fire("button")
    await home.records(1)
    assert await home.skipped() == {"condition": 1}
