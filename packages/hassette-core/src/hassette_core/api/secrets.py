"""What a record of a service call must not hold."""

from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "(hidden)"
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


def without_secrets(data: Any) -> Any:
    """Return a copy in which the value of each key that sounds secret is hidden: an alarm's code, a password."""
    if isinstance(data, Mapping):
        mapping: Mapping[Any, Any] = data  # pyright: ignore[reportUnknownVariableType]
        return {key: HIDDEN if _sounds_secret(key) else without_secrets(value) for key, value in mapping.items()}
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        items: Sequence[Any] = data  # pyright: ignore[reportUnknownVariableType]
        return [without_secrets(item) for item in items]
    return data


def _sounds_secret(key: object) -> bool:
    return isinstance(key, str) and (key.lower() in _SECRET_KEYS or key.lower().endswith(_SECRET_ENDINGS))
