"""Recognise secrets by the names of their keys."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

MASK = "•••"
MIN_LENGTH = 6
"""Minimum length of secrets that are masked in records. A shorter secret, such as the alarm code ``1234``, is part of
many numbers that are not secret."""
SHORTEST_MASKED = 4
"""Minimum length of secrets that are masked at all. A shorter text, such as ``on``, is part of so many other texts that
its mask would make logs unreadable, and would not hide it."""
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
    # A table in which every value is secret, because HTTP headers often contain a token.
    "headers",
)
_SECRET_ENDINGS = tuple(f"_{key}" for key in _SECRET_KEYS)
_WORD_BREAKS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
"""Boundaries between the words of a key such as ``accessToken``, ``APIKey`` or ``X-Api-Key``."""

_PASSWORD_IN_ADDRESS = re.compile(r"\w://[^/\s:@]*:([^/\s@]+)@")


def is_secret_key(key: object) -> bool:
    """Return whether a key looks like the name of a secret, in any spelling: ``alarm_code``, ``X-Api-Key``."""
    if not isinstance(key, str):
        return False
    words = _WORD_BREAKS.sub("_", key).lower()
    return any(
        name in _SECRET_KEYS or name.endswith(_SECRET_ENDINGS)
        for name in (words, words.removesuffix("s"))  # alarm_codes, credentials
    )


def can_be_masked(secret: str) -> bool:
    """Return whether a secret is long enough to be masked at all."""
    return len(secret.strip()) >= SHORTEST_MASKED


def mask_secret_values(data: Any) -> Any:
    """Return a copy of the data in which `MASK` replaces the value of each secret key.

    Example:
        >>> mask_secret_values({"entity_id": "alarm.home", "code": 1234})
        {'entity_id': 'alarm.home', 'code': '•••'}
    """
    if isinstance(data, Mapping):
        mapping: Mapping[Any, Any] = data  # pyright: ignore[reportUnknownVariableType]
        return {key: MASK if is_secret_key(key) else mask_secret_values(value) for key, value in mapping.items()}
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        items: Sequence[Any] = data  # pyright: ignore[reportUnknownVariableType]
        return [mask_secret_values(item) for item in items]
    return data


def find_secrets(data: Any, *, all_values: bool = False) -> Iterator[str]:
    """Yield the values of secret keys, at any depth. Values with fewer than `MIN_LENGTH` characters are left out.

    The password in an address, such as ``rtsp://user:password@camera``, is also a secret, whatever its key.

    Args:
        data: Tables, lists and values, such as a configuration.
        all_values: True yields every value of the data, without looking at the keys.
    """
    if isinstance(data, Mapping):
        mapping: Mapping[Any, Any] = data  # pyright: ignore[reportUnknownVariableType]
        for key, value in mapping.items():
            yield from find_secrets(value, all_values=all_values or is_secret_key(key))
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        items: Sequence[Any] = data  # pyright: ignore[reportUnknownVariableType]
        for item in items:
            yield from find_secrets(item, all_values=all_values)
    elif all_values and isinstance(data, str | int) and not isinstance(data, bool) and len(str(data)) >= MIN_LENGTH:
        yield str(data)  # code = 12345678 is a number in TOML, but text in messages
    elif isinstance(data, str):
        for password in _PASSWORD_IN_ADDRESS.findall(data):
            # A library may decode the password before it shows an error.
            yield from (text for text in {password, unquote(password)} if len(text) >= MIN_LENGTH)
