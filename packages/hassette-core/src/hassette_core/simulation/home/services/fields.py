"""The fields of the simulated services. A field parses values, and has Home Assistant's message for a wrong value."""

import dataclasses
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, cast

from hassette_core.simulation.home.core import HomeCore
from hassette_core.simulation.home.services.refusals import NEW_WORDS


@dataclass(frozen=True, slots=True)
class ServiceField:
    """A field of a service.

    Attributes:
        parse: Converts a value. Raises `ValueError` or `TypeError` if the value is wrong.
        error: Returns Home Assistant's message for a wrong value.
        selector: The kind of the field in ``get_services``; None for a field that Home Assistant does not describe.
        required: Whether a call must contain the field.
        newer_error: The message of newer versions; None if it is the same.
        newer_selector: The kind in 2026.11; empty if it is the same.
        until: The first version without the field; None if there is none.
        since: The first version with the field; None if all have it.
        hidden: Whether ``get_services`` leaves the field out; or the first version that does.
        shown_as_required: Whether ``get_services`` describes the field as required; None if that is the same.
    """

    parse: Callable[[Any], Any]
    error: Callable[[Any], str]
    selector: str | None = None
    required: bool = False
    newer_error: str | None = None
    newer_selector: str = ""
    until: str | None = None
    since: str | None = None
    hidden: bool | str = False
    shown_as_required: bool | None = None

    def replace(self, **changes: Any) -> "ServiceField":
        """Return a copy with other values."""
        return dataclasses.replace(self, **changes)

    @property
    def as_required(self) -> "ServiceField":
        """A copy of this field that is required."""
        return self.replace(required=True)

    @property
    def as_state(self) -> "ServiceField":
        """A copy of this field whose kind is ``state`` in newer versions: one of the values that the entity lists."""
        return self.replace(newer_selector="state")

    def in_version(self, core: HomeCore) -> bool:
        """Return whether the field exists in the version of the home."""
        return not (self.until and core.since(self.until)) and (self.since is None or core.since(self.since))

    def is_described(self, core: HomeCore) -> bool:
        """Return whether ``get_services`` contains the field."""
        hidden = core.since(self.hidden) if isinstance(self.hidden, str) else self.hidden
        return self.in_version(core) and not hidden

    def problem(self, core: HomeCore, value: Any) -> str:
        """Return the message for a wrong value, in the words of the version of the home."""
        if self.newer_error is not None and core.since(NEW_WORDS):
            return self.newer_error
        return self.error(value)


def _expected(type_name: str) -> Callable[[Any], str]:
    return lambda _value: f"expected {type_name}"


def integer(low: int, high: int | None = None, *, newer_error: str | None = None) -> ServiceField:
    """Return a field for an integer from ``low`` to ``high``. None means no limit."""
    return _ranged(int, low, high).replace(newer_error=newer_error)


def real(low: float, high: float | None = None) -> ServiceField:
    """Return a field for a number from ``low`` to ``high``. None means no limit."""
    return _ranged(float, low, high)


def _ranged(kind: type[int] | type[float], low: float, high: float | None) -> ServiceField:
    def parse(value: Any) -> float:
        number = kind(value)
        if number < low or (high is not None and number > high):
            raise ValueError(value)
        return number

    def error(value: Any) -> str:
        try:
            too_high = high is not None and kind(value) > high
        except (TypeError, ValueError, OverflowError):
            return f"expected {kind.__name__}"
        return f"value must be at most {high}" if too_high else f"value must be at least {low}"

    return ServiceField(parse, error, "number")


def choice(*options: str, error: str | None = None, selector: str = "select") -> ServiceField:
    """Return a field for one of several values."""

    def parse(value: Any) -> str:
        if value not in options:
            raise ValueError(value)
        return value

    shown = error or f"value must be one of {sorted(options)}"
    return ServiceField(parse, lambda _value: shown, selector)


def sequence(length: int, high: float | None = None, selector: str = "object") -> ServiceField:
    """Return a field for a list of numbers, such as a color."""

    def parse(value: Any) -> list[float]:
        numbers = [float(each) for each in cast("list[Any]", value)]
        if len(numbers) != length or any(each < 0 or (high is not None and each > high) for each in numbers):
            raise ValueError(value)
        return [int(each) if each.is_integer() else each for each in numbers]

    return ServiceField(parse, _expected(f"a list of {length} numbers"), selector)


