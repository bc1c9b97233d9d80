"""Latency sketches: percentiles of any number of runs, within 1 %, from counts per bucket.

This is DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019) with a relative accuracy of 1 %. Bucket i holds the durations in (g^(i-1), g^i] for g = 101/99.
Adding the counts of two sketches merges them: 24 hourly sketches make a daily one.

All percentiles in Hassette use one definition, the nearest rank: the q-quantile of n durations is the
``ceil(q * n)``-th shortest one.

A sketch is packed as one value of type `bytes`, in the shorter of two forms. Integers are little-endian:

* A list of runs: a zero byte, and the bucket of each run in ascending order, two bytes each.
* Counts: the width of a count in bytes (1, 2, 4 or 8), the first bucket in two bytes, and one count for this bucket and
  for each bucket up to the last one with runs.

No bytes are the sketch of no runs. Bytes in another form, for example from a damaged page, count as no runs, too.

    >>> morning, evening = pack([bucket_of(100)]), pack([bucket_of(100_000)])
    >>> [round(value) for value in quantiles([morning, evening], (0.5, 0.95))]
    [99, 99741]

Merging and quantiles need no loop over buckets in Python: the counts of one sketch become one large integer with the
same number of bits for each bucket, so one addition adds all counts of two sketches. This number is as small as the
sum of all sketches permits, because the time depends on the length of the integers: 16 bits instead of 64 save half of
the time of a week of sketches.
"""

import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from math import ceil, log
from typing import Final, NamedTuple

RELATIVE_ACCURACY: Final = 0.01
GAMMA: Final = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY)
LOG_GAMMA: Final = log(GAMMA)

_LIST: Final = 0
_WIDTHS: Final = (1, 2, 4, 8)
_HEADER_BYTES: Final = 3
_BITS: Final = 64
_KINDS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_LARGEST: Final = {width: (1 << 8 * width) - 1 for width in _WIDTHS}


def bucket_of(duration_us: int) -> int:
    """Return the bucket of a duration in microseconds; durations up to 1 µs are in bucket 0."""
    return ceil(log(duration_us) / LOG_GAMMA) if duration_us > 1 else 0


MAX_BUCKET: Final = bucket_of(2**63)
"""Bucket of the longest duration that the history can contain."""


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


def pack(buckets: Iterable[int]) -> bytes:
    """Return the sketch of some runs, from the bucket of each run in any order.

    Raises:
        ValueError: A bucket is not from 0 to `MAX_BUCKET`.
    """
    runs = sorted(buckets)
    if runs and not (runs[0] >= 0 and runs[-1] <= MAX_BUCKET):
        raise ValueError(f"bucket must be from 0 to {MAX_BUCKET}, got {runs[0] if runs[0] < 0 else runs[-1]!r}")
    # Counts for the range of buckets can only be shorter if this range is.
    if runs and 2 * len(runs) > runs[-1] - runs[0] + _HEADER_BYTES:
        return _pack(Counter(runs))
    return _pack_list(runs)


def pack_counts(counts: Mapping[int, int]) -> bytes:
    """Return the sketch of some runs, from the number of runs in each bucket. Numbers below 1 count as no runs.

    Raises:
        ValueError: A bucket is not from 0 to `MAX_BUCKET`, or a number of runs has more than 64 bits.
    """
    counts = {bucket: count for bucket, count in counts.items() if count > 0}
    for bucket, count in counts.items():
        if not 0 <= bucket <= MAX_BUCKET:
            raise ValueError(f"bucket must be from 0 to {MAX_BUCKET}, got {bucket!r}")
        if count >> _BITS:
            raise ValueError(f"number of runs must be below 2^{_BITS}, got {count!r}")
    return _pack(counts)


def merge(sketches: Iterable[bytes]) -> bytes:
    """Return the sketch of the runs of all these sketches. The order does not matter."""
    total = _total(sketches)
    return _pack_array(total.first, total.counts) if total.counts else _pack(total.runs)


def subtract(sketch: bytes, other: bytes) -> bytes:
    """Return a sketch without the runs of another sketch. A bucket keeps at least zero runs."""
    counts = Counter(dict(counts_of(sketch)))
    counts.subtract(dict(counts_of(other)))
    return pack_counts(counts)


def counts_of(sketch: bytes) -> list[tuple[int, int]]:
    """Return each bucket with runs and its number of runs, in ascending order."""
    total = _total((sketch,))
    if total.counts:
        return [(bucket, count) for bucket, count in enumerate(total.counts, total.first) if count]
    return sorted(total.runs.items())


def runs_in(sketch: bytes) -> int:
    """Return the number of runs in a sketch."""
    return sum(count for _, count in counts_of(sketch))


