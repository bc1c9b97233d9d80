"""Parse the arguments of a test: times, time zones and states."""

from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hassette_core.link.configuration import LIMITS
from hassette_core.testing.errors import HomeTestError


def parse_time(text: str) -> time | None:
    """Return a time of day. None if the text has another form."""
    try:
        parsed = time.fromisoformat(text.strip())
    except ValueError:
        return None
    return parsed if ":" in text and parsed.tzinfo is None else None


def parse_datetime(moment: str | datetime) -> datetime:
    """Return a date with a time, with or without a time zone.

    Raises:
        HomeTestError: The text has another form.
    """
    if isinstance(moment, datetime):
        return moment
    try:
        return datetime.fromisoformat(moment.strip())
    except ValueError:
        expected = 'a time such as "07:00" or "2026-03-29 07:00"'
        raise HomeTestError(f"moment must be {expected}, got {moment!r}") from None


def parse_zone(zone: str | ZoneInfo) -> ZoneInfo:
    """Return a time zone.

    Raises:
        HomeTestError: There is no such time zone.
    """
    if isinstance(zone, ZoneInfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise HomeTestError(f"tz must be a time zone such as 'Europe/Vienna', got {zone!r}") from None


def parse_place(key: str, value: float) -> float:
    """Return a number of the home's place.

    Args:
        key: ``latitude``, ``longitude`` or ``elevation``.
        value: Degrees or metres.

    Raises:
        HomeTestError: There is no such place.
    """
    limit = LIMITS[key]
    if not -limit <= value <= limit:
        raise HomeTestError(f"{key} must be between -{limit} and {limit}, got {value!r}")
    return value


def state_text(state: object) -> str | None:
    """Return a state as Home Assistant stores it: a text. None stays None.

    Raises:
        HomeTestError: The state is neither a text nor a number.
    """
    if state is None or isinstance(state, str):
        return state
    if isinstance(state, bool):
        raise HomeTestError(f"state must be a text or a number, got {state!r}; write {'on' if state else 'off'!r}")
    if isinstance(state, int | float):
        return str(state)
    raise HomeTestError(f"state must be a text or a number, got {state!r}")
