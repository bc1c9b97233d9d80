import math
import random
from collections import Counter
from functools import reduce

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hassette_store.sketch import (
    MAX_BUCKET,
    bucket_of,
    counts_of,
    merge,
    nearest_rank,
    pack,
    pack_counts,
    quantiles,
    runs_in,
    subtract,
    value_of,
)

pytestmark = pytest.mark.heavy

# Durations of a few buckets occur often, so that some sketches are lists of runs and others are counts.
DURATIONS = st.one_of(st.integers(900, 1_100), st.integers(0, 10**8), st.integers(0, 2**63 - 1))
RUNS = st.lists(DURATIONS, max_size=200)


def sketch_of(*durations_us: int) -> bytes:
    return pack(map(bucket_of, durations_us))


@given(st.integers(1, 2**62))
def test_value_of_a_bucket_is_within_one_percent_of_each_duration_in_it(duration_us: int) -> None:
    assert math.isclose(value_of(bucket_of(duration_us)), duration_us, rel_tol=0.0100001)


@pytest.mark.parametrize(
    ("q", "count", "rank"), [(0, 10, 1), (0.5, 1, 1), (0.5, 2, 1), (0.5, 3, 2), (0.95, 2, 2), (0.95, 20, 19), (1, 7, 7)]
)
def test_quantile_has_the_nearest_rank(q: float, count: int, rank: int) -> None:
    assert nearest_rank(q, count) == rank


def test_p95_of_two_durations_is_the_longer_one() -> None:
    assert quantiles([sketch_of(100, 100_000)], (0.5, 0.95)) == pytest.approx([100, 100_000], rel=0.01)


@given(st.lists(RUNS, max_size=6), RUNS, st.floats(0, 1))
def test_quantile_is_within_one_percent_of_the_true_one(parts: list[list[int]], more: list[int], q: float) -> None:
    durations = sorted([duration for part in parts for duration in part] + more)
    found = quantiles((sketch_of(*part) for part in parts), (q,), map(bucket_of, more))
    if not durations:
        assert found == []
        return
    true = durations[nearest_rank(q, len(durations)) - 1]
    assert math.isclose(found[0], max(true, 1), rel_tol=0.0100001)


@given(st.lists(DURATIONS, min_size=1), st.lists(st.floats(0, 1)))
def test_several_quantiles_are_the_same_as_each_alone(durations: list[int], shares: list[float]) -> None:
    sketch = sketch_of(*durations)
    assert quantiles([sketch], shares) == [quantiles([sketch], (share,))[0] for share in shares]


@given(RUNS)
def test_packed_sketch_contains_each_run(durations: list[int]) -> None:
    buckets = Counter(map(bucket_of, durations))
    assert dict(counts_of(sketch_of(*durations))) == buckets
    assert pack_counts(buckets) == sketch_of(*durations)
    assert runs_in(sketch_of(*durations)) == len(durations)


@given(st.lists(RUNS, max_size=6), st.randoms())
def test_merged_sketch_is_the_sketch_of_all_runs_in_any_order(parts: list[list[int]], chance: random.Random) -> None:
    sketches = [sketch_of(*part) for part in parts]
    merged = merge(sketches)
    assert merged == sketch_of(*(duration for part in parts for duration in part))
    chance.shuffle(sketches)
    assert merged == merge(sketches) == reduce(lambda one, two: merge((one, two)), sketches, b"")


@given(RUNS, RUNS)
def test_sketch_without_the_runs_of_another_is_as_before_the_merge(one: list[int], two: list[int]) -> None:
    assert subtract(merge((sketch_of(*one), sketch_of(*two))), sketch_of(*two)) == sketch_of(*one)


def test_bucket_keeps_no_fewer_than_zero_runs() -> None:
    assert subtract(sketch_of(5_000), sketch_of(5_000, 5_000, 9_000)) == b""


@given(st.dictionaries(st.integers(0, MAX_BUCKET), st.integers(1, 2**63)))
def test_large_counts_are_packed_and_merged(counts: dict[int, int]) -> None:
    # A list of runs would need as many bytes as runs.
    packed = pack_counts({bucket: count + 10_000 for bucket, count in counts.items()})
    assert runs_in(packed) == sum(counts.values()) + 10_000 * len(counts)
    assert merge([packed, b""]) == packed


def test_many_runs_take_one_byte_a_bucket() -> None:
    thousand = pack(600 + number % 150 for number in range(1_000))
    assert len(thousand) == 3 + 150
    assert len(pack([600])) == 3
    assert len(pack(range(600, 628))) == 1 + 28 + 2


@example(b"\x01")  # shorter than the header of counts
@example(b"\x02")
@example(b"\x01\x00")
@given(st.binary(max_size=40))
def test_bytes_that_are_no_sketch_count_as_few_or_no_runs(damaged: bytes) -> None:
    healthy = sketch_of(*range(1_000, 2_000))
    assert runs_in(merge([healthy, damaged])) >= 1_000
    assert all(0 <= bucket <= MAX_BUCKET + 1 for bucket, _ in counts_of(damaged))
    assert len(quantiles([damaged, healthy], (0.5, 0.99))) == 2


@pytest.mark.parametrize("bucket", [-1, MAX_BUCKET + 1])
def test_bucket_out_of_range_is_rejected(bucket: int) -> None:
    with pytest.raises(ValueError, match=f"bucket must be from 0 to {MAX_BUCKET}, got {bucket}"):
        pack([5, bucket])
    with pytest.raises(ValueError, match=f"bucket must be from 0 to {MAX_BUCKET}, got {bucket}"):
        pack_counts({bucket: 1})


def test_number_of_runs_with_more_than_64_bits_is_rejected() -> None:
    with pytest.raises(ValueError, match="number of runs must be below 2\\^64"):
        pack_counts({5: 1 << 64})


def test_empty_sketch_has_no_quantile() -> None:
    assert quantiles([], (0.5, 0.95)) == quantiles([b"", b""], (0.5,)) == []
    assert merge([]) == pack([]) == pack_counts({5: 0}) == b""


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_quantile_outside_zero_to_one_is_rejected(q: float) -> None:
    for sketch in (pack([1]), pack([1] * 50)):
        with pytest.raises(ValueError, match="q must be between 0 and 1"):
            quantiles([sketch], (q,))


@pytest.mark.parametrize("duration_us", [-5, 0, 1])
def test_durations_up_to_one_microsecond_are_in_the_first_bucket(duration_us: int) -> None:
    assert bucket_of(duration_us) == 0
