"""Reads ``hassette.toml`` and the environment, and says what is wrong with them."""

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hassette_core.config.environment import EnvironmentTables
from hassette_core.config.lines import Lines
from hassette_core.config.model import HassetteConfig
from hassette_core.config.problems import Problems
from hassette_core.errors import ConfigError

DEFAULT_FILE = Path("hassette.toml")
TABLES = ("hassette", "home_assistant", "executor", "apps")
OUR_PLUGINS = ("store", "sync")
"""Tables that are no mistake even where these packages are not installed: nothing of the file must go for that."""


def load_config(file: Path = DEFAULT_FILE, *, plugin_tables: Collection[str] = ()) -> HassetteConfig:
    """Read the configuration.

    Args:
        file: The file.
        plugin_tables: Names of the tables that installed plugins read.

    Raises:
        ConfigError: The file cannot be read, or something in it or in the environment is wrong: each problem in
            a line of its own, with the file and line (or the variable), the key, what was found and what was expected.
    """
    text = _read(file)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.") from None
    problems = Problems(file, Lines(text))
    plugins = {*OUR_PLUGINS, *plugin_tables}
    for name in [name for name in tables if name not in TABLES and name not in plugins]:
        problems.unknown_key((name,), [*TABLES, *plugins])
        del tables[name]
    _leave_out_what_is_no_table(tables, (), problems)
    _leave_out_what_is_no_table(tables.get("apps", {}), ("apps",), problems)
    own = {name: table for name, table in tables.items() if name in TABLES}
    theirs = {name: table for name, table in tables.items() if name not in TABLES}
    config = _validate(own, theirs, file, problems)
    for name in EnvironmentTables(HassetteConfig)().get("plugins", {}).keys() - plugins:
        problems.unknown_key((name,), [*TABLES, *plugins])
    problems.raise_any()
    assert config is not None  # raise_any has raised otherwise
    return config


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")  # Windows' Notepad begins a file with a mark
    except FileNotFoundError:
        raise ConfigError(
            f"there is no {file} (looked from {Path.cwd()}). Write one with 'hassette init', or say where yours is with"
            " --config."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text: {error}.") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None


def _leave_out_what_is_no_table(tables: dict[str, Any], path: tuple[str, ...], problems: Problems) -> None:
    # Looked for before the environment's tables are laid over the file's: these would hide it.
    for name in [name for name, table in tables.items() if not isinstance(table, dict)]:
        problems.no_table((*path, name), tables.pop(name))


def _validate(own: dict[str, Any], theirs: dict[str, Any], file: Path, problems: Problems) -> HassetteConfig | None:
    try:
        return HassetteConfig(**own, plugins=theirs, file=file.absolute())
    except ValidationError as error:
        for details in error.errors(include_url=False):
            path = details["loc"][1:] if details["loc"][:1] == ("plugins",) else details["loc"]
            problems.details({**details, "loc": path}, HassetteConfig)
        return None
