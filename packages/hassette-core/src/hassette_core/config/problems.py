"""Turns what a validator found into what a person can mend."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hassette_core.config.environment import set_by, variable_for
from hassette_core.config.lines import Lines
from hassette_core.errors import ConfigError
from hassette_core.secrets import sounds_secret, without_secrets
from hassette_executor import SettingError

_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "text in quotes",
    "path": "a path in quotes",
    "dict": "a table",
    "dict_attributes": "a table",
    "model": "a table",
    "model_type": "a table",
    "dataclass": "a table",
    "list": "a list",
}


class Problems:
    """Gathers what is wrong with one configuration, to say all of it at once.

    Args:
        file: The file, or what stands for it.
        lines: Where its keys stand.
    """

    def __init__(self, file: Path | str, lines: Lines) -> None:
        self._file = file
        self._lines = lines
        self._texts: list[str] = []

    def unknown_key(self, path: tuple[str | int, ...], known: list[str]) -> None:
        """Note a key that nobody reads."""
        *_, key = path
        near = get_close_matches(str(key), known, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}? " if near else ""
        self._add(path, f"{_dotted(path)} is not a known key; {hint}Known here: {', '.join(sorted(known))}.")

    def no_table(self, path: tuple[str, ...], value: object) -> None:
        """Note what stands in the file where a table should."""
        self._add_line(path, f"{_dotted(path)}{_found(path, value)}: expected a table.")

    def details(self, details: ErrorDetails, model: type[BaseModel]) -> None:
        """Note what pydantic found."""
        path, kind = details["loc"], details["type"]
        if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
            self.unknown_key(path, known_keys(model, path[:-1]))
        elif kind == "missing":
            self._add(path, f"{_dotted(path)} is missing: expected {_described(model, path)}.")
        elif isinstance(error := details.get("ctx", {}).get("error"), SettingError):
            key = str(error).partition(" ")[0]  # the whole table was refused for one key
            self._add((*path, key), f"{_dotted(path)}.{error}.")
        else:
            self._add(path, f"{_dotted(path)}{_found(path, details['input'])}: expected {_expected(details)}.")

    def refused(self, table: str, settings: Mapping[str, object], sentence: str) -> None:
        """Note what a plugin said of its table; its sentence begins with the key, as a rule."""
        key = sentence.partition(" ")[0]
        text = f"[{table}] {sentence}"
        if key in settings:
            self._add((table, key), text)
        elif self._lines.find((table,)):
            self._add_line((table,), text)  # a key that is missing: no variable that sets another is to blame
        else:
            self._add((table,), text)

    def raise_any(self) -> None:
        """Raise what was gathered.

        Raises:
            ConfigError: There was something.
        """
        if self._texts:
            raise ConfigError("\n".join(self._texts))

    def _add(self, path: tuple[str | int, ...], text: str) -> None:
        names = tuple(str(part) for part in path)
        if variable := set_by(names):
            self._texts.append(f"{variable} in the environment: {text}")
        else:
            self._add_line(path, text)

    def _add_line(self, path: tuple[str | int, ...], text: str) -> None:
        line = self._lines.find(path)
        self._texts.append(f"{self._file}{f', line {line}' if line else ''}: {text}")


def missing_token(file: Path | None) -> ConfigError:
    """Make the error of a configuration without a token."""
    return ConfigError(
        f"{file or 'the configuration'}: home_assistant.token is missing. Make a long-lived access token in Home"
        f" Assistant (your profile, Security) and set it under [home_assistant], or as"
        f" {variable_for(('home_assistant', 'token'))} in the environment."
    )


def known_keys(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the table at the path may have."""
    table = _table(model, path)
    if is_dataclass(table):
        return [setting.name for setting in fields(table)]
    assert issubclass(table, BaseModel)  # a table is one or the other
    return [field.alias or name for name, field in table.model_fields.items()]


def _table(model: type[BaseModel], path: tuple[str | int, ...]) -> type[Any]:
    """Return the class of the table at the path."""
    table: type[Any] = model
    for part in path:
        field = table.model_fields.get(str(part)) if issubclass(table, BaseModel) else None
        # No such field: the part is the key of an app, and its table was found as the value of the dict.
        for kind in (field.annotation, *get_args(field.annotation)) if field is not None else ():
            if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, BaseModel)):
                table = kind
    return table


def _described(model: type[BaseModel], path: tuple[str | int, ...]) -> str:
    fields_by_key = {field.alias or name: field for name, field in _table(model, path[:-1]).model_fields.items()}
    return fields_by_key[str(path[-1])].description or "a value"


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _found(path: tuple[str | int, ...], value: Any) -> str:
    if any(sounds_secret(part) for part in path) or isinstance(value, dict):
        return ""
    value = without_secrets(value)
    text = "true" if value is True else "false" if value is False else repr(value)
    return f" = {text if len(text) <= 80 else text[:79] + '…'}"


def _expected(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "literal_error":
        return f"one of {context['expected']}"
    if kind == "value_error":
        return str(context["error"]).rpartition("expected ")[2]
    stem = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    text = _EXPECTED.get(stem) or _EXPECTED.get(kind)
    return text or details["msg"].removeprefix("Input should be ").lower()
