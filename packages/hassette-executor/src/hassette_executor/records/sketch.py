"""Latency sketch with 1 % relative accuracy; two sketches merge by adding their counts.

The scheme is DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019). Each bucket is 101/99 times as wide as the bucket before, so the middle of a bucket is within
1 % of every value in it.
"""

from math import ceil, log

GROWTH = 101 / 99
_PER_LOG = 1 / log(GROWTH)


def bucket_of(duration_us: int) -> int:
    """Return the bucket of a duration in microseconds. The durations 0 and 1 are both in bucket 0."""
    return ceil(log(duration_us) * _PER_LOG) if duration_us > 1 else 0


def value_of(bucket: int) -> float:
    """Return the middle of a bucket in microseconds. Each duration in the bucket is within 1 % of it; 0 counts as 1."""
    return 2 * GROWTH**bucket / (GROWTH + 1) if bucket else 1.0