def _parse_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    if isinstance(value, int | float):
        return value != 0
    raise ValueError(value)


_TRUE = {"1", "true", "yes", "on", "enable"}
_FALSE = {"0", "false", "no", "off", "disable"}


def _clamp_brightness(value: Any) -> int:
    return max(0, min(255, int(value)))


def _parse_text(value: Any) -> str:
    if value is None or isinstance(value, list | dict):
        raise TypeError("not text")
    return str(value)


def _parse_texts(value: Any) -> list[str]:
    return [_parse_text(one) for one in (cast("list[Any]", value) if isinstance(value, list) else [value])]


def _text_error(value: Any) -> str:
    return "string value is None" if value is None else "value should be a string"


def _parse_ids(value: Any) -> list[str]:
    ids = [each.strip().lower() for each in value.split(",")] if isinstance(value, str) else _parse_texts(value)
    if not all(re.fullmatch(r"\w+\.\w+", each) for each in ids):
        raise ValueError(value)
    return ids


def _parse_duration(value: Any) -> timedelta:
    if isinstance(value, bool):
        raise TypeError("not a duration")
    if isinstance(value, int | float):
        return timedelta(seconds=value)
    if isinstance(value, dict):
        return timedelta(**{str(key): float(amount) for key, amount in cast("dict[str, Any]", value).items()})
    match = re.fullmatch(r"([+-]?)(\d+)(?::(\d{1,2}))?(?::(\d{1,2}(?:\.\d+)?))?", str(value))
    if match is None or (match[3] is None and match[4] is None and not str(value).lstrip("+-").isdigit()):
        raise ValueError(value)
    hours = f"{match[2]}:{match[3]}:{match[4] or 0}" if match[3] is not None else f"0:0:{match[2]}"
    seconds = sum(float(each) * unit for each, unit in zip(hours.split(":"), (3_600, 60, 1), strict=True))
    return timedelta(seconds=-seconds if match[1] == "-" else seconds)


def _duration_error(value: Any) -> str:
    return f"offset {value} should be format 'HH:MM', 'HH:MM:SS' or 'HH:MM:SS.F'"


def _parse_date(value: Any) -> date:
    return date.fromisoformat(str(value))


def _parse_time(value: Any) -> time:
    return time.fromisoformat(str(value))


def _parse_datetime(value: Any) -> datetime:
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _parse_object(value: Any) -> Any:
    return value


def _parse_dict(value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return cast("object", value)


HVAC_MODES = ("off", "heat", "cool", "heat_cool", "auto", "dry", "fan_only")
ANY = ServiceField(_parse_object, _expected("a value"), "object")
BOOLEAN = ServiceField(_parse_boolean, lambda value: f"invalid boolean value {value}", "boolean")
BRIGHTNESS = ServiceField(_clamp_brightness, _expected("int"), "number")
DATE = ServiceField(_parse_date, lambda value: f"Invalid date specified: {value}", "date")
DATETIME = ServiceField(_parse_datetime, lambda value: f"Invalid datetime specified: {value}", "datetime")
DICT = ServiceField(_parse_dict, _expected("dict"), "object")
DURATION = ServiceField(_parse_duration, _duration_error, "duration")
ENTITIES = ServiceField(_parse_ids, _expected("an entity ID"), "entity")
HVAC_MODE = choice(*HVAC_MODES, error=f"expected HVACMode or one of {', '.join(map(repr, HVAC_MODES))}").as_state
NUMBER = ServiceField(float, _expected("float"), "number")
PERCENT = integer(0, 100, newer_error="expected a percentage between 0 and 100")
TEXT = ServiceField(_parse_text, _text_error, "text")
TEXTS = ServiceField(_parse_texts, _text_error, "text")
TIME = ServiceField(_parse_time, lambda value: f"Invalid time specified: {value}", "time")
SHARE = real(0, 1)


def entity_ids(value: Any) -> Iterable[str]:
    """Return the entity ids in a value of a field such as ``entity_id``: one id, or a list of ids."""
    return _parse_ids(value)
