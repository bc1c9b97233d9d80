"""Ids of records, and the hours of counts.

An id is a 63-bit integer: the high bits are milliseconds since the Unix epoch, the low 21 bits are a counter.
`CommandExecutor` assigns an id when it makes the record, so the time in the id is the end of the run.

Ids are strictly increasing in an executor, with one exception. If the wall clock goes back by more than ten seconds,
for example because it was ahead until NTP corrected it, new ids contain the new time, and are lower. The five highest
bits of the counter contain the number of such steps, modulo 32. So ids after the step differ from the ids that contain
the same millisecond and were assigned before the step.
"""

COUNTER_BITS = 21
"""Number of low bits, which count within a millisecond. The 42 bits above them contain milliseconds up to 2109."""

STEP_BITS = 16
"""Number of low bits that contain the counter. The bits above, up to `COUNTER_BITS`, count the steps back."""

_STEPS = 1 << (COUNTER_BITS - STEP_BITS)

STEP_BACK_US = 10_000_000
"""If the wall clock goes back by more than this, new ids are lower. After a smaller step, ids still increase."""

HOUR_US = 3_600_000_000
"""One hour in microseconds."""


def id_at(at_us: int) -> int:
    """Return the lowest id of the millisecond that contains a wall-clock time.

    Args:
        at_us: Microseconds since the Unix epoch.
    """
    return at_us // 1000 << COUNTER_BITS


def id_after(last_id: int, at_us: int, *, stepped_back: bool) -> int:
    """Return the first id of a new millisecond, or the id after the last id if that is higher.

    Args:
        last_id: The last id.
        at_us: Microseconds since the Unix epoch.
        stepped_back: Whether the wall clock went back by more than `STEP_BACK_US` since the last id. If so, the new id
            may be lower than the last id.
    """
    steps = ((last_id >> STEP_BITS) + stepped_back) % _STEPS
    first_id = id_at(at_us) | steps << STEP_BITS
    return first_id if stepped_back else max(first_id, last_id + 1)


class IdSequence:
    """The ids of one executor, in order.

    Attributes:
        last: The last id.
        next_until_us: The end of the millisecond of the last id. Before it, the next id is the last id plus 1.
        next_from_us: The wall clock went back if it shows an earlier time; the next id is then lower.
    """

    __slots__ = ("last", "next_from_us", "next_until_us")

    def __init__(self) -> None:
        self.last = self.next_until_us = self.next_from_us = 0

    def start_after(self, last_id: int) -> None:
        """Continue after an id, unless the last id is higher."""
        self.last = max(self.last, last_id)
        self.next_from_us = time_of(self.last) - STEP_BACK_US

    def next(self, at_us: int) -> int:
        """Return a new id that contains a wall-clock time."""
        # Within a millisecond, and after a small step back of the clock, the next id is the last id plus 1.
        if self.next_from_us <= at_us < self.next_until_us:
            self.last += 1
        else:
            self.last = id_after(self.last, at_us, stepped_back=at_us < self.next_from_us)
            self.next_until_us = (at_us // 1000 + 1) * 1000
            self.next_from_us = at_us - STEP_BACK_US
        return self.last


def time_of(record_id: int) -> int:
    """Return the wall-clock time of an id, in microseconds since the Unix epoch, rounded down to a millisecond."""
    return (record_id >> COUNTER_BITS) * 1000


def hour_of(at_us: int) -> int:
    """Return the start of the hour (UTC) that contains a time; both in microseconds since the Unix epoch."""
    return at_us - at_us % HOUR_US
