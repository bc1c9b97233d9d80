"""Ids of records, and the hours of counts.

An id is a 63-bit integer: the high bits are milliseconds since the Unix epoch, the low 21 bits are a counter. Ids are
strictly increasing in an executor. `CommandExecutor` assigns an id when it makes the record, so the time in the id is
the end of the run.
"""

COUNTER_BITS = 21
"""Number of low bits, which count within a millisecond. The 42 bits above them contain milliseconds up to 2109."""

HOUR_US = 3_600_000_000
"""One hour in microseconds."""


def id_at(at_us: int) -> int:
    """Return the lowest id of the millisecond that contains a wall-clock time.

    Args:
        at_us: Microseconds since the Unix epoch.
    """
    return at_us // 1000 << COUNTER_BITS


def time_of(record_id: int) -> int:
    """Return the wall-clock time of an id, in microseconds since the Unix epoch, rounded down to a millisecond."""
    return (record_id >> COUNTER_BITS) * 1000


def hour_of(at_us: int) -> int:
    """Return the start of the hour (UTC) that contains a time; both in microseconds since the Unix epoch."""
    return at_us - at_us % HOUR_US
