import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_store import bucket_of, quantile, value_of


@given(st.integers(1, 2**62))
def test_the_value_of_a_bucket_is_always_within_one_percent_of_what_fell_in_it(duration_us: int) -> None:
    assert math.isclose(value_of(bucket_of(duration_us)), duration_us, rel_tol=0.0100001)


@given(st.lists(st.integers(0, 10**8), min_size=1), st.floats(0, 1))
def test_a_quantile_is_always_within_one_percent_of_the_true_one(durations: list[int], q: float) -> None:
    found = quantile([(bucket_of(one), 1) for one in durations], q)
    assert found is not None
    true = sorted(durations)[math.floor(q * (len(durations) - 1))]
    assert math.isclose(found, max(true, 1), rel_tol=0.0100001)


def test_merging_is_adding_counts() -> None:
    assert quantile([(10, 1), (10, 1), (90, 1)], 0.5) == quantile([(10, 2), (90, 1)], 0.5)


def test_there_is_no_quantile_of_nothing() -> None:
    assert quantile([], 0.5) is None


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_a_quantile_outside_of_the_whole_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile([(1, 1)], q)


@pytest.mark.parametrize("duration_us", [-5, 0, 1])
def test_nothing_and_less_is_in_the_first_bucket(duration_us: int) -> None:
    assert bucket_of(duration_us) == 0
