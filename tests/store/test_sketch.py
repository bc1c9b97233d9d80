import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_store.sketch import bucket_of, nearest_rank, quantiles, value_of


def sketch_of(*durations_us: int) -> list[tuple[int, int]]:
    return [(bucket_of(duration_us), 1) for duration_us in durations_us]


@given(st.integers(1, 2**62))
def test_value_of_a_bucket_is_within_one_percent_of_each_duration_in_it(duration_us: int) -> None:
    assert math.isclose(value_of(bucket_of(duration_us)), duration_us, rel_tol=0.0100001)


@pytest.mark.parametrize(
    ("q", "count", "rank"), [(0, 10, 1), (0.5, 1, 1), (0.5, 2, 1), (0.5, 3, 2), (0.95, 2, 2), (0.95, 20, 19), (1, 7, 7)]
)
def test_quantile_has_the_nearest_rank(q: float, count: int, rank: int) -> None:
    assert nearest_rank(q, count) == rank


def test_p95_of_two_durations_is_the_longer_one() -> None:
    assert quantiles(sketch_of(100, 100_000), (0.5, 0.95)) == pytest.approx([100, 100_000], rel=0.01)


@given(st.lists(st.integers(0, 10**8), min_size=1), st.floats(0, 1))
def test_quantile_is_within_one_percent_of_the_true_one(durations: list[int], q: float) -> None:
    (found,) = quantiles(sketch_of(*durations), (q,))
    true = sorted(durations)[nearest_rank(q, len(durations)) - 1]
    assert math.isclose(found, max(true, 1), rel_tol=0.0100001)


@given(st.lists(st.integers(0, 10**8), min_size=1), st.lists(st.floats(0, 1)))
def test_several_quantiles_are_the_same_as_each_alone(durations: list[int], shares: list[float]) -> None:
    sketch = sketch_of(*durations)
    assert quantiles(sketch, shares) == [quantiles(sketch, (share,))[0] for share in shares]


def test_adding_counts_merges_sketches() -> None:
    assert quantiles([(10, 1), (10, 1), (90, 1)], (0.5,)) == quantiles([(10, 2), (90, 1)], (0.5,))


def test_empty_sketch_has_no_quantile() -> None:
    assert quantiles([], (0.5, 0.95)) == []


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_quantile_outside_zero_to_one_is_rejected(q: float) -> None:
    with pytest.raises(ValueError, match="q must be between 0 and 1"):
        quantiles([(1, 1)], (q,))


@pytest.mark.parametrize("duration_us", [-5, 0, 1])
def test_durations_up_to_one_microsecond_are_in_the_first_bucket(duration_us: int) -> None:
    assert bucket_of(duration_us) == 0
