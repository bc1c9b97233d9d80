"""Durations are checked, and shown as text."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.errors import RegistrationError
from hassette_core.handlers import describe_duration, seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (2.5, "2.5 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (86_400, "1 d"),
        (90_061, "1 d 1 h 1 min 1 s"),
        (-90, "-1 min 30 s"),
    ],
)
def test_duration_is_shown_in_the_largest_units(value: float, text: str) -> None:
    assert describe_duration(value) == text


@given(st.integers(0, 10**7))
def test_units_in_the_text_always_add_up_to_the_duration(value: int) -> None:
    sizes = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    parts = describe_duration(value).split()
    assert sum(float(n) * sizes[unit] for n, unit in zip(parts[::2], parts[1::2], strict=True)) == pytest.approx(value)


@pytest.mark.parametrize("value", [True, "5", None, float("inf"), float("nan"), [1]])
def test_value_that_is_not_a_duration_is_rejected(value: Any) -> None:
    with pytest.raises(RegistrationError, match="must be a duration"):
        seconds("delay", value)


@pytest.mark.parametrize("value", [1e15, -1e15, 1e308, 10**400, -(10**400), timedelta.max, timedelta.min], ids=range(7))
def test_duration_over_100_years_is_rejected(value: Any) -> None:
    with pytest.raises(RegistrationError, match=r"delay must be at most 3155760000 seconds \(100 years\), got"):
        seconds("delay", value, negative=True)


def test_zero_and_negative_durations_are_accepted_where_they_make_sense() -> None:
    assert seconds("offset", timedelta(minutes=-1), negative=True) == -60
    assert seconds("delay", 0, zero=True) == 0
    with pytest.raises(RegistrationError, match="0 or more"):
        seconds("delay", -1, zero=True)
