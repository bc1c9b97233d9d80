"""References to secrets: ``secret("mqtt_password")`` in ``hassette.toml`` is a value of the file ``secrets.toml``."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from hassette_core.config.lines import KeyPath
from hassette_core.config.text_file import read_text_file
from hassette_core.suggestions import did_you_mean

SECRETS_FILE = Path("secrets.toml")
ALL_USERS = 0o004
"""The permission of a file with which every user of the machine can read it."""

_REFERENCE = re.compile(r"""\s*(?:secret\(\s*(["'])(?P<called>[^"']+)\1\s*\)|!secret\s+(?P<tagged>\S+))\s*""")


class SecretsError(ValueError):
    """References to secrets cannot be resolved.

    Args:
        problems: The path of each key with such a reference, and the problem.
    """

    def __init__(self, problems: list[tuple[KeyPath, str]]) -> None:
        super().__init__("; ".join(text for _, text in problems))
        self.problems = problems


def resolve_secrets(tables: Mapping[str, Any], file: Path) -> tuple[dict[str, Any], frozenset[str]]:
    """Return a copy of the tables with the secrets in place of the references, and the texts of these secrets.

    Args:
        tables: The tables of the configuration.
        file: The file with the secrets. It is read only if there is a reference.

    Raises:
        SecretsError: The file cannot be read, or has no such secret. The message shows no secret.
    """
    references = list(_references(tables, ()))
    if not references:
        return dict(tables), frozenset()
    try:
        secrets = read_secrets(file)
    except ValueError as error:
        raise SecretsError([(path, f"needs the secret {name!r}, but {error}") for path, name in references]) from None
    problems = [(path, _missing(name, file, secrets)) for path, name in references if name not in secrets]
    if problems:
        raise SecretsError(problems)
    used = frozenset(str(secrets[name]) for _, name in references if not isinstance(secrets[name], bool))
    return _replaced(tables, secrets), used


def read_secrets(file: Path) -> dict[str, Any]:
    """Return the secrets of a file by name. A secret in a table has a name such as ``mqtt.password``.

    Raises:
        ValueError: The file cannot be read. The message shows no secret.
    """
    try:
        text = read_text_file(file)
    except FileNotFoundError:
        raise ValueError(f"there is no file {file}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    try:
        return dict(_flat(tomllib.loads(text), ""))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is not valid TOML: {error}") from None


def readable_by_all(file: Path) -> bool:
    """Return whether every user of the machine can read a file. False if the system does not know."""
    try:
        return bool(file.stat().st_mode & ALL_USERS)
    except OSError:  # the load of the configuration reports it
        return False


def _flat(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, Any]", value), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _name_in(value: object) -> str | None:
    """Return the name of the secret in a reference. None for another value."""
    if not isinstance(value, str) or (match := _REFERENCE.fullmatch(value)) is None:
        return None
    return match["called"] or match["tagged"]


def _references(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, Any]", value).items():
            yield from _references(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _references(item, (*path, index))
    elif (name := _name_in(value)) is not None:
        yield path, name


def _replaced(value: Any, secrets: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(item, secrets) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [_replaced(item, secrets) for item in cast("list[Any]", value)]
    name = _name_in(value)
    return value if name is None else secrets[name]


def _missing(name: str, file: Path, secrets: Mapping[str, Any]) -> str:
    hint = did_you_mean(name, secrets, f'. Add the line: {name} = "…"')
    return f"needs the secret {name!r}, which {file} does not contain{hint}"
