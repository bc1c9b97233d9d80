"""Durations, read and told."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.errors import RegistrationError
from hassette_core.handlers import describe, seconds


@pytest.mark.parametrize(
    ("value", "says"),
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
def test_a_duration_is_told_as_a_person_would(value: float, says: str) -> None:
    assert describe(value) == says


@given(st.integers(0, 10**7))
def test_what_is_told_always_adds_up_to_the_duration(value: int) -> None:
    sizes = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    words = describe(value).split()
    assert sum(float(n) * sizes[unit] for n, unit in zip(words[::2], words[1::2], strict=True)) == pytest.approx(value)


@pytest.mark.parametrize("value", [True, "5", None, float("inf"), float("nan"), [1]])
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(RegistrationError, match="is not a duration"):
        seconds("delay", value)


@pytest.mark.parametrize("value", [1e15, -1e15, 1e308, 10**400, -(10**400), timedelta.max, timedelta.min], ids=range(7))
def test_a_duration_that_no_clock_can_count_is_refused(value: Any) -> None:
    with pytest.raises(RegistrationError, match=r"delay=.* is too long: give at most 3155760000 seconds, which is 100"):
        seconds("delay", value, negative=True)


def test_zero_and_negative_are_admitted_where_they_make_sense() -> None:
    assert seconds("offset", timedelta(minutes=-1), negative=True) == -60
    assert seconds("delay", 0, zero=True) == 0
    with pytest.raises(RegistrationError, match="0 or more"):
        seconds("delay", -1, zero=True)
