"""The command ``hassette init``."""

import os
from pathlib import Path

import click

from hassette_core.cli.exit_codes import ExitCode
from hassette_core.config import DEFAULT_FILE

HERE = Path(__file__).parent
TEMPLATE = HERE / "hassette.toml.template"
TEST_TEMPLATE = HERE / "test_motion_light.py.template"
EXAMPLE_APP = HERE.parent / "simulation" / "demo" / "examples" / "motion_light.py"


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init(directory: Path) -> int:
    """Create a configuration, a first app and its test.

    Writes hassette.toml, apps/motion_light.py and tests/test_motion_light.py into DIRECTORY, by default the current
    one. If one of these files exists already, the command writes nothing.
    """
    sources = {
        directory / DEFAULT_FILE: TEMPLATE,
        directory / "apps" / EXAMPLE_APP.name: EXAMPLE_APP,
        directory / "tests" / TEST_TEMPLATE.stem: TEST_TEMPLATE,
    }
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
            _create(file, source.read_bytes(), private=file.name == DEFAULT_FILE.name)
            click.echo(f"created {file}")
    except OSError as error:
        click.echo(f"hassette: {error.filename} cannot be written: {error.strerror}", err=True)
        return ExitCode.FAILURE
    click.echo("Next: set the address and token in hassette.toml, then run  hassette check  and  hassette run")
    return ExitCode.OK


def _create(file: Path, content: bytes, *, private: bool) -> None:
    """Create a file. This function never replaces a file, even if another process has just created it.

    Args:
        file: The file.
        content: Its content.
        private: Whether only the owner may read the file. The configuration will contain the access token.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(file, flags, 0o600 if private else 0o666), "wb") as created:  # noqa: PTH123  it needs a mode
        created.write(content)


def _exists(file: Path) -> bool:
    """Return whether there is a file or a symbolic link.

    Raises:
        OSError: The system cannot answer, for example after an I/O error. On Python 3.14, `Path.exists` would return
            False.
    """
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
