"""Debounce, throttle and durations: which events pass, when, and how the others are counted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.bus.gates import Debounce, Delivery, Throttle
from hassette_core.clock import ManualClock
from hassette_core.events import Context, Event
from hassette_executor import EventTrigger

_CLOCK = ManualClock()


def delivery(number: int) -> Delivery:
    event = Event("x", {"number": number}, Context("c"), _CLOCK.now(), 0)
    return Delivery(event, EventTrigger("x"), 0)


class GateRecorder:
    """A gate with a manual clock. It lists the events that passed (number, second) and counts skipped ones."""

    def __init__(self, kind: type[Debounce] | type[Throttle], seconds: float) -> None:
        self.clock = ManualClock()
        self.started_ns = self.clock.monotonic_ns()
        self.passed: list[tuple[int, float]] = []
        self.skips = 0
        self.gate = kind(seconds, self.clock, self._release, self._skipped)

    @property
    def now_s(self) -> float:
        return (self.clock.monotonic_ns() - self.started_ns) / 1e9

    def _release(self, delivery: Delivery) -> None:
        self.passed.append((delivery.event.data["number"], self.now_s))

    def _skipped(self, reason: str) -> None:
        assert reason == "rate_limited"
        self.skips += 1


gaps_ms = st.lists(st.integers(0, 3_000), min_size=1, max_size=60)


@given(gaps_ms)
def test_debounce_always_passes_the_last_event_of_each_burst_and_counts_the_others(
    gaps: list[int],
) -> None:
    gate = GateRecorder(Debounce, 1.0)
    at, times = 0, []
    for number, gap in enumerate(gaps):
        gate.clock.advance(gap / 1000)
        at += gap
        times.append(at)
        gate.gate.offer(delivery(number))
    gate.clock.advance(10)
    # The definition: an event passes if the next one comes at least one second later.
    last = len(times) - 1
    expected = [
        (number, time / 1000 + 1.0)
        for number, time in enumerate(times)
        if number == last or times[number + 1] - time >= 1000
    ]
    assert [number for number, _ in gate.passed] == [number for number, _ in expected]
    assert [s for _, s in gate.passed] == pytest.approx([s for _, s in expected])
    assert len(gate.passed) + gate.skips == len(gaps)
    assert gate.clock.waiting == 0


@given(gaps_ms)
def test_throttle_always_passes_an_event_at_once_and_none_within_the_interval(gaps: list[int]) -> None:
    gate = GateRecorder(Throttle, 1.0)
    at, expected, open_at = 0, [], 0
    for number, gap in enumerate(gaps):
        gate.clock.advance(gap / 1000)
        at += gap
        gate.gate.offer(delivery(number))
        if at >= open_at:
            expected.append(number)
            open_at = at + 1000
    assert [number for number, _ in gate.passed] == expected
    assert len(gate.passed) + gate.skips == len(gaps)
    assert gate.clock.waiting == 0


def test_a_closed_debounce_counts_its_held_event_and_stops_its_timer() -> None:
    gate = GateRecorder(Debounce, 1.0)
    gate.gate.offer(delivery(0))
    gate.gate.close()
    gate.clock.advance(5)
    assert gate.passed == []
    assert gate.skips == 1
    assert gate.clock.waiting == 0


async def noop() -> None:
    pass


async def test_a_debounced_handler_runs_once_with_the_last_event_and_without_waiting_time(
    house: Any,
) -> None:
    house.bus.on_state_change(noop, "sensor.power", debounce=2)
    for value in range(5):
        house.change("sensor.power", str(value))
        await house.pass_time(1)
    await house.records(0)
    await house.pass_time(1)
    (record,) = await house.records(1)
    assert record.trigger.new_state == "4"
    assert await house.skipped() == {"rate_limited": 4}


async def test_a_throttled_handler_runs_at_once_and_other_events_are_counted(house: Any) -> None:
    house.bus.on_state_change(noop, "sensor.power", throttle=10)
    for value in range(25):
        house.change("sensor.power", str(value))
        await house.pass_time(1)
    records = await house.records(3)
    assert [record.trigger.new_state for record in records] == ["0", "10", "20"]
    assert await house.skipped() == {"rate_limited": 22}


async def test_stopping_the_bus_drops_a_debounced_event_and_counts_it(house: Any) -> None:
    house.bus.on_state_change(noop, "sensor.power", debounce=2)
    house.change("sensor.power", "1")
    await house.service.stop()
    assert house.clock.waiting == 0
    assert await house.skipped() == {"rate_limited": 1}


async def test_duration_runs_the_handler_when_the_state_has_lasted(house: Any) -> None:
    house.put("binary_sensor.door", "off")
    house.bus.on_state_change(noop, "binary_sensor.door", changed_to="on", duration=60)
    house.change("binary_sensor.door", "on")
    await house.pass_time(59)
    await house.records(0)
    await house.pass_time(1)
    (record,) = await house.records(1)
    assert (record.trigger.old_state, record.trigger.new_state) == ("off", "on")


async def test_a_state_that_does_not_last_runs_nothing_and_begins_anew(house: Any) -> None:
    house.bus.on_state_change(noop, "binary_sensor.door", changed_to="on", duration=60)
    house.change("binary_sensor.door", "on")
    await house.pass_time(59)
    house.change("binary_sensor.door", "off")
    house.change("binary_sensor.door", "on")
    await house.pass_time(59)
    await house.records(0)
    assert house.clock.waiting == 1
    await house.pass_time(1)
    await house.records(1)


async def test_a_changed_to_that_still_holds_does_not_begin_anew(house: Any) -> None:
    house.bus.on_state_change(noop, "sensor.t", changed_to=lambda s: float(s) > 20, duration=60)
    house.change("sensor.t", "21")
    await house.pass_time(30)
    house.change("sensor.t", "22")
    await house.pass_time(30)
    (record,) = await house.records(1)
    assert record.trigger.new_state == "21"


async def test_without_changed_to_every_other_state_begins_anew_and_attributes_do_not(house: Any) -> None:
    house.bus.on_state_change(noop, "sensor.t", duration=60)
    house.change("sensor.t", "21")
    await house.pass_time(30)
    house.change("sensor.t", "22")
    await house.pass_time(30)
    house.change("sensor.t", "22", unit="C")
    await house.pass_time(30)
    (record,) = await house.records(1)
    assert record.trigger.new_state == "22"


async def test_each_entity_of_a_glob_has_its_own_duration(house: Any) -> None:
    house.bus.on_state_change(noop, "binary_sensor.*", changed_to="on", duration=60)
    house.change("binary_sensor.a", "on")
    await house.pass_time(30)
    house.change("binary_sensor.b", "on")
    await house.pass_time(30)
    (record,) = await house.records(1)
    assert record.trigger.entity_id == "binary_sensor.a"
    await house.pass_time(30)
    await house.records(2)


async def test_an_event_missed_while_the_connection_was_down_ends_a_duration_too(house: Any) -> None:
    house.bus.on_state_change(noop, "binary_sensor.door", changed_to="on", duration=60)
    house.change("binary_sensor.door", "on")
    house.put("binary_sensor.door", "off")
    await house.pass_time(60)
    await house.records(0)


async def test_a_question_that_raises_at_the_end_of_a_duration_is_counted(house: Any) -> None:
    house.bus.on_state_change(noop, "sensor.t", changed_to=lambda s: float(s) > 20, duration=60)
    house.change("sensor.t", "21")
    house.put("sensor.t", "unavailable")
    await house.pass_time(60)
    await house.records(0)
    assert await house.skipped() == {"predicate_failed": 1}


async def test_cancelling_ends_a_duration(house: Any) -> None:
    subscription = house.bus.on_state_change(noop, "binary_sensor.door", duration=60)
    house.change("binary_sensor.door", "on")
    subscription.cancel()
    assert house.clock.waiting == 0


async def test_duration_and_debounce_follow_each_other(house: Any) -> None:
    house.bus.on_state_change(noop, "light.*", changed_to="on", duration=10, debounce=5)
    house.change("light.a", "on")
    await house.pass_time(3)
    house.change("light.b", "on")
    await house.pass_time(14)
    await house.records(0)
    await house.pass_time(1)
    (record,) = await house.records(1)
    assert record.trigger.entity_id == "light.b"
    assert await house.skipped() == {"rate_limited": 1}
