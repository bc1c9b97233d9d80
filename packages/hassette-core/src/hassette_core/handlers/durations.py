"""Durations: seconds or `timedelta` in an app, ``1 h 30 min`` in the history."""

import math
from datetime import timedelta

from hassette_core.errors import RegistrationError

Duration = float | timedelta
"""Seconds, or a `timedelta`."""

LONGEST_DURATION_S = 36_525 * 86_400
"""The longest duration, in seconds: 100 years. A `datetime` this far in the future is still valid."""

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def seconds(option: str, value: object, *, zero: bool = False, negative: bool = False) -> float:
    """Return a duration in seconds.

    Args:
        option: The name of the option, for the error message.
        value: The duration.
        zero: True allows 0.
        negative: True allows 0 and negative durations.

    Raises:
        RegistrationError: The value is not a duration, or is out of range.
    """
    number: object = value.total_seconds() if isinstance(value, timedelta) else value
    endless = isinstance(number, float) and not math.isfinite(number)
    if endless or isinstance(number, bool) or not isinstance(number, int | float):
        raise RegistrationError(f"{option} must be a duration (seconds, such as 2.5, or a timedelta), got {value!r}")
    if abs(number) > LONGEST_DURATION_S:
        raise RegistrationError(f"{option} must be at most {LONGEST_DURATION_S} seconds (100 years), got {value!r}")
    if negative or number > 0 or (zero and number == 0):
        return float(number)
    raise RegistrationError(f"{option} must be {'0 or more' if zero else 'more than 0'} seconds, got {value!r}")


def optional_seconds(option: str, value: Duration | None, *, zero: bool = False) -> float | None:
    """Return a duration in seconds, or None for None.

    Raises:
        RegistrationError: As for `seconds`.
    """
    return None if value is None else seconds(option, value, zero=zero)


def describe_duration(duration_s: float) -> str:
    """Return a duration as a string: ``2.5 s``, ``1 h 30 min``."""
    if duration_s < 0:
        return f"-{describe_duration(-duration_s)}"
    if duration_s < 60 or duration_s != int(duration_s):
        return f"{duration_s:g} s"
    parts: list[str] = []
    rest = int(duration_s)
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts)
