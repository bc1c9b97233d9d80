"""Durations as an app writes them, and as a person reads them."""

import math
from datetime import timedelta

from hassette_core.errors import RegistrationError

Duration = float | timedelta
"""Seconds, or a `timedelta`."""

LONGEST_S = 36_525 * 86_400
"""The longest duration, in seconds: 100 years. Far beyond it, datetimes overflow."""

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def seconds(option: str, value: object, *, zero: bool = False, negative: bool = False) -> float:
    """Return a duration in seconds.

    Args:
        option: What it is for, named in the error.
        value: The duration; anything else is refused.
        zero: True admits 0.
        negative: True admits less than 0, too.

    Raises:
        RegistrationError: It is not a duration, or not one that makes sense here.
    """
    number: object = value.total_seconds() if isinstance(value, timedelta) else value
    unending = isinstance(number, float) and not math.isfinite(number)
    if unending or isinstance(number, bool) or not isinstance(number, int | float):
        raise RegistrationError(f"{option}={value!r} is not a duration: give seconds (such as 2.5) or a timedelta")
    if abs(number) > LONGEST_S:
        raise RegistrationError(f"{option}={value!r} is too long: give at most {LONGEST_S} seconds, which is 100 years")
    if negative or number > 0 or (zero and number == 0):
        return float(number)
    least = "0 or more" if zero else "more than 0"
    raise RegistrationError(f"{option}={value!r} cannot work: a duration here is {least} seconds")


def optional_seconds(option: str, value: Duration | None) -> float | None:
    """Return a duration above 0 in seconds, or None.

    Raises:
        RegistrationError: As `seconds`.
    """
    return None if value is None else seconds(option, value)


def describe(duration_s: float) -> str:
    """Return a duration as a person would write it: ``2.5 s``, ``1 h 30 min``."""
    if duration_s < 0:
        return f"-{describe(-duration_s)}"
    if duration_s < 60 or duration_s != int(duration_s):
        return f"{duration_s:g} s"
    parts: list[str] = []
    rest = int(duration_s)
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts)
