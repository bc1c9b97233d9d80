"""Debounce, throttle and durations: which events pass, when, and how the others are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.bus.gates import Debounce, Delivery, Throttle
from hassette_core.clock import ManualClock
from hassette_core.events import Context, Event
from hassette_executor import EventTrigger
from support.home import Home
from support.records import nothing

_CLOCK = ManualClock()


def delivery(number: int) -> Delivery:
    event = Event("x", {"number": number}, Context("c"), _CLOCK.now(), 0)
    return Delivery(event, EventTrigger("x"), 0)


class GateRecorder:
    """A gate with a manual clock. It lists the passed events as (number, second), and counts the skipped events."""

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

    def _skipped(self, reason: str, _delivery: Delivery) -> None:
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
    # The definition of debounce: an event passes if the next event arrives at least one second later.
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


def test_closed_debounce_counts_its_held_event_and_stops_its_timer() -> None:
    gate = GateRecorder(Debounce, 1.0)
    gate.gate.offer(delivery(0))
    gate.gate.drop_held()
    gate.clock.advance(5)
    assert gate.passed == []
    assert gate.skips == 1
    assert gate.clock.waiting == 0


async def test_debounced_handler_runs_once_with_the_last_event_and_without_waiting_time(
    home: Home,
) -> None:
    home.bus.on_state_change(nothing, "sensor.power", debounce=2)
    for value in range(5):
        home.change("sensor.power", str(value))
        await home.pass_time(1)
    await home.records(0)
    await home.pass_time(1)
    (record,) = await home.records(1)
    assert record.trigger.new_state == "4"
    assert await home.skipped() == {"rate_limited": 4}


async def test_throttled_handler_runs_at_once_and_other_events_are_counted(home: Home) -> None:
    home.bus.on_state_change(nothing, "sensor.power", throttle=10)
    for value in range(25):
        home.change("sensor.power", str(value))
        await home.pass_time(1)
    records = await home.records(3)
    assert [record.trigger.new_state for record in records] == ["0", "10", "20"]
    assert await home.skipped() == {"rate_limited": 22}


async def test_stopping_the_bus_drops_a_debounced_event_and_counts_it(home: Home) -> None:
    home.bus.on_state_change(nothing, "sensor.power", debounce=2)
    home.change("sensor.power", "1")
    await home.bus_service.stop()
    assert home.clock.waiting == 0
    assert await home.skipped() == {"rate_limited": 1}


async def test_duration_runs_the_handler_when_the_state_has_lasted(home: Home) -> None:
    home.set_state("binary_sensor.door", "off")
    home.bus.on_state_change(nothing, "binary_sensor.door", changed_to="on", duration=60)
    home.change("binary_sensor.door", "on")
    await home.pass_time(59)
    await home.records(0)
    await home.pass_time(1)
    (record,) = await home.records(1)
    assert (record.trigger.old_state, record.trigger.new_state) == ("off", "on")


async def test_state_that_does_not_last_starts_the_duration_again(home: Home) -> None:
    home.bus.on_state_change(nothing, "binary_sensor.door", changed_to="on", duration=60)
    home.change("binary_sensor.door", "on")
    await home.pass_time(59)
    home.change("binary_sensor.door", "off")
    home.change("binary_sensor.door", "on")
    await home.pass_time(59)
    await home.records(0)
    assert home.clock.waiting == 1
    await home.pass_time(1)
    await home.records(1)


async def test_change_that_still_meets_changed_to_does_not_restart_the_duration(home: Home) -> None:
    home.bus.on_state_change(nothing, "sensor.t", changed_to=lambda s: float(s) > 20, duration=60)
    home.change("sensor.t", "21")
    await home.pass_time(30)
    home.change("sensor.t", "22")
    await home.pass_time(30)
    (record,) = await home.records(1)
    assert record.trigger.new_state == "21"


async def test_new_states_but_not_new_attributes_restart_a_duration_without_changed_to(home: Home) -> None:
    home.bus.on_state_change(nothing, "sensor.t", duration=60)
    home.change("sensor.t", "21")
    await home.pass_time(30)
    home.change("sensor.t", "22")
    await home.pass_time(30)
    home.change("sensor.t", "22", unit="C")
    await home.pass_time(30)
    (record,) = await home.records(1)
    assert record.trigger.new_state == "22"


async def test_each_entity_of_a_glob_has_its_own_duration(home: Home) -> None:
    home.bus.on_state_change(nothing, "binary_sensor.*", changed_to="on", duration=60)
    home.change("binary_sensor.a", "on")
    await home.pass_time(30)
    home.change("binary_sensor.b", "on")
    await home.pass_time(30)
    (record,) = await home.records(1)
    assert record.trigger.entity_id == "binary_sensor.a"
    await home.pass_time(30)
    await home.records(2)


async def test_event_missed_while_the_connection_was_down_ends_a_duration_too(home: Home) -> None:
    home.bus.on_state_change(nothing, "binary_sensor.door", changed_to="on", duration=60)
    home.change("binary_sensor.door", "on")
    home.set_state("binary_sensor.door", "off")
    await home.pass_time(60)
    await home.records(0)


async def test_condition_that_fails_at_the_end_of_a_duration_is_counted(home: Home) -> None:
    home.bus.on_state_change(nothing, "sensor.t", changed_to=lambda s: float(s) > 20, duration=60)
    home.change("sensor.t", "21")
    home.set_state("sensor.t", "unavailable")
    await home.pass_time(60)
    await home.records(0)
    assert await home.skipped() == {"predicate_failed": 1}


async def test_cancelling_ends_a_duration(home: Home) -> None:
    subscription = home.bus.on_state_change(nothing, "binary_sensor.door", duration=60)
    home.change("binary_sensor.door", "on")
    subscription.cancel()
    assert home.clock.waiting == 0


async def test_debounce_begins_at_the_end_of_a_duration(home: Home) -> None:
    home.bus.on_state_change(nothing, "light.*", changed_to="on", duration=10, debounce=5)
    home.change("light.a", "on")
    await home.pass_time(3)
    home.change("light.b", "on")
    await home.pass_time(14)
    await home.records(0)
    await home.pass_time(1)
    (record,) = await home.records(1)
    assert record.trigger.entity_id == "light.b"
    assert await home.skipped() == {"rate_limited": 1}
