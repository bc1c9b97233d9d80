"""Record ids: 63-bit integers, strictly increasing in a process and ordered by time.

`CommandExecutor` gives them; an id's time is the end of the run, when the record is made.
"""

COUNTER_BITS = 21
"""The lowest bits count within a millisecond; 42 bits above them hold milliseconds until the year 2109."""


def id_at(at_us: int) -> int:
    """Return the lowest id of the millisecond that holds a wall-clock time.

    Args:
        at_us: Microseconds since the Unix epoch.
    """
    return at_us // 1000 << COUNTER_BITS


def time_of(record_id: int) -> int:
    """Return the wall-clock time of an id, in microseconds since the Unix epoch, to the millisecond."""
    return (record_id >> COUNTER_BITS) * 1000
