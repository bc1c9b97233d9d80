"""Read tables from the environment: ``HASSETTE__HOME_ASSISTANT__TOKEN`` is ``token`` in ``[home_assistant]``."""

import os
import tomllib
from collections.abc import Mapping
from typing import Any, cast

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from hassette_core.errors import ConfigError

PREFIX = "HASSETTE__"
TOKEN_KEYS = frozenset({"token"})
"""Keys whose values are secrets. These values are always read as text, even if they look like numbers."""


def variable_for(path: tuple[str, ...]) -> str:
    """Return the environment variable that sets the key at the given path."""
    return PREFIX + "__".join(path).upper()


def set_by(path: tuple[str, ...]) -> str | None:
    """Return a variable that sets the key at the given path or a key below it. Return None if there is none."""
    wanted = [variable_for(path)]
    if path[:1] == ("hassette",):
        wanted.append(variable_for(path[1:]))
    return next((name for name in os.environ if f"{name.upper()}__".startswith(tuple(f"{w}__" for w in wanted))), None)


class EnvironmentTables(PydanticBaseSettingsSource):
    """Reads every variable that begins with ``HASSETTE__``.

    A variable without a table, such as ``HASSETTE__DATA_DIR``, sets a key of ``[hassette]``. Tables that core does not
    know become entries of ``plugins``. Lists and inline tables have the same syntax as in the file:
    ``HASSETTE__APPS__HALL__INSTANCES='[{…}]'``. The value of a key in `TOKEN_KEYS` is always read as text.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing, because `__call__` reads whole tables. The base class requires this method."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the tables that the environment sets.

        Raises:
            ConfigError: Two variables contradict each other.
        """
        tables: dict[str, Any] = {}
        names = {_path(name): name for name in os.environ if name.upper().startswith(PREFIX)}
        for path in sorted(names):  # sorted, so that a table comes before its keys
            *parents, key = path
            of_core = path[0] in self.settings_cls.model_fields
            table: dict[str, Any] = tables if of_core else tables.setdefault("plugins", {})
            for depth, part in enumerate(parents, start=1):
                if not isinstance(below := table.setdefault(part, {}), dict):
                    raise _contradiction(path, depth, names)
                table = cast("dict[str, Any]", below)
            text = os.environ[names[path]]
            table[key] = text if key in TOKEN_KEYS else _value(text, typed=of_core)
        return tables


def _path(name: str) -> tuple[str, ...]:
    path = tuple(name[len(PREFIX) :].lower().split("__"))
    return path if len(path) > 1 else ("hassette", *path)


def _contradiction(path: tuple[str, ...], depth: int, names: Mapping[tuple[str, ...], str]) -> ConfigError:
    """Return the error for a key that is a value in one variable and a table in another variable."""
    value = next(path[:end] for end in range(depth, 0, -1) if path[:end] in names)
    return ConfigError(
        f"{names[value]} and {names[path]} in the environment contradict each other: the first makes"
        f" {'.'.join(path[:depth])} a value, and the second makes it a table. Remove one of them."
    )


def _value(text: str, *, typed: bool) -> Any:
    """Parse the value of a variable.

    Lists, inline tables and all values of plugins are parsed as in the file. If that fails, the value stays text. Other
    values of core also stay text, and pydantic converts them to the type of the key.

    Args:
        text: The value of the variable.
        typed: Whether the key belongs to core. Then pydantic knows its type.
    """
    if not typed or text.lstrip()[:1] in {"[", "{"}:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text
