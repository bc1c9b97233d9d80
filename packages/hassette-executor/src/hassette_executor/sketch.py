"""A latency sketch with 1 % relative accuracy that merges by adding counts.

The scheme is DDSketch's (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", VLDB 2019): logarithmic buckets whose bounds grow by 101/99, so that a bucket's
middle is within 1 % of every value in it.
"""

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from math import ceil, log

GROWTH = 101 / 99
_PER_LOG = 1 / log(GROWTH)


def bucket_of(duration_us: int) -> int:
    """Return the bucket of a duration in microseconds; 0 and 1 share the first."""
    return ceil(log(duration_us) * _PER_LOG) if duration_us > 1 else 0


def value_of(bucket: int) -> float:
    """Return the duration, in microseconds, that stands for a bucket: within 1 % of each one in it."""
    return 2 * GROWTH**bucket / (GROWTH + 1) if bucket else 1.0


def quantile(buckets: Counter[int], q: float) -> float:
    """Return the duration, in microseconds, below or at which a share ``q`` of the counted ones lies.

    Raises:
        ValueError: There is nothing to ask, or ``q`` is not between 0 and 1.
    """
    total = buckets.total()
    if not total or not 0 <= q <= 1:
        raise ValueError(f"a quantile needs values and 0 <= q <= 1, got {total} values and q = {q}")
    rank = max(1, ceil(q * total))
    in_order = sorted(buckets)
    up_to = list(accumulate(buckets[bucket] for bucket in in_order))
    return value_of(in_order[bisect_left(up_to, rank)])
