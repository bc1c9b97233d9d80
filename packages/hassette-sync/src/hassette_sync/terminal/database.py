"""Find the database file that the terminal commands read."""

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from hassette_store.file.presence import special_kind_of

FILE_NAME = "hassette.db"
# The framework accepts both names, in upper and lower case.
DATA_DIR_VARIABLES = ("HASSETTE__DATA_DIR", "HASSETTE__HASSETTE__DATA_DIR")


def database_path(given: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """Return the path of the database.

    Args:
        given: The value of ``--db``, a file or a data directory; it takes precedence.
        environment: Environment variables; None takes those of this process.

    Returns:
        ``given``, or ``hassette.db`` in the first of: ``$HASSETTE__DATA_DIR`` or ``$HASSETTE__HASSETTE__DATA_DIR``, the
        ``data_dir`` of ``hassette.toml`` in the current directory, the current directory if the file exists there,
        and the directory ``data``.
    """
    if given is not None:
        return given / FILE_NAME if stat.S_ISDIR(_mode_of(given)) else given
    variables = os.environ if environment is None else environment
    for name, data_dir in variables.items():
        if data_dir and name.upper() in DATA_DIR_VARIABLES:
            return _expanded(data_dir) / FILE_NAME
    if configured := _configured():
        return configured / FILE_NAME
    here = Path(FILE_NAME)
    return here if _mode_of(here) else Path("data") / FILE_NAME


def _mode_of(path: Path) -> int:
    """Return the mode of a file; 0 if there is no file. If the system reports an error, assume a regular file.

    The command then opens this file and reports the error. Otherwise it would show another history.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError:
        return stat.S_IFREG


def _configured() -> Path | None:
    file = Path("hassette.toml")
    try:
        # Reading a pipe could block for ever, and a device may have no end.
        if special_kind_of(file.stat()):
            return None
        settings: dict[str, object] = tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError):
        # Reading the history must not depend on a valid configuration. `hassette check` reports the error.
        return None
    table = settings.get("hassette")
    data_dir = cast("dict[str, object]", table).get("data_dir") if isinstance(table, dict) else None
    return _expanded(data_dir) if isinstance(data_dir, str) else None


def _expanded(data_dir: str) -> Path:
    """Return the path with ``~`` replaced by the home directory of the user."""
    try:
        return Path(data_dir).expanduser()
    except RuntimeError:  # there is no such user
        return Path(data_dir)
