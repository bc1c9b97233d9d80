"""Latency sketches: percentiles of any number of runs, within 1 %, from counts per bucket.

This is DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019) with a relative accuracy of 1 %: bucket i holds the durations in (g^(i-1), g^i] for g = 101/99.
Two sketches merge by adding their counts, so hours make days and registrations make a house.
"""

from collections.abc import Iterable
from math import ceil, log
from typing import Final

RELATIVE_ACCURACY: Final = 0.01
GAMMA: Final = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY)
LOG_GAMMA: Final = log(GAMMA)


def bucket_of(duration_us: int) -> int:
    """Return the bucket of a duration in microseconds; everything up to 1 µs is in bucket 0."""
    return ceil(log(duration_us) / LOG_GAMMA) if duration_us > 1 else 0


def value_of(bucket: int) -> float:
    """Return the duration, in microseconds, that stands for a bucket: within 1 % of each in it."""
    return 2 * GAMMA**bucket / (1 + GAMMA)


def quantile(buckets: Iterable[tuple[int, int]], q: float) -> float | None:
    """Return a quantile of the runs in a sketch, in microseconds; None if there are none.

    Args:
        buckets: (bucket, count) pairs, in any order; a bucket may occur more than once.
        q: From 0 (the shortest) to 1 (the longest).

    Raises:
        ValueError: If q is outside of 0 to 1.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile lies between 0 and 1, got {q}")
    ordered = sorted(buckets)
    rank = q * (sum(count for _, count in ordered) - 1)
    seen = 0
    for bucket, count in ordered:
        seen += count
        if seen > rank:
            return value_of(bucket)
    return None
