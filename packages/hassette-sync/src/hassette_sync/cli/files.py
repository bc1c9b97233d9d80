"""Commands for the database file: check, backup, restore, vacuum."""

from pathlib import Path

import click

import hassette_store
from hassette_sync.cli.shared import EPILOG, ExitCode, database_option, show_output
from hassette_sync.formatting import size
from hassette_sync.terminal.database import database_path

_BACKUP = click.argument("path", type=click.Path(path_type=Path, readable=False), metavar="PATH")

_NEXT_STEP = (
    "Stop Hassette and restore a backup: hassette telemetry restore PATH. Without a backup, start Hassette: it moves a "
    "damaged history away and copies the records that it can read into a new one."
)


@click.command(epilog=EPILOG)
@database_option
def check(db: Path | None) -> int:
    """Check the database for damage."""
    path = database_path(db)
    findings = hassette_store.check(path)
    if findings:
        show_output("\n".join([f"{path}: damage found.", *(f"  {finding}" for finding in findings), _NEXT_STEP]))
    else:
        show_output(f"{path}: no damage found.")
    return ExitCode.FAILURE if findings else ExitCode.OK


@click.command(epilog=EPILOG)
@database_option
@_BACKUP
def backup(db: Path | None, path: Path) -> None:
    """Copy the database to PATH. Hassette may be running."""
    source = database_path(db)
    hassette_store.backup(source, path)
    show_output(f"Copied {source} to {path} and checked the copy.")


@click.command(epilog=EPILOG)
@database_option
@_BACKUP
def restore(db: Path | None, path: Path) -> None:
    """Restore a backup. The current file is kept in its directory under another name."""
    target = database_path(db)
    kept = hassette_store.restore(target, path)
    show_output(f"Restored {target} from {path}." + (f" The previous file is kept as {kept}." if kept else ""))


@click.command(epilog=EPILOG)
@database_option
def vacuum(db: Path | None) -> None:
    """Compact the database. Hassette must not be running."""
    path = database_path(db)
    before, after = hassette_store.vacuum(path)
    show_output(f"{path}: {size(before)} before, {size(after)} after.")
