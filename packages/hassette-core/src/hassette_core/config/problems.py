"""`Problems`: turn validation errors into messages that name the file, the line, the key and the expected value."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hassette_core.config.environment import set_by, variable_for
from hassette_core.config.lines import KeyPath, Lines
from hassette_core.config.secrets_file import SecretsError
from hassette_core.errors import ConfigError
from hassette_core.redaction import is_secret_key, mask_secret_values
from hassette_core.suggestions import did_you_mean
from hassette_executor import SettingError

TEXT = "text in quotes"
_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": TEXT,
    "path": "a path in quotes",
    "dict": "a table",
    "dict_attributes": "a table",
    "model": "a table",
    "model_type": "a table",
    "dataclass": "a table",
    "list": "a list",
}
UNKNOWN_KEY = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
"""The kinds of pydantic's errors for a key that a table does not have."""
_SHOULD_BE = "Input should be "
"""The start of most messages of pydantic."""
_OF_OTHER_PROGRAMS = {
    ("apps", "disable"): "enabled = false",
    ("apps", "dependencies"): "depends_on with app keys",
    ("apps", "global_dependencies"): "import in the code of the app",
    ("apps", "class_name"): "class",
    ("apps", "filename"): "module, without .py",
    ("apps", "args"): "config",
    ("apps", "app_config"): "config",
    ("apps", "priority"): "depends_on for the order of the starts",
    ("apps", "log"): "log_level, because all apps share one log",
    ("hassette", "base_url"): "url in [home_assistant]",
    ("hassette", "token"): "token in [home_assistant]",
}
"""Keys of AppDaemon and hassette 0.60, by table, and the keys with the same purpose."""


class Problems:
    """Collects the problems of a configuration, in order to report all of them at once.

    Args:
        file: The configuration file, or a name for a configuration without a file.
        lines: Finds the line of a key in the file.
        secret_paths: The paths of values that refer to a secret. A problem does not show these values.
    """

    def __init__(self, file: Path | str, lines: Lines, secret_paths: Collection[KeyPath] = ()) -> None:
        self._file = file
        self._lines = lines
        self._secret_paths = secret_paths
        self._texts: list[str] = []

    def add_unknown_key(self, path: tuple[str | int, ...], known: list[str]) -> None:
        """Add the problem that a key is not known."""
        self._add(path, unknown_key(path, known))

    def add_not_a_table(self, path: tuple[str, ...], value: object) -> None:
        """Add the problem that the file has a value in place of a table."""
        self._add_line(path, self._must_be(path, "a table", value))

    def add_validation_error(self, details: ErrorDetails, model: type[BaseModel]) -> None:
        """Add the problem that a validation error of pydantic describes."""
        path, kind = details["loc"], details["type"]
        error = details.get("ctx", {}).get("error")
        if isinstance(error, SecretsError):
            for key_path, problem in error.problems:
                path = key_path[1:] if key_path[:1] == ("plugins",) else key_path
                self._add(path, f"{dotted(path)} {problem}")
        elif kind in UNKNOWN_KEY:
            self.add_unknown_key(path, known_keys(model, path[:-1]))
        elif kind == "missing":
            self._add(path, f"{dotted(path)} is missing: it must be {_described(model, path)}")
        elif isinstance(error, SettingError) or " must be " in str(error):
            # This error comes from the validator of a whole table, and its message begins with the key.
            key = str(error).partition(" ")[0]
            self._add((*path, key), f"{dotted(path)}.{error}")
        elif kind == "value_error":
            self._add(path, self._must_be(path, str(error), details["input"]))  # raised by the validator of one key
        else:
            expected = expected_of(details)
            text = (
                f"{dotted(path)}: {details['msg']}"
                if expected is None
                else self._must_be(path, expected, details["input"])
            )
            self._add(path, text)

    def add_rejected(self, table: str, settings: Mapping[str, object], sentence: str) -> None:
        """Add the problem that a plugin has rejected its table. The sentence usually begins with the key."""
        key = sentence.partition(" ")[0]
        text = f"[{table}] {sentence}"
        if key in settings:
            self._add((table, key), text)
        elif self._lines.find((table,)):
            # The sentence names no key, so report the line of the table. `_add` is not used here, because it could
            # blame an environment variable that sets some other key of this table.
            self._add_line((table,), text)
        else:
            self._add((table,), text)

    def raise_any(self, redact: Callable[[str], str] = str) -> None:
        """Raise the collected problems as one error.

        Args:
            redact: Masks secrets in the message.

        Raises:
            ConfigError: There is at least one problem.
        """
        if self._texts:
            raise ConfigError(redact("\n".join(self._texts)))

    def _add(self, path: tuple[str | int, ...], text: str) -> None:
        names = tuple(str(part) for part in path)
        if variable := set_by(names):
            self._texts.append(f"{variable} in the environment: {text}")
        else:
            self._add_line(path, text)

    def _must_be(self, path: KeyPath, expected: str, value: Any) -> str:
        """Return the text of a problem in the form that all packages use. It shows no secrets and no whole tables."""
        text = f"{dotted(path)} must be {expected}"
        if any(is_secret_key(part) for part in path) or isinstance(value, dict):
            return text
        if any(secret[: len(path)] == path for secret in self._secret_paths):
            return text
        value = mask_secret_values(value)
        found = "true" if value is True else "false" if value is False else repr(value)
        return f"{text}, got {found if len(found) <= 80 else found[:79] + '…'}"

    def _add_line(self, path: tuple[str | int, ...], text: str) -> None:
        line = self._lines.find(path)
        self._texts.append(f"{self._file}{f', line {line}' if line else ''}: {text}")


