"""The command ``hassette generate``."""

import asyncio
from pathlib import Path

import click

from hassette_core.checks import read_home
from hassette_core.cli.exit_codes import ExitCode
from hassette_core.cli.options import config_option, timeout_option
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
@timeout_option
def generate(file: Path, output: Path | None, timeout_s: float) -> int:
    """Write a module with the entities, services and areas of the home.

    An app imports the names from it, and a type checker then finds a misspelt one.
    """
    config = load_config(file, plugin_tables=plugin_tables())
    redact_output(Redaction(config.secrets))
    home = asyncio.run(read_home(config, timeout_s))
    target = output or config.app_dir / FILE_NAME
    try:
        changed = write_typed_home(home, target)
    except OSError as error:
        click.echo(f"hassette: {target} cannot be written: {error.strerror}", err=True)
        return ExitCode.FAILURE
    click.echo(f"{'wrote' if changed else 'unchanged'} {target}: {len(home.states)} entities")
    return ExitCode.OK
