"""`load_config`: load ``hassette.toml`` and the environment, and report problems in them."""

import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hassette_core.config.environment import EnvironmentTables
from hassette_core.config.lines import KeyPath, Lines
from hassette_core.config.model import HassetteConfig
from hassette_core.config.problems import Problems
from hassette_core.config.secrets_file import (
    SECRETS_FILE,
    read_secrets,
    reference_paths,
    secret_texts,
    unquoted_reference,
)
from hassette_core.config.text_file import read_text_file
from hassette_core.errors import ConfigError
from hassette_core.redaction import Redaction, can_be_masked

DEFAULT_FILE = Path("hassette.toml")
TABLES = ("hassette", "home_assistant", "executor", "watchdogs", "apps")
OUR_PLUGINS = ("store", "sync", "mcp")
"""Tables of hassette-store and hassette-sync. They are allowed even if these packages are not installed, so that one
file works for all installations."""


def load_config(file: Path = DEFAULT_FILE, *, plugin_tables: Collection[str] = ()) -> HassetteConfig:
    """Load the configuration.

    Args:
        file: The file.
        plugin_tables: Names of the tables that belong to installed plugins.

    Raises:
        ConfigError: The file cannot be read, or there are problems in the file or the environment. The message has one
            line per problem, with the file and line (or the variable), the key, the expected and the actual value.
    """
    text = _read(file)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}{_hint(text, error)}.") from None
    problems = Problems(file, Lines(text), _reference_paths(tables))
    plugins = {*OUR_PLUGINS, *plugin_tables}
    for name in [name for name in tables if name not in TABLES and name not in plugins]:
        problems.add_unknown_key((name,), [*TABLES, *plugins])
        del tables[name]
    _remove_non_tables(tables, (), problems)
    _remove_non_tables(tables.get("apps", {}), ("apps",), problems)
    core = {name: table for name, table in tables.items() if name in TABLES}
    others = {name: table for name, table in tables.items() if name not in TABLES}
    config = _validate(core, others, file, problems)
    for name in EnvironmentTables(HassetteConfig)().get("plugins", {}).keys() - plugins:
        problems.add_unknown_key((name,), [*TABLES, *plugins])
    problems.raise_any(_redaction(tables, file))
    assert config is not None  # if there were no config, raise_any would have raised
    return config


def _hint(text: str, error: tomllib.TOMLDecodeError) -> str:
    """Return the correction if the line of the error has a reference to a secret without quotes."""
    found = re.search(r"at line (\d+)", str(error))
    return unquoted_reference(text.split("\n")[int(found[1]) - 1]) if found else ""


def _reference_paths(tables: dict[str, Any]) -> frozenset[KeyPath]:
    """Return the paths of the values that refer to a secret, in the file and in the environment."""
    of_environment = EnvironmentTables(HassetteConfig)()
    plugins = of_environment.pop("plugins", {})
    return reference_paths(tables) | reference_paths({**of_environment, **plugins})


def _redaction(tables: dict[str, Any], file: Path) -> Redaction:
    """Return a redaction that masks all secrets of the secrets file in the problems of a configuration."""
    sources = (EnvironmentTables(HassetteConfig)().get("hassette", {}), tables.get("hassette", {}))
    named = next((source["secrets_file"] for source in sources if "secrets_file" in source), SECRETS_FILE)
    try:
        secrets = read_secrets(file.absolute().parent / Path(str(named)).expanduser())
    except (ValueError, RuntimeError):  # without the file, no secret is known
        return Redaction(())
    return Redaction(list(filter(can_be_masked, secret_texts(secrets))))


def _read(file: Path) -> str:
    try:
        return read_text_file(file)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no {file} (working directory: {Path.cwd()}). Create one with 'hassette init', or name"
            " another file with --config."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text: {error}.") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None


def _remove_non_tables(tables: dict[str, Any], path: tuple[str, ...], problems: Problems) -> None:
    # This check runs before the environment is read. A table that the environment sets would replace the wrong value of
    # the file and hide the problem.
    for name in [name for name, table in tables.items() if not isinstance(table, dict)]:
        problems.add_not_a_table((*path, name), tables.pop(name))


def _validate(core: dict[str, Any], others: dict[str, Any], file: Path, problems: Problems) -> HassetteConfig | None:
    try:
        return HassetteConfig(**core, plugins=others, file=file.absolute())
    except ValidationError as error:
        for details in error.errors(include_url=False):
            path = details["loc"][1:] if details["loc"][:1] == ("plugins",) else details["loc"]
            problems.add_validation_error({**details, "loc": path}, HassetteConfig)
        return None