def quantiles(sketches: Iterable[bytes], shares: Sequence[float], more: Iterable[int] = ()) -> list[float]:
    """Return several quantiles (nearest rank) of some sketches together, in microseconds. Without runs, return none.

    Args:
        sketches: The sketches in any order.
        shares: The quantiles to compute, each from 0 (the shortest duration) to 1 (the longest).
        more: Buckets of runs that are in none of the sketches.

    Raises:
        ValueError: A share is not between 0 and 1.
    """
    total = _total((*sketches, pack(more)))
    buckets: Sequence[int] = sorted(total.runs)
    running = list(accumulate(total.counts or map(total.runs.__getitem__, buckets)))
    if total.counts:
        buckets = range(total.first, total.first + len(running))
    ranks = [nearest_rank(share, running[-1] if running else 0) for share in shares]
    return [value_of(buckets[bisect_left(running, rank)]) for rank in ranks] if running else []


class _Total(NamedTuple):
    """Sum of some sketches.

    Attributes:
        counts: Number of runs of each bucket from ``first`` on; empty if all sketches are lists.
        first: First bucket in ``counts``.
        runs: If ``counts`` is empty, the number of runs by bucket.
    """

    counts: "array[int]"
    first: int
    runs: Counter[int]


def _total(sketches: Iterable[bytes]) -> _Total:
    lists: list[bytes] = []
    counted: list[tuple[int, int, bytes]] = []
    most = 0
    for sketch in sketches:
        if not sketch:
            continue
        width = sketch[0]
        if width == _LIST:
            if len(sketch) % 2:
                lists.append(sketch[1:])
        elif width in _WIDTHS and len(sketch) > _HEADER_BYTES and (len(sketch) - _HEADER_BYTES) % width == 0:
            first = sketch[1] | sketch[2] << 8
            if first + (len(sketch) - _HEADER_BYTES) // width <= MAX_BUCKET + 1:
                counted.append((first, width, sketch[_HEADER_BYTES:]))
                most += _LARGEST[width]
    runs = Counter(_array("H", b"".join(lists)))
    if runs and max(runs) > MAX_BUCKET:
        runs = Counter({bucket: count for bucket, count in runs.items() if bucket <= MAX_BUCKET})
    if not counted:
        return _Total(array("B"), 0, runs)
    lowest = min(first for first, _, _ in counted)
    if runs:
        # A list may begin below the counts.
        lowest = min(lowest, *runs)
        most += max(runs.values())
    lane = next((lane for lane in _WIDTHS if most <= _LARGEST[lane]), _BITS // 8)
    lanes = _lanes_of_runs(runs, lowest, lane)
    for first, width, counts in counted:
        lanes += _lanes_of(counts, width, lane) << 8 * lane * (first - lowest)
    if not lanes:
        return _Total(array("B"), 0, runs)
    size = (lanes.bit_length() + 8 * lane - 1) // (8 * lane)
    return _Total(_array(_KINDS[lane], lanes.to_bytes(size * lane, "little")), lowest, Counter())


def _lanes_of(counts: bytes, width: int, lane: int) -> int:
    if width == lane:
        return int.from_bytes(counts, "little")
    wide = bytearray(len(counts) // width * lane)
    for place in range(width):
        wide[place::lane] = counts[place::width]
    return int.from_bytes(wide, "little")


def _lanes_of_runs(runs: Mapping[int, int], lowest: int, lane: int) -> int:
    if not runs:
        return 0
    counts = array(_KINDS[lane], bytes((max(runs) - lowest + 1) * lane))
    for bucket, count in runs.items():
        counts[bucket - lowest] = count
    return int.from_bytes(_bytes(counts), "little")


def _array(kind: str, values: bytes) -> "array[int]":
    found = array(kind, values)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _bytes(values: "array[int]") -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _pack(counts: Mapping[int, int]) -> bytes:
    if not counts:
        return b""
    first, size = min(counts), max(counts) - min(counts) + 1
    width = _width_of_counts(size, max(counts.values()), sum(counts.values()))
    if width == _LIST:
        return _pack_list([bucket for bucket in sorted(counts) for _ in range(counts[bucket])])
    values = array(_KINDS[width], bytes(size * width))
    for bucket, count in counts.items():
        values[bucket - first] = count
    return _header(width, first) + _bytes(values)


def _pack_array(first: int, counts: "array[int]") -> bytes:
    """Return the sketch of some runs, from the number of runs in each bucket from ``first`` on, the last one not 0."""
    skipped = next(index for index, count in enumerate(counts) if count)
    counts, first = counts[skipped:], first + skipped
    width = _width_of_counts(len(counts), max(counts), sum(counts))
    if width == _LIST:
        return _pack_list([bucket for bucket, count in enumerate(counts, first) for _ in range(count)])
    return _header(width, first) + _bytes(array(_KINDS[width], counts))


def _width_of_counts(size: int, most: int, total: int) -> int:
    """Return the width of the counts of ``size`` buckets, or `_LIST` if a list of all runs is not longer."""
    width = next(width for width in _WIDTHS if most <= _LARGEST[width])
    return _LIST if 2 * total + 1 <= size * width + _HEADER_BYTES else width


def _header(width: int, first: int) -> bytes:
    return bytes((width,)) + first.to_bytes(2, "little")


def _pack_list(runs: Sequence[int]) -> bytes:
    return bytes((_LIST,)) + _bytes(array("H", runs)) if runs else b""
