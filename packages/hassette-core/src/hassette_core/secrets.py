"""What neither a record of a service call nor a log line must hold: told by the names of keys."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HIDDEN = "(hidden)"
SHORTEST = 6
"""Shorter values are not taken out of log lines: an alarm's ``1234`` is part of too many numbers."""
_SECRET_KEYS = (
    "code",
    "password",
    "passwd",
    "pin",
    "secret",
    "token",
    "api_key",
    "apikey",
    "authorization",
    "credential",
)
_SECRET_ENDINGS = tuple(f"_{key}" for key in _SECRET_KEYS)
_SECRET_TABLES = ("headers",)
"""Tables whose every value is secret: they are sent with requests, and a token is among them."""


def without_secrets(data: Any) -> Any:
    """Return a copy in which the value of each key that sounds secret is hidden: an alarm's code, a password."""
    if isinstance(data, Mapping):
        mapping: Mapping[Any, Any] = data  # pyright: ignore[reportUnknownVariableType]
        return {key: HIDDEN if _sounds_secret(key) else without_secrets(value) for key, value in mapping.items()}
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        items: Sequence[Any] = data  # pyright: ignore[reportUnknownVariableType]
        return [without_secrets(item) for item in items]
    return data


def secrets_in(data: Any, *, all_of_it: bool = False) -> Iterator[str]:
    """Yield the text of each key that sounds secret, however deep it lies, if it is long enough to be looked for.

    Args:
        data: Tables, lists and values, as of a configuration.
        all_of_it: Whether every value counts, whatever its key.
    """
    if isinstance(data, Mapping):
        mapping: Mapping[Any, Any] = data  # pyright: ignore[reportUnknownVariableType]
        for key, value in mapping.items():
            yield from secrets_in(value, all_of_it=all_of_it or _sounds_secret(key) or key in _SECRET_TABLES)
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        items: Sequence[Any] = data  # pyright: ignore[reportUnknownVariableType]
        for item in items:
            yield from secrets_in(item, all_of_it=all_of_it)
    elif all_of_it and isinstance(data, str) and len(data) >= SHORTEST:
        yield data


def _sounds_secret(key: object) -> bool:
    return isinstance(key, str) and (key.lower() in _SECRET_KEYS or key.lower().endswith(_SECRET_ENDINGS))
