"""The errors of refused calls, in the words of the version of Home Assistant that the home behaves like.

Home Assistant changed its validation library in 2026.9. The error codes stayed the same.
"""

from collections.abc import Iterable

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeCore

NEW_WORDS = "2026.9"
"""From this version on, Home Assistant uses other words for invalid fields."""


def invalid(core: HomeCore, problem: str, *path: str) -> RefusedError:
    """Return the error for a wrong value. ``path`` leads to the field, such as ``"target", "entity_id"``."""
    if core.since(NEW_WORDS):
        return RefusedError("invalid_format", f"{problem} at '{'.'.join(path)}'")
    return RefusedError("invalid_format", f"{problem} for dictionary value @ {_where(path)}")


def unknown_key(core: HomeCore, *path: str) -> RefusedError:
    """Return the error for a field that the service or the command does not have."""
    if core.since(NEW_WORDS):
        return RefusedError("invalid_format", f"not a valid option at '{'.'.join(path)}'")
    return RefusedError("invalid_format", f"extra keys not allowed @ {_where(path)}")


def missing_key(core: HomeCore, *path: str) -> RefusedError:
    """Return the error for a required field that is missing."""
    if core.since(NEW_WORDS):
        return RefusedError("invalid_format", f"required key not provided at '{'.'.join(path)}'")
    return RefusedError("invalid_format", f"required key not provided @ {_where(path)}")


def none_of(core: HomeCore, names: Iterable[str]) -> RefusedError:
    """Return the error for a call that has none of several fields."""
    if core.since(NEW_WORDS):
        return RefusedError("invalid_format", f"at least one of {list(names)} is required")
    return RefusedError("invalid_format", f"must contain at least one of {', '.join(names)}.")


def validation_error(message: str) -> RefusedError:
    """Return the error for a call that is well-formed but cannot be carried out."""
    return RefusedError("service_validation_error", f"Validation error: {message}")


def failure(message: str) -> RefusedError:
    """Return the error of a service that failed."""
    return RefusedError("home_assistant_error", message)


def _where(path: tuple[str, ...]) -> str:
    return "data" + "".join(f"['{each}']" for each in path)
