"""`Days`: the days of the week on which something may happen, such as ``mon-fri``."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from hassette_core.errors import RegistrationError

_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_GROUPS = {"weekday": range(5), "weekdays": range(5), "weekend": range(5, 7), "weekends": range(5, 7)}


@dataclass(frozen=True, slots=True)
class Days:
    """Days of the week.

    Attributes:
        numbers: The days; 0 is Monday.
    """

    numbers: frozenset[int]

    def __contains__(self, day: date) -> bool:
        return day.weekday() in self.numbers

    def describe(self) -> str:
        """Return the days as a string that `parse_days` accepts: ``mon-fri``, ``mon,wed``."""
        runs: list[list[int]] = []
        for number in sorted(self.numbers):
            if runs and runs[-1][-1] == number - 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        short = [[_NAMES[number][:3] for number in run] for run in runs]
        return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(run) for run in short)


def parse_days(days: object, *, option: str = "days") -> Days | None:
    """Return the days of the week that an option names; None for every day.

    Example:
        >>> parse_days("fri-mon").describe()
        'mon,fri-sun'

    Args:
        days: None, a string such as ``"mon-fri"``, ``"sat,sun"``, ``"weekend"`` or ``"Monday"``, or a collection of
            such strings. A range may go over the end of the week.
        option: Name of the option, for the error message.

    Raises:
        RegistrationError: The days cannot be read. The message names a form that works.
    """
    if days is None:
        return None
    numbers = _numbers(days)
    if not numbers:
        raise RegistrationError(f"{option} must be days of the week, such as 'mon-fri' or 'sat,sun', got {days!r}")
    return None if len(numbers) == len(_NAMES) else Days(frozenset(numbers))


def _numbers(days: object) -> set[int]:
    """Return the numbers of all days. The result is empty if one of them cannot be read."""
    texts: Collection[Any] = [days] if isinstance(days, str) else ()
    if isinstance(days, Collection) and not isinstance(days, str):
        texts = cast("Collection[Any]", days)
    numbers: set[int] = set()
    for text in texts:
        # A range may have spaces and a dash of a text processor.
        ranges = re.sub(r"\s*[-–]\s*", "-", text.strip().lower()) if isinstance(text, str) else ""
        for one in re.split(r"\s*,\s*|\s+", ranges):
            found = _range(one)
            if not found:
                return set()
            numbers.update(found)
    return numbers


def _range(text: str) -> Collection[int]:
    if text in _GROUPS:
        return _GROUPS[text]
    first, dash, last = text.partition("-")
    begin, end = _number(first), _number(last if dash else first)
    if begin is None or end is None:
        return ()
    return [(begin + step) % 7 for step in range((end - begin) % 7 + 1)]


def _number(name: str) -> int | None:
    found = [number for number, full in enumerate(_NAMES) if len(name) > 2 and full.startswith(name)]
    return found[0] if found else None
