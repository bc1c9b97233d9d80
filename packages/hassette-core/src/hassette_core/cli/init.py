"""``hassette init``: a first configuration and a first app."""

from pathlib import Path

import click

from hassette_core.cli.exit_codes import ExitCode
from hassette_core.config import DEFAULT_FILE

HERE = Path(__file__).parent
TEMPLATE = HERE / "hassette.toml.template"
APP = HERE.parent / "simulation" / "demo" / "examples" / "motion_light.py"


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init(directory: Path) -> int:
    """Write a commented hassette.toml and one example app; overwrite nothing."""
    wanted = {directory / DEFAULT_FILE: TEMPLATE, directory / "apps" / APP.name: APP}
    if there := [str(file) for file in wanted if file.exists()]:
        click.echo(
            f"hassette: {' and '.join(there)} exist{'s' if len(there) == 1 else ''} already, and nothing was changed.",
            err=True,
        )
        return ExitCode.TROUBLE
    try:
        for file, source in wanted.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(source.read_bytes())
            click.echo(f"wrote {file}")
    except OSError as error:
        click.echo(f"hassette: {error.filename} cannot be written: {error.strerror}.", err=True)
        return ExitCode.TROUBLE
    click.echo("Next: put your address and token into it, then:  hassette check  and  hassette run")
    return ExitCode.OK
