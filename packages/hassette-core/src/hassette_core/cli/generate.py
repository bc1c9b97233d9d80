"""The command ``hassette generate``."""

import asyncio
from pathlib import Path

import click

from hassette_core.checks import HomeSnapshot, read_home
from hassette_core.cli.exit_codes import ExitCode
from hassette_core.cli.options import FiniteRange, config_option
from hassette_core.config import load_config
from hassette_core.installed import plugin_tables
from hassette_core.redaction import Redaction, redact_output
from hassette_core.typed_home import FILE_NAME, write_typed_home


@click.command()
@config_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The file to write. By default {FILE_NAME} in the directory of the apps.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=FiniteRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for the connection.",
)
def generate(file: Path, output: Path | None, timeout_s: float) -> int:
    """Write a module with the entities, services and areas of the home.

    An app imports the names from it, and a type checker then finds a misspelt one.
    """
    config = load_config(file, plugin_tables=plugin_tables())
    redact_output(Redaction(config.secrets))
    home = asyncio.run(read_home(config, timeout_s))
    return write_home(home, output or config.app_dir / FILE_NAME)


def write_home(home: HomeSnapshot, file: Path) -> ExitCode:
    """Write the module, and report the result."""
    try:
        changed = write_typed_home(home, file)
    except OSError as error:
        click.echo(f"hassette: {file} cannot be written: {error.strerror}", err=True)
        return ExitCode.FAILURE
    click.echo(f"{'wrote' if changed else 'unchanged'} {file}: {len(home.states)} entities")
    return ExitCode.OK
