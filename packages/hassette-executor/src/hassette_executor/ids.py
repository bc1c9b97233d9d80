"""Record ids: 63-bit integers, strictly increasing in a process and ordered by time."""

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


class IdSource:
    """Gives ids, one after the other.

    When the clock stands still or goes back, ids go on from the last one: order holds, and the time in them is the
    latest that was seen.

    Attributes:
        last: The last id given; `CommandExecutor` advances it itself on its hot path.
    """

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self, at_us: int) -> int:
        """Give the next id.

        Args:
            at_us: The wall-clock time, in microseconds since the Unix epoch.
        """
        wanted = at_us // 1000 << COUNTER_BITS
        self.last = wanted if wanted > self.last else self.last + 1
        return self.last

    def continue_after(self, record_id: int) -> None:
        """Give only ids above this one from now on."""
        self.last = max(self.last, record_id)
