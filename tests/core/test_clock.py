"""The clocks: manual time, and the detection of a clock that was set."""

from datetime import datetime, timedelta

import pytest

from hassette_core.clock import ClockDrift, ManualClock


def test_manual_clock_rejects_naive_times_and_does_not_run_backward() -> None:
    with pytest.raises(ValueError, match="now must be an aware datetime"):
        ManualClock(datetime.fromisoformat("2026-01-01"))
    with pytest.raises(ValueError, match="seconds must be 0 or more, got -1"):
        ManualClock().advance(-1)


def test_stalled_clock_fires_its_timers_late() -> None:
    clock, fired = ManualClock(), list[int]()
    start_ns = clock.monotonic_ns()
    clock.call_later(1, lambda: fired.append(clock.monotonic_ns() - start_ns))
    clock.stall(5)
    assert fired == []
    clock.advance(0)
    assert fired == [5_000_000_000]


@pytest.mark.parametrize(("step_s", "jump_s"), [(0, 0), (0.9, 0), (-0.9, 0), (2, 2), (-3600, -3600)])
def test_jump_of_the_wall_clock_is_reported_once_and_slewing_is_not(step_s: float, jump_s: float) -> None:
    clock = ManualClock()
    drift = ClockDrift(clock)
    clock.advance(100)
    clock.step(step_s)
    assert drift.take_jump() == timedelta(seconds=jump_s)
    assert drift.take_jump() == timedelta()
