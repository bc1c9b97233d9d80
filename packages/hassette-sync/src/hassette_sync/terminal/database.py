"""Which file the terminal commands read."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

FILE_NAME = "hassette.db"
# As the framework reads them: the table may be left out of the name, and the case does not matter.
DATA_DIR_VARIABLES = ("HASSETTE__DATA_DIR", "HASSETTE__HASSETTE__DATA_DIR")


def database_path(given: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """Choose the history's file.

    Args:
        given: ``--db``: a file, or a data directory; it wins.
        environment: The environment; None is this process's.

    Returns:
        What was given; else ``hassette.db`` in ``$HASSETTE__DATA_DIR`` or ``$HASSETTE__HASSETTE__DATA_DIR``; else in
        the ``data_dir`` of ``hassette.toml`` in the current directory; else in the current directory, if it is there;
        else in ``data``.
    """
    if given is not None:
        return given / FILE_NAME if given.is_dir() else given
    variables = os.environ if environment is None else environment
    for name, data_dir in variables.items():
        if data_dir and name.upper() in DATA_DIR_VARIABLES:
            return _at_home(data_dir) / FILE_NAME
    if configured := _configured():
        return configured / FILE_NAME
    here = Path(FILE_NAME)
    return here if here.exists() else Path("data") / FILE_NAME


def _configured() -> Path | None:
    try:
        settings: dict[str, object] = tomllib.loads(Path("hassette.toml").read_text("utf-8-sig"))
    except (OSError, ValueError):
        # `hassette check` is there to say what is wrong with it.
        return None
    table = settings.get("hassette")
    data_dir = cast("dict[str, object]", table).get("data_dir") if isinstance(table, dict) else None
    return _at_home(data_dir) if isinstance(data_dir, str) else None


def _at_home(data_dir: str) -> Path:
    """Read a path in which ``~`` is somebody's home."""
    try:
        return Path(data_dir).expanduser()
    except RuntimeError:  # nobody of that name
        return Path(data_dir)
