"""References to secrets: ``secret("mqtt_password")`` in ``hassette.toml`` is a value of the file ``secrets.toml``."""

import copy
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any, NamedTuple, cast

from hassette_core.config.lines import KeyPath
from hassette_core.config.text_file import read_text_file
from hassette_core.redaction import can_be_masked
from hassette_core.suggestions import did_you_mean

SECRETS_FILE = Path("secrets.toml")
ALL_USERS = 0o004
"""The permission of a file with which every user of the machine can read it."""

_REFERENCE = re.compile(r"""\s*(?:secret\(\s*(["'])(?P<called>[^"']+)\1\s*\)|!secret\s+(?P<tagged>\S+))\s*""")
_ATTEMPT = re.compile(
    r"""^\s*secret(?:\(|\s*[("'][\s("']*[\w.-]*[\s)"']*$)|^\s*!\s*secret\b|\bsecret\(\s*["']|!secret\s""", re.IGNORECASE
)
"""A part of a text that was probably written as a reference. If the reference is not complete, the app would get the
text itself. A sentence such as ``Secret (for me only)`` is no reference."""
_UNQUOTED = re.compile(r"""(?:\bsecret\s*\(\s*["']?|!secret\s+)(?P<name>[\w.-]*)""", re.IGNORECASE)
_EXAMPLE = """'secret("name")' or '!secret name'"""
_SECRETS_FILE_KEY: KeyPath = ("hassette", "secrets_file")


class SecretsError(ValueError):
    """References to secrets cannot be resolved.

    Args:
        problems: The path of each key with such a reference, and the problem.
    """

    def __init__(self, problems: list[tuple[KeyPath, str]]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, path))} {text}" for path, text in problems))
        self.problems = problems


class ResolvedTables(NamedTuple):
    """Tables of the configuration without references.

    Attributes:
        tables: A copy of the tables with the secrets in place of the references.
        used: The texts of these secrets.
        unmasked: The names of the secrets that are too short to be masked.
    """

    tables: dict[str, Any]
    used: frozenset[str]
    unmasked: tuple[str, ...]


def resolve_secrets(tables: Mapping[str, Any], file: Path) -> ResolvedTables:
    """Replace the references to secrets in the tables of the configuration.

    Args:
        tables: The tables.
        file: The file with the secrets. It is read only if there is a reference.

    Raises:
        SecretsError: A reference is not complete, the file cannot be read, or it has no such secret. The message shows
            no secret.
    """
    references: list[tuple[KeyPath, str]] = []
    problems: list[tuple[KeyPath, str]] = []
    for path, text, is_key in _texts(tables, ()):
        name = _name_in(text)
        if name is None and _ATTEMPT.search(text) is None:
            continue
        if is_key:
            problems.append((path, "must be a plain key, because only a value may refer to a secret"))
        elif path == _SECRETS_FILE_KEY:
            problems.append((path, f"must be the path of the file with the secrets, got {text!r}"))
        elif name is None:
            problems.append((path, f"must be a whole reference, such as {_EXAMPLE}, and no other text"))
        else:
            references.append((path, name))
    secrets: dict[str, Any] = {}
    if references:
        try:
            secrets = read_secrets(file)
        except ValueError as error:
            problems += [(path, f"needs the secret {name!r}, but {error}") for path, name in references]
        else:
            checked = ((path, _problem(name, file, secrets)) for path, name in references)
            problems += [(path, problem) for path, problem in checked if problem]
    if problems:
        raise SecretsError(problems)
    used = {name: list(secret_texts(secrets[name])) for _, name in references}
    return ResolvedTables(
        _replaced(tables, secrets),
        frozenset(text for texts in used.values() for text in texts),
        tuple(sorted(name for name, texts in used.items() if not all(map(can_be_masked, texts)))),
    )


def reference_paths(tables: Mapping[str, Any]) -> frozenset[KeyPath]:
    """Return the paths of the values that refer to a secret."""
    return frozenset(path for path, text, is_key in _texts(tables, ()) if not is_key and _name_in(text) is not None)


def unquoted_reference(line: str) -> str:
    """Return the correction of a line that is not valid TOML because its reference to a secret has no quotes.

    Return an empty text if the line has no reference.
    """
    found = _UNQUOTED.search(line)
    if found is None:
        return ""
    return f""". A reference to a secret must be a text in quotes: write 'secret("{found["name"] or "name"}")'"""


def secret_texts(secret: object) -> Iterator[str]:
    """Yield each text in which a secret may appear: of a list or table, the text of each value."""
    if isinstance(secret, Mapping):
        for item in cast("Mapping[str, Any]", secret).values():
            yield from secret_texts(item)
    elif isinstance(secret, list):
        for item in cast("list[Any]", secret):
            yield from secret_texts(item)
    elif not isinstance(secret, bool):  # true and false are no secrets
        yield str(secret)
        if isinstance(secret, date | time):
            yield secret.isoformat()


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
        found = list(_flat(tomllib.loads(text), ""))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is not valid TOML: {error}") from None
    secrets = dict(found)
    if len(secrets) < len(found):
        names = [name for name, _ in found]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{file} contains {twice!r} twice: in a table, and as a key in quotes")
    return secrets


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


def _name_in(text: str) -> str | None:
    """Return the name of the secret in a reference. None for another text."""
    match = _REFERENCE.fullmatch(text)
    return None if match is None else match["called"] or match["tagged"]


def _texts(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str, bool]]:
    """Yield each text of a table with its path, and whether it is a key."""
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[Any, Any]", value).items():
            if isinstance(key, str):
                yield (*path, key), key, True
            yield from _texts(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(cast("Sequence[Any]", value)):
            yield from _texts(item, (*path, index))
    elif isinstance(value, str):
        yield path, value, False


def _replaced(value: Any, secrets: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(item, secrets) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_replaced(item, secrets) for item in cast("Sequence[Any]", value)]
    name = _name_in(value) if isinstance(value, str) else None
    # A list of secrets is copied, because two apps may use it, and one of them may change it.
    return value if name is None else copy.deepcopy(secrets[name])


def _problem(name: str, file: Path, secrets: Mapping[str, Any]) -> str:
    """Return the reason why a reference has no value. Empty if it has one."""
    if name not in secrets:
        if inner := next((other for other in secrets if other.startswith(f"{name}.")), None):
            return f"needs the secret {name!r}, which is a table in {file}; name one of its values, such as {inner!r}"
        hint = did_you_mean(name, secrets, f'. Add the line: {name} = "…"')
        return f"needs the secret {name!r}, which {file} does not contain{hint}"
    if any(_name_in(text) or _ATTEMPT.search(text) for _, text, _ in _texts(secrets[name], ())):
        return f"needs the secret {name!r}, which must be a value in {file} and not another reference"
    return ""
