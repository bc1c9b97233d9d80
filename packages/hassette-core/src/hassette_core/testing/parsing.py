"""Parse the arguments of a test: times, time zones, numbers, states and fields."""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hassette_core.conditions.values import MAX_STATE_CHARACTERS
from hassette_core.errors import RegistrationError
from hassette_core.link.configuration import LIMITS
from hassette_core.moments import DateTime, Moment, parse_moment
from hassette_core.moments.grammar import EXAMPLES
from hassette_core.testing.errors import HomeTestError


def parse_datetime(moment: object) -> datetime:
    """Return a date with a time, with or without a time zone.

    Raises:
        HomeTestError: The value has another form.
    """
    if isinstance(moment, datetime):
        return moment
    hint = ""
    if isinstance(moment, str):
        try:
            return datetime.fromisoformat(moment.strip())
        except ValueError:
            with suppress(RegistrationError):
                parse_moment(moment)
                hint = "; write the date, too, or move the time to this moment with home.advance_to()"
    raise HomeTestError(f'moment must be a date with a time, such as "2026-03-29 07:00", got {moment!r}{hint}')


def read_moment(moment: object) -> Moment | datetime:
    """Return a moment of the grammar of moments, or a date with a time.

    Raises:
        HomeTestError: The value has another form.
    """
    if isinstance(moment, datetime):
        return moment
    if isinstance(moment, str):
        with suppress(ValueError):
            return datetime.combine(date.fromisoformat(moment.strip()), time())
    try:
        parsed = parse_moment(moment, option="moment")
    except RegistrationError as error:
        _, found, hint = str(error).partition(f"must be a moment, such as {EXAMPLES}, got {moment!r}")
        expected = 'a time such as "07:00", "sunset - 00:30", "input_datetime.wake_up" or "2026-03-29 07:00"'
        raise HomeTestError(f"moment must be {expected}, got {moment!r}{hint}" if found else str(error)) from None
    return parsed.at if isinstance(parsed, DateTime) and not parsed.offset else parsed


def parse_duration(passed: timedelta, parts: Mapping[str, object]) -> timedelta:
    """Return the sum of a duration and of durations by unit, such as ``{"minutes": 5}``.

    Raises:
        HomeTestError: A value is not a number, or the sum is negative.
    """
    for unit, value in parts.items():
        passed += timedelta(**{unit: number(unit, value)})
    if passed < timedelta():
        raise HomeTestError(f"the time must move forward, got {passed.total_seconds():g} s")
    return passed


def number(key: str, value: object, *, least: float | None = None) -> float:
    """Return a finite number.

    Raises:
        HomeTestError: The value is not a number, or it is less than ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise HomeTestError(f"{key} must be a number, got {value!r}")
    if least is not None and value < least:
        raise HomeTestError(f"{key} must be {least:g} or more, got {value!r}")
    return value


def check_times(key: str, value: object) -> None:
    """Check a number of times. None stands for any number.

    Raises:
        HomeTestError: The value is not a whole number, or less than 1.
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise HomeTestError(f"{key} must be a whole number, 1 or more, or None, got {value!r}")


def parse_zone(zone: str | ZoneInfo) -> ZoneInfo:
    """Return a time zone.

    Raises:
        HomeTestError: There is no such time zone.
    """
    if isinstance(zone, ZoneInfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
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
    if isinstance(value, bool) or not isinstance(value, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]  tests are not all checked
        raise HomeTestError(f"{key} must be a number, got {value!r}")
    if not -limit <= value <= limit:
        raise HomeTestError(f"{key} must be between -{limit} and {limit}, got {value!r}")
    return value


def state_text(state: object) -> str | None:
    """Return a state as Home Assistant stores it: a text. None stays None.

    Raises:
        HomeTestError: The state is neither a text, nor a number, nor a time.
    """
    if state is None:
        return None
    if isinstance(state, bool):
        raise HomeTestError(f"state must be a text or a number, got {state!r}; write {'on' if state else 'off'!r}")
    if not isinstance(state, str | int | float | date | time):
        raise HomeTestError(f"state must be a text, a number or a time, got {state!r}")
    text = state.isoformat() if isinstance(state, date | time) else str(state)
    if len(text) > MAX_STATE_CHARACTERS:
        raise HomeTestError(f"state must have at most {MAX_STATE_CHARACTERS} characters, got {len(text)} characters")
    return text


def json_fields(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return attributes, or data of events and calls, as Home Assistant sends them: times become texts, sets lists.

    Raises:
        HomeTestError: JSON cannot express a value.
    """
    return {key: _json_value(key, value) for key, value in fields.items()}


def _json_value(key: str, value: object) -> Any:
    if isinstance(value, Enum):
        return _json_value(key, value.value)
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return {str(inner): _json_value(f"{key}.{inner}", each) for inner, each in entries.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_value(key, each) for each in cast("Iterable[object]", value)]
    raise HomeTestError(f"{key} must be a text, a number, a time, a list or a dictionary of these, got {value!r}")
