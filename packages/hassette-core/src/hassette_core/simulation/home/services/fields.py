"""The fields of the simulated services. A field parses values, and has Home Assistant's message for a wrong value."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast


class ServiceField(NamedTuple):
    """A field of a service.

    Attributes:
        parse: Converts a value. Raises `ValueError` or `TypeError` if the value is wrong.
        error: Returns Home Assistant's message for a wrong value.
        required: Whether a call must contain the field.
    """

    parse: Callable[[Any], Any]
    error: Callable[[Any], str]
    required: bool = False

    @property
    def as_required(self) -> "ServiceField":
        """A copy of this field that is required."""
        return self._replace(required=True)


def _expected(type_name: str) -> Callable[[Any], str]:
    def error(_value: Any) -> str:
        return f"expected {type_name}"

    return error


def integer(low: int, high: int) -> ServiceField:
    """Return a field for an integer from ``low`` to ``high``."""

    def parse(value: Any) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError(value)
        return number

    def error(value: Any) -> str:
        try:
            too_high = int(value) > high
        except (TypeError, ValueError):
            return "expected int"
        return f"value must be at most {high}" if too_high else f"value must be at least {low}"

    return ServiceField(parse, error)


def _clamp_brightness(value: Any) -> int:
    return max(0, min(255, int(value)))


HVAC_MODES = ("off", "heat", "cool", "heat_cool", "auto", "dry", "fan_only")


def _parse_hvac_mode(value: Any) -> str:
    if value not in HVAC_MODES:
        raise ValueError(value)
    return value


def _parse_text(value: Any) -> str:
    if value is None or isinstance(value, list | dict):
        raise TypeError("not text")
    return str(value)


def _parse_texts(value: Any) -> list[str]:
    return [_parse_text(one) for one in (cast("list[Any]", value) if isinstance(value, list) else [value])]


def _text_error(value: Any) -> str:
    return "string value is None" if value is None else "value should be a string"


NUMBER = ServiceField(float, _expected("float"))
TEXT = ServiceField(_parse_text, _text_error)
TEXTS = ServiceField(_parse_texts, _text_error)
BRIGHTNESS = ServiceField(_clamp_brightness, _expected("int"))
PERCENT = integer(0, 100)
HVAC_MODE = ServiceField(_parse_hvac_mode, _expected(f"HVACMode or one of {', '.join(map(repr, HVAC_MODES))}"))