def missing_token(file: Path | None) -> ConfigError:
    """Return the error for a configuration without a token."""
    return ConfigError(
        f"{file or 'the configuration'}: home_assistant.token is missing. Create a long-lived access token in your Home"
        " Assistant profile, under Security, and set it as token in [home_assistant], or as"
        f" {variable_for(('home_assistant', 'token'))} in the environment."
    )


def unknown_key(path: tuple[str | int, ...], known: list[str]) -> str:
    """Return the text of the problem that a key is not known.

    Args:
        path: The path of the key.
        known: The known keys of its table.
    """
    hint = _advice(path) or did_you_mean(str(path[-1]), known)
    if not hint:
        # An app of AppDaemon has its settings directly in its table.
        in_app = len(path) == 3 and path[0] == "apps"
        hint = f"; settings of the app belong in [apps.{path[1]}.config]." if in_app else "."
    return f"{dotted(path)} is not a known key{hint} Known keys: {', '.join(sorted(known)) or 'none'}"


def _advice(path: tuple[str | int, ...]) -> str:
    """Return the end of the sentence about a key of AppDaemon or hassette 0.60; empty for any other key."""
    replacement = _OF_OTHER_PROGRAMS.get((str(path[0]), str(path[-1])))
    return f"; write {replacement}." if replacement else ""


def known_keys(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """Return the known keys of the table at the path."""
    table = _table(model, path)
    if is_dataclass(table):
        return [setting.name for setting in fields(table)]
    assert issubclass(table, BaseModel)  # a table is a dataclass or a model
    return [field.alias or name for name, field in table.model_fields.items()]


def expected_of(details: ErrorDetails) -> str | None:
    """Return the allowed values, as the end of the sentence "<key> must be …".

    Return None if the error is not about allowed values, for example if a validator of an app has raised it.
    """
    kind, context = details["type"], details.get("ctx", {})
    if kind == "literal_error":
        return f"one of {context['expected']}"
    stem = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    if (text := _EXPECTED.get(stem) or _EXPECTED.get(kind)) is not None:
        return text
    message = details["msg"]
    return message.removeprefix(_SHOULD_BE) if message.startswith(_SHOULD_BE) else None


def _table(model: type[BaseModel], path: tuple[str | int, ...]) -> type[Any]:
    """Return the class of the table at the path."""
    table: type[Any] = model
    for part in path:
        field = table.model_fields.get(str(part)) if issubclass(table, BaseModel) else None
        # If a part is not a field, it is an app key. Then `table` needs no change, because the previous part, `apps`,
        # has already set it to `AppEntry`.
        for kind in (field.annotation, *get_args(field.annotation)) if field is not None else ():
            if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, BaseModel)):
                table = kind
    return table


def _described(model: type[BaseModel], path: tuple[str | int, ...]) -> str:
    fields_by_key = {field.alias or name: field for name, field in _table(model, path[:-1]).model_fields.items()}
    return fields_by_key[str(path[-1])].description or "a value"


def dotted(path: tuple[str | int, ...]) -> str:
    """Return a path as it is written in TOML: ``apps.hall.instances[0].light``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
