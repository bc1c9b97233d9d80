"""Layout of record ids: 63 bits that order records by time.

The upper 42 bits hold the millisecond at which the run ended (or the event happened), counted from the Unix epoch.
The lower 21 bits count within that millisecond. A time range is therefore an id range.

    >>> first_id_at(1_000_000)
    2097152000
    >>> time_of(2097152000)
    1000000
"""

from typing import Final

COUNTER_BITS: Final = 21
MAX_ID: Final = 2**63 - 1


def first_id_at(at_us: int) -> int:
    """Return the lowest id that a record of this millisecond or a later one can have.

    Args:
        at_us: Microseconds since the Unix epoch. Times outside the range of ids give the nearest id.
    """
    return min(max(at_us // 1000, 0) << COUNTER_BITS, MAX_ID)


def time_of(record_id: int) -> int:
    """Return the time in an id: microseconds since the Unix epoch, always a whole millisecond."""
    return (record_id >> COUNTER_BITS) * 1000


def first_id_sql(at_us: str) -> str:
    """Return `first_id_at` in SQL, for an SQL expression of a time. A time out of range is not limited."""
    return f"({at_us} / 1000 << {COUNTER_BITS})"


def time_sql(record_id: str) -> str:
    """Return `time_of` in SQL, for an SQL expression of an id."""
    return f"(({record_id} >> {COUNTER_BITS}) * 1000)"
