"""Options that several commands share."""

from pathlib import Path

import click

from hassette_core.config import DEFAULT_FILE

config_option = click.option(
    "--config",
    "-c",
    "file",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    metavar="FILE",
    help="The configuration.",
)
