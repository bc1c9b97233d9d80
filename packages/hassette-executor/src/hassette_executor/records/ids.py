"""Record ids, and the hours by which counts are kept.

An id is a 63-bit integer: milliseconds since the Unix epoch, above a counter. Ids are strictly increasing within a
process. `CommandExecutor` assigns an id when it makes the record, so the id's time is the end of the run.
"""

COUNTER_BITS = 21
"""The lowest bits count within a millisecond; the 42 bits above them hold milliseconds until the year 2109."""

HOUR_US = 3_600_000_000
"""One hour in microseconds."""


def id_at(at_us: int) -> int:
    """Return the lowest id of the millisecond that contains a wall-clock time.

    Args:
        at_us: Microseconds since the Unix epoch.
    """
    return at_us // 1000 << COUNTER_BITS


def time_of(record_id: int) -> int:
    """Return the wall-clock time of an id, in microseconds since the Unix epoch, to the millisecond."""
    return (record_id >> COUNTER_BITS) * 1000


def hour_of(at_us: int) -> int:
    """Return the start of the hour (UTC) that contains a time; both in microseconds since the Unix epoch."""
    return at_us - at_us % HOUR_US
