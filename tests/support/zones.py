"""A time zone for tests whose texts depend on the time of day."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest


def zone_at_noon() -> str:
    """Return the name of a time zone in which it is now between 12:00 and 13:00."""
    return _zone_at(12)


def _zone_at(hour: int) -> str:
    """Return the name of a time zone in which this is the hour now."""
    ahead = (hour - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}"


@contextmanager
def hour_on_this_machine(hour: int = 12) -> Generator[None]:
    """Give the machine a time zone in which this is the hour now. After midnight, answers contain a date, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", _zone_at(hour))  # processes that the test starts have the same zone
        time.tzset()
        yield
    time.tzset()
