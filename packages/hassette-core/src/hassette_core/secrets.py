"""What neither a record nor a log line must hold: told by the names of keys."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HIDDEN = "(hidden)"
SHORTEST = 6
"""Shorter values are not taken out of texts: an alarm's ``1234`` is part of too many numbers."""
_SECRET_KEYS = (
    "code",
    "passcode",
    "password",
    "passwd",
    "passphrase",
    "pin",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "authorization",
    "credential",
    # Tables whose every value is secret: they are sent with requests, and a token is among them.
    "headers",
)
_SECRET_ENDINGS = tuple(f"_{key}" for key in _SECRET_KEYS)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
"""Where one word of a key ends: ``accessToken``, ``APIKey``, ``X-Api-Key``."""


def sounds_secret(key: object) -> bool:
    """Return whether what stands under the key is to be hidden, however the key is written."""
    if not isinstance(key, str):
        return False
    words = _WORDS.sub("_", key).lower()
    return any(
        name in _SECRET_KEYS or name.endswith(_SECRET_ENDINGS)
        for name in (words, words.removesuffix("s"))  # alarm_codes are codes
    )


def without_secrets(data: Any) -> Any:
    """Return a copy in which the value of each key that sounds secret is hidden: an alarm's code, a password."""
    if isinstance(data, Mapping):
        mapping: Mapping[Any, Any] = data  # pyright: ignore[reportUnknownVariableType]
        return {key: HIDDEN if sounds_secret(key) else without_secrets(value) for key, value in mapping.items()}
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
            yield from secrets_in(value, all_of_it=all_of_it or sounds_secret(key))
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        items: Sequence[Any] = data  # pyright: ignore[reportUnknownVariableType]
        for item in items:
            yield from secrets_in(item, all_of_it=all_of_it)
    elif all_of_it and isinstance(data, str | int) and not isinstance(data, bool) and len(str(data)) >= SHORTEST:
        yield str(data)  # code = 12345678 is a number in TOML, and a text wherever it is told
