"""Copy the lists and tables of a value that one app passes to another, or to many runs."""

from collections.abc import Mapping
from typing import Any, cast

from hassette_core.errors import RegistrationError


def copied_option(option: str, values: Mapping[str, object]) -> dict[str, Any]:
    """Return a copy of the values of an option, so that later changes of the caller have no effect; see `copied`.

    Raises:
        RegistrationError: A value contains itself.
    """
    try:
        return copied(dict(values))
    except RecursionError:
        raise RegistrationError(f"{option} must contain no list or table that contains itself") from None


def copied(value: Any) -> Any:
    """Return a value whose lists, tables, sets and byte arrays are copies, at any depth. Other objects are shared.

    Raises:
        RecursionError: A list or table contains itself.
    """
    if isinstance(value, dict):
        return {key: copied(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list):
        return [copied(item) for item in cast("list[Any]", value)]
    if type(value) is tuple:
        return tuple(copied(item) for item in cast("tuple[Any, ...]", value))
    if isinstance(value, set):
        return set(cast("set[Any]", value))
    return bytearray(value) if isinstance(value, bytearray) else value


def has_copies(value: Any) -> bool:
    """Return whether `copied` copies a part of a value."""
    if type(value) is tuple:
        return any(has_copies(item) for item in cast("tuple[Any, ...]", value))
    return isinstance(value, dict | list | set | bytearray)
