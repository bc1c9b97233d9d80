"""What a service's parameters must be, and what Home Assistant says otherwise."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast


class Parameter(NamedTuple):
    """One parameter of a service.

    Attributes:
        read: Turns what was given into what is meant; raises `ValueError` or `TypeError` if it cannot be.
        complain: Says what is wrong with it then.
        required: Whether it must be given.
    """

    read: Callable[[Any], Any]
    complain: Callable[[Any], str]
    required: bool = False

    @property
    def needed(self) -> "Parameter":
        """The same, required."""
        return self._replace(required=True)


def _expected(what: str) -> Callable[[Any], str]:
    def complain(_value: Any) -> str:
        return f"expected {what}"

    return complain


def whole(low: int, high: int) -> Parameter:
    """Make a parameter that is a whole number within bounds."""

    def read(value: Any) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError(value)
        return number

    def complain(value: Any) -> str:
        try:
            too_high = int(value) > high
        except (TypeError, ValueError):
            return "expected int"
        return f"value must be at most {high}" if too_high else f"value must be at least {low}"

    return Parameter(read, complain)


def _clamp_brightness(value: Any) -> int:
    return max(0, min(255, int(value)))


HVAC_MODES = ("off", "heat", "cool", "heat_cool", "auto", "dry", "fan_only")


def _read_hvac_mode(value: Any) -> str:
    if value not in HVAC_MODES:
        raise ValueError(value)
    return value


def _read_text(value: Any) -> str:
    if value is None or isinstance(value, list | dict):
        raise TypeError("no text")
    return str(value)


def _read_texts(value: Any) -> list[str]:
    return [_read_text(one) for one in (cast("list[Any]", value) if isinstance(value, list) else [value])]


def _complain_of_text(value: Any) -> str:
    return "string value is None" if value is None else "value should be a string"


NUMBER = Parameter(float, _expected("float"))
TEXT = Parameter(_read_text, _complain_of_text)
TEXTS = Parameter(_read_texts, _complain_of_text)
BRIGHTNESS = Parameter(_clamp_brightness, _expected("int"))
PERCENT = whole(0, 100)
HVAC_MODE = Parameter(_read_hvac_mode, _expected(f"HVACMode or one of {', '.join(map(repr, HVAC_MODES))}"))
