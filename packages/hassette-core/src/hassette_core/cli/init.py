"""The command ``hassette init``."""

from pathlib import Path

import click

from hassette_core.cli.exit_codes import ExitCode
from hassette_core.config import DEFAULT_FILE

HERE = Path(__file__).parent
TEMPLATE = HERE / "hassette.toml.template"
EXAMPLE_APP = HERE.parent / "simulation" / "demo" / "examples" / "motion_light.py"


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init(directory: Path) -> int:
    """Create a configuration and a first app.

    Writes hassette.toml and apps/motion_light.py into DIRECTORY, by default the current one. If one of these files
    exists already, the command writes nothing.
    """
    sources = {directory / DEFAULT_FILE: TEMPLATE, directory / "apps" / EXAMPLE_APP.name: EXAMPLE_APP}
    try:
        if existing := [str(file) for file in sources if _exists(file)]:
            click.echo(
                f"hassette: {' and '.join(existing)} already exist{'s' if len(existing) == 1 else ''}; "
                "nothing was written",
                err=True,
            )
            return ExitCode.FAILURE
        for file, source in sources.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            # The mode "x" never replaces a file, even if the file was created a moment ago.
            with file.open("xb") as created:
                created.write(source.read_bytes())
            click.echo(f"created {file}")
    except OSError as error:
        click.echo(f"hassette: {error.filename} cannot be written: {error.strerror}", err=True)
        return ExitCode.FAILURE
    click.echo("Next: set the address and token in hassette.toml, then run  hassette check  and  hassette run")
    return ExitCode.OK


def _exists(file: Path) -> bool:
    """Return whether there is a file or a symbolic link.

    Raises:
        OSError: The answer is unknown, for example after an I/O error. `Path.exists` would return False.
    """
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
