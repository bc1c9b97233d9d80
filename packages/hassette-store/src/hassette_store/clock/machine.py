"""Clocks of the machine."""

import time


def wall_clock_us() -> int:
    """Return the time of the wall clock in microseconds since the Unix epoch. It can be wrong.

    A user or NTP can set a wrong time, and a board without a battery starts with an old time.
    """
    return time.time_ns() // 1000


def running_s() -> float:
    """Return a monotonic time in seconds that also counts while the machine is suspended, if the system has one."""
    # Python's `time.monotonic` stops during a suspension on Linux. The wall clock would then seem to step forward at
    # each resume.
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)
