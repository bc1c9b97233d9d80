"""Latency sketches: percentiles of any number of runs, within 1 %, from counts per bucket.

This is DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019) with a relative accuracy of 1 %. Bucket i holds the durations in (g^(i-1), g^i] for g = 101/99.
Adding the counts of two sketches merges them: 24 hourly sketches make a daily one.

All percentiles in Hassette use one definition, the nearest rank: the q-quantile of n durations is the
``ceil(q * n)``-th shortest one.

    >>> [round(value) for value in quantiles([(bucket_of(100), 1), (bucket_of(100_000), 1)], (0.5, 0.95))]
    [99, 99741]
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import ceil, log
from typing import Final

RELATIVE_ACCURACY: Final = 0.01
GAMMA: Final = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY)
LOG_GAMMA: Final = log(GAMMA)


def bucket_of(duration_us: int) -> int:
    """Return the bucket of a duration in microseconds; durations up to 1 µs are in bucket 0."""
    return ceil(log(duration_us) / LOG_GAMMA) if duration_us > 1 else 0


def value_of(bucket: int) -> float:
    """Return the duration that represents a bucket, in microseconds.

    The returned duration is within 1 % of each duration in the bucket.
    """
    return 2 * GAMMA**bucket / (1 + GAMMA)


def nearest_rank(q: float, count: int) -> int:
    """Return the rank of the q-quantile among ``count`` sorted values, counted from 1: ``ceil(q * count)``, at least 1.

    Raises:
        ValueError: ``q`` is not between 0 and 1.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"q must be between 0 and 1, got {q!r}")
    return max(1, ceil(q * count))


def quantiles(buckets: Iterable[tuple[int, int]], shares: Sequence[float]) -> list[float]:
    """Return several quantiles (nearest rank) of a sketch in microseconds, or an empty list for an empty sketch.

    Args:
        buckets: (bucket, count) pairs in any order. A bucket may occur more than once.
        shares: The quantiles to compute, each from 0 (the shortest duration) to 1 (the longest).

    Raises:
        ValueError: A share is not between 0 and 1.
    """
    ordered = sorted(buckets)
    running = list(accumulate(count for _, count in ordered))
    total = running[-1] if running else 0
    ranks = [nearest_rank(share, total) for share in shares]
    if not total:
        return []
    return [value_of(ordered[bisect_left(running, rank)][0]) for rank in ranks]
